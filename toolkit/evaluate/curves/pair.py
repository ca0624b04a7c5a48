"""A weak and a strong model: how much of the way between them a share of strong calls buys.

RouteLLM's figures (arXiv 2406.18665). PGR, the performance gap recovered, is 0 at the weak model's
quality and 1 at the strong one's; APGR is its mean over all shares of strong calls; CPT(x) is the
least share at which PGR reaches x. None is clipped: a router that knows where the weak model is
better recovers more than the gap.

- Both ends belong to every curve, as sending all requests to one model needs no router.
- CPT is read at the *first* crossing. RouteLLM interpolates the share over quality, which is wrong
  where a curve is not monotone.
- ``exact`` thresholds are all distinct scores; RouteLLM takes 11 quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toolkit.evaluate.curves.hull import Floats
from toolkit.evaluate.intervals import LEVELS, RESAMPLES, UNDEFINED, Bootstrap, Estimate, bootstrap

QUANTILES = 11
BINS = 512
"""Of a bootstrap's draws, requests of nearby scores move together in at most so many steps."""

ROUNDING = 1e-9
"""What sums of many qualities may lack of a target that they reach."""


@dataclass(frozen=True, eq=False)
class PairCurve:
    """Quality against the share of requests that the strong model answers."""

    share: Floats
    """(t,) of strong calls, rising from 0 to 1"""
    quality: Floats
    """(t,)"""
    weak: float
    """quality of the weak model alone"""
    strong: float
    n: int
    """requests, or policies, behind it"""

    @property
    def pgr(self) -> Floats:
        """(t,) share of the gap that is recovered; NaN where the strong model is no better."""
        gap = self.strong - self.weak
        if not gap > 0:
            return np.full(len(self.share), np.nan)
        return (self.quality - self.weak) / gap

    @property
    def apgr(self) -> float:
        """Mean of PGR over all shares of strong calls."""
        return float(np.trapezoid(self.pgr, self.share))

    def cpt(self, target: float) -> float:
        """Least share of strong calls that recovers ``target`` of the gap; NaN if none does."""
        pgr = self.pgr
        reached = np.flatnonzero(pgr >= target - ROUNDING)
        if not reached.size:
            return float("nan")
        i = int(reached[0])
        if not i:
            return float(self.share[0])
        part = min((target - pgr[i - 1]) / (pgr[i] - pgr[i - 1]), 1.0)
        return float(self.share[i - 1] + part * (self.share[i] - self.share[i - 1]))

    def to_dict(self) -> dict[str, Any]:
        """JSON values; shares are 0..1."""
        from toolkit.evaluate.as_json import plain

        return {
            "apgr": plain(self.apgr),
            **{f"cpt{x}": plain(self.cpt(x / 100)) for x in (20, 50, 80)},
            "weak_quality": plain(self.weak),
            "strong_quality": plain(self.strong),
            "n": self.n,
        }


def pair_curve(
    score: ArrayLike,
    weak: ArrayLike,
    strong: ArrayLike,
    thresholds: Literal["exact", "routellm"] = "exact",
) -> PairCurve:
    """The curve of a router that sends a request to the strong model from a threshold of its score.

    ``score``, ``weak`` and ``strong`` are (n,): a higher score asks more for the strong model, the
    others are the models' qualities. Equal scores move together. Requests of which one is not known
    are left out.
    """
    s, w, gain = _known(score, weak, strong)
    n = len(s)
    if not n:
        return PairCurve(np.array([0.0, 1.0]), np.full(2, np.nan), np.nan, np.nan, 0)
    order = np.argsort(-s, kind="stable")
    ranked = s[order]
    if thresholds == "exact":
        sent = np.append(np.flatnonzero(np.diff(ranked)) + 1, n)
    else:
        limits = np.quantile(s, np.linspace(0, 1, QUANTILES))
        sent = np.unique(np.searchsorted(-ranked, -limits, side="right"))
    sent = np.append(0, sent)
    gained = np.append(0.0, np.cumsum(gain[order]))[sent] / n
    base = float(w.mean())
    return PairCurve(sent / n, base + gained, base, base + float(gain.mean()), n)


def pair_points(share: ArrayLike, quality: ArrayLike, weak: float, strong: float) -> PairCurve:
    """The curve through policies (p,) that send some share of the requests to the strong model.

    Of policies with one share the best counts. Policies of which one is not known are left out.
    """
    p, q = (np.asarray(axis, np.float64) for axis in (share, quality))
    known = ~np.isnan(p) & ~np.isnan(q)
    p, q = np.append(p[known], [0.0, 1.0]), np.append(q[known], [weak, strong])
    order = np.lexsort((-q, p))
    p, q = p[order], q[order]
    first = np.append(True, np.diff(p) > 0)
    return PairCurve(p[first], q[first], weak, strong, int(known.sum()))


