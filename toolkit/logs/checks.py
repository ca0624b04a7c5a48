"""What can be wrong with a log, and how it is said: which rows, what was found, what is allowed.

The checks are SQL over two tables of an in-memory DuckDB: ``raw`` (the outcomes, columns KNOWN of
any type) and ``prompt`` (the keys of the requests). ``rowid`` is the place in the source. Text of
the user, column names included, never reaches SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.propensity import PROPENSITY
from toolkit.schema import INPUT_TOKENS, MODEL, REQUEST_ID

MEASURED = ("quality", "cost_usd", "latency_s", "latency_ms")
NUMBERS = (*MEASURED, "input_tokens", "output_tokens", PROPENSITY)
_LIMITS = {
    "quality": ("{n} < 0 OR {n} > 1", "a number, 0 to 1, or blank for not measured"),
    PROPENSITY: ("{n} <= 0 OR {n} > 1", "a number above 0, at most 1, or blank for not stated"),
}
_OTHER_LIMITS = ("{n} < 0", "a number, 0 or more, or blank for not measured")

Found = list[tuple[int, str, int]]
"""(rowid, value, how many there are in all) of the first rows of a kind."""


@dataclass(frozen=True)
class Rows:
    """How the rows of a source are named to people."""

    source: str
    """File name, or what stands for it in a message."""
    first: int = 0
    """Number of the first row of data."""
    word: str = "row"
    counted: str = "counted from 0"

    def listed(self, found: Found) -> str:
        """Format findings: ``'x' in row 2 and 8 more (9 in all; rows are counted from 0)``."""
        total = found[0][2]
        shown = ", ".join(f"{got!r} in {self.word} {row + self.first}" for row, got, _ in found)
        more = f" and {total - len(found)} more" if total > len(found) else ""
        return f"{shown}{more} ({total} in all; {self.word}s are {self.counted})"


REQUESTS = Rows("requests")
"""The rows of requests that come from no file."""


def refuse(problems: Sequence[str]) -> None:
    """Raise DataError with all problems, if there is one."""
    if problems:
        raise DataError("\n".join(problems))


def repeated_columns(columns: Sequence[str], rows: Rows) -> list[str]:
    """Columns of the same name."""
    twice = sorted({c for c in columns if columns.count(c) > 1})
    return [f"{rows.source}: column {c!r} is there twice; allowed: once" for c in twice]


def missing_columns(columns: Sequence[str], rows: Rows) -> list[str]:
    """Columns that an outcomes table must have, and those that exclude each other."""
    problems = [
        f"{rows.source}: no column {c!r}; got {did_you_mean(c, columns) or 'no columns'}"
        for c in (REQUEST_ID, MODEL)
        if c not in columns
    ]
    if not set(MEASURED) & set(columns):
        problems.append(
            f"{rows.source}: nothing was measured; got"
            f" {did_you_mean('quality', columns) or 'no columns'};"
            f" allowed: at least one column of {', '.join(MEASURED)}"
        )
    if {"latency_s", "latency_ms"} <= set(columns):
        problems.append(
            f"{rows.source}: latency is given twice; got latency_s and latency_ms;"
            " allowed: one of the two"
        )
    return problems


def wrong_outcomes(con: duckdb.DuckDBPyConnection, rows: Rows) -> list[str]:
    """Missing keys and wrong numbers in ``raw``."""
    if not con.execute("SELECT EXISTS (FROM raw)").fetchall()[0][0]:
        return [f"{rows.source}: no outcomes; allowed: a row for each outcome"]
    return [
        *_blank(con, "raw", REQUEST_ID, rows),
        *_blank(con, "raw", MODEL, rows),
        *_wrong_numbers(con, "raw", NUMBERS, rows),
    ]


def wrong_prompts(con: duckdb.DuckDBPyConnection, here: Rows) -> list[str]:
    """Missing and repeated keys in ``prompt``."""
    problems = _blank(con, "prompt", REQUEST_ID, here)
    problems += _wrong_numbers(con, "prompt", (INPUT_TOKENS, PROPENSITY), here)
    repeated: Found = con.execute(
        "SELECT row, request_id, count(*) OVER () FROM (SELECT rowid AS row, request_id,"
        "  row_number() OVER (PARTITION BY request_id ORDER BY rowid) AS nth"
        "  FROM prompt WHERE request_id IS NOT NULL)"
        " WHERE nth > 1 ORDER BY row LIMIT 5"
    ).fetchall()
    if repeated:
        problems.append(
            f"{here.source}: request_id is there before; got {here.listed(repeated)}; allowed: once"
        )
    return problems


def wrong_requests(con: duckdb.DuckDBPyConnection, here: Rows, outcomes: Rows) -> list[str]:
    """What is wrong in ``prompt``, and keys of ``raw`` that it lacks."""
    problems = wrong_prompts(con, here)
    unknown = _first_rows(
        con,
        "raw t ANTI JOIN prompt USING (request_id)",
        REQUEST_ID,
        "t.request_id IS NOT NULL",
    )
    if unknown:
        problems.append(
            f"{outcomes.source}: request_id is not in {here.source}; got {outcomes.listed(unknown)}"
        )
    return problems


def repeated_outcomes(con: duckdb.DuckDBPyConnection, rows: Rows) -> list[str]:
    """Second outcomes of the same request and model in ``raw``."""
    found: Found = con.execute(
        "SELECT row, request_id || ' / ' || model, count(*) OVER () FROM (SELECT rowid AS row,"
        "  request_id, model,"
        "  row_number() OVER (PARTITION BY request_id, model ORDER BY rowid) AS nth FROM raw)"
        " WHERE nth > 1 ORDER BY row LIMIT 5"
    ).fetchall()
    if not found:
        return []
    there = f"request_id and model are there before; got {rows.listed(found)}"
    return [f"{rows.source}: {there}; allowed: one outcome for each"]


def _first_rows(con: duckdb.DuckDBPyConnection, relation: str, column: str, where: str) -> Found:
    found: Found = con.execute(
        # All three are words of this module; the relation calls its table t.
        f"SELECT t.rowid, coalesce(CAST(t.{column} AS VARCHAR), ''), count(*) OVER ()"  # noqa: S608
        f" FROM {relation} WHERE {where} ORDER BY t.rowid LIMIT 5"
    ).fetchall()
    return found


def _blank(con: duckdb.DuckDBPyConnection, table: str, key: str, rows: Rows) -> list[str]:
    found = _first_rows(con, f"{table} t", key, f"{key} IS NULL OR trim({key}) = ''")
    return [f"{rows.source}: {key} is missing; got {rows.listed(found)}"] if found else []


def _wrong_numbers(
    con: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str], rows: Rows
) -> list[str]:
    problems = []
    for c in columns:
        number = f"TRY_CAST({c} AS DOUBLE)"
        wrong, allowed = wrong_number(c, number, f"CAST({c} AS VARCHAR)")
        found = _first_rows(con, f"{table} t", c, wrong)
        if found:
            problems.append(
                f"{rows.source}: {c} is wrong; got {rows.listed(found)}; allowed: {allowed}"
            )
    return problems


def wrong_number(column: str, number: str, text: str) -> tuple[str, str]:
    """SQL that is true where a column of NUMBERS is wrong, and what it may hold, in words.

    ``number`` is SQL of the value as a number, null where it is none, and ``text`` of the same as
    text.
    """
    beyond, allowed = _LIMITS.get(column, _OTHER_LIMITS)
    wrong = (
        f"({number} IS NULL AND trim({text}) <> '') OR NOT isfinite({number})"
        f" OR {beyond.format(n=number)}"
    )
    return wrong, allowed
