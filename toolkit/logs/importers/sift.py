"""From a source to outcomes: rows that can be read go to ``raw``, the others say why not.

A row of the source is stored, rejected with a reason, or left out since it is no call of a model;
these three always add up. In a wide format a row holds an outcome of each model, and one wrong
value rejects the row.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from toolkit.errors import DataError
from toolkit.logs.importers.format import Mapping
from toolkit.logs.importers.judging import NUMBERS, TEXTS, statement
from toolkit.logs.importers.source import Source
from toolkit.schema import TIMESTAMP

STORED, REJECTED, LEFT_OUT = 0, 1, 2


@dataclass(frozen=True)
class Sifted:
    """How many rows of the source went where."""

    n_stored: int
    n_rejected: int
    n_left_out: int
    left_out: tuple[tuple[str, int], ...]
    """Why, and how many."""
    notes: tuple[str, ...]


def sift(source: Source, mapping: Mapping, *, drops: bool, prompts: bool) -> Sifted:
    """Make tables ``raw`` and ``reject`` (file, line, why) of table ``source``.

    ``raw`` has KNOWN columns, ``x0``, ``x1`` … for the further columns of requests, and ``record``,
    the row of the source. ``drops`` leaves out the prompts of table ``dropped``, ``prompts``
    rejects requests that are not in table ``prompt``.
    """
    con = source.con
    judged = statement(source, mapping, drops=drops, prompts=prompts)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sifted AS {judged}",
        {f"m{i}": model for i, model in enumerate(mapping.models)},
    ).fetchall()
    _reject_repeated(con)
    if mapping.models:
        _spread_fates(con)
    counts = dict(
        con.execute(
            "SELECT fate, count(DISTINCT record) FROM sifted GROUP BY fate"
            if mapping.models
            else "SELECT fate, count(*) FROM sifted GROUP BY fate"
        ).fetchall()
    )
    left_out = con.execute(
        "SELECT why, count(DISTINCT record) FROM sifted WHERE fate = 2 GROUP BY why ORDER BY 2 DESC"
    ).fetchall()
    con.execute(
        "CREATE OR REPLACE TEMP TABLE reject AS SELECT any_value(file) AS file,"
        " any_value(line) AS line, min(why) AS why FROM sifted WHERE fate = 1 GROUP BY record"
    ).fetchall()
    notes = (*(f"left out, {why}: {count}" for why, count in left_out), *_timestamp_notes(con))
    columns = ", ".join([*_RAW, *(f"x{i}" for i in range(len(mapping.request_columns)))])
    if set(counts) == {STORED} and not mapping.models:  # its row numbers leave no gaps
        con.execute("ALTER TABLE sifted RENAME TO raw").fetchall()
    else:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE raw AS SELECT {columns} FROM sifted WHERE fate = 0"  # noqa: S608
        ).fetchall()
        con.execute("DROP TABLE sifted").fetchall()
    return Sifted(
        counts.get(STORED, 0),
        counts.get(REJECTED, 0),
        counts.get(LEFT_OUT, 0),
        tuple(left_out),
        notes,
    )


_RAW = (*TEXTS, *NUMBERS, TIMESTAMP)


def _spread_fates(con: duckdb.DuckDBPyConnection) -> None:
    """Give all outcomes of a row one fate; cells of models that have none go silently."""
    con.execute(
        "UPDATE sifted SET fate = 1, why = bad.why"
        " FROM (SELECT record, min(why) AS why FROM sifted WHERE fate = 1 GROUP BY record) bad"
        " WHERE sifted.record = bad.record AND fate <> 1"
    ).fetchall()
    con.execute(
        "UPDATE sifted SET fate = 1, why = 'nothing was measured' WHERE fate = 2 AND why = ''"
        " AND record NOT IN (SELECT record FROM sifted WHERE fate <> 2 OR why <> '')"
    ).fetchall()
    con.execute("DELETE FROM sifted WHERE fate = 2 AND why = ''").fetchall()


def _reject_repeated(con: duckdb.DuckDBPyConnection) -> None:
    """Reject second outcomes of a request and model: the first stays."""
    again = con.execute(
        "SELECT EXISTS (SELECT 1 FROM sifted WHERE fate = 0 GROUP BY request_id, model"
        " HAVING count(*) > 1)"
    ).fetchall()[0][0]
    if not again:
        return
    con.execute(
        "UPDATE sifted SET fate = 1,"
        " why = 'request_id and model are there before; got ''' || left(request_id, 60) || ' / '"
        "  || left(model, 60) || '''; allowed: one outcome for each'"
        " FROM (SELECT rowid AS row, row_number() OVER (PARTITION BY request_id, model"
        "  ORDER BY rowid) AS nth FROM sifted WHERE fate = 0) twice"
        " WHERE sifted.rowid = row AND nth > 1"
    ).fetchall()


def _timestamp_notes(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    count, example = con.execute(
        "SELECT count(odd_time), min(left(odd_time, 60)) FROM sifted WHERE fate = 0"
    ).fetchall()[0]
    if not count:
        return ()
    return (f"timestamps that are none, now blank: {count} (such as {example!r})",)


def refuse_if_nothing(sifted: Sifted, unread: int, first: str, name: str) -> None:
    """Raise DataError when not a single row is left to store."""
    rejected = sifted.n_rejected + unread
    if sifted.n_stored:
        return
    if not rejected and not sifted.n_left_out:
        raise DataError(f"{name}: no outcomes; allowed: a row for each outcome")
    why = "; ".join(f"{count} left out: {why}" for why, count in sifted.left_out)
    told = [f"{rejected} rejected, {first}" if rejected else "", why]
    raise DataError(f"{name}: no row can be stored; {'; '.join(filter(None, told))}")
