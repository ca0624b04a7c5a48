"""From a source to outcomes: rows that can be read go to ``raw``, the others say why not.

A row of the source is stored, rejected with a reason, or left out since it is no call of a model;
these three always add up. In a wide format a row holds an outcome of each model, and one wrong
value rejects the row.
"""

from __future__ import annotations

from collections.abc import Mapping as Names
from dataclasses import dataclass

import duckdb

from toolkit.errors import DataError
from toolkit.logs.importers.format import Mapping
from toolkit.logs.importers.source import Source
from toolkit.logs.raw import KNOWN
from toolkit.schema import MODEL, REQUEST_ID, TIMESTAMP

NUMBERS = ("quality", "cost_usd", "latency_s", "input_tokens", "output_tokens")
TEXTS = tuple(c for c in KNOWN if c not in {*NUMBERS, "latency_ms", TIMESTAMP})
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
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sifted AS {_statement(source, mapping, drops, prompts)}",
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
    notes = _timestamp_notes(con)
    columns = ", ".join([*_RAW, *(f"x{i}" for i in range(len(mapping.request_columns)))])
    if set(counts) == {STORED}:
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


_NEVER_BLANK = (REQUEST_ID, MODEL, "error")
_RAW = (*TEXTS, *NUMBERS, TIMESTAMP)


def _statement(source: Source, mapping: Mapping, drops: bool, prompts: bool) -> str:
    """SQL of all rows with their fate: read, then typed, then judged."""
    shared = dict(mapping.fields)
    own: list[Names[str, str]] = list(mapping.models.values())
    line = source.line
    extras = {f"x{i}": sql for i, sql in enumerate(mapping.request_columns.values())}
    values = {c: shared.get(c, "NULL::VARCHAR") for c in KNOWN}
    wrong = {f"w{i}": sql for i, (sql, _) in enumerate(mapping.wrong)}
    out = {f"l{i}": sql for i, (sql, _) in enumerate(mapping.left_out)}
    chosen = {"record": "source.rowid", "file": "source.file", "line": line}
    if own:
        names = list(dict.fromkeys(name for fields in own for name in fields))
        cells = ", ".join(
            f"{{'model': $m{i}"
            + "".join(f", '{n}': CAST({fields.get(n, 'NULL')} AS VARCHAR)" for n in names)
            + "}"
            for i, fields in enumerate(own)
        )
        chosen["cell"] = f"unnest([{cells}])"
        values = {c: v for c, v in values.items() if c not in {MODEL, *names}}
    listed = _listed({**chosen, **values, **extras, **wrong, **out})
    read = f"SELECT {listed} FROM source"  # noqa: S608
    if own:
        cell = _listed({c: f"cell.{c}" for c in (MODEL, *names)})
        measured = " OR ".join(f"cell.{n} IS NOT NULL" for n in names)
        read = f"SELECT * EXCLUDE (cell), {cell}, ({measured}) AS measured FROM ({read})"  # noqa: S608
    kept = ", ".join(
        ["record", "file", "line", *extras, *wrong, *out, *(["measured"] if own else [])]
    )
    typed = {c: f"CAST({c} AS VARCHAR)" for c in TEXTS}
    typed |= {
        c: f"CASE WHEN trim(CAST({c} AS VARCHAR)) <> '' THEN CAST({c} AS VARCHAR) END"
        for c in _NEVER_BLANK
    }
    typed["cost_estimated"] = "TRY_CAST(cost_estimated AS BOOLEAN)"
    numbers = {f"n_{c}": f"as_number({c})" for c in (*NUMBERS, "latency_ms")}
    given = _listed(
        {f"t_{c}": f"CAST({c} AS VARCHAR)" for c in (*NUMBERS, "latency_ms", TIMESTAMP)}
    )
    moment = f"as_moment({TIMESTAMP}) AS moment"
    typing = f"SELECT {kept}, {_listed({**typed, **numbers})}, {moment}, {given} FROM ({read})"  # noqa: S608
    final = {c: c for c in ("record", "file", "line", *TEXTS, *extras)}
    final |= {c: f"n_{c}" for c in NUMBERS}
    final["latency_s"] = "coalesce(n_latency_s, n_latency_ms / 1000)"
    final[TIMESTAMP] = "moment"
    final["odd_time"] = f"CASE WHEN moment IS NULL THEN blank_to_null(t_{TIMESTAMP}) END"
    judged = _judgement(mapping, drops=drops, prompts=prompts, wide=bool(own))
    return f"SELECT {_listed(final)}, {judged} FROM ({typing})"  # noqa: S608


def _listed(columns: Names[str, str]) -> str:
    return ", ".join(name if sql == name else f"{sql} AS {name}" for name, sql in columns.items())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _judgement(mapping: Mapping, *, drops: bool, prompts: bool, wide: bool) -> str:
    """SQL of ``why`` (text, null when there is nothing wrong) and ``fate``."""
    out = [(f"l{i}", _quoted(why)) for i, (_, why) in enumerate(mapping.left_out)]
    if drops:
        out.append(("trim(prompt) IN (SELECT prompt FROM dropped)", "'is on the list to drop'"))
    bad = [(f"w{i}", _quoted(why)) for i, (_, why) in enumerate(mapping.wrong)]
    bad += [(f"{key} IS NULL", f"'{key} is missing'") for key in (REQUEST_ID, MODEL)]
    for c in (*NUMBERS, "latency_ms"):
        above, allowed = ("1", "0 to 1") if c == "quality" else ("'inf'", "0 or more")
        test = (
            f"(n_{c} IS NULL AND trim(t_{c}) <> '') OR NOT isfinite(n_{c})"
            f" OR n_{c} < 0 OR n_{c} > {above}"
        )
        said = (
            f"'{c} is wrong; got ''' || left(t_{c}, 60) ||"
            f" '''; allowed: a number, {allowed}, or blank for not measured'"
        )
        bad.append((test, said))
    if prompts:
        bad.append(
            (
                f"{REQUEST_ID} NOT IN (SELECT {REQUEST_ID} FROM prompt)",  # noqa: S608
                "'request_id is not among the prompts'",
            )
        )
    if wide:
        out.append(("NOT measured", "''"))
    cases = " ".join(f"WHEN {test} THEN {why}" for test, why in (*out, *bad))
    fates = " ".join([*(f"WHEN {t} THEN 2" for t, _ in out), *(f"WHEN {t} THEN 1" for t, _ in bad)])
    return f"CASE {cases} END AS why, CASE {fates} ELSE 0 END AS fate"


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
        "SELECT EXISTS (SELECT 1 FROM sifted WHERE fate = 0 GROUP BY request_id, model HAVING count(*) > 1)"
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
