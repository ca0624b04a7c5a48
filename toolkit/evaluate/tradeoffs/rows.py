"""A policy of a sweep as people read it in a table."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.evaluate.format import (
    percent_interval,
    quality_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.evaluate.goals import WORDS
from toolkit.evaluate.tradeoffs.points import Point

HEAD = ("cost per 1k [95 %]", "quality", "p95 latency", "errors", "goals")
"""What is shown of every policy."""
SHOWN = ("cost_usd_per_1k", "quality", "latency_p95_s", "error_rate")


def cells(point: Point, axes: Sequence[str] = ()) -> tuple[str, ...]:
    """A policy as people read it: the columns of HEAD, then those of the axes not among them."""
    more = [WORDS[axis][1](getattr(point, axis)) for axis in axes if axis not in SHOWN]
    return (
        usd_interval(point.cost_usd_per_1k),
        quality_interval(point.quality),
        seconds_interval(point.latency_p95_s),
        percent_interval(point.error_rate),
        goals_met(point),
        *more,
    )


def goals_met(point: Point) -> str:
    """``met``, ``misses cost per 1k, quality``, each perhaps ``probably``, or ``unknown``."""
    if point.meets is None:
        return "unknown" if point.goals else "–"
    if point.meets:
        return "met" if point.certain else "probably met"
    missed = ", ".join(goal.label for goal in point.goals if goal.met is False)
    return f"misses {missed}" if point.certain else f"probably misses {missed}"
