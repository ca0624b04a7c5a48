"""Are the policy's goals met, and can the data tell?

A goal may limit the value itself, its change against a baseline and its ratio to that of a
baseline; each kind of limit is judged on its own. Who replays a policy alone knows only its
values, so a limit against a baseline is then unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

from toolkit.evaluate import as_json
from toolkit.evaluate.goal_words import LIMITS, WORDS, Kind, amount_in_words, decimals, shown
from toolkit.evaluate.intervals import UNDEFINED, Estimate
from toolkit.policy.model import Goal, Goals
from toolkit.policy.words import limit_in_words

__all__ = [
    "LIMITS",
    "WORDS",
    "GoalResult",
    "Kind",
    "judge",
    "judge_all",
    "limited",
    "listed",
    "verdict",
]


@dataclass(frozen=True)
class GoalResult:
    """One kind of limit of one goal, held against its estimate."""

    name: str
    """a field of ``Goals``"""
    limit: str
    """such as ``min 0.85``"""
    value: float
    low: float
    high: float
    met: bool | None
    """judged by the value; None where nothing is known"""
    certain: bool
    """the whole interval lies on one side of the limit"""
    kind: Kind = "value"
    """what is limited: the value, its change (this minus the baseline), or its ratio to it"""
    lowest: float = -math.inf
    """the limit from below; -inf: none"""
    highest: float = math.inf
    """the limit from above; inf: none"""
    reason: str = ""
    """why nothing is known, or why there is no interval"""
    n: int = 0
    """measured values behind the estimate"""

    @property
    def answer(self) -> str:
        """``yes``, ``no``, ``probably``, ``probably not`` or ``unknown``."""
        if self.met is None:
            return "unknown"
        sure, likely = ("yes", "probably") if self.met else ("no", "probably not")
        return sure if self.certain else likely

    @property
    def label(self) -> str:
        """What is limited, such as ``quality`` or ``change of quality``."""
        word = WORDS[self.name][0]
        return word if self.kind == "value" else f"{self.kind} of {word}"

    @property
    def told(self) -> str:
        """The answer, and why it is no better, where there is a reason."""
        if self.met is None:
            return self.reason
        return f"{self.answer} ({self.reason})" if self.reason else self.answer

    @property
    def measured(self) -> str:
        """The estimate as people read it, in so many digits that it is told from the limits."""
        e = Estimate(self.value, self.low, self.high)
        return shown(self.name, self.kind)(e, more=self._more)

    @cached_property
    def _more(self) -> int:
        numbers, limits = (self.value, self.low, self.high), (self.lowest, self.highest)
        return decimals(self.name, self.kind, numbers, limits)

    def amount(self, value: float) -> str:
        """A limit, or how far off a change is, with its unit: ``0.55``, ``1 point``, ``$0.50``."""
        return amount_in_words(self.name, self.kind, value, self._more)

    @property
    def wanted(self) -> str:
        """The limits as people read them, such as ``at most $0.50``."""
        ends = zip(LIMITS[self.kind], (self.lowest, self.highest), strict=True)
        return " and ".join(
            limit_in_words(key, end, self.amount) for key, end in ends if isfinite(end)
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "limit": self.limit,
            "value": as_json.plain(self.value),
            "ci95": [as_json.plain(self.low), as_json.plain(self.high)],
            "n": self.n,
            "met": self.met,
            "certain": self.certain,
        }

    def __str__(self) -> str:
        # That it is a ratio, its amounts say.
        what = WORDS[self.name][0] if self.kind == "ratio" else self.label
        return f"{what} {self.measured}, wanted {self.wanted}"


def judge(
    name: str, goal: Goal, estimate: Estimate, kind: Kind = "value", reason: str = "not measured"
) -> GoalResult:
    """Hold the limits of one kind against an estimate in the same unit.

    ``reason`` says why, should the estimate be undefined; what has no interval has its own.
    """
    bounds = [(key, getattr(goal, key, None)) for key in LIMITS[kind]]  # "" is no key
    lowest, highest = (bound for _, bound in bounds)
    lowest = -math.inf if lowest is None else lowest
    highest = math.inf if highest is None else highest
    limit = ", ".join(f"{key} {bound:g}" for key, bound in bounds if bound is not None)
    value, low, high = estimate.value, estimate.low, estimate.high
    met: bool | None = None
    certain = False
    if not math.isnan(value):
        met = bool(lowest <= value <= highest)
        inside = lowest <= low and high <= highest
        outside = high < lowest or highest < low
        certain = bool(inside if met else outside)
        reason = _no_interval(estimate)
    return GoalResult(
        name, limit, value, low, high, met, certain, kind, lowest, highest, reason, estimate.n
    )


def _no_interval(e: Estimate) -> str:
    if math.isnan(e.low + e.high):
        few = "one value has" if e.n == 1 else "too few values that are independent have"
        return f"{few} no interval"
    return "no upper end, as the baseline may be 0" if math.isinf(e.high) else ""


def judge_all(
    goals: Goals,
    estimates: Mapping[str, Estimate],
    changes: Mapping[str, Estimate] | None = None,
    ratios: Mapping[str, Estimate] | None = None,
) -> tuple[GoalResult, ...]:
    """Hold every limit that is set against the estimate of its name.

    ``changes`` and ``ratios`` are those against a baseline; None: there is no baseline.
    """
    known: dict[Kind, Mapping[str, Estimate] | None] = {
        "value": estimates,
        "change": changes,
        "ratio": ratios,
    }
    results = []
    for name, kind in limited(goals):
        found = known[kind]
        estimate = (found or {}).get(name, UNDEFINED)
        reason = "needs a baseline" if found is None else "not measured"
        if kind == "ratio" and estimate.n:
            reason = "no multiple of the baseline's 0"
        results.append(judge(name, getattr(goals, name), estimate, kind, reason))
    return tuple(results)


def limited(goals: Goals) -> list[tuple[str, Kind]]:
    """What has a limit: (field of ``Goals``, kind of the limit)."""
    return [
        (name, kind)
        for name in type(goals).model_fields
        for kind, keys in LIMITS.items()
        if any(getattr(getattr(goals, name), key, None) is not None for key in keys)
    ]


def verdict(results: Sequence[GoalResult]) -> str:
    """The answer in words: ``Yes on cost and errors, no on quality: quality 0.861 …``."""
    if not results:
        return "No goals are set."
    parts = []
    for met, word in ((True, "yes on"), (False, "no on"), (None, "unknown for")):
        names = [r.label for r in results if r.met is met]
        if names:
            parts.append(f"{word} {listed(names)}")
    text = ", ".join(parts)
    if any(r.reason == "needs a baseline" for r in results):
        text += " (changes and ratios need a baseline)"
    missed = [str(r) for r in results if r.met is False]
    if missed:
        text += ": " + "; ".join(missed)
    close = [r.label for r in results if r.met is not None and not r.certain]
    if close:
        text += f". Too close to be certain: {listed(close)}"
    return text[0].upper() + text[1:] + "."


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
