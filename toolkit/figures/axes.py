"""The axes of a figure of trade-offs: words, units, and which part of a scale is worth showing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.evaluate.goals import WORDS
from toolkit.evaluate.intervals import Estimate

COST, QUALITY = "cost_usd_per_1k", "quality"
DECADES = 30
"""A scale of money or time is logarithmic where its largest is this many times its smallest."""
ZOOM = 5
"""What stands apart may make the range this many times that of what the figure is about."""
PAD = 0.08


@dataclass(frozen=True)
class Axis:
    """One measure as a scale."""

    name: str
    """field of a point, such as ``quality``"""
    title: str
    low_is_better: bool
    look: dict[str, Any]
    """Plotly's settings"""

    def words(self, e: Estimate) -> str:
        """An estimate as people read it."""
        label, show = WORDS[self.name]
        return f"{label} {show(e)}"


def axis(name: str) -> Axis:
    """The scale of a measure."""
    label = WORDS[name][0]
    if name == QUALITY:
        return Axis(name, "quality, 0 to 1", False, {})
    if name == COST:
        look = {"tickprefix": "$", "exponentformat": "none"}
        return Axis(name, "cost per 1,000 requests, USD", True, look)
    if name.endswith("_s"):
        return Axis(name, f"{label}, seconds", True, {"ticksuffix": " s", "exponentformat": "none"})
    return Axis(name, f"{label}, share of requests", True, {"tickformat": ".3~p"})


@dataclass(frozen=True)
class Scale:
    """The part of an axis that is shown; ends are logarithms where the axis is logarithmic."""

    low: float
    high: float
    log: bool

    def at(self, value: float) -> float:
        """Where a value stands, 0 at the left or bottom end and 1 at the other."""
        place = self._of(value)
        return (place - self.low) / ((self.high - self.low) or 1.0)

    def holds(self, value: float) -> bool:
        """The value is in the picture."""
        return not math.isnan(value) and -1e-9 <= self.at(value) <= 1 + 1e-9

    def look(self) -> dict[str, Any]:
        """Plotly's settings."""
        if not self.log:
            return {"type": "linear", "range": [self.low, self.high], "zeroline": False}
        return {
            "type": "log",
            "range": [self.low, self.high],
            "dtick": 1,
            "minor": {"showgrid": False},
        }

    def edge(self, low: bool) -> float:
        """The value at one end."""
        end = self.low if low else self.high
        return 10**end if self.log else end

    def _of(self, value: float) -> float:
        if not self.log:
            return value
        return math.log10(value) if value > 0 else -math.inf


def scale(name: str, of: Sequence[float], beside: Sequence[float], whole: bool = False) -> Scale:
    """The part of an axis that shows ``of`` and as much ``beside`` it as leaves that readable.

    With ``whole`` it shows everything.
    """
    main, rest = ([v for v in values if math.isfinite(v)] for values in (of, beside))
    if not main:
        main = rest or [0.0, 1.0]
    sizes = name == COST or name.endswith("_s")
    if sizes and min(main + rest) > 0 and max(main + rest) > DECADES * min(main + rest):
        logs = [[math.log10(v) for v in values] for values in (main, rest)]
        low, high = _range(logs[0], logs[1], 0.3, whole)
        if high - low > 1:
            pad = PAD * (high - low)
            return Scale(low - pad, high + pad, True)
        # What is far away is left out, and what is left is of one size.
        rest = [v for v in rest if low <= math.log10(v) <= high]
    least = 0.04 if name == QUALITY else 0.1 * max(map(abs, main))
    low, high = _range(main, rest, least, whole)
    pad = PAD * ((high - low) or least or 1.0)
    return Scale(max(low - pad, -pad / 2) if low >= 0 else low - pad, high + pad, False)


def _range(
    main: Sequence[float], rest: Sequence[float], least: float, whole: bool
) -> tuple[float, float]:
    """Ends that hold ``main`` and those of ``rest`` that are near it."""
    low, high = min(main), max(main)
    most = math.inf if whole else ZOOM * max(high - low, least)
    for value in sorted(rest, key=lambda v: max(low - v, v - high)):
        further = min(low, value), max(high, value)
        if further[1] - further[0] <= most:
            low, high = further
    return low, high
