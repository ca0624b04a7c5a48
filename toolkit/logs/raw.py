"""The tables that the checks work on, in an in-memory DuckDB.

``raw`` holds the outcomes (columns KNOWN, of any type), ``prompt`` the keys of the requests. Both
have our own column names only, so the user's never reach SQL, and ``rowid`` is the place in the
source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.checks import NUMBERS, Rows, refuse, repeated_columns
from toolkit.logs.propensity import PROPENSITY
from toolkit.schema import CATEGORY, INPUT_TOKENS, MODEL, PROMPT, REQUEST_ID, TIMESTAMP

TEXTS = ("answer", "error_detail", "cost_estimated")
"""Kept beside the outcomes where a log has them."""
OF_REQUEST = (CATEGORY, PROMPT, TIMESTAMP, PROPENSITY)
"""Columns of the requests that may stand in an outcomes table."""
KNOWN = tuple(dict.fromkeys((REQUEST_ID, MODEL, *OF_REQUEST, *NUMBERS, "error", *TEXTS)))
"""Columns of an outcomes table that are read; others are left out, and said to be."""
_KEYS = (REQUEST_ID, CATEGORY, INPUT_TOKENS, PROPENSITY)


def load_raw(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Make table ``raw`` of ``relation``, SQL of ours with ``$`` parameters for the user's text."""
    _make(con, "raw", KNOWN, relation, columns, parameters)


def register_frame(con: duckdb.DuckDBPyConnection, table: pa.Table, rows: Rows) -> None:
    """Make table ``raw`` of an Arrow table."""
    refuse(repeated_columns(table.column_names, rows))
    known = table.select([c for c in table.column_names if c in KNOWN])
    con.register("frame", _plain(known, rows))
    load_raw(con, "frame", known.column_names)


def load_requests(con: duckdb.DuckDBPyConnection, requests: pa.Table | None, rows: Rows) -> None:
    """Make table ``prompt`` of the keys of the requests, empty when there are none."""
    if requests is None:
        _make(con, "prompt", _KEYS, "(SELECT 1) WHERE false", ())
        return
    names = requests.column_names
    refuse(repeated_columns(names, rows))
    if REQUEST_ID not in names:
        raise DataError(
            f"{rows.source}: no column {REQUEST_ID!r}; got {did_you_mean(REQUEST_ID, names)}"
        )
    keys = requests.select([c for c in names if c in _KEYS])
    con.register("frame", _plain(keys, rows))
    _make(con, "prompt", _KEYS, "frame", names)


def _make(
    con: duckdb.DuckDBPyConnection,
    table: str,
    wanted: Iterable[str],
    relation: str,
    columns: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Make a table of our own columns: blank text where the relation lacks one."""

    def chosen(c: str) -> str:
        if c not in columns:
            return f"NULL::VARCHAR AS {c}"
        as_it_is = c in NUMBERS or c == TIMESTAMP
        return c if as_it_is else f"CAST({c} AS VARCHAR) AS {c}"

    # Every name in this statement is one of ours.
    listed = ", ".join(chosen(c) for c in wanted)
    statement = f"CREATE TEMP TABLE {table} AS SELECT {listed} FROM {relation}"  # noqa: S608
    con.execute(statement, dict(parameters or {})).fetchall()


def _plain(table: pa.Table, rows: Rows) -> pa.Table:
    """Undo dictionaries, and refuse what cannot be read as a number where one is wanted."""
    is_ = pa.types
    table = decoded(table)
    for field in table.schema:
        kind = field.type
        number = is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind)
        text = is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind)
        if field.name in NUMBERS and not (
            number or text or is_.is_boolean(kind) or is_.is_null(kind)
        ):
            raise DataError(
                f"{rows.source}: {field.name} has the wrong type; got {kind}; allowed: a number"
            )
    return table


def decoded(table: pa.Table) -> pa.Table:
    """Undo dictionaries."""
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(field.type.value_type))
    return table
