"""How far a policy is from a baseline on the same requests: changes and ratios, with intervals.

- The change of a mean is that of the comparison, request by request.
- The ratio of two means of amounts (cost, latency) is the bootstrap's: each draw of requests has
  its own two means, and their ratio.
- Where both sides have the same outcomes throughout, the change is exactly 0 and the ratio exactly
  1: a policy is its own equal. So is one whose amounts are the same on every request.
- Of rates, qualities and quantiles each side has an interval already that knows how few events or
  ranks it rests on. The two are combined: for a change by square-and-add (Newcombe 1998, method
  10), for a ratio by its counterpart (Donner and Zou 2012). The correlation of the two sides, which
  makes the result narrower where the policies share most requests, is that of the values, or, for a
  quantile, that of being below it.

On simulated pairs (300 and 1,700 requests; none, half and nine tenths of them answered alike; 500
draws each) the intervals held the truth in 94 to 98 % of cases for ratios of means with heavy
tails, and in 96 to 99.8 % for changes and ratios of the p95, which err on the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.compare import METRICS, Comparison, compare
from toolkit.evaluate.intervals import (
    RESAMPLES,
    UNDEFINED,
    Bootstrap,
    Estimate,
    Floats,
    Ints,
    Metric,
    Rows,
)
from toolkit.evaluate.quantiles import quantiles
from toolkit.schema import Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay
    from toolkit.evaluate.goals import Kind

QUANTILES = {"latency_p50_s": 0.50, "latency_p95_s": 0.95, "latency_p99_s": 0.99}
AMOUNTS = ("cost_usd_per_1k", "latency_mean_s")


@dataclass(frozen=True)
class Relative:
    """A policy against a baseline, by field of ``Goals``."""

    changes: dict[str, Estimate]
    """the policy's less the baseline's"""
    ratios: dict[str, Estimate]
    """the policy's as a multiple of the baseline's"""


def relative(
    base: Replay,
    policy: Replay,
    wanted: Iterable[tuple[str, Kind]],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Relative:
    """Hold a replay against that of a baseline, for the (field, kind of limit) that are wanted.

    Raises:
        DataError: The two were not replayed on the same requests under the same scenario.
    """
    return of_comparison(compare(base, policy, resamples=resamples, seed=seed), wanted)


def of_comparison(compared: Comparison, wanted: Iterable[tuple[str, Kind]]) -> Relative:
    """The same of a comparison of the policy, B, with the baseline, A."""
    pairs = compared.pairs
    changes: dict[str, Estimate] = {}
    ratios: dict[str, Estimate] = {}
    for name, kind in wanted:
        if kind == "change" and name in METRICS:
            changes[name] = getattr(compared, name)
            continue
        if kind == "value":
            continue
        a, b = (_values(one, name)[pairs.request] for one in compared.replays)
        known = ~np.isnan(a) & ~np.isnan(b)
        a, b, request = a[known], b[known], pairs.request[known]
        if _alike(name, a, b, pairs.all_same):
            n, share = len(a), len(a) / len(known)
            if kind == "change":
                changes[name] = Estimate(0.0, 0.0, 0.0, n, share)
            elif pairs.all_same or a.any():
                ratios[name] = Estimate(1.0, 1.0, 1.0, n, share)
            else:
                ratios[name] = Estimate(math.nan, n=n)
        elif kind == "change":
            changes[name] = change(*sides(name, a, b, request, pairs.boot))
        elif name in AMOUNTS:
            ratios[name] = ratio_of_means(a, b, request, pairs.boot)
        else:
            ratios[name] = ratio(*sides(name, a, b, request, pairs.boot))
    return Relative(changes, ratios)


def _alike(name: str, a: Floats, b: Floats, same: bool) -> bool:
    """Nothing sets the two apart that another draw of requests could show.

    Rates and qualities of two models may be equal on few requests by chance.
    """
    amounts = name in QUANTILES or name in AMOUNTS
    return len(a) > 0 and (same or amounts) and np.array_equal(a, b)


def sides(
    name: str, a: Floats, b: Floats, request: NDArray[np.intp], boot: Bootstrap
) -> tuple[Estimate, Estimate, float]:
    """The estimate of a quantile, rate or quality on either side, and their correlation."""
    if not len(request):
        return UNDEFINED, UNDEFINED, 0.0
    row = boot.rows_of(request)
    if name in QUANTILES:
        level = [QUANTILES[name]]
        left, right = (quantiles(side, level, row)[0] for side in (a, b))
        a, b = (a <= left.value).astype(np.float64), (b <= right.value).astype(np.float64)
    else:
        rows = Rows(boot, request, np.zeros(len(request), np.int8), 1)
        (left,), (right,) = rows.means(Metric(a, fraction=True), Metric(b, fraction=True))
    return left, right, _correlation(a, b, row)


def ratio_of_means(a: Floats, b: Floats, request: NDArray[np.intp], boot: Bootstrap) -> Estimate:
    """The mean of b over that of a, both never below 0, with the bootstrap's interval."""
    n = len(request)
    if not a.sum() > 0:
        return Estimate(math.nan, n=n)
    # In units of the mean of a, so that the lower sum counts values, as that of a mean does.
    unit, units = boot.unit[request], boot.weights.shape[1]
    top, bottom = (_sums(unit, side / a.mean(), units)[:, None] for side in (b, a))
    low, high = (float(end[0]) for end in boot.intervals(top, bottom, np.zeros(1, np.intp)))
    if (n if (row := boot.rows_of(request)) is None else len(np.unique(row))) < 2:
        low = high = math.nan
    return Estimate(float(b.sum() / a.sum()), max(low, 0.0), high, n)


