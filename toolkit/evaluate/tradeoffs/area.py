"""AIQ of a sweep beside those that it has to beat, with intervals, over one range of costs.

The range begins where both the policies and the random mix of their models have something to offer,
and ends at the highest cost among them; in every resample it is found anew. The best of many noisy
points flatters: resamples of the log lie above the log as much as the log lies above the truth. So
the interval is the spread of the resamples, moved down by as much as they lie above the value. On
250 made-up logs of 500 requests it held the area of nine policies in 93 % of cases, and their gain
over the zero router in 92 % (89 % unmoved).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluate import as_json
from toolkit.evaluate.curves.aiq import aiq, aiq_of_draws
from toolkit.evaluate.intervals import LEVELS, Estimate, Floats


@dataclass(frozen=True, eq=False)
class Set:
    """Points that can be mixed: (p,) cost and quality, and (r, p) the same in every resample."""

    cost: Floats
    quality: Floats
    drawn_cost: Floats
    drawn_quality: Floats

    def __add__(self, other: Set) -> Set:
        mine, theirs = (self.cost, self.quality), (other.cost, other.quality)
        drawn = (self.drawn_cost, self.drawn_quality), (other.drawn_cost, other.drawn_quality)
        return Set(
            *map(np.concatenate, zip(mine, theirs, strict=True)),
            *(np.concatenate(sides, axis=1) for sides in zip(*drawn, strict=True)),
        )

    @property
    def known(self) -> Set:
        """Those that have a cost and a quality."""
        has = ~np.isnan(self.cost) & ~np.isnan(self.quality)
        drawn = self.drawn_cost[:, has], self.drawn_quality[:, has]
        return Set(self.cost[has], self.quality[has], *drawn)


@dataclass(frozen=True)
class Area:
    """AIQ in both conventions."""

    value: Estimate
    """area under the hull, divided by the width of the range"""
    by_max: Estimate
    """divided by the highest cost, as RouterBench's code does"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return as_json.estimates({"aiq": self.value, "aiq_by_max_cost": self.by_max})


@dataclass(frozen=True)
class Areas:
    """The policies of a sweep, the zero router and the oracle over one range of costs."""

    low_cost: float
    """USD per 1,000 requests"""
    high_cost: float
    policies: Area
    zero_router: Area
    """the single models that the policies use, mixed at random"""
    oracle: Area
    """the oracle over these models, mixed with them where it costs too much"""
    gain: Estimate
    """of the policies over the zero router: paired"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "low_cost_usd_per_1k": as_json.plain(self.low_cost),
            "high_cost_usd_per_1k": as_json.plain(self.high_cost),
            "policies": self.policies.to_dict(),
            "zero_router": self.zero_router.to_dict(),
            "oracle": self.oracle.to_dict(),
            **as_json.estimates({"gain": self.gain}),
        }


def areas(policies: Set, singles: Set, oracle: Set, n: int) -> Areas:
    """Measure all three over one range; ``n`` requests are behind them."""
    policies, singles, oracle = policies.known, singles.known, oracle.known
    either = policies + singles
    nothing = Area(Estimate(np.nan), Estimate(np.nan))
    if not (len(policies.cost) and len(singles.cost)):
        return Areas(np.nan, np.nan, nothing, nothing, nothing, Estimate(np.nan))
    low = max(policies.cost.min(), singles.cost.min())
    high = either.cost.max()
    lows = np.fmax(_least(policies.drawn_cost), _least(singles.drawn_cost))
    highs = np.where(np.isnan(lows), np.nan, np.nanmax(either.drawn_cost, axis=1, initial=-np.inf))
    values, draws = [], []
    for one in (policies, singles, singles + oracle):
        values.append(aiq(one.cost, one.quality, low, high).value)
        draws.append(aiq_of_draws(one.drawn_cost, one.drawn_quality, lows, highs))
    part, parts = 1 - low / high if high > 0 else np.nan, 1 - lows / highs
    tried, mixed, ideal = (
        Area(estimate_of_draws(v, d, n), estimate_of_draws(v * part, d * parts, n))
        for v, d in zip(values, draws, strict=True)
    )
    gain = estimate_of_draws(values[0] - values[1], draws[0] - draws[1], n)
    return Areas(float(low), float(high), tried, mixed, ideal, gain)


def _least(cost: Floats) -> Floats:
    """(r,) the least of each resample; NaN where nothing has a cost."""
    least = np.fmin.reduce(cost, axis=1)
    return np.asarray(least, np.float64)


def estimate_of_draws(value: float, draws: Floats, n: int) -> Estimate:
    """What is the best of many points, with the interval by its draws (r,), see above."""
    known = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(known):
        return Estimate(float(value), n=n)
    flattery = known.mean() - value
    low, high = np.quantile(known, LEVELS) - 2 * flattery
    return Estimate(float(value), float(min(low, value)), float(max(high, value)), n, 1.0)
