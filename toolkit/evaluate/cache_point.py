"""What a cache would have done at one threshold: hits, savings and wrong answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.evaluate import as_json
from toolkit.evaluate.intervals import UNDEFINED, Bootstrap, Estimate, Floats, bootstrap, wilson

if TYPE_CHECKING:
    from toolkit.evaluate.cache_trial import Trial
    from toolkit.logs.datasets import Dataset


@dataclass(frozen=True)
class CachePoint:
    """A cache and what it would have done; intervals of shares are Wilson's."""

    kind: Literal["exact", "semantic"]
    threshold: float
    """NaN for the exact cache"""
    hits: int
    pairs: int
    """different pairs of a request and the one whose answer it was given, among the hits"""
    hit_rate: Estimate
    """of the requests"""
    saved_share: Estimate
    """of the model's cost, the look-ups paid"""
    saved_usd_per_1k: Estimate
    """per 1,000 requests"""
    wrong_rate: Estimate
    """of the hits of which it is known: 1 less the quality of the cached answer"""
    other_answer_rate: Estimate
    """of the hits of which it is known: those whose request has another right answer"""
    unknown_share: float
    """of the hits: nobody knows whether they are right; NaN without hits"""
    by_chance: float
    """share of hits that would have the same right answer if drawn within their category; NaN
    where no right answers are known"""
    cut: bool
    """some requests have more similar ones than were looked at"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.type == "Estimate"}
        plain = {name: as_json.plain(getattr(self, name)) for name in ("threshold", *_SHARES)}
        head = {"kind": self.kind, "hits": self.hits, "pairs": self.pairs, "cut": self.cut}
        return head | plain | as_json.estimates(named)


_SHARES = ("unknown_share", "by_chance")


def measure(
    kind: Literal["exact", "semantic"],
    threshold: float,
    found: Trial,
    dataset: Dataset,
    model: int,
    lookup_usd: float,
    resamples: int,
    seed: int,
) -> CachePoint:
    """Count what became of the requests of a trial before ``model`` (its column)."""
    seen = dataset.observed[:, model]
    hits = len(found.row)
    known = int(np.count_nonzero(~np.isnan(found.quality)))
    saved = np.full(dataset.n_requests, -lookup_usd)
    cost = dataset.cost_usd[:, model]
    saved[found.row] += cost[found.row]
    saved[~seen | np.isnan(cost)] = np.nan
    boot = bootstrap(dataset.n_requests, resamples, seed)
    per_request, share = _saved(boot, saved, np.where(np.isnan(saved), np.nan, cost))
    chance = found.by_chance[~np.isnan(found.by_chance)]
    return CachePoint(
        kind=kind,
        threshold=threshold,
        hits=hits,
        pairs=found.pairs,
        hit_rate=_share(np.isin(np.flatnonzero(seen), found.row).astype(np.float64)),
        saved_share=share,
        saved_usd_per_1k=per_request.scaled(1000),
        wrong_rate=_share(1 - found.quality),
        other_answer_rate=_share(found.other_answer),
        unknown_share=1 - known / hits if hits else math.nan,
        by_chance=float(chance.mean()) if len(chance) else math.nan,
        cut=found.cut,
    )


def _share(values: Floats) -> Estimate:
    """The mean of values between 0 and 1, NaN left out, with Wilson's interval."""
    n = int(np.count_nonzero(~np.isnan(values)))
    if not n:
        return Estimate(math.nan, share=0.0 if len(values) else math.nan)
    mean = float(np.nansum(values) / n)
    return Estimate(mean, *wilson(mean, n), n, n / len(values))


def _saved(boot: Bootstrap, saved: Floats, cost: Floats) -> tuple[Estimate, Estimate]:
    """What is saved per request, and as a share of the cost, from (n,) each, NaN left out."""
    known = ~np.isnan(saved)
    n = int(np.count_nonzero(known))
    if not n:
        return UNDEFINED, UNDEFINED
    mean_cost = cost[known].mean()
    units = boot.weights.shape[1]
    # The cost is put in units of its mean, so that its sum counts requests as the other one does.
    columns = [known.astype(np.float64), np.where(known, saved, 0.0)]
    columns += [np.where(known, x, 0.0) / (mean_cost or 1.0) for x in (saved, cost)]
    sums = [np.bincount(boot.unit, column, minlength=units) for column in columns]
    low, high = boot.intervals(np.stack(sums[1:3], 1), np.stack(sums[::3], 1), np.array([0, 1]))
    observed = n / len(saved)
    per_request = Estimate(float(saved[known].mean()), low[0], high[0], n, observed)
    if not mean_cost:
        return per_request, UNDEFINED
    share = float(saved[known].sum() / cost[known].sum())
    return per_request, Estimate(share, low[1], high[1], n, observed)
