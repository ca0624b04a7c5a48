"""The cells of one request column, and what one operator says about each of them.

A column is prepared once for as long as its table lives, since a slider asks for the same columns
again and again. Where texts repeat, each is tested once; what was said of them is kept as well.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import Problem
from toolkit.threads import in_threads

Kind = Literal["text", "number", "boolean"]
Test: TypeAlias = Callable[[slice], NDArray[np.bool_]]
"""Which of these rows fulfil something; the result is not to be written to."""

_KEPT = 32
"""Tests of one column whose answers are kept."""


def kind_of(value: str | float | bool) -> Kind:
    """Which kind of column can hold this value."""
    if isinstance(value, str):
        return "text"
    return "boolean" if isinstance(value, bool) else "number"


class Cells(NamedTuple):
    """One column of n requests, read once."""

    type: pa.DataType
    kind: Kind | None
    """None: a kind that only ``exists`` can test."""
    n: int
    filled: bool
    """At least one value is there."""
    numbers: NDArray[np.float64] | None
    """(n,) of numbers, NaN where missing; None for other kinds"""
    codes: NDArray[np.int32] | None
    """(n,) which of the different values it is; None where each row stands for itself"""
    ask: Callable[[str, Any], NDArray[np.bool_]]
    """What an operator says of each different value, of a missing one at the end; or of each
    row. Not for numbers."""


_prepared: dict[int, tuple[weakref.ref[pa.Table], dict[str, Cells]]] = {}


def cells(requests: pa.Table, column: str) -> Cells:
    """Return a column, prepared for any number of operators, however it is stored."""
    key = id(requests)  # a table can be referred to weakly, but is no key of a mapping
    if key not in _prepared:
        _prepared[key] = weakref.ref(requests, lambda _: _prepared.pop(key, None)), {}
    columns = _prepared[key][1]
    if column not in columns:
        columns[column] = read(requests.column(column))
    return columns[column]


def read(column: pa.ChunkedArray) -> Cells:
    """Prepare a column."""
    if pa.types.is_dictionary(column.type) and not _is_text(column.type.value_type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    if (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_decimal(column.type)
    ):
        numbers = column.cast(pa.float64(), safe=False).to_numpy()
        filled = not np.isnan(numbers).all()
        return Cells(column.type, "number", len(column), filled, numbers, None, _no_words)
    kind: Kind | None = "boolean" if pa.types.is_boolean(column.type) else None
    if pa.types.is_dictionary(column.type) or _is_text(column.type):
        kind = "text"
    codes = None
    values: Any = column
    if pa.types.is_dictionary(column.type) or (kind == "text" and _repeats(column)):
        values, codes = _different(column)
    ask = lru_cache(_KEPT)(partial(_ask, values, codes is not None))
    filled = bool(ask("exists", True).any())
    return Cells(values.type, kind, len(column), filled, None, codes, ask)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _repeats(column: pa.ChunkedArray) -> bool:
    """Whether texts occur again in a sample: telling them apart costs as much as a test."""
    n = len(column)
    step = n // max(1024, n // 64) + 1
    sample = column.take(pa.array(np.arange(0, n, step)))
    return n >= 64 and bool(pc.count_distinct(sample).as_py() <= len(sample) // 2)


def _different(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int32]]:
    """Return the different values, and which of them each row holds (one more: missing)."""
    encoded = column.dictionary_encode() if _is_text(column.type) else column
    encoded = encoded.unify_dictionaries()
    if encoded.num_chunks == 0:
        return pa.array([], pa.string()), np.empty(0, np.int32)
    values = encoded.chunk(0).dictionary
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    indices = [pc.fill_null(c.indices.cast(pa.int32()), len(values)) for c in encoded.chunks]
    return values, np.concatenate([part.to_numpy() for part in indices])


def _ask(values: Any, missing: bool, operator: str, value: Any) -> NDArray[np.bool_]:
    """Ask one operator about every value; ``missing`` adds a place for the missing one."""
    said = np.zeros(len(values) + missing, np.bool_)
    wanted = None
    if operator in {"eq", "in"}:
        wanted = pa.array([value] if operator == "eq" else list(value), type=values.type)

    def work(first: int, end: int) -> None:
        part = values.slice(first, end - first)
        if operator == "exists":
            holds = pc.is_valid(part)
        elif operator == "matches":
            holds = pc.match_substring_regex(part, value)
        elif operator == "contains":
            holds = pc.match_substring(part, value)
        else:
            holds = pc.and_(pc.is_valid(part), pc.is_in(part, value_set=wanted))
        said[first:end] = pc.fill_null(holds, False).to_numpy(zero_copy_only=False)

    in_threads(work, len(values))
    said.flags.writeable = False
    return said


def _no_words(operator: str, value: Any) -> NDArray[np.bool_]:
    raise TypeError(f"numbers are compared, not asked for {operator} {value!r}")


_NEEDS: dict[str, Kind] = {
    "lt": "number",
    "lte": "number",
    "gt": "number",
    "gte": "number",
    "matches": "text",
    "contains": "text",
}
_COMPARE: dict[str, Callable[[NDArray[np.float64], Any], NDArray[np.bool_]]] = {
    "eq": np.equal,
    "in": np.isin,
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
}
_OPPOSITE = {"ne": "eq", "not_in": "in"}


def mismatch(cells: Cells, operator: str, value: Any, where: str, rule: str) -> Problem | None:
    """Say so when the column cannot hold such a value; a column without any value fits all."""
    if operator == "exists" or not cells.filled:
        return None
    one = value[0] if isinstance(value, tuple) else value
    needed = _NEEDS.get(operator, kind_of(one))
    if cells.kind == needed:
        return None
    return Problem(
        f"rule {rule!r} tests this column with a {needed} value, but the column holds "
        f"{cells.kind or cells.type}",
        f"{where}.{operator}",
        repr(list(value) if isinstance(value, tuple) else value),
        f"a {cells.kind} value" if cells.kind else "only exists",
    )


def test(cells: Cells, operator: str, value: Any) -> Test:
    """One operator on one column of fitting kind, to be asked of any rows."""
    if operator == "exists" and not value:
        return opposite(test(cells, "exists", True))
    if operator in _OPPOSITE:
        return opposite(test(cells, _OPPOSITE[operator], value))
    if not cells.filled:
        nowhere = np.broadcast_to(np.False_, cells.n)
        return lambda rows: nowhere[rows]
    if cells.numbers is not None:
        numbers = cells.numbers
        if operator == "exists":
            return lambda rows: ~np.isnan(numbers[rows])
        compare = _COMPARE[operator]
        return lambda rows: compare(numbers[rows], value)
    said, codes = cells.ask(operator, value), cells.codes
    if codes is None:
        return lambda rows: said[rows]
    return lambda rows: said.take(codes[rows], mode="clip")


def opposite(holds: Test) -> Test:
    """Return the test that holds where this one does not."""
    return lambda rows: ~holds(rows)
