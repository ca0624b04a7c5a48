"""From a long table of outcomes to checked, indexed columns.

Every way in (file, frame, bundled folder) passes through :func:`check`, so that whatever a Dataset
holds was checked by the same rules. An in-memory DuckDB does the work on the tables of ``raw.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.logs.checks import (
    REQUESTS,
    Rows,
    missing_columns,
    refuse,
    repeated_outcomes,
    wrong_outcomes,
    wrong_requests,
)
from toolkit.logs.errornames import error_codes
from toolkit.logs.raw import KNOWN, OF_REQUEST, TEXTS, decoded, load_requests
from toolkit.schema import INPUT_TOKENS, REQUEST_ID, TIMESTAMP


@dataclass(frozen=True, eq=False)
class Tables:
    """What is kept of a dataset: n requests, m models, k outcomes."""

    requests: pa.Table
    """(n rows) request_id first; input_tokens is always there."""
    models: tuple[str, ...]
    """(m) names, sorted."""
    outcomes: pa.Table
    """(k rows) request_ix, model_ix (int32); quality, cost_usd, latency_s, input_tokens,
    output_tokens (double, null = not measured); error (int8); then TEXTS where the log has them.
    Sorted by request_ix, model_ix."""
    notes: tuple[str, ...] = ()
    """What was changed or left out, in words."""


def check(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    rows: Rows,
    requests: pa.Table | None = None,
    request_rows: Rows = REQUESTS,
) -> Tables:
    """Check table ``raw`` and the requests, and index them.

    ``columns`` are all the columns of the source of ``raw``; ``requests`` has request_id and any
    other columns, which keep their types. Raises DataError with every problem found.
    """
    refuse(missing_columns(columns, rows))
    problems = wrong_outcomes(con, rows)
    load_requests(con, requests, request_rows)
    if requests is not None:
        problems += wrong_requests(con, request_rows, rows)
    refuse(problems)
    left_out = [c for c in columns if c not in KNOWN]
    notes = [f"columns left out: {', '.join(left_out)}"] if left_out else []
    if requests is not None:
        notes += _differences(con)
    _index(con)
    notes += _read_errors(con)
    outcomes = _outcomes(con, columns)
    models = con.execute("SELECT model FROM model ORDER BY ix").fetchall()
    pairs = (outcomes["request_ix"].to_numpy(), outcomes["model_ix"].to_numpy())
    if np.any((np.diff(pairs[0]) == 0) & (np.diff(pairs[1]) == 0)):
        refuse(repeated_outcomes(con, rows))
    return Tables(
        requests=_requests(con, columns, requests),
        models=tuple(name for (name,) in models),
        outcomes=outcomes,
        notes=tuple(notes),
    )


def _differences(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Notes on where the requests and the outcomes do not agree."""
    notes = []
    unused, differs = con.execute(
        "SELECT (SELECT count(*) FROM prompt ANTI JOIN raw USING (request_id)),"
        " (SELECT count(DISTINCT request_id) FROM raw JOIN prompt p USING (request_id)"
        "  WHERE p.category <> raw.category)"
    ).fetchall()[0]
    if unused:
        notes.append(f"prompts without an outcome, left out: {unused}")
    if differs:
        notes.append(f"requests with another category in the prompts, which is kept: {differs}")
    return notes


def _index(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``request`` (request_id, ix, prompt_row), ``model`` (model, ix) and ``pair``."""
    statements = """
        CREATE TEMP TABLE request AS
        SELECT r.request_id, p.rowid AS prompt_row,
            CAST(row_number() OVER (ORDER BY p.rowid, r.first) - 1 AS INTEGER) AS ix
        FROM (SELECT request_id, min(rowid) AS first FROM raw GROUP BY 1) r
        LEFT JOIN prompt p USING (request_id);
        CREATE TEMP TABLE model AS
        SELECT model, CAST(row_number() OVER (ORDER BY model) - 1 AS INTEGER) AS ix
        FROM (SELECT DISTINCT model FROM raw);
        CREATE TEMP TABLE pair AS
        SELECT raw.rowid AS row, r.ix AS request_ix, m.ix AS model_ix
        FROM raw JOIN request r USING (request_id) JOIN model m USING (model)
    """
    con.execute(statements).fetchall()


def _read_errors(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Make ``error_code`` (name, code), and say what was read as what."""
    counts = con.execute(
        "SELECT error, count(*) FROM raw WHERE error IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    codes, notes = error_codes(counts)
    con.register("error_code", codes)
    changed = con.execute(
        "SELECT count(*) FROM raw JOIN error_code ON error = name"
        " WHERE code <> 0 AND TRY_CAST(quality AS DOUBLE) > 0"
    ).fetchall()[0][0]
    if changed:
        notes.append(f"outcomes with an error and a quality above 0, now 0: {changed}")
    return notes


def _outcomes(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> pa.Table:
    texts = "".join(f", {c}" for c in TEXTS if c in columns)
    return con.sql(
        "SELECT request_ix, model_ix,"  # noqa: S608 -- the texts are names of ours
        " CASE WHEN code <> 0 THEN 0 ELSE TRY_CAST(quality AS DOUBLE) END AS quality,"
        " TRY_CAST(cost_usd AS DOUBLE) AS cost_usd,"
        " coalesce(TRY_CAST(latency_s AS DOUBLE), TRY_CAST(latency_ms AS DOUBLE) / 1000)"
        "  AS latency_s,"
        " TRY_CAST(input_tokens AS DOUBLE) AS input_tokens,"
        " TRY_CAST(output_tokens AS DOUBLE) AS output_tokens,"
        f" CAST(coalesce(code, 0) AS TINYINT) AS error{texts}"
        " FROM pair JOIN raw ON raw.rowid = row LEFT JOIN error_code ON name = raw.error"
        " ORDER BY request_ix, model_ix"
    ).to_arrow_table()


def _requests(
    con: duckdb.DuckDBPyConnection, columns: Sequence[str], given: pa.Table | None
) -> pa.Table:
    """The requests (n rows) in the order of ``given``, else of their first outcome."""
    facts = con.sql(
        "SELECT ix, any_value(r.request_id) AS request_id, any_value(prompt_row) AS prompt_row,"
        " arg_min(raw.category, row) AS category, arg_min(raw.prompt, row) AS prompt,"
        " arg_min(raw.timestamp, row) AS timestamp,"
        " coalesce(any_value(TRY_CAST(p.input_tokens AS DOUBLE)),"
        "  median(TRY_CAST(raw.input_tokens AS DOUBLE))"
        "  FILTER (TRY_CAST(raw.input_tokens AS DOUBLE) > 0)) AS input_tokens"
        " FROM pair JOIN raw ON raw.rowid = row JOIN request r ON r.ix = request_ix"
        " LEFT JOIN prompt p ON p.rowid = prompt_row GROUP BY ix ORDER BY ix"
    ).to_arrow_table()
    found = {REQUEST_ID: facts[REQUEST_ID]}
    rest = {}
    if given is not None:
        rest = dict(zip(given.column_names, given.take(facts["prompt_row"]).columns, strict=True))
        rest.pop(REQUEST_ID)
    for name in OF_REQUEST:
        if name in rest:
            found[name] = rest.pop(name)
        elif name in columns:
            found[name] = _moments(facts[name]) if name == TIMESTAMP else facts[name]
    found |= rest | {INPUT_TOKENS: facts[INPUT_TOKENS]}
    return decoded(pa.table(found)).combine_chunks()


def _moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as points in time where every value is one, else as it is."""
    if not pa.types.is_string(column.type):
        return column
    try:
        return pc.cast(column, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return column
