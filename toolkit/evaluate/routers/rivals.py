"""What a router has to beat: each single model, chance, and simpler ways to learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from toolkit.evaluate import as_json
from toolkit.evaluate.intervals import Estimate

Kind: TypeAlias = Literal["single", "random", "zero", "neighbours", "lookup", "oracle"]


@dataclass(frozen=True)
class RivalPoint:
    """One way to run a rival."""

    label: str
    cost_usd_per_1k: Estimate
    quality: Estimate


@dataclass(frozen=True)
class Rival:
    """A rival on the same requests; the points of a curve stand by rising cost."""

    name: str
    kind: Kind
    points: tuple[RivalPoint, ...]
    """one of a single model and of the oracle"""
    aiq: Estimate
    """of its hull over the range of the router's; undefined without costs, and of one point"""
    aiq_gain: Estimate
    """the router's minus its, paired"""
    at_usd_per_1k: float
    """the cost at which ``difference`` is told: that of the rival, if it has but one; NaN without
    costs, where the best setting of each is compared"""
    difference: Estimate
    """quality of the router minus that of the rival at that cost, paired"""
    apgr: Estimate
    """undefined without a pair of models"""
    apgr_gain: Estimate
    """the router's minus its, paired"""
    column: str | None = None
    """that a lookup table is by"""

    @property
    def point(self) -> RivalPoint:
        """The only one, or that of the highest quality."""
        return max(self.points, key=lambda p: p.quality.value)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "column": self.column,
            **as_json.estimates(
                {
                    "aiq": self.aiq,
                    "aiq_gain": self.aiq_gain,
                    "difference": self.difference,
                    "apgr": self.apgr,
                    "apgr_gain": self.apgr_gain,
                }
            ),
            "at_usd_per_1k": as_json.plain(self.at_usd_per_1k),
            "points": [
                {
                    "label": p.label,
                    **as_json.estimates(
                        {"cost_usd_per_1k": p.cost_usd_per_1k, "quality": p.quality}
                    ),
                }
                for p in self.points
            ],
        }
