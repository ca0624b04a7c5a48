"""From a long table of outcomes to checked, indexed columns.

Every way in (file, frame, bundled folder) passes through :func:`check`, so that what a Dataset
holds was always checked by the same rules. The rules are SQL over an in-memory DuckDB, whose
table ``raw`` has the columns ``KNOWN``, whatever their types; ``rowid`` is the place in the source.
Column names of the user never reach SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.errornames import error_codes
from toolkit.schema import CATEGORY, INPUT_TOKENS, MODEL, PROMPT, REQUEST_ID, TIMESTAMP

NUMBERS = ("quality", "cost_usd", "latency_s", "latency_ms", "input_tokens", "output_tokens")
TEXTS = ("answer", "error_detail")
"""Kept beside the outcomes where a log has them."""
KNOWN = (REQUEST_ID, MODEL, CATEGORY, PROMPT, TIMESTAMP, *NUMBERS, "error", *TEXTS)
"""Columns of an outcomes table that are read; others are left out, and said to be."""
_OF_REQUEST = (CATEGORY, PROMPT, TIMESTAMP)
_PROMPT_KEYS = (REQUEST_ID, CATEGORY, INPUT_TOKENS)


@dataclass(frozen=True)
class Rows:
    """How rows of a source are named to people."""

    source: str
    """File name, or what stands for it in a message."""
    first: int = 0
    """Number of the first row of data."""
    word: str = "row"
    note: str = "counted from 0"

    def listed(self, found: Sequence[tuple[int, str, int]]) -> str:
        """Format (rowid, value, total) of the first findings, such as ``'x' in row 2``."""
        total = found[0][2]
        shown = ", ".join(f"{got!r} in {self.word} {row + self.first}" for row, got, _ in found)
        more = f" and {total - len(found)} more" if total > len(found) else ""
        return f"{shown}{more} ({total} in all; {self.word}s are {self.note})"


@dataclass(frozen=True, eq=False)
class Tables:
    """What the store keeps of a dataset: n requests, m models, k outcomes."""

    requests: pa.Table
    """(n rows) request_id first; input_tokens always there."""
    models: tuple[str, ...]
    """(m) names, sorted."""
    outcomes: pa.Table
    """(k rows) request_ix, model_ix int32; quality, cost_usd, latency_s, input_tokens,
    output_tokens double with null for not measured; error int8; TEXTS where the log has them.
    Sorted by request_ix, model_ix."""
    notes: tuple[str, ...] = ()
    """What was changed or left out, in words."""


def load_raw(con: duckdb.DuckDBPyConnection, relation: str, columns: Iterable[str]) -> None:
    """Make table ``raw`` of ``relation``, a table of our own naming, whose columns are given."""
    _make(con, "raw", KNOWN, relation, columns)


def register_frame(con: duckdb.DuckDBPyConnection, table: pa.Table, rows: Rows) -> None:
    """Make table ``raw`` of an Arrow table."""
    _refuse_repeated(table.column_names, rows)
    con.register("frame", _plain(table.select([c for c in table.column_names if c in KNOWN]), rows))
    load_raw(con, "frame", table.column_names)


def check(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    rows: Rows,
    requests: pa.Table | None = None,
    request_rows: Rows | None = None,
) -> Tables:
    """Check table ``raw`` and the requests, and index them.

    ``columns`` are all columns of the source of ``raw``; ``requests`` has request_id and any
    other columns, which keep their types. Raises DataError with every problem found.
    """
    columns = [c for c in columns if c]
    _check_columns(columns, rows)
    problems = [*_blank_keys(con, rows), *_bad_numbers(con, "raw", NUMBERS, rows)]
    if not con.execute("SELECT count(*) FROM raw").fetchall()[0][0]:
        problems.append(f"{rows.source} holds no outcomes; allowed: one row per outcome")
    if requests is not None:
        problems += _check_requests(con, requests, request_rows or Rows("requests"), rows)
    _refuse(problems)
    notes = [*_index(con, requests is not None), *_notes(con, columns, requests)]
    _refuse(_duplicates(con, rows))
    codes, error_notes = error_codes(
        con.execute(
            "SELECT CAST(error AS VARCHAR), count(*) FROM raw WHERE error IS NOT NULL"
            " GROUP BY 1 ORDER BY 1"
        ).fetchall()
    )
    con.register("error_code", codes)
    changed = con.execute(
        "SELECT count(*) FROM raw JOIN error_code ON CAST(raw.error AS VARCHAR) = name"
        " WHERE code <> 0 AND TRY_CAST(quality AS DOUBLE) > 0"
    ).fetchall()[0][0]
    notes += error_notes
    if changed:
        notes.append(f"{changed} outcomes had an error and a quality above 0: their quality is 0")
    models = con.execute("SELECT model FROM model ORDER BY ix").fetchall()
    return Tables(
        requests=_requests(con, columns, requests),
        models=tuple(name for (name,) in models),
        outcomes=_outcomes(con, columns),
        notes=tuple(notes),
    )


def _make(
    con: duckdb.DuckDBPyConnection,
    table: str,
    wanted: Iterable[str],
    relation: str,
    columns: Iterable[str],
) -> None:
    found = set(columns)
    chosen = ", ".join(c if c in found else f"NULL::VARCHAR AS {c}" for c in wanted)
    con.execute(f"CREATE TEMP TABLE {table} AS SELECT {chosen} FROM {relation}").fetchall()


def _plain(table: pa.Table, rows: Rows) -> pa.Table:
    """Undo dictionaries, and refuse what cannot be a number where one is wanted."""
    for i, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
            table = table.set_column(i, field.name, table.column(i).cast(kind))
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        other = pa.types.is_boolean(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        text = text or pa.types.is_string_view(kind)
        if field.name in NUMBERS and not (numeric or other or text):
            raise DataError(
                f"{rows.source}: wrong type of column {field.name}; got {kind}; allowed: a number"
            )
    return table


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise DataError("\n".join(problems))


def _refuse_repeated(columns: Sequence[str], rows: Rows) -> None:
    twice = sorted({c for c in columns if columns.count(c) > 1})
    _refuse([f"{rows.source}: column {c!r} is there twice; allowed: once" for c in twice])


def _check_columns(columns: Sequence[str], rows: Rows) -> None:
    problems = [
        f"{rows.source}: no column {c!r}; got {did_you_mean(c, columns)}"
        for c in (REQUEST_ID, MODEL)
        if c not in columns
    ]
    measured = ("quality", "cost_usd", "latency_s", "latency_ms")
    if not set(measured) & set(columns):
        problems.append(
            f"{rows.source}: nothing was measured; got {did_you_mean('quality', columns)};"
            f" allowed: at least one column of {', '.join(measured)}"
        )
    if {"latency_s", "latency_ms"} <= set(columns):
        problems.append(
            f"{rows.source}: latency is given twice; got latency_s and latency_ms;"
            " allowed: one of the two"
        )
    _refuse(problems)


Finding = list[tuple[int, str, int]]


def _first_rows(con: duckdb.DuckDBPyConnection, table: str, got: str, where: str) -> Finding:
    """(rowid, value, total) of the first five rows that meet a condition."""
    return con.execute(
        f"SELECT rowid, {got}, count(*) OVER () FROM {table} WHERE {where} ORDER BY rowid LIMIT 5"
    ).fetchall()


def _blank_keys(
    con: duckdb.DuckDBPyConnection, rows: Rows, table: str = "raw", keys: tuple[str, ...] = ()
) -> list[str]:
    problems = []
    for key in keys or (REQUEST_ID, MODEL):
        blank = f"{key} IS NULL OR trim(CAST({key} AS VARCHAR)) = ''"
        if found := _first_rows(con, table, f"coalesce(CAST({key} AS VARCHAR), '')", blank):
            problems.append(f"{rows.source}: {key} is missing; got {rows.listed(found)}")
    return problems


def _bad_numbers(
    con: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str], rows: Rows
) -> list[str]:
    problems = []
    for c in columns:
        number = f"TRY_CAST({c} AS DOUBLE)"
        high, allowed = ("1", "a number from 0 to 1") if c == "quality" else ("'inf'", "0 or more")
        bad = (
            f"({number} IS NULL AND trim(CAST({c} AS VARCHAR)) <> '')"
            f" OR NOT isfinite({number}) OR {number} < 0 OR {number} > {high}"
        )
        if found := _first_rows(con, table, f"CAST({c} AS VARCHAR)", bad):
            problems.append(
                f"{rows.source}: {c} is wrong; got {rows.listed(found)};"
                f" allowed: {allowed}, or blank for not measured"
            )
    return problems


def _check_requests(
    con: duckdb.DuckDBPyConnection, requests: pa.Table, here: Rows, outcomes: Rows
) -> list[str]:
    """Make table ``prompt`` of the keys of the requests, and list what is wrong with them."""
    _refuse_repeated(requests.column_names, here)
    if REQUEST_ID not in requests.column_names:
        found = did_you_mean(REQUEST_ID, requests.column_names)
        return [f"{here.source}: no column {REQUEST_ID!r}; got {found}"]
    con.register(
        "keys",
        _plain(requests.select([c for c in requests.column_names if c in _PROMPT_KEYS]), here),
    )
    _make(con, "prompt", _PROMPT_KEYS, "keys", requests.column_names)
    problems = _blank_keys(con, here, "prompt", (REQUEST_ID,))
    problems += _bad_numbers(con, "prompt", (INPUT_TOKENS,), here)
    if found := con.execute(
        "SELECT rowid, request_id, count(*) OVER () FROM (SELECT rowid, CAST(request_id AS VARCHAR)"
        " AS request_id, row_number() OVER (PARTITION BY request_id ORDER BY rowid) AS nth"
        " FROM prompt WHERE request_id IS NOT NULL) WHERE nth > 1 ORDER BY rowid LIMIT 5"
    ).fetchall():
        problems.append(
            f"{here.source}: request_id is there before; got {here.listed(found)}; allowed: once"
        )
    if found := _first_rows(
        con,
        "raw",
        "CAST(request_id AS VARCHAR)",
        "request_id IS NOT NULL AND CAST(request_id AS VARCHAR) NOT IN (SELECT"
        " CAST(request_id AS VARCHAR) FROM prompt WHERE request_id IS NOT NULL)",
    ):
        problems.append(
            f"{outcomes.source}: request_id is not in {here.source}; got {outcomes.listed(found)}"
        )
    return problems


def _index(con: duckdb.DuckDBPyConnection, with_prompts: bool) -> list[str]:
    """Make ``request`` (request_id, ix, prompt_row), ``model`` (model, ix) and ``pair``."""
    if not with_prompts:
        con.execute(
            "CREATE TEMP TABLE prompt (request_id VARCHAR, category VARCHAR, input_tokens DOUBLE)"
        ).fetchall()
    con.execute(
        "CREATE TEMP TABLE request AS SELECT r.request_id, p.rowid AS prompt_row,"
        " CAST(row_number() OVER (ORDER BY p.rowid, r.first) - 1 AS INTEGER) AS ix"
        " FROM (SELECT CAST(request_id AS VARCHAR) AS request_id, min(rowid) AS first"
        "       FROM raw GROUP BY 1) r"
        " LEFT JOIN prompt p ON CAST(p.request_id AS VARCHAR) = r.request_id"
    ).fetchall()
    con.execute(
        "CREATE TEMP TABLE model AS SELECT model,"
        " CAST(row_number() OVER (ORDER BY model) - 1 AS INTEGER) AS ix"
        " FROM (SELECT DISTINCT CAST(model AS VARCHAR) AS model FROM raw)"
    ).fetchall()
    con.execute(
        "CREATE TEMP TABLE pair AS SELECT raw.rowid AS row, r.ix AS request_ix, m.ix AS model_ix"
        " FROM raw JOIN request r ON r.request_id = CAST(raw.request_id AS VARCHAR)"
        " JOIN model m ON m.model = CAST(raw.model AS VARCHAR)"
    ).fetchall()
    return []


def _duplicates(con: duckdb.DuckDBPyConnection, rows: Rows) -> list[str]:
    found = con.execute(
        "SELECT row, request_id || ' / ' || model, count(*) OVER () FROM"
        " (SELECT row, request_ix, model_ix,"
        "  row_number() OVER (PARTITION BY request_ix, model_ix ORDER BY row) AS nth"
        "  FROM pair SEMI JOIN (SELECT request_ix, model_ix FROM pair GROUP BY ALL"
        "  HAVING count(*) > 1) USING (request_ix, model_ix))"
        " JOIN request r ON r.ix = request_ix JOIN model m ON m.ix = model_ix"
        " WHERE nth > 1 ORDER BY row LIMIT 5"
    ).fetchall()
    if not found:
        return []
    return [
        f"{rows.source}: request_id and model are there before; got {rows.listed(found)};"
        " allowed: one outcome for each"
    ]


def _notes(
    con: duckdb.DuckDBPyConnection, columns: Sequence[str], requests: pa.Table | None
) -> list[str]:
    notes = []
    if left_out := [c for c in columns if c not in KNOWN]:
        notes.append(f"columns left out: {', '.join(left_out)}")
    if requests is None:
        return notes
    unused = con.execute(
        "SELECT count(*) FROM prompt WHERE CAST(request_id AS VARCHAR)"
        " NOT IN (SELECT request_id FROM request)"
    ).fetchall()[0][0]
    if unused:
        notes.append(f"{unused} prompts have no outcome and were left out")
    differs = con.execute(
        "SELECT count(DISTINCT CAST(p.request_id AS VARCHAR)) FROM raw JOIN prompt p"
        " ON CAST(p.request_id AS VARCHAR) = CAST(raw.request_id AS VARCHAR)"
        " WHERE CAST(p.category AS VARCHAR) <> CAST(raw.category AS VARCHAR)"
    ).fetchall()[0][0]
    if differs:
        notes.append(
            f"category differs between the files for {differs} requests; the prompts' is kept"
        )
    return notes


def _requests(
    con: duckdb.DuckDBPyConnection, columns: Sequence[str], given: pa.Table | None
) -> pa.Table:
    facts = con.sql(
        "SELECT ix, any_value(r.request_id) AS request_id, any_value(prompt_row) AS prompt_row,"
        " arg_min(nullif(CAST(raw.category AS VARCHAR), ''), row) AS category,"
        " arg_min(CAST(raw.prompt AS VARCHAR), row) AS prompt,"
        " arg_min(raw.timestamp, row) AS timestamp,"
        " coalesce(any_value(TRY_CAST(p.input_tokens AS DOUBLE)),"
        "  median(TRY_CAST(raw.input_tokens AS DOUBLE))"
        "  FILTER (TRY_CAST(raw.input_tokens AS DOUBLE) > 0)) AS input_tokens"
        " FROM pair JOIN raw ON raw.rowid = row JOIN request r ON r.ix = request_ix"
        " LEFT JOIN prompt p ON p.rowid = prompt_row GROUP BY ix ORDER BY ix"
    ).to_arrow_table()
    found = facts if given is None else given.take(facts["prompt_row"])
    first = [REQUEST_ID]
    table = pa.table({REQUEST_ID: facts[REQUEST_ID]})
    for name in _OF_REQUEST:
        if given is not None and name in given.column_names:
            first.append(name)
            table = table.append_column(name, found[name])
        elif name in columns:
            first.append(name)
            column = facts[name]
            table = table.append_column(name, _moment(column) if name == TIMESTAMP else column)
    for name in [] if given is None else given.column_names:
        if name not in (*first, INPUT_TOKENS):
            column = found[name]
            table = table.append_column(name, column)
    table = table.append_column(INPUT_TOKENS, facts[INPUT_TOKENS])
    return _decoded(table).combine_chunks()


def _moment(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as timestamps where every value reads as one, else as it is."""
    if not pa.types.is_string(column.type):
        return column
    try:
        return pc.cast(column, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return column


def _decoded(table: pa.Table) -> pa.Table:
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(field.type.value_type))
    return table


def _outcomes(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> pa.Table:
    texts = "".join(f", CAST({c} AS VARCHAR) AS {c}" for c in TEXTS if c in columns)
    return con.sql(
        "SELECT request_ix, model_ix,"
        " CASE WHEN coalesce(code, 0) <> 0 THEN 0 ELSE TRY_CAST(quality AS DOUBLE) END AS quality,"
        " TRY_CAST(cost_usd AS DOUBLE) AS cost_usd,"
        " coalesce(TRY_CAST(latency_s AS DOUBLE), TRY_CAST(latency_ms AS DOUBLE) / 1000)"
        "  AS latency_s,"
        " TRY_CAST(input_tokens AS DOUBLE) AS input_tokens,"
        " TRY_CAST(output_tokens AS DOUBLE) AS output_tokens,"
        f" CAST(coalesce(code, 0) AS TINYINT) AS error{texts}"
        " FROM pair JOIN raw ON raw.rowid = row"
        " LEFT JOIN error_code ON name = CAST(raw.error AS VARCHAR)"
        " ORDER BY request_ix, model_ix"
    ).to_arrow_table()