def change(base: Estimate, policy: Estimate, correlation: float) -> Estimate:
    """The difference of two estimates, its interval made of theirs."""
    value = policy.value - base.value
    down, up = policy.value - policy.low, policy.high - policy.value
    base_down, base_up = base.value - base.low, base.high - base.value
    return replace(
        policy,
        value=value,
        low=value - _together(down, base_up, correlation),
        high=value + _together(up, base_down, correlation),
    )


def _together(one: float, other: float, correlation: float) -> float:
    square = one * one + other * other - 2 * correlation * one * other
    return math.sqrt(square) if square > 0 else 0.0 if square <= 0 else math.nan


def ratio(base: Estimate, policy: Estimate, correlation: float) -> Estimate:
    """The quotient of two estimates of what is never below 0, its interval made of theirs.

    Its ends are where ``policy - ratio * base``, put together as a change is, just holds 0. There
    is none from above where the baseline may be 0.
    """
    p, q = policy.value, base.value
    if not q > 0:
        return Estimate(math.nan, n=policy.n)
    if math.isnan(policy.low + base.low):
        return replace(policy, value=p / q, low=math.nan, high=math.nan)
    down, up = p - policy.low, policy.high - p
    base_down, base_up = q - base.low, base.high - q
    middle = p * q - correlation * down * base_up
    root = math.sqrt(max(middle**2 - (p * p - down * down) * (q * q - base_up * base_up), 0.0))
    low = (p * p - down * down) / (middle + root) if middle + root > 0 else 0.0
    middle = p * q - correlation * up * base_down
    root = math.sqrt(max(middle**2 - (p * p - up * up) * (q * q - base_down * base_down), 0.0))
    under = q * q - base_down * base_down
    high = (middle + root) / under if under > 0 else math.inf
    return replace(policy, value=p / q, low=max(low, 0.0), high=high)


def _values(one: Replay, name: str) -> Floats:
    """What each request has of a field of ``Goals``, (n,)."""
    if name == "quality":
        return one.quality
    if name == "cost_usd_per_1k":
        return 1000 * one.cost_usd
    if name.startswith("latency"):
        return one.latency_s
    ends = {"error_rate": Status.ERROR, "degraded_rate": Status.DEGRADED}
    flags = one.status == ends[name] if name in ends else one.fallback
    return flags.astype(np.float64)


def _sums(of: Ints, values: Floats, n: int = 0) -> Floats:
    return np.bincount(of, weights=values, minlength=n).astype(np.float64, copy=False)


def _correlation(a: Floats, b: Floats, row: Ints | None) -> float:
    """That of the means of two columns; values that belong together vary together."""
    a, b = a - a.mean(), b - b.mean()
    if row is not None:
        a, b = (_sums(row, side) for side in (a, b))
    spread = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / spread if spread > 0 else 0.0
