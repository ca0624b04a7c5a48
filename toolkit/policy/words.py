"""Parts of a policy in words, for people who do not read YAML."""

from __future__ import annotations

from toolkit.policy.conditions import Condition
from toolkit.policy.model import DegradeStep, Goals, Route, StaleStep, Step

_OPERATORS = {
    "eq": "is",
    "ne": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "lt": "is below",
    "lte": "is at most",
    "gt": "is above",
    "gte": "is at least",
    "matches": "matches",
    "contains": "contains",
}


def condition_in_words(condition: Condition) -> str:
    """For example ``category is one of 'facts', 'topic' and input_tokens is below 400``."""
    return " and ".join(_parts(condition))


def route_in_words(route: Route) -> str:
    """Where a route leads, such as ``cheap`` or ``90 % cheap, 10 % strong, by user``."""
    if route.split is None:
        return str(route.use)
    text = ", ".join(f"{100 * share:.3g} % {name}" for name, share in route.shares)
    return f"{text}, by {route.sticky_by}" if route.sticky_by else text


def step_in_words(step: Step) -> str:
    """For example ``small (up to 4 s, 1 retry, a second call after 2 s)``."""
    if isinstance(step, StaleStep):
        return "an older answer from the cache"
    if isinstance(step, DegradeStep):
        return f"{'say' if step.degrade == 'message' else 'refuse with'} “{step.text}”"
    notes = [] if step.timeout_s is None else [f"up to {step.timeout_s:g} s"]
    if step.retries:
        notes.append("1 retry" if step.retries == 1 else f"{step.retries} retries")
    if step.hedge is not None:
        to = f" to {step.hedge.model}" if step.hedge.model else ""
        notes.append(f"a second call{to} after {step.hedge.after_s:g} s")
    return f"{step.model} ({', '.join(notes)})" if notes else step.model


def goals_in_words(goals: Goals) -> list[str]:
    """For example ``quality: at least 0.85``, one text for each goal that is set."""
    limits = {"min": "at least", "max": "at most"}
    return [
        f"{name}: " + " and ".join(f"{limits[end]} {value:g}" for end, value in goal.items())
        for name, goal in goals.to_data().items()
    ]


def _parts(condition: Condition) -> list[str]:
    parts = [_test(column, operator, value) for column, operator, value in condition.tests()]
    if condition.all is not None:
        parts += [_bracketed(part) for part in condition.all]
    if condition.any is not None:
        text = " or ".join(_bracketed(part) for part in condition.any)
        parts.append(f"({text})" if len(condition.any) > 1 else text)
    if condition.not_ is not None:
        parts.append(f"not ({condition_in_words(condition.not_)})")
    return parts


def _bracketed(condition: Condition) -> str:
    parts = _parts(condition)
    return parts[0] if len(parts) == 1 else f"({' and '.join(parts)})"


def _test(column: str, operator: str, value: object) -> str:
    if operator == "exists":
        return f"{column} is present" if value else f"{column} is missing"
    values = value if isinstance(value, tuple) else (value,)
    return f"{column} {_OPERATORS[operator]} {', '.join(map(_value, values))}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else repr(value)
