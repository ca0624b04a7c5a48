"""One policy of a sweep, with its numbers, and the axes on which policies are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate import as_json
from toolkit.evaluate.curves.hull import Better
from toolkit.evaluate.goals import GoalResult, judge_all
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.tradeoffs.asked import several
from toolkit.evaluate.tradeoffs.vary import Value
from toolkit.policy.model import Goals, Policy

ESTIMATES = tuple(Goals.model_fields)
"""The fields of a point that are estimates: everything that a goal can limit."""
AXES: dict[str, Better] = {
    "cost_usd_per_1k": "low",
    "quality": "high",
    "latency_mean_s": "low",
    "latency_p50_s": "low",
    "latency_p95_s": "low",
    "latency_p99_s": "low",
    "error_rate": "low",
    "degraded_rate": "low",
}
"""What policies are compared by, and which end is better."""
SHORT = {
    "cost": "cost_usd_per_1k",
    "latency": "latency_mean_s",
    "p50": "latency_p50_s",
    "p95": "latency_p95_s",
    "p99": "latency_p99_s",
    "errors": "error_rate",
    "degraded": "degraded_rate",
}
"""Shorter names of axes."""


@dataclass(frozen=True)
class Point:
    """A policy and how it fared. Estimates are over the observed requests."""

    index: int
    """its place in ``Frontier.points``; 0 is the policy as it stands"""
    name: str
    """the values that were varied, in one line; of a policy as it stands, its own name"""
    values: dict[str, Value]
    """what stands at each place that is varied"""
    policy: Policy
    requests: int
    """those that the estimates are about, also the unobserved"""
    unobserved: int
    imputed_share: float
    """of the observed requests, those that rest on at least one imputed attempt"""
    quality: Estimate
    cost_usd_per_1k: Estimate
    latency_mean_s: Estimate
    latency_p50_s: Estimate
    latency_p95_s: Estimate
    latency_p99_s: Estimate
    error_rate: Estimate
    fallback_rate: Estimate
    degraded_rate: Estimate
    goals: tuple[GoalResult, ...]
    arena_score: float
    """RouterArena's weighted mean of quality and cheapness, 0..1"""
    strong_share: float
    """of the observed requests, those in which the strong model of the pair was called"""
    same_as: int | None
    """an earlier point that ends alike on every one of the requests"""

    @property
    def digest(self) -> str:
        """SHA-256 of the policy."""
        return self.policy.digest

    @property
    def meets(self) -> bool | None:
        """All goals are met by value; None without goals or where one is unknown and none missed.

        Undecided is no: a goal counts as met or missed by its value, however wide its interval.
        """
        answers = [goal.met for goal in self.goals]
        if False in answers:
            return False
        return None if not answers or None in answers else True

    @property
    def certain(self) -> bool:
        """The intervals agree: all goals are met with them, or one is missed with all of its."""
        if self.meets is False:
            return any(goal.met is False and goal.certain for goal in self.goals)
        return bool(self.meets) and all(goal.certain for goal in self.goals)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; an undefined number is None."""
        named = {name: getattr(self, name) for name in ESTIMATES}
        return {
            "index": self.index,
            "name": self.name,
            "values": self.values,
            "policy_digest": self.digest,
            "requests": self.requests,
            "unobserved": self.unobserved,
            "imputed_share": as_json.plain(self.imputed_share),
            **as_json.estimates(named),
            "meets_goals": self.meets,
            "goals_certain": self.certain,
            "arena_score": as_json.plain(self.arena_score),
            "strong_share": as_json.plain(self.strong_share),
            "same_as": self.same_as,
        }


def judged(goals: Goals, estimates: Mapping[str, Estimate]) -> tuple[GoalResult, ...]:
    """Hold a policy against the goals; those relative to a baseline are left to gates."""
    return tuple(goal for goal in judge_all(goals, estimates) if goal.kind == "value")


def axes_of(names: Sequence[str] | str) -> tuple[str, ...]:
    """The axes by their names, short or long; also one text with commas.

    Raises:
        DataError: There is no such axis, or fewer than two.
    """
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    names = several(names, "axes", str, ", ".join(AXES))
    axes = tuple(dict.fromkeys(SHORT.get(name, name) for name in names))
    for axis in axes:
        if axis not in AXES:
            allowed = did_you_mean(axis, [*AXES, *SHORT])
            raise DataError(f"axes: there is no such axis; got {axis!r}; allowed: {allowed}")
    if len(axes) < 2:
        got = ", ".join(names) or "none"
        raise DataError(f"axes: a trade-off needs two; got {got}; allowed: {', '.join(AXES)}")
    return axes
