"""What a sweep varies: places of a policy and the values that are tried there.

Written as text, ``PATH=lo:hi:n`` are even steps with both ends, ``PATH=lo:hi:n:log`` even ratios,
and ``PATH=a,b,c`` values as they would stand in a policy file (``null`` takes an optional one out).
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from toolkit.errors import PolicyError, Problem
from toolkit.policy.edit import replaced, value_at
from toolkit.policy.explain import show
from toolkit.policy.model import Policy
from toolkit.policy.nodes import Reader, scalar
from toolkit.policy.written import plain

Value: TypeAlias = float | int | str | bool | None

MOST_POLICIES = 10_000
"""So many are tried in one sweep."""
DIGITS = 6
"""Significant digits of a step between the ends of a range."""
MOST_TOLD = 12
"""So many values are told one by one."""
UNREAD = re.compile(
    r"(policy|description|goals)(\..*)?|models\..*\.(api_base|api_key_env)|routes\.\d+\.name"
)
"""Places that no replay reads."""
FORMS = "PATH=lo:hi:n, PATH=lo:hi:n:log or PATH=a,b,c"


@dataclass(frozen=True)
class Vary:
    """One place of a policy, and what is tried there."""

    path: str
    """as ``Policy.with_value`` takes it"""
    values: tuple[Value, ...]

    def __str__(self) -> str:
        texts = [value_text(value) for value in self.values]
        if len(texts) <= MOST_TOLD:
            return f"{self.path} = {', '.join(texts)}"
        return f"{self.path} = {texts[0]}, {texts[1]} … {texts[-1]} ({len(texts):,} values)"


@dataclass(frozen=True)
class Variant:
    """A policy of a sweep."""

    values: dict[str, Value]
    """what stands at each place that is varied"""
    policy: Policy


def value_text(value: object) -> str:
    """A value as a policy file has it: ``3``, ``0.25``, ``off``, ``null``."""
    if isinstance(value, str):
        return value if scalar(value) == value else json.dumps(value, ensure_ascii=False)
    return json.dumps(plain(value), ensure_ascii=False)


def parse_vary(text: str) -> Vary:
    """Read ``PATH=lo:hi:n``, ``PATH=lo:hi:n:log`` or ``PATH=a,b,c``.

    Raises:
        PolicyError: It is none of these.
    """
    path, equals, written = text.partition("=")
    path, written = path.strip(), written.strip()
    if not (path and equals and written):
        raise _wrong("must say what is varied, and how", text, FORMS)
    if re.fullmatch(r"[^:,\[\]\"']+(:[^:,\[\]\"']+){2,3}", written):
        return Vary(path, _steps(written, text))
    return Vary(path, _listed(written, text))


def _steps(written: str, text: str) -> tuple[Value, ...]:
    first, last, number, *kind = (part.strip() for part in written.split(":"))
    low, high, n = scalar(first), scalar(last), scalar(number)
    if not all(type(end) in {int, float} and math.isfinite(end) for end in (low, high)):
        raise _wrong("a range needs two numbers", text, FORMS)
    if type(n) is not int or not 1 <= n <= MOST_POLICIES:
        raise _wrong(f"a range has 1 to {MOST_POLICIES:,} steps", text, FORMS)
    if kind not in ([], ["log"]):
        raise _wrong("a range is even or log", text, FORMS)
    if kind and min(low, high) <= 0:
        raise _wrong("even ratios need ends above 0", text, "lo and hi above 0, or without log")
    steps = np.geomspace(low, high, n) if kind else np.linspace(low, high, n)
    # Ends as they were written; what lies between, without the noise of binary fractions.
    inner = [float(f"{step:.{DIGITS}g}") for step in steps.tolist()]
    ends = [low] if n == 1 else [low, *inner[1:-1], high]
    return tuple(dict.fromkeys(plain(step) for step in ends))


def _listed(written: str, text: str) -> tuple[Value, ...]:
    reader = Reader()
    try:
        reader.read(f"[{written}]")
        values = reader.data
    except PolicyError as error:
        raise _wrong(f"cannot be read: {error.problems[0].what}", text, FORMS) from None
    if not isinstance(values, list) or not values or reader.problems:
        raise _wrong("cannot be read as a list of values", text, FORMS)
    for value in values:
        if isinstance(value, dict | list):
            raise _wrong(f"{show(value)} is not a single value", text, FORMS)
    return tuple(values)


def _wrong(what: str, text: str, allowed: str) -> PolicyError:
    return PolicyError([Problem(what, "vary", repr(text), allowed)])


def variants(policy: Policy, vary: Sequence[Vary]) -> tuple[Variant, ...]:
    """The policy as it stands, then every combination of the values, the last place fastest.

    A combination that is the policy as it stands is not repeated. Between two whole ends a range
    takes whole steps where the place takes nothing else.

    Raises:
        PolicyError: There is no such place, a value does not fit there, or there are too many.
    """
    twice = [one.path for i, one in enumerate(vary) if one.path in {v.path for v in vary[:i]}]
    if twice:
        raise PolicyError([Problem("is varied twice", twice[0])], policy.policy)
    idle = [one.path for one in vary if UNREAD.fullmatch(one.path)]
    if idle:
        what = "is read by no replay, so that nothing changes with it"
        places = [name for name in Policy.model_fields if not UNREAD.fullmatch(name)]
        allowed = f"places in {', '.join(places)}"
        raise PolicyError([Problem(what, path, "", allowed) for path in idle], policy.policy)
    number = math.prod(len(one.values) for one in vary)
    if number > MOST_POLICIES:
        got = " × ".join(str(len(one.values)) for one in vary) + f" = {number:,} policies"
        raise PolicyError(
            [Problem("tries too many policies", "vary", got, f"{MOST_POLICIES:,}")], policy.policy
        )
    now = plain(policy.model_dump(by_alias=True))
    values = {one.path: plain(value_at(now, one.path)) for one in vary}
    found = [Variant(values, policy)]
    seen = {_key(values)}
    choices = [_fitting(policy, one) for one in vary]
    for chosen in itertools.product(*choices) if vary else ():
        values = dict(zip((one.path for one in vary), chosen, strict=True))
        if _key(values) in seen:
            continue
        seen.add(_key(values))
        data = policy.to_data()
        for path, value in values.items():
            data = replaced(data, path, value)
        try:
            found.append(Variant(values, Policy.model_validate(data)))
        except PolicyError as error:
            raise PolicyError(error.problems, _told(policy, values)) from None
    return tuple(found)


def _key(values: dict[str, Value]) -> tuple[str, ...]:
    """Tells true from 1, as a policy does."""
    return tuple(map(value_text, values.values()))


def _told(policy: Policy, values: dict[str, Value]) -> str:
    return f"{policy.policy} with {named(values)}"


def named(values: dict[str, Any]) -> str:
    """The values of a variant in one line: ``chains.main.timeout_s = 3, default = strong``."""
    return ", ".join(f"{path} = {value_text(value)}" for path, value in values.items())


def _fitting(policy: Policy, one: Vary) -> list[Value]:
    """The values, those between whole ends rounded where the place takes whole numbers only."""
    numbers = [v for v in one.values if isinstance(v, int | float) and not isinstance(v, bool)]
    broken = [v for v in numbers if not float(v).is_integer()]
    if len(numbers) < len(one.values) or not broken or not _whole(one.values):
        return list(one.values)
    try:
        policy.with_value(one.path, broken[0])
    except PolicyError as error:
        if any("whole number" in problem.allowed for problem in error.problems):
            return list(dict.fromkeys(round(number) for number in numbers))
    return list(one.values)


def _whole(values: Sequence[Value]) -> bool:
    return all(
        isinstance(end, int | float) and float(end).is_integer()
        for end in values[:: len(values) - 1 or 1]
    )