def apgr_interval(
    score: ArrayLike,
    weak: ArrayLike,
    strong: ArrayLike,
    resamples: int = RESAMPLES,
    seed: int = 0,
    boot: Bootstrap | None = None,
) -> Estimate:
    """APGR of the exact curve with its 95 % interval over requests; the arguments are (n,).

    Undefined where the strong model is no better. There is no interval where that is not sure: a
    share of a gap that may be none can be anything.

    ``boot`` draws the requests otherwise than one by one, as where they come in clusters.
    """
    known = _are_known(_columns(score, weak, strong))
    s, w, gain = _known(score, weak, strong)
    n = len(s)
    if n < 2 or not gain.sum() > 0:
        return UNDEFINED
    value = pair_curve(s, w, w + gain).apgr
    drawn = pair_draws(score, weak, strong, boot or bootstrap(len(known), resamples, seed))
    low, high = apgr_ends(drawn.apgr)
    return Estimate(value, low, high, n, n / len(known))


@dataclass(frozen=True, eq=False)
class PairDraws:
    """The curve in every resample of a bootstrap, with nearby scores in steps of ``BINS``."""

    share: Floats
    """(r, b) of strong calls, rising from 0 to 1"""
    pgr: Floats
    """(r, b); NaN where a resample has no gap to recover"""
    moved: float
    """what the steps take from APGR; they do so in every draw alike"""

    @property
    def apgr(self) -> Floats:
        """APGR of each, (r,)."""
        return np.asarray(np.trapezoid(self.pgr, self.share, axis=1)) + self.moved

    def cpt(self, target: float) -> Floats:
        """(r,) share of strong calls at which each curve first reaches ``target``."""
        reached = self.pgr >= target - ROUNDING
        at = reached.argmax(axis=1)[:, None]
        before = np.maximum(at - 1, 0)
        (p, q), (low, base) = (
            [np.take_along_axis(axis, i, axis=1)[:, 0] for axis in (self.share, self.pgr)]
            for i in (at, before)
        )
        rise = q - base
        part = np.divide(target - base, rise, out=np.ones(len(p)), where=rise > 0)
        part = np.minimum(part, 1.0)
        return np.where(reached.any(axis=1), low + part * (p - low), np.nan)


def pair_draws(score: ArrayLike, weak: ArrayLike, strong: ArrayLike, boot: Bootstrap) -> PairDraws:
    """Draw the exact curve of :func:`pair_curve` again and again; the arguments are (n,).

    Draws of two scores that come from one ``boot`` may be subtracted: their difference is paired.
    """
    known = _are_known(_columns(score, weak, strong))
    s, w, gain = _known(score, weak, strong)
    binned = _bins(s)
    shape = (boot.weights.shape[1], int(binned.max(initial=0)) + 1)
    cell = boot.unit[known] * shape[1] + binned
    requests, gained = (
        np.bincount(cell, weights, minlength=shape[0] * shape[1]).reshape(shape)
        for weights in (None, gain)
    )
    steps = _curves(requests.sum(axis=0)[None], gained.sum(axis=0)[None])
    share, pgr = _curves(*(boot.weights @ part.astype(np.float32) for part in (requests, gained)))
    exact = pair_curve(s, w, w + gain).apgr
    return PairDraws(share, pgr, exact - float(np.trapezoid(steps[1][0], steps[0][0])))


def apgr_ends(draws: Floats) -> tuple[float, float]:
    """The ends of the interval by draws of APGR, (r,), NaN where a draw has no gap to recover.

    NaN where there are too many of these.
    """
    known = draws[~np.isnan(draws)]
    if len(known) < (1 - LEVELS[0]) * len(draws) or not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, LEVELS)
    return float(low), float(high)


def _bins(score: Floats) -> NDArray[np.intp]:
    """Bin of each request, those of the highest scores first; equal scores share one."""
    ranked = np.sort(-score)
    rank = np.searchsorted(ranked, -score, side="left")
    return np.asarray(np.unique(rank * BINS // len(score), return_inverse=True)[1])


def _curves(requests: NDArray[Any], gain: NDArray[Any]) -> tuple[Floats, Floats]:
    """Share of strong calls and PGR of each draw, (r, bins + 1), from what each bin holds."""
    share, gained = (
        np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
        for part in (requests, gain)
    )
    drawn, gap = share[:, -1:], gained[:, -1:]
    nothing = np.full(share.shape, np.nan)
    return (
        np.divide(share, drawn, out=nothing.copy(), where=drawn > 0),
        np.divide(gained, gap, out=nothing, where=(gap > 0) & (drawn > 0)),
    )


def _are_known(columns: Floats) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(columns).any(axis=0))


def _columns(*values: ArrayLike) -> Floats:
    return np.stack([np.asarray(column, np.float64) for column in values])


def _known(score: ArrayLike, weak: ArrayLike, strong: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Score, quality of the weak model and what the strong one adds, where all are known."""
    columns = _columns(score, weak, strong)
    s, w, t = columns[:, _are_known(columns)]
    return s, w, t - w
