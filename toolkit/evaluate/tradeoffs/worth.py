"""What quality is worth: which policy is best for whom, by their willingness to pay."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.evaluate import as_json
from toolkit.evaluate.format import usd
from toolkit.evaluate.tradeoffs.points import Point

POINT = 0.01
"""One point of quality, as people say it."""
UNIT = "per 1k a point"


@dataclass(frozen=True)
class Worth:
    """The best policy while a point of quality (0.01) is worth between so and so much.

    In USD per 1,000 requests: what somebody would pay at most for a point more on all of these.
    Best is what leaves most of the worth of the quality after the cost; the policies in question
    are the vertices of the hull, and where one takes over from the other is the price of a point
    between them.
    """

    from_usd: float
    to_usd: float
    """inf for the last"""
    point: int
    """index of the policy"""
    better: bool | None = None
    """its quality is surely above that of the one before, paired on the same requests; None for the
    first"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values, in USD per 1,000 requests for a point of quality; an open end is None."""
        return {
            "from_usd_per_1k_per_point": self.from_usd,
            "to_usd_per_1k_per_point": as_json.plain(self.to_usd),
            "point": self.point,
            "better_than_previous": self.better,
        }

    @property
    def doubt(self) -> str:
        """What to know before paying more for it; empty where nothing speaks against it."""
        return "not surely better than the one before" if self.better is False else ""

    def __str__(self) -> str:
        if not self.from_usd:
            return "always" if math.isinf(self.to_usd) else f"up to {usd(self.to_usd)} {UNIT}"
        if math.isinf(self.to_usd):
            return f"from {usd(self.from_usd)} {UNIT}"
        return f"{usd(self.from_usd)} to {usd(self.to_usd)} {UNIT}"


def worths(
    hull: Sequence[Point], better: Callable[[Point, Point], bool] | None = None
) -> tuple[Worth, ...]:
    """The best policy by willingness to pay, from the vertices of the hull by rising cost.

    ``better`` says whether the quality of the second is surely above that of the first.
    """
    prices = [
        (b.cost_usd_per_1k.value - a.cost_usd_per_1k.value)
        / ((b.quality.value - a.quality.value) / POINT)
        for a, b in itertools.pairwise(hull)
    ]
    if not hull:
        return ()
    ends = [0.0, *prices, math.inf]
    sure = [None, *(better and better(a, b) for a, b in itertools.pairwise(hull))]
    return tuple(
        Worth(low, high, point.index, more)
        for low, high, point, more in zip(ends[:-1], ends[1:], hull, sure, strict=True)
    )
