"""Requests as a table of columns, and what kind of values a column holds.

What comes in live is anybody's: there a value of another kind than in training counts as missing,
as a router that fails loses the request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import DataError

Kinds: TypeAlias = Mapping[str, str]
"""``"number"``, ``"flag"`` or ``"category"`` (which is text) of columns that a router reads."""
Gaps: TypeAlias = Mapping[str, tuple[str, NDArray[np.bool_]]]
"""By column: how it fails a router, in words, and (n,) in which requests."""

_CALLED = {"number": "a number", "flag": "true or false", "category": "text"}


def as_table(requests: Any, kinds: Kinds | None = None) -> pa.Table:
    """Requests as an Arrow table: a table, a DataFrame, a dictionary of columns, or a list of rows.

    With ``kinds``, the columns learnt, a value that does not fit among the others is missing.

    Raises:
        DataError: these are no requests, or values of a column differ in kind.
    """
    if isinstance(requests, pa.Table):
        return requests
    try:
        if is_rows(requests):
            names = dict.fromkeys(str(name) for row in requests for name in row)
            requests = {name: [row.get(name) for row in requests] for name in names}
        if isinstance(requests, Mapping):
            columns = {str(name): requests[name] for name in requests}
            if kinds is not None:
                columns = {name: column(columns[name], kinds.get(name, "")) for name in columns}
            return pa.table(columns)
        if kinds is not None:
            columns = {str(name): column(requests[name], kinds.get(name, "")) for name in requests}
            return pa.table(columns) if columns else pa.Table.from_pandas(requests)
        return pa.Table.from_pandas(requests, preserve_index=False)
    except (pa.ArrowException, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"requests: cannot be read as columns: {error}; got {type(requests).__name__};"
            " allowed: an Arrow table, a DataFrame, a dictionary of columns, a list of"
            " dictionaries, or numbers (n, d)"
        ) from error


def is_rows(requests: Any) -> bool:
    """Whether requests are a list with a dictionary for each."""
    rows = isinstance(requests, list | tuple) and len(requests) > 0
    return rows and all(isinstance(row, Mapping) for row in requests)


def column(values: Any, kind: str) -> Any:
    """Values as Arrow has them; where these do not go together, those of ``kind`` alone."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array([_fitting(value, kind) for value in values])


def _fitting(value: Any, kind: str) -> Any:
    if kind == "flag":
        return value if isinstance(value, bool) else None
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < math.inf and abs(value) < 1e300 else None
    if kind == "category" and isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return None


def kind_of(kind: pa.DataType) -> str:
    """What a column of this type is to a router; empty: nothing that it could read."""
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_dictionary(kind):
        return "category" if _is_text(kind.value_type) else ""
    return "category" if _is_text(kind) else ""


def learnt(table: pa.Table, name: str, kind: str) -> pa.ChunkedArray | None:
    """A column of the kind that it had in training; None: missing, or of another kind."""
    if name not in table.column_names or kind_of(table[name].type) != kind:
        return None
    return table[name]


def gaps(kinds: Kinds, table: pa.Table) -> Gaps:
    """What a router reads of requests and does not find, or not as it was in training."""
    found = {}
    for name, kind in kinds.items():
        values = learnt(table, name, kind)
        if values is not None:
            lacks = pc.is_null(values, nan_is_null=True).to_numpy()
            if lacks.any():
                found[name] = ("is missing", lacks)
            continue
        how = "is missing"
        if name in table.column_names and not pa.types.is_null(table[name].type):
            got = table[name].type
            how = f"is {_CALLED.get(kind_of(got), str(got))}, not {_CALLED[kind]}"
        found[name] = (how, np.ones(table.num_rows, bool))
    return found


def as_words(found: Gaps, row: int) -> str:
    """What one request lacks: ``'prompt' is missing; 'size' is text, not a number``."""
    lines: Sequence[str] = [f"{name!r} {how}" for name, (how, lacks) in found.items() if lacks[row]]
    return "; ".join(lines)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
