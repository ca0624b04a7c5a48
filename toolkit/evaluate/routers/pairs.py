"""A weak and a strong model, told apart by the data: how much of the gap the router recovers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toolkit.evaluate import as_json
from toolkit.evaluate.curves.pair import PairCurve
from toolkit.evaluate.intervals import Estimate


@dataclass(frozen=True, eq=False)
class PairScores:
    """RouteLLM's figures, by the difference of the two probabilities, every threshold of it."""

    weak: str
    strong: str
    """names in the log; the strong one has the higher quality"""
    weak_quality: Estimate
    strong_quality: Estimate
    apgr: Estimate
    """0.5 is chance; an interval only where the strong model is surely better"""
    cpt50: Estimate
    """least share of strong calls that recovers half of the gap"""
    cpt80: Estimate
    curve: PairCurve
    """quality by the share of strong calls, out of fold"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; shares are 0..1."""
        named = {"apgr": self.apgr, "cpt50": self.cpt50, "cpt80": self.cpt80}
        qualities = {"weak_quality": self.weak_quality, "strong_quality": self.strong_quality}
        return {
            "weak": self.weak,
            "strong": self.strong,
            **as_json.estimates(named | qualities),
        }
