"""Are the policy's goals met, and can the data tell?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.evaluate import as_json
from toolkit.evaluate.format import (
    number_interval,
    percent_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.evaluate.intervals import UNDEFINED, Estimate
from toolkit.policy.model import Goal, Goals

WORDS: Mapping[str, tuple[str, Callable[[Estimate], str]]] = {
    "quality": ("quality", number_interval),
    "cost_usd_per_1k": ("cost per 1k", usd_interval),
    "latency_mean_s": ("mean latency", seconds_interval),
    "latency_p50_s": ("median latency", seconds_interval),
    "latency_p95_s": ("p95 latency", seconds_interval),
    "latency_p99_s": ("p99 latency", seconds_interval),
    "error_rate": ("errors", percent_interval),
    "fallback_rate": ("fallbacks", percent_interval),
    "degraded_rate": ("degraded answers", percent_interval),
}
"""How each goal is called and its value written."""


@dataclass(frozen=True)
class GoalResult:
    """One goal, held against its estimate."""

    name: str
    """a field of ``Goals``"""
    limit: str
    """such as ``min 0.85``"""
    value: float
    low: float
    high: float
    met: bool | None
    """judged by the value; None where nothing was measured"""
    certain: bool
    """the whole interval lies on one side of the limit"""

    @property
    def answer(self) -> str:
        """``yes``, ``no``, ``probably``, ``probably not`` or ``unknown``."""
        if self.met is None:
            return "unknown"
        sure, likely = ("yes", "probably") if self.met else ("no", "probably not")
        return sure if self.certain else likely

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "limit": self.limit,
            "value": as_json.plain(self.value),
            "ci95": [as_json.plain(self.low), as_json.plain(self.high)],
            "met": self.met,
            "certain": self.certain,
        }

    def __str__(self) -> str:
        words, show = WORDS[self.name]
        return f"{words} {show(Estimate(self.value, self.low, self.high))} against {self.limit}"


def judge(name: str, goal: Goal, estimate: Estimate) -> GoalResult:
    """Hold one goal against an estimate in the same unit."""
    lowest = -math.inf if goal.min is None else goal.min
    highest = math.inf if goal.max is None else goal.max
    limit = ", ".join(
        f"{word} {bound:g}"
        for word, bound in (("min", goal.min), ("max", goal.max))
        if bound is not None
    )
    value, low, high = estimate.value, estimate.low, estimate.high
    met: bool | None = None
    certain = False
    if not math.isnan(value):
        met = lowest <= value <= highest
        inside = lowest <= low and high <= highest
        outside = high < lowest or highest < low
        certain = inside if met else outside
    return GoalResult(name, limit, value, low, high, met, certain)


def judge_all(goals: Goals, estimates: Mapping[str, Estimate]) -> tuple[GoalResult, ...]:
    """Hold every goal that is set against the estimate of its name."""
    set_goals = ((name, getattr(goals, name)) for name in type(goals).model_fields)
    return tuple(
        judge(name, goal, estimates.get(name, UNDEFINED))
        for name, goal in set_goals
        if goal is not None
    )


def verdict(results: Sequence[GoalResult]) -> str:
    """The answer in words: ``Yes on cost and errors, no on quality: quality 0.861 …``."""
    if not results:
        return "No goals are set."
    parts = []
    for met, word in ((True, "yes on"), (False, "no on"), (None, "unknown for")):
        names = [WORDS[r.name][0] for r in results if r.met is met]
        if names:
            parts.append(f"{word} {_list(names)}")
    text = ", ".join(parts)
    missed = [str(r) for r in results if r.met is False]
    if missed:
        text += ": " + "; ".join(missed)
    close = [WORDS[r.name][0] for r in results if r.met is not None and not r.certain]
    if close:
        text += f". Too close to be certain: {_list(close)}"
    return text[0].upper() + text[1:] + "."


def _list(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
