"""How many requests would decide a goal."""

from __future__ import annotations

import math
from statistics import NormalDist

from toolkit.evaluate.differences import POWER, needed
from toolkit.evaluate.goals import GoalResult
from toolkit.evaluate.intervals import FEW, Estimate, Z

LEVEL = 0.05
FRACTIONS = frozenset({"quality", "error_rate", "fallback_rate", "degraded_rate"})


def deciding(goal: GoalResult, logged: int) -> float:
    """How many requests of the log would decide a goal, if its true value is as it seems.

    With a power of 80 %, where there are ``logged`` now. NaN where it is decided, not measured or
    exactly at its limit.
    """
    if goal.answer not in {"probably", "probably not"}:
        return math.nan
    ends = [limit for limit in (goal.lowest, goal.highest) if math.isfinite(limit)]
    limit = min(ends, key=lambda end: abs(goal.value - end))
    if goal.name in FRACTIONS and goal.kind == "value":
        return logged * _more(goal, limit)
    distance = Estimate(goal.value - limit, goal.low - limit, goal.high - limit, goal.n)
    return needed(distance, logged, LEVEL)


def _more(goal: GoalResult, limit: float) -> float:
    """How many times as many requests would tell a fraction from its limit.

    Near 0 and 1 its interval narrows faster than 1 / √n: the score test's numbers of independent
    requests, the one that would do against the one that the end towards the limit is worth.
    """
    p, end = goal.value, goal.high if limit > goal.value else goal.low
    if p in {limit, end} or not 0 < end < 1:
        return math.nan
    if goal.n * min(p, 1 - p) < FEW:  # Wilson's interval, else the bootstrap's
        worth = Z * Z * end * (1 - end) / (end - p) ** 2
    else:
        worth = Z * Z * p * (1 - p) / ((goal.high - goal.low) / 2) ** 2
    power = NormalDist().inv_cdf(POWER)
    reach = Z * math.sqrt(limit * (1 - limit)) + power * math.sqrt(p * (1 - p))
    return max(1.0, (reach / (p - limit)) ** 2 / worth)
