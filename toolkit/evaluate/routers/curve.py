"""What a router costs and how good it is, at every setting of its one knob."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from toolkit.evaluate import as_json
from toolkit.evaluate.intervals import UNDEFINED, Estimate

Knob: TypeAlias = Literal["tradeoff_usd_per_point", "min_quality"]


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
    """quality of the single models mixed at random at the same cost; NaN left of the cheapest"""
    gain: Estimate
    """quality above it, paired"""


@dataclass(frozen=True)
class RouterCurve:
    """Points by the value of one knob."""

    knob: Knob
    models: tuple[str, ...]
    points: tuple[CurvePoint, ...]

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
    value: Estimate
    zero_router: Estimate
    """of the single models, mixed at random"""
    oracle: Estimate
    gain: Estimate
    """of the router over the zero router, paired"""


NO_AIQ = AiqScores(float("nan"), float("nan"), UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED)
