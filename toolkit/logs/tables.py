"""From a long table of outcomes to checked, indexed columns.

Every way in (file, frame, bundled folder) passes through :func:`check`, so that whatever a Dataset
holds was checked by the same rules. An in-memory DuckDB does the work on the tables of ``raw.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
from toolkit.logs.propensity import PROPENSITY, one_of_each
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
    notes = (f"columns left out: {', '.join(left_out)}",) if left_out else ()
    tables = tabulate(con, columns, requests, latency=_LATENCY, notes=notes)
    pairs = (tables.outcomes["request_ix"].to_numpy(), tables.outcomes["model_ix"].to_numpy())
    if np.any((np.diff(pairs[0]) == 0) & (np.diff(pairs[1]) == 0)):
        refuse(repeated_outcomes(con, rows))
    return tables


_LATENCY = "coalesce(TRY_CAST(latency_s AS DOUBLE), TRY_CAST(latency_ms AS DOUBLE) / 1000)"


def tabulate(
    con: duckdb.DuckDBPyConnection,
    columns: Collection[str],
    requests: pa.Table | None,
    *,
    extras: Sequence[str] = (),
    latency: str = "latency_s",
    notes: tuple[str, ...] = (),
) -> Tables:
    """Index the good rows of ``raw``, whose row numbers leave no gaps.

    ``columns`` says which of KNOWN the log has, ``extras`` the names of columns ``x0``, ``x1`` …,
    and ``latency`` is SQL. Table ``prompt`` holds the keys of ``requests``.
    """
    said = [*notes, *(_differences(con) if requests is not None else [])]
    if PROPENSITY in columns and (requests is None or PROPENSITY not in requests.column_names):
        said += one_of_each(con)
    code, read = _read_errors(con)
    models = _models(con)
    outcomes = _Outcomes(con, columns, extras, requests, latency, code)
    return Tables(
        requests=outcomes.requests(),
        models=models,
        outcomes=outcomes.table,
        notes=(*said, *read),
    )


def _differences(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Notes on where the requests and the outcomes do not agree."""
    notes = []
    unused, areas, chances = con.execute(
        "SELECT (SELECT count(*) FROM prompt ANTI JOIN raw USING (request_id)),"
        " count(DISTINCT request_id) FILTER (p.category <> raw.category),"
        " count(DISTINCT request_id) FILTER (TRY_CAST(p.propensity AS DOUBLE)"
        "  <> TRY_CAST(raw.propensity AS DOUBLE)) FROM raw JOIN prompt p USING (request_id)"
    ).fetchall()[0]
    if unused:
        notes.append(f"prompts without an outcome, left out: {unused}")
    for what, differs in (("category", areas), (PROPENSITY, chances)):
        if differs:
            notes.append(f"requests with another {what} in the prompts, which is kept: {differs}")
    return notes


