"""What a cache would have done at one threshold: hits, savings and wrong answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

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
    trials: Sequence[Trial],
    dataset: Dataset,
    model: int,
    lookup_usd: float,
    resamples: int,
    seed: int,
) -> tuple[CachePoint, ...]:
    """Count what became of the requests in each trial before ``model`` (its column)."""
    seen = dataset.observed[:, model]
    cost = dataset.cost_usd[:, model]
    known = seen & ~np.isnan(cost)
    saved = np.full((len(trials), dataset.n_requests), -lookup_usd)
    for row, found in zip(saved, trials, strict=True):
        row[found.row] += cost[found.row]
    boot = bootstrap(dataset.n_requests, resamples, seed)
    savings = _savings(boot, saved[:, known], cost[known], known)
    return tuple(_point(found, seen, *pair) for found, pair in zip(trials, savings, strict=True))


def _point(
    found: Trial, seen: NDArray[np.bool_], per_request: Estimate, share: Estimate
) -> CachePoint:
    exact, hits = found.cache.kind == "exact", len(found.row)
    chance = found.by_chance[~np.isnan(found.by_chance)]
    return CachePoint(
        kind=found.cache.kind,
        threshold=math.nan if exact else found.cache.threshold,
        hits=hits,
        pairs=found.pairs,
        hit_rate=_share(np.isin(np.flatnonzero(seen), found.row).astype(np.float64)),
        saved_share=share,
        saved_usd_per_1k=per_request.scaled(1000),
        wrong_rate=_share(1 - found.quality),
        other_answer_rate=_share(found.other_answer),
        unknown_share=float(np.isnan(found.quality).mean()) if hits else math.nan,
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


def _savings(
    boot: Bootstrap, saved: Floats, cost: Floats, known: NDArray[np.bool_]
) -> list[tuple[Estimate, Estimate]]:
    """What each trial saves per request, and of the cost, from (k, c) and (c,) of those known."""
    k, n = saved.shape
    if not n:
        return [(UNDEFINED, UNDEFINED)] * k
    mean_cost = cost.mean()
    # The cost is put in units of its mean, so that its sum counts requests as the other one does.
    bottom = [np.ones(n), cost / (mean_cost or 1.0)]
    top = [*saved, *(saved / (mean_cost or 1.0))]
    unit, units = boot.unit[known], boot.weights.shape[1]

    def sums(columns: list[Floats]) -> Floats:
        return np.stack([np.bincount(unit, column, minlength=units) for column in columns], 1)

    low, high = boot.intervals(sums(top), sums(bottom), np.repeat([0, 1], k))
    of = n / len(known)
    found = []
    for i, mine in enumerate(saved):
        per_request = Estimate(float(mine.mean()), float(low[i]), float(high[i]), n, of)
        share = UNDEFINED
        if mean_cost:
            value = float(mine.sum() / cost.sum())
            share = Estimate(value, float(low[k + i]), float(high[k + i]), n, of)
        found.append((per_request, share))
    return found
