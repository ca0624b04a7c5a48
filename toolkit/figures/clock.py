"""Time since the start of a replay on an axis: seconds, minutes, hours or days, as it is long."""

from __future__ import annotations

import math
from dataclasses import dataclass

from toolkit.evaluate.format import number


@dataclass(frozen=True)
class Clock:
    """A unit of time."""

    unit: str
    """as written behind a number"""
    seconds: float
    """how many of them one is"""
    words: str
    """as written along an axis"""

    def of(self, seconds: float) -> float:
        """Seconds in this unit."""
        return seconds / self.seconds

    def words_of(self, start_s: float, end_s: float) -> str:
        """``20 to 21.5 min``; without an end ``from 20 min on``."""
        if not math.isfinite(end_s):
            return f"from {number(self.of(start_s))} {self.unit} on"
        return f"{number(self.of(start_s))} to {number(self.of(end_s))} {self.unit}"


CLOCKS = (
    Clock("s", 1, "seconds since the start"),
    Clock("min", 60, "minutes since the start"),
    Clock("h", 3_600, "hours since the start"),
    Clock("d", 86_400, "days since the start"),
)


def clock(length_s: float) -> Clock:
    """The unit in which a stretch of time reads well: at least three of it."""
    return next((c for c in reversed(CLOCKS) if length_s >= 3 * c.seconds), CLOCKS[0])
