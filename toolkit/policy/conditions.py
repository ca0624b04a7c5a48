"""When a rule applies: structured conditions over request columns, evaluated for a whole table.

Everything in one mapping must hold: several columns, several operators, and what stands beside
``all``, ``any`` or ``not``. A missing value (null or NaN) is different from every value, so it
fulfils ``ne``, ``not_in`` and ``exists: false`` and nothing else; ``not`` turns the answer round.
Numbers are compared as 64-bit floats. Text is compared exactly, upper and lower case apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import AfterValidator, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.cells import Kind, Test, cells, kind_of, mismatch, opposite, test
from toolkit.policy.written import GIVEN, Number, Scalar, Text, Written

if TYPE_CHECKING:
    from toolkit.policy.model import Policy

__all__ = ["OPERATORS", "Condition", "Kind", "Tests", "mask", "route_masks", "route_tests"]

OPERATORS = ("eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "matches", "contains", "exists")


def _one_kind(values: tuple[str | float | bool, ...]) -> tuple[str | float | bool, ...]:
    if len({kind_of(value) for value in values}) > 1:
        raise PydanticCustomError(
            "mixed_kinds",
            "mixes kinds of values, and a column holds one kind",
            {"allowed": "only text, only numbers or only true/false; quotes make a value text"},
        )
    return values


def _re2(pattern: str) -> str:
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        reason = str(error).partition(": ")[2] or str(error)
        raise PydanticCustomError(
            "regex",
            "is not a regular expression ({reason})",
            {"reason": reason, "allowed": "RE2 syntax (no look-around, no back-references)"},
        ) from error
    return pattern


Values = Annotated[tuple[Scalar, ...], Field(min_length=1), AfterValidator(_one_kind)]
Pattern = Annotated[Text, AfterValidator(_re2)]
Part = Annotated[Text, Field(min_length=1)]


class Tests(Written):
    """What one column must fulfil; several operators must all hold."""

    __test__: ClassVar[bool] = False  # pytest: not a test class, in spite of its name

    eq: Annotated[Scalar | None, GIVEN] = None
    ne: Annotated[Scalar | None, GIVEN] = None
    in_: Annotated[Values | None, GIVEN] = Field(default=None, alias="in")
    not_in: Annotated[Values | None, GIVEN] = None
    lt: Annotated[Number | None, GIVEN] = None
    lte: Annotated[Number | None, GIVEN] = None
    gt: Annotated[Number | None, GIVEN] = None
    gte: Annotated[Number | None, GIVEN] = None
    matches: Annotated[Pattern | None, GIVEN] = None
    contains: Annotated[Part | None, GIVEN] = None
    exists: Annotated[StrictBool | None, GIVEN] = None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not any(True for _ in self.pairs()):
            raise PydanticCustomError(
                "empty", "needs an operator", {"allowed": ", ".join(OPERATORS)}
            )
        return self

    def pairs(self) -> Iterator[tuple[str, Any]]:
        """Each (operator, value) that is given."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value is not None:
                yield field.alias or name, value


class Condition(Written):
    """Which requests a rule applies to: ``{column: {operator: value}}``, ``all``, ``any``, ``not``.

    >>> Condition.model_validate({"input_tokens": {"lt": 400}, "not": {"category": {"eq": "code"}}})
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Tests] = Field(init=False)

    all: Annotated[tuple[Condition, ...] | None, Field(min_length=1), GIVEN] = None
    any: Annotated[tuple[Condition, ...] | None, Field(min_length=1), GIVEN] = None
    not_: Annotated[Condition | None, GIVEN] = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.all is None and self.any is None and self.not_ is None and not self.columns:
            raise PydanticCustomError(
                "empty",
                "needs at least one test",
                {"allowed": "{column: {operator: value}}, all, any, not"},
            )
        return self

    @property
    def columns(self) -> dict[str, Tests]:
        """The tests of each column named at this level."""
        return self.__pydantic_extra__

    def tests(self) -> Iterator[tuple[str, str, Any]]:
        """Each (column, operator, value) of this level, without those inside all, any and not."""
        for column, tests in self.columns.items():
            for operator, value in tests.pairs():
                yield column, operator, value


def mask(
    condition: Condition, requests: pa.Table, where: str = "when", rule: str = ""
) -> NDArray[np.bool_]:
    """Which of the n requests fulfil the condition, as booleans of shape (n,).

    ``where`` is the dotted key of the condition and ``rule`` its name, for messages.

    Raises:
        PolicyError: The condition asks for a column that ``requests`` does not have, or compares
            a column with a value of another kind.
    """
    problems: list[Problem] = []
    holds = _test(condition, requests, where, rule, problems)
    if problems:
        raise PolicyError(problems)
    return np.array(holds(slice(None)))


def route_tests(policy: Policy, requests: pa.Table) -> list[Test]:
    """Return the test of each route's condition, each by itself, ready for any rows.

    Raises:
        PolicyError: As for `mask`, with the problems of all routes.
    """
    problems: list[Problem] = []
    tests = [
        _test(route.when, requests, f"routes.{i}.when", route.name, problems)
        for i, route in enumerate(policy.routes)
    ]
    if problems:
        raise PolicyError(problems)
    return tests


def route_masks(policy: Policy, requests: pa.Table) -> NDArray[np.bool_]:
    """Which requests fulfil the condition of each route, each by itself: shape (routes, n).

    Raises:
        PolicyError: As for `mask`, with the problems of all routes.
    """
    masks = np.zeros((len(policy.routes), requests.num_rows), dtype=np.bool_)
    for mask, holds in zip(masks, route_tests(policy, requests), strict=True):
        mask[:] = holds(slice(None))
    return masks


def _test(
    condition: Condition, requests: pa.Table, where: str, rule: str, problems: list[Problem]
) -> Test:
    """Put a condition's test together; add what is wrong with it to ``problems``, each once."""
    return _every(list(_parts(condition, requests, where, rule, problems)))


def _parts(
    condition: Condition, requests: pa.Table, where: str, rule: str, problems: list[Problem]
) -> Iterator[Test]:
    """The tests that must all hold."""
    for column, operator, value in condition.tests():
        if column in requests.column_names:
            there = cells(requests, column)
            problem = mismatch(there, operator, value, f"{where}.{column}", rule)
        else:
            problem = _unknown_column(column, requests, where, rule)
        if problem is None:
            yield test(there, operator, value)
        elif problem not in problems:
            problems.append(problem)
    for i, inner in enumerate(condition.all or ()):
        yield _test(inner, requests, f"{where}.all.{i}", rule, problems)
    if condition.any is not None:
        yield _some(
            [
                _test(inner, requests, f"{where}.any.{i}", rule, problems)
                for i, inner in enumerate(condition.any)
            ]
        )
    if condition.not_ is not None:
        yield opposite(_test(condition.not_, requests, f"{where}.not", rule, problems))


def _every(tests: list[Test]) -> Test:
    return lambda rows: reduce(np.logical_and, (holds(rows) for holds in tests))


def _some(tests: list[Test]) -> Test:
    return lambda rows: reduce(np.logical_or, (holds(rows) for holds in tests))


def _unknown_column(column: str, requests: pa.Table, where: str, rule: str) -> Problem:
    return Problem(
        f"rule {rule!r} asks for a column that the requests do not have",
        f"{where}.{column}",
        repr(column),
        did_you_mean(column, requests.column_names),
    )
