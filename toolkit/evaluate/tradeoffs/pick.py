"""Which of many policies is picked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from toolkit.evaluate.tradeoffs.points import Point


def has_cost(point: Point) -> bool:
    """Its cost was measured."""
    return not math.isnan(point.cost_usd_per_1k.value)


def has_quality(point: Point) -> bool:
    """Its quality was measured."""
    return not math.isnan(point.quality.value)


def cheapest(points: Sequence[Point]) -> Point | None:
    """The one of the least cost, of two equally cheap the better; None of none."""
    known = [point for point in points if has_cost(point)]
    # Without a cost every policy is as cheap as another: then the best.
    if not known:
        return max(points, key=lambda p: np.nan_to_num(p.quality.value, nan=-1), default=None)
    return min(known, key=lambda p: (p.cost_usd_per_1k.value, -p.quality.value))


def distance(point: Point) -> tuple[int, int, float, float]:
    """How far from the goals: how many are missed, unknown, and by how much in all."""
    short = 0.0
    for goal in point.goals:
        if goal.met is False:
            low, high = goal.lowest - goal.value, goal.value - goal.highest
            short += max(low, high) / (abs(goal.lowest if low > high else goal.highest) or 1.0)
    missed = sum(goal.met is False for goal in point.goals)
    unknown = sum(goal.met is None for goal in point.goals)
    cost = point.cost_usd_per_1k.value
    return missed, unknown, short, math.inf if math.isnan(cost) else cost
