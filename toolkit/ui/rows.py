"""Conditions as rows of a form: column, operator, value. What is nested stays for the YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.policy.conditions import Condition, Kind
from toolkit.schema import PROMPT, REQUEST_ID

Mode = Literal["all", "any"]
WORDS = {
    "eq": "is",
    "ne": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "lt": "is below",
    "lte": "is at most",
    "gt": "is above",
    "gte": "is at least",
    "matches": "matches the pattern",
    "contains": "contains",
    "exists": "is present",
}
"""The operators as a form offers them."""
OPERATORS: dict[Kind, tuple[str, ...]] = {
    "text": ("in", "not_in", "eq", "ne", "contains", "matches", "exists"),
    "number": ("lt", "lte", "gt", "gte", "eq", "ne", "exists"),
    "boolean": ("eq", "ne", "exists"),
}
FEW = 60
"""A text column with at most so many values offers them to choose from."""


@dataclass(frozen=True)
class Row:
    """One test: a request column, an operator, a value."""

    column: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Column:
    """A request column that a row can test."""

    name: str
    kind: Kind
    values: tuple[str, ...] = ()
    """those of a text column that has few"""
    middle: float = 0.0
    """median of a number column"""


def read(condition: Condition) -> tuple[Mode, tuple[Row, ...]] | None:
    """The condition as rows that must all hold, or of which any must; None where it is nested."""
    here = [Row(*test) for test in condition.tests()]
    groups = [g for g in (condition.all, condition.any) if g is not None]
    if condition.not_ is not None or len(groups) > 1 or (groups and here):
        return None
    if not groups:
        return "all", tuple(here)
    rows = []
    for part in groups[0]:
        tests = [Row(*test) for test in part.tests()]
        if len(tests) != 1 or part.all or part.any or part.not_:
            return None
        rows += tests
    return ("all" if condition.all is not None else "any"), tuple(rows)


def write(mode: Mode, rows: Sequence[Row]) -> dict[str, Any]:
    """Rows as the condition that a person would write."""
    tests = [{row.column: {row.operator: row.value}} for row in rows]
    return tests[0] if len(tests) == 1 else {mode: tests}


def columns(requests: pa.Table) -> tuple[Column, ...]:
    """The columns of the requests that a row can test, those most used in rules first."""
    found = []
    for name in requests.column_names:
        column = requests.column(name)
        kind = _kind(column.type)
        if kind is None or name == REQUEST_ID:
            continue
        values: tuple[str, ...] = ()
        middle = 0.0
        if kind == "text" and name != PROMPT:
            distinct = pc.unique(column.slice(0, 100_000)).drop_null()
            values = tuple(sorted(distinct.to_pylist())) if len(distinct) <= FEW else ()
        if kind == "number":
            numbers = column.cast(pa.float64(), safe=False).to_numpy()
            known = numbers[~np.isnan(numbers)]
            middle = float(np.round(np.median(known))) if known.size else 0.0
        found.append(Column(name, kind, values, middle))
    return tuple(sorted(found, key=lambda c: (not c.values, c.kind != "number", c.name == PROMPT)))


def _kind(kind: pa.DataType) -> Kind | None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "boolean"
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return "number" if number else None


def fresh(column: Column) -> Row:
    """A row to begin with: likely to be meant, and valid."""
    if column.kind == "number":
        return Row(column.name, "lt", column.middle)
    if column.kind == "boolean":
        return Row(column.name, "eq", True)
    if column.values:
        return Row(column.name, "in", (column.values[0],))
    return Row(column.name, "contains", "word")


def with_operator(row: Row, operator: str, column: Column) -> Row:
    """The row with another operator and its value turned into what that one needs."""
    value = row.value
    if operator == "exists":
        value = True
    elif isinstance(value, bool) and column.kind != "boolean":
        value = fresh(column).value
    if operator in {"in", "not_in"} and not isinstance(value, (list, tuple)):
        value = (value,)
    if operator not in {"in", "not_in"} and isinstance(value, (list, tuple)):
        value = value[0]
    return Row(row.column, operator, value)
