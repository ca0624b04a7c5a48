"""Sets of values that one column may have, and conditions as unions of such sets.

The universe of a column is: missing, every text, every number, true and false. Each operator
and its negation picks a set that one `Domain` describes exactly, so a condition becomes a union
of clauses (column → domain) without approximation. ``empty`` and ``within`` may answer False when
they do not know, never True when it is wrong: what is proved here is reported as an error.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.policy.cells import Kind, kind_of
from toolkit.policy.conditions import Condition

MAX_CLAUSES = 64
MAX_VALUES = 500
"""A condition of more clauses, or of more values in all its tests, is not analysed."""

Value = tuple[Kind, str | float | bool]
Atom = tuple[str, str]
"""(operator, pattern) of ``matches`` or ``contains``, whose meaning is not analysed."""
Clause = dict[str, "Domain"]


@dataclass(frozen=True)
class Domain:
    """Missing, if ``missing``, and each present value that fulfils all the other fields."""

    missing: bool = True
    kind: Kind | None = None
    """Only values of this kind; None: any."""
    low: tuple[float, bool] = (-math.inf, False)
    """Numbers at or above; with True: above. Restricts numbers only."""
    high: tuple[float, bool] = (math.inf, False)
    allowed: frozenset[Value] | None = None
    """Only these values; None: any."""
    excluded: frozenset[Value] = frozenset()
    holds: frozenset[Atom] = frozenset()
    """Only text for which each of these holds."""
    fails: frozenset[Atom] = frozenset()
    """No text for which one of these holds."""

    def __and__(self, other: Domain) -> Domain:
        allowed = self.allowed
        if other.allowed is not None:
            allowed = other.allowed if allowed is None else allowed & other.allowed
        kinds = {kind for kind in (self.kind, other.kind) if kind}
        if len(kinds) > 1:
            allowed = frozenset()
        return Domain(
            missing=self.missing and other.missing,
            kind=min(kinds, default=None),
            low=max(self.low, other.low),
            high=min(self.high, other.high, key=lambda end: (end[0], not end[1])),
            allowed=allowed,
            excluded=self.excluded | other.excluded,
            holds=self.holds | other.holds,
            fails=self.fails | other.fails,
        )

    def has(self, value: Value) -> bool:
        """Whether a present value belongs to the set."""
        kind, content = value
        if self.kind not in {None, kind} or value in self.excluded:
            return False
        if self.allowed is not None and value not in self.allowed:
            return False
        if isinstance(content, str):
            return all(_holds(a, content) for a in self.holds) and not any(
                _holds(a, content) for a in self.fails
            )
        if self.holds:
            return False
        return kind != "number" or self._in_range(content)

    def empty(self) -> bool:
        """Whether nothing belongs to the set, for certain."""
        return not self.missing and self._no_value()

    def within(self, other: Domain) -> bool:
        """Whether everything in this set is in ``other``, for certain."""
        if self.missing and not other.missing:
            return False
        if self._no_value():
            return True
        if self.allowed is not None:
            return all(other.has(value) for value in self.allowed if self.has(value))
        return (
            other.kind in {None, self.kind}
            and other.allowed is None
            and (self.kind in {"text", "boolean"} or self._range_within(other))
            and not any(self.has(value) for value in other.excluded)
            and other.holds <= self.holds
            and (other.fails <= self.fails or self.kind in {"number", "boolean"})
        )

    def _no_value(self) -> bool:
        if self.allowed is not None:
            return not any(self.has(value) for value in self.allowed)
        if self.holds and (self.holds & self.fails or self.kind in {"number", "boolean"}):
            return True
        return self.kind == "number" and (
            self.low[0] > self.high[0]
            or (self.low[0] == self.high[0] and not self.has(("number", self.low[0])))
        )

    def _in_range(self, number: Any) -> bool:
        (low, above), (high, below) = self.low, self.high
        above_low: bool = number > low if above else number >= low
        below_high: bool = number < high if below else number <= high
        return above_low and below_high

    def _range_within(self, other: Domain) -> bool:
        def end(one: tuple[float, bool]) -> tuple[float, bool]:
            return (one[0], not one[1])

        return self.low >= other.low and end(self.high) <= end(other.high)


def clauses(condition: Condition) -> list[Clause] | None:
    """The condition as a union of clauses, without contradictory ones; None: too many."""
    if _count(condition) > MAX_VALUES:
        return None
    try:
        return _condition(condition, negated=False)
    except _TooManyError:
        return None


def clause_within(inner: Clause, outer: Clause) -> bool:
    """Whether every request in ``inner`` is in ``outer``, for certain."""
    # No operator lets every value through, so a column that only ``outer`` restricts decides.
    return outer.keys() <= inner.keys() and all(
        inner[column].within(domain) for column, domain in outer.items()
    )


class _TooManyError(Exception):
    pass


def _count(condition: Condition) -> int:
    """How many values the condition compares with."""
    inner = [*(condition.all or ()), *(condition.any or ())]
    if condition.not_ is not None:
        inner.append(condition.not_)
    own = sum(len(v) if isinstance(v, tuple) else 1 for _, _, v in condition.tests())
    return own + sum(_count(part) for part in inner)


def _condition(condition: Condition, *, negated: bool) -> list[Clause]:
    parts = [
        [{column: _domain(operator, value, negated=negated)}]
        for column, operator, value in condition.tests()
    ]
    if condition.all is not None:
        inner = [_condition(part, negated=negated) for part in condition.all]
        parts.append(_either(inner) if negated else _both(inner))
    if condition.any is not None:
        inner = [_condition(part, negated=negated) for part in condition.any]
        parts.append(_both(inner) if negated else _either(inner))
    if condition.not_ is not None:
        parts.append(_condition(condition.not_, negated=not negated))
    return _either(parts) if negated else _both(parts)


def _either(parts: Iterable[list[Clause]]) -> list[Clause]:
    return _bounded(itertools.chain.from_iterable(parts))


def _both(parts: Iterable[list[Clause]]) -> list[Clause]:
    result: list[Clause] = [{}]
    for part in parts:
        result = _bounded(_join(a, b) for a in result for b in part)
    return result


def _join(a: Clause, b: Clause) -> Clause:
    return {**a, **{c: domain & a[c] if c in a else domain for c, domain in b.items()}}


def _bounded(found: Iterable[Clause]) -> list[Clause]:
    kept: list[Clause] = []
    for clause in found:
        if any(domain.empty() for domain in clause.values()) or clause in kept:
            continue
        kept.append(clause)
        if len(kept) > MAX_CLAUSES:
            raise _TooManyError
    return kept


def _domain(operator: str, value: Any, *, negated: bool) -> Domain:
    """What an operator asks of its column, missing values as in ``conditions``."""
    if operator == "exists":
        return _PRESENT if value != negated else _MISSING
    if operator in {"eq", "ne", "in", "not_in"}:
        several = value if isinstance(value, tuple) else (value,)
        values = frozenset((kind_of(v), v) for v in several)
        if (operator in {"ne", "not_in"}) != negated:
            return Domain(excluded=values)
        return Domain(missing=False, allowed=values)
    if operator in {"matches", "contains"}:
        atoms = frozenset({(operator, value)})
        if negated:
            return Domain(fails=atoms)
        return Domain(missing=False, kind="text", holds=atoms)
    # The opposite of "below" is "missing or not below": on a column of another kind the test is
    # an error, so that no other values need to be thought of.
    if (operator in {"lt", "lte"}) != negated:
        end = (value, operator in {"lt", "gte"})
        return Domain(missing=negated, kind="number", high=end)
    end = (value, operator in {"gt", "lte"})
    return Domain(missing=negated, kind="number", low=end)


_PRESENT = Domain(missing=False)
_MISSING = Domain(allowed=frozenset())


@functools.lru_cache(maxsize=4096)
def _holds(atom: Atom, text: str) -> bool:
    operator, pattern = atom
    if operator == "contains":
        return pattern in text
    found: bool = pc.match_substring_regex(pa.array([text]), pattern)[0].as_py()
    return found
