"""Costs of a training in dollars per 1,000 requests, or per million where that reads better."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.evaluate.format import UNDEFINED, usd, usd_interval
from toolkit.evaluate.intervals import Estimate

TINY = 0.1
"""USD per 1,000 requests: where all cost less, costs are told per million."""


@dataclass(frozen=True)
class Money:
    """How costs are written, the same in all of one result."""

    per: str = "1k"
    """requests"""
    factor: float = 1.0
    """of a cost per 1,000 requests"""

    def usd(self, per_1k: float) -> str:
        """``$0.192``."""
        return usd(per_1k * self.factor)

    def each(self, per_1k: float) -> str:
        """``$0.192 per 1k``."""
        return f"{self.usd(per_1k)} per {self.per}" if math.isfinite(per_1k) else UNDEFINED

    def interval(self, e: Estimate, sign: bool = False) -> str:
        """``$0.310 [0.272, 0.348]``; ``sign`` writes a plus too, for differences."""
        return usd_interval(e.scaled(self.factor), sign)


def money_of(costs: Iterable[float]) -> Money:
    """How to write costs up to the largest of these, USD per 1,000 requests; NaN left out."""
    dearest = max((cost for cost in costs if math.isfinite(cost)), default=math.nan)
    return Money("1M", 1_000.0) if 0 < dearest < TINY else Money()