def _models(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Make the type ``model_name``, whose codes are the places of the sorted names."""
    con.execute(
        "CREATE TYPE model_name AS ENUM (SELECT DISTINCT model FROM raw ORDER BY model)"
    ).fetchall()
    names = con.execute("SELECT unnest(enum_range(NULL::model_name))").fetchall()
    return tuple(str(name) for (name,) in names)


def _read_errors(con: duckdb.DuckDBPyConnection) -> tuple[str, list[str]]:
    """SQL of the code of a row's error, and what was read as what."""
    counts = con.execute(
        "SELECT error, count(*) FROM raw WHERE error IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if not counts:
        return "CAST(0 AS TINYINT)", []
    codes, notes = error_codes(counts)
    con.register("error_code", codes)
    changed = con.execute(
        "SELECT count(*) FROM raw JOIN error_code ON error = name"
        " WHERE code <> 0 AND TRY_CAST(quality AS DOUBLE) > 0"
    ).fetchall()[0][0]
    if changed:
        notes.append(f"outcomes with an error and a quality above 0, now 0: {changed}")
    # A join would not keep the rows in their order.
    con.execute("CREATE TYPE error_name AS ENUM (SELECT name FROM error_code)").fetchall()
    listed = ", ".join(str(code) for code in codes["code"].to_pylist())
    place = "enum_code(CAST(error AS error_name))"
    return f"CAST(coalesce([{listed}][{place} + 1], 0) AS TINYINT)", notes


class _Outcomes:
    """The outcomes of ``raw`` in order, and the requests that they are of."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        columns: Collection[str],
        extras: Sequence[str],
        given: pa.Table | None,
        latency: str,
        code: str,
    ) -> None:
        self.con = con
        self.columns = [c for c in OF_REQUEST if c in columns]
        self.extras = extras
        self.given = given
        n_rows, n_requests = con.execute(
            "SELECT count(*), count(DISTINCT request_id) FROM raw"
        ).fetchall()[0]
        self.logged = n_rows == n_requests and given is None
        """Each request has one outcome, in its order: nothing to sort or to look up."""
        if not self.logged:
            self._order_requests()
        request, rows = "rowid", "raw"
        if not self.logged:
            request, rows = "ix", "raw JOIN request USING (request_id) ORDER BY 1, 2"
        texts = "".join(f", {c}" for c in TEXTS if c in columns)
        self.table = con.sql(
            f"SELECT CAST({request} AS INTEGER) AS request_ix,"  # noqa: S608 -- names of ours
            " CAST(enum_code(CAST(model AS model_name)) AS INTEGER) AS model_ix,"
            f" CASE WHEN {code} <> 0 THEN 0 ELSE TRY_CAST(quality AS DOUBLE) END AS quality,"
            f" TRY_CAST(cost_usd AS DOUBLE) AS cost_usd, {latency} AS latency_s,"
            " TRY_CAST(input_tokens AS DOUBLE) AS input_tokens,"
            " TRY_CAST(output_tokens AS DOUBLE) AS output_tokens,"
            f" {code} AS error{texts} FROM {rows}"
        ).to_arrow_table()

    def _order_requests(self) -> None:
        """Make ``request`` (request_id, ix, first, prompt_row)."""
        self.con.execute(
            "CREATE TEMP TABLE request AS SELECT r.request_id, first, p.rowid AS prompt_row,"
            "  CAST(row_number() OVER (ORDER BY p.rowid, first) - 1 AS INTEGER) AS ix"
            " FROM (SELECT request_id, min(rowid) AS first FROM raw GROUP BY 1) r"
            " LEFT JOIN prompt p USING (request_id)"
        ).fetchall()

    def requests(self) -> pa.Table:
        """The requests (n rows) in the order of ``given``, else of their first outcome."""
        listed = "".join(
            f", {c}" for c in (*self.columns, *(f"x{i}" for i in range(len(self.extras))))
        )
        if self.logged:
            facts = self.con.sql(
                f"SELECT request_id{listed},"  # noqa: S608 -- names of ours
                " CASE WHEN TRY_CAST(input_tokens AS DOUBLE) > 0"
                " THEN TRY_CAST(input_tokens AS DOUBLE) END AS input_tokens FROM raw"
            ).to_arrow_table()
        else:
            facts = self._facts(listed)
        found = {REQUEST_ID: facts[REQUEST_ID]}
        rest = {}
        if self.given is not None:
            rows = self.given.take(facts["prompt_row"]).columns
            rest = dict(zip(self.given.column_names, rows, strict=True))
            rest.pop(REQUEST_ID)
        for name in OF_REQUEST:
            if name in rest:
                found[name] = rest.pop(name)
            elif name in self.columns and not _is_unstated(name, facts[name]):
                found[name] = _moments(facts[name]) if name == TIMESTAMP else facts[name]
        # A format knows columns that a log need not use.
        filled = [i for i in range(len(self.extras)) if facts[f"x{i}"].null_count < len(facts)]
        further = {self.extras[i]: facts[f"x{i}"] for i in filled}
        found |= further | rest | {INPUT_TOKENS: facts[INPUT_TOKENS]}
        return decoded(pa.table(found)).combine_chunks()

    def _facts(self, listed: str) -> pa.Table:
        """What the outcomes say of each request: the first that says anything holds."""
        names = listed.split(", ")[1:]
        blank = "".join(f", count(*) - count({c})" for c in names)
        gaps = self.con.execute(
            f"SELECT count(*){blank} FROM request JOIN raw ON raw.rowid = first"  # noqa: S608
        ).fetchall()[0][1:]
        holes = [c for c, count in zip(names, gaps, strict=True) if count]
        chosen = "".join(
            f", coalesce(raw.{c}, later.{c}) AS {c}" if c in holes else f", raw.{c}" for c in names
        )
        later = ""
        if holes:
            firsts = ", ".join(f"arg_min({c}, rowid) AS {c}" for c in holes)
            grouped = f"(SELECT request_id, {firsts} FROM raw GROUP BY 1)"  # noqa: S608
            later = f" JOIN {grouped} later ON later.request_id = r.request_id"
        self.con.register("outcome", self.table.select(["request_ix", INPUT_TOKENS]))
        return self.con.sql(
            f"SELECT r.request_id, prompt_row{chosen},"  # noqa: S608 -- names of ours
            " coalesce(TRY_CAST(p.input_tokens AS DOUBLE), tokens) AS input_tokens"
            f" FROM request r JOIN raw ON raw.rowid = first{later}"
            " LEFT JOIN prompt p ON p.rowid = prompt_row"
            " LEFT JOIN (SELECT request_ix, median(input_tokens) AS tokens FROM outcome"
            "  WHERE input_tokens > 0 GROUP BY 1) ON request_ix = ix ORDER BY ix"
        ).to_arrow_table()


def _is_unstated(name: str, column: pa.ChunkedArray) -> bool:
    """Whether it is a column of propensities, and all are blank, so that they can be estimated."""
    return name == PROPENSITY and column.null_count == len(column)


def _moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as points in time where every value is one, else as it is."""
    if not pa.types.is_string(column.type):
        return column
    try:
        return pc.cast(column, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return column
