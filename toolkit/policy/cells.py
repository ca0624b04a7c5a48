"""The cells of one request column, and what one operator says about each of them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import Problem

Kind = Literal["text", "number", "boolean"]


def kind_of(value: str | float | bool) -> Kind:
    """Which kind of column can hold this value."""
    if isinstance(value, str):
        return "text"
    return "boolean" if isinstance(value, bool) else "number"


class Cells(NamedTuple):
    """One column, read once: numbers as float64 with NaN where missing, others as Arrow."""

    type: pa.DataType
    kind: Kind | None
    """None: a kind that only ``exists`` can test."""
    values: Any
    present: NDArray[np.bool_]
    """(n,) a value is there."""


def read(column: pa.ChunkedArray) -> Cells:
    """Prepare a column, however it is stored, for any number of operators."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    kind: Kind | None = None
    values: Any = column
    present = _bools(pc.is_valid(column))
    if pa.types.is_boolean(column.type):
        kind = "boolean"
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        kind = "text"
    elif (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_decimal(column.type)
    ):
        kind = "number"
        values = column.cast(pa.float64(), safe=False).to_numpy()
        present = ~np.isnan(values)
    return Cells(column.type, kind, values, present)


def _bools(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    array: NDArray[np.bool_] = pc.fill_null(values, False).to_numpy()
    return array


_NEEDS: dict[str, Kind] = {
    "lt": "number",
    "lte": "number",
    "gt": "number",
    "gte": "number",
    "matches": "text",
    "contains": "text",
}


def mismatch(cells: Cells, operator: str, value: Any, where: str, rule: str) -> Problem | None:
    """Say so when the column cannot hold such a value; a column without any value fits all."""
    if operator == "exists" or not cells.present.any():
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


def fulfil(cells: Cells, operator: str, value: Any) -> NDArray[np.bool_]:
    """One operator on one column of fitting kind, shape (n,)."""
    if operator == "exists":
        return cells.present if value else ~cells.present
    if operator in {"ne", "not_in"}:
        return ~fulfil(cells, {"ne": "eq", "not_in": "in"}[operator], value)
    if not cells.present.any():
        return np.zeros_like(cells.present)
    column = cells.values
    if cells.kind == "number":
        compare: dict[str, Any] = {
            "eq": np.equal,
            "in": np.isin,
            "lt": np.less,
            "lte": np.less_equal,
            "gt": np.greater,
            "gte": np.greater_equal,
        }
        result: NDArray[np.bool_] = compare[operator](column, value)
        return result
    if operator == "matches":
        return _bools(pc.match_substring_regex(column, value))
    if operator == "contains":
        return _bools(pc.match_substring(column, value))
    wanted = pa.array([value] if operator == "eq" else list(value), type=cells.type)
    return _bools(pc.is_in(column, value_set=wanted))
