"""What a router costs and how good it is, at every setting of its one knob."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from toolkit.evaluate import as_json
from toolkit.evaluate.curves.hull import hull, hull_value
from toolkit.evaluate.intervals import UNDEFINED, Estimate, Floats
from toolkit.evaluate.routers.hulls import Budgets, Drawn
from toolkit.evaluate.routers.measured import Chosen, Measured
from toolkit.learn.choose import first
from toolkit.policy.router_rule import RouterRule

Knob: TypeAlias = Literal["tradeoff_usd_per_point", "min_quality"]
PER_DECADE = 8
"""Settings of the trade-off in a factor of ten."""
DECADES = (-5, 1)
"""Of what separates the cheapest from the dearest model."""
THRESHOLDS = (
    *(round(i / 50, 2) for i in range(25)),
    *(round(0.5 + i / 100, 2) for i in range(50)),
    0.995,
    1.0,
)


@dataclass(frozen=True)
class CurvePoint:
    """The router at one setting. Costs and qualities are of the first model that is asked."""

    value: float
    """of the knob"""
    cost_usd_per_1k: Estimate
    """undefined where no costs are known"""
    quality: Estimate
    shares: tuple[float, ...]
    """(m,) of the requests that each model gets"""
    zero_router: float
    """quality of the best mix of single models at the same cost; NaN where even the cheapest of
    them costs more, as no mix is there then"""
    gain: Estimate
    """quality above it, paired"""


@dataclass(frozen=True)
class RouterCurve:
    """Points by the value of one knob."""

    knob: Knob
    models: tuple[str, ...]
    points: tuple[CurvePoint, ...]

    @property
    def hull(self) -> tuple[CurvePoint, ...]:
        """The points on the upper hull, by rising cost: no mix of others beats them."""
        return tuple(self.points[i] for i in hull(*self._axes))

    def quality_at(self, cost_usd_per_1k: float) -> float:
        """Quality to be had for this much, mixing two settings; NaN where all cost more."""
        return float(hull_value(cost_usd_per_1k, *self._axes))

    def cost_for(self, quality: float) -> float:
        """USD per 1,000 requests for which it is to be had, mixing two settings; NaN where none."""
        cost, reached = self._axes
        at = hull(cost, reached)
        if not at.size or quality > reached[at[-1]]:
            return float("nan")
        return float(np.interp(quality, reached[at], cost[at]))

    @property
    def _axes(self) -> tuple[Floats, Floats]:
        return (
            np.array([p.cost_usd_per_1k.value for p in self.points]),
            np.array([p.quality.value for p in self.points]),
        )

    def to_dict(self) -> list[dict[str, Any]]:
        """JSON values: a row per point."""
        return [
            {
                self.knob: p.value,
                **as_json.estimates({"cost_usd_per_1k": p.cost_usd_per_1k, "quality": p.quality}),
                "shares": dict(zip(self.models, p.shares, strict=True)),
                "zero_router": as_json.plain(p.zero_router),
                **as_json.estimates({"gain": p.gain}),
            }
            for p in self.points
        ]


@dataclass(frozen=True)
class AiqScores:
    """Mean quality over the budgets between the cheapest and the dearest single model."""

    low_cost: float
    """USD per 1,000 requests"""
    high_cost: float
    enough_cost: float
    """of the best single model: the budgets of ``gain_to_best`` end there"""
    value: Estimate
    zero_router: Estimate
    """of the best mix of the single models"""
    oracle: Estimate
    """undefined for a log with one outcome per request"""
    gain: Estimate
    """of the router over the zero router, paired"""
    gain_to_best: Estimate
    """the same over the budgets up to that of the best single model, as paying more buys nothing"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        named = {
            "aiq": self.value,
            "aiq_zero_router": self.zero_router,
            "aiq_oracle": self.oracle,
            "aiq_gain": self.gain,
            "aiq_gain_to_best": self.gain_to_best,
        }
        ends = {"low": self.low_cost, "high": self.high_cost, "best": self.enough_cost}
        return as_json.estimates(named) | {f"aiq_{k}_cost_usd_per_1k": v for k, v in ends.items()}


def settings(costs: Floats) -> tuple[float, ...]:
    """Values of ``tradeoff_usd_per_point`` to try, from the costs of single models per 1k (m,).

    0 first, then even ratios, with two digits, so that somebody can type them.
    """
    known = costs[np.isfinite(costs)]
    span = float(known.max() - known.min()) if len(known) else 0.0
    if not span > 0:
        return (0.0, 1.0)
    low, high = DECADES
    steps = span * 10.0 ** np.linspace(low, high, (high - low) * PER_DECADE + 1)
    return (0.0, *dict.fromkeys(float(f"{step:.1e}") for step in steps))


def choices(
    predicted: Floats, predicted_cost: Floats | None, knob: Knob, values: Sequence[float]
) -> list[Chosen]:
    """The model (k,) that each value of a knob asks first, as a policy with that router does.

    ``predicted`` and ``predicted_cost`` are (k, m).
    """
    rule = RouterRule(name="trained", min_quality=1.0)
    keys = {"min_quality": None, "tradeoff_usd_per_point": None}
    return [
        first(predicted, predicted_cost, rule.model_copy(update=keys | {knob: value}))
        for value in values
    ]


def curve_of(
    knob: Knob,
    models: tuple[str, ...],
    values: Sequence[float],
    chosen: Sequence[Chosen],
    measured: Measured,
    budgets: Budgets | None,
) -> RouterCurve:
    """Put a curve together, each point beside the zero router at its cost."""
    m, k = len(models), len(measured)
    zero, gain = np.full(k, np.nan), [UNDEFINED] * k
    if budgets is not None and k:
        # In a resample what costs less than any model alone is held against the cheapest of them.
        least = budgets.singles.drawn_cost[:, :1]
        at, drawn_at = (
            np.maximum(measured.costs, budgets.low),
            np.maximum(measured.drawn_cost, least),
        )
        mixed = budgets.height(budgets.singles, at, drawn_at)
        there = measured.costs >= budgets.low * (1 - 1e-9)
        zero = np.where(there, mixed.value, np.nan)
        gain = [
            one if has else UNDEFINED
            for one, has in zip(
                Drawn(measured.qualities, measured.drawn_quality, budgets.n).minus(mixed),
                there,
                strict=True,
            )
        ]
    return RouterCurve(
        knob,
        models,
        tuple(
            CurvePoint(
                value=float(value),
                cost_usd_per_1k=measured.cost[i],
                quality=measured.quality[i],
                shares=tuple((np.bincount(chosen[i], minlength=m) / len(chosen[i])).tolist()),
                zero_router=float(zero[i]),
                gain=gain[i],
            )
            for i, value in enumerate(values)
        ),
    )
