"""The goals that can be tried with a slider, and where each slider can stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from toolkit.evaluate.format import percent, seconds, usd
from toolkit.ui.tiles import quality


@dataclass(frozen=True)
class Limit:
    """One goal that can be tried."""

    name: str
    label: str
    how: str
    """``at least`` or ``at most``, as the label goes on"""
    end: str
    """``min`` or ``max``"""
    show: Callable[[float], str]
    grows: bool = False
    """the steps of its slider grow with the value; else they are even"""
    least: float | None = None
    """where steps that grow begin, above 0; None: at the least that was measured"""

    @property
    def none(self) -> float:
        """What stands for no limit."""
        return -math.inf if self.end == "min" else math.inf


LIMITS = (
    Limit("quality", "Quality", "at least", "min", quality),
    Limit("cost_usd_per_1k", "Cost of 1,000", "at most", "max", usd, True),
    Limit("latency_p95_s", "p95 latency", "at most", "max", seconds, True),
    Limit("error_rate", "Errors", "at most", "max", percent, True, 0.001),
)
EVEN = 200
"""Even steps of a slider."""


def stops(values: Sequence[float], limit: Limit, now: float | None = None) -> list[float]:
    """Where a slider can stand: round numbers around the ``values``, ``now``, and no limit.

    Quality goes up in even steps. Amounts and errors go up in steps that grow with them, as their
    axis does, and as goals are set: those of errors are near 0.
    """
    if limit.grows:
        above = [value for value in values if value > 0] or [limit.least or 1.0]
        low, most = limit.least or min(above), max(above)
        found = _growing(max(min(low, most), most / 1e6), max(low, most))
        found += [0.0] if min(values) <= 0 else []
    else:
        found = _even(min(values), max(values))
    # Of those that read alike one is enough.
    told = {limit.show(value): value for value in found}
    if now is not None:
        told[limit.show(now)] = now
    return sorted([*told.values(), limit.none])


_STEPS = (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9)
"""Round numbers from 1 to 10, of which each is some tenth more than the one before."""


def _growing(low: float, high: float) -> list[float]:
    """Round numbers from just below ``low`` to just above ``high``, both above 0."""
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high))
    found = [float(f"{m}e{e}") for e in range(first, last + 2) for m in _STEPS]
    below = [value for value in found if value <= low]
    above = [value for value in found if value >= high]
    return [value for value in found if below[-1] <= value <= above[0]]


def _even(low: float, high: float) -> list[float]:
    """At most `EVEN` and two steps of one, two or five in some decimal place, never below 0."""
    span = (high - low) or abs(high) or 1.0
    place = 10.0 ** math.floor(math.log10(span / EVEN))
    step = next(place * one for one in (1, 2, 5, 10) if span / (place * one) <= EVEN)
    step = max(step, 0.001)  # what is written
    ends = range(math.floor(low / step), math.ceil(high / step) + 1)
    return [round(max(i * step, 0.0), 9) for i in ends]
