"""Reading CSV, JSON lines and Parquet into checked tables.

Files of text are read as text, by DuckDB; what a value means is decided by the checks, which can
name the row. DuckDB's guessing of dialects and types is off: a wrong guess reads a broken file as
a whole one.
"""

from __future__ import annotations

import csv
import io
import json

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import DataError
from toolkit.logs.checks import refuse, repeated_columns
from toolkit.logs.files import File, explained
from toolkit.logs.raw import KNOWN, load_raw, register_frame
from toolkit.logs.tables import Tables, check
from toolkit.schema import CATEGORY, PROMPT, REQUEST_ID

_READ_CSV = (
    "read_csv($path, columns=$columns, auto_detect=false, header=true, delim=',', quote='\"',"
    " escape='\"', compression=$compression, max_line_size=$longest, store_rejects=true)"
)
_READ_JSONL = (
    "read_json_objects($path, format='newline_delimited', compression=$compression,"
    " maximum_object_size=$longest)"
)
_ALWAYS_TEXT = (REQUEST_ID, CATEGORY, PROMPT, "reference")


def read_tables(file: File, prompts: File | None) -> Tables:
    """Read and check a log."""
    with duckdb.connect() as con:
        columns = read_outcomes(con, file)
        requests = None if prompts is None else read_requests(con, prompts)
        return check(con, columns, file.rows, requests, (prompts or file).rows)


def read_outcomes(con: duckdb.DuckDBPyConnection, file: File) -> list[str]:
    """Make table ``raw`` of a file and return all the column names it has."""
    with explained(file):
        if file.kind == "parquet":
            parquet = pq.ParquetFile(file.path)
            names: list[str] = parquet.schema_arrow.names
            register_frame(con, parquet.read(columns=[c for c in names if c in KNOWN]), file.rows)
            return names
        if file.kind == "csv":
            names = header(file)
            columns = dict.fromkeys(names, "VARCHAR")
            load_raw(con, _READ_CSV, names, {**file.parameters, "columns": columns})
            _refuse_ragged(con, file)
            return names
        names = _read_lines(con, file)
        shape = json.dumps(dict.fromkeys(KNOWN, "VARCHAR"))
        relation = "(SELECT unnest(json_transform(json, $shape)) FROM line)"
        load_raw(con, relation, names, {"shape": shape})
        return names


def read_requests(con: duckdb.DuckDBPyConnection, file: File) -> pa.Table:
    """The requests of a file, each column with the type that all of its values have."""
    with explained(file):
        if file.kind == "parquet":
            return pq.ParquetFile(file.path).read()
        if file.kind == "csv":
            return _requests_from_csv(con, file)
        _read_lines(con, file)
        found = con.execute("SELECT json_group_structure(json) FROM line").fetchall()[0][0]
        shape = {k: _JSON_TYPES.get(str(v), v) for k, v in json.loads(found).items()}
        shape |= dict.fromkeys(set(shape) & set(_ALWAYS_TEXT), "VARCHAR")
        return con.sql(
            "SELECT unnest(json_transform(json, $shape)) FROM line",
            params={"shape": json.dumps(shape)},
        ).to_arrow_table()


_JSON_TYPES = {"UBIGINT": "BIGINT", "JSON": "VARCHAR", "NULL": "VARCHAR"}


def header(file: File) -> list[str]:
    """Column names of a CSV file; a name for columns that have none."""
    # Bytes as letters, since only the header must be UTF-8 to be read here.
    with file.opened() as content, io.TextIOWrapper(content, "latin-1", newline="") as text:
        cells = next(csv.reader(text), [])
    names = [
        cell.encode("latin-1").decode("utf-8" if i else "utf-8-sig").strip()
        for i, cell in enumerate(cells)
    ]
    names = [name or f"column {i + 1}" for i, name in enumerate(names)]
    refuse(repeated_columns(names, file.rows))
    return names


def _refuse_ragged(con: duckdb.DuckDBPyConnection, file: File) -> None:
    found = con.execute(
        "SELECT DISTINCT line, error_type, error_message, count(*) OVER () FROM reject_errors"
        " ORDER BY line LIMIT 5"
    ).fetchall()
    if not found:
        return
    if any(kind == "INVALID ENCODING" for _, kind, _, _ in found):
        raise DataError(f"{file.name}: the text is not UTF-8 in line {found[0][0]}")
    shown = "; ".join(f"line {line}: {message}" for line, _, message, _ in found)
    raise DataError(f"{file.name}: rows that do not fit the header: {shown} ({found[0][3]} in all)")


def _read_lines(con: duckdb.DuckDBPyConnection, file: File) -> list[str]:
    """Make table ``line`` (json) and return every key in the order of first appearance."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE line AS SELECT json FROM {_READ_JSONL}",  # noqa: S608
        file.parameters,
    ).fetchall()
    strange = con.execute(
        "SELECT rowid, json[1:60], count(*) OVER () FROM line"
        " WHERE json_type(json) <> 'OBJECT' ORDER BY rowid LIMIT 5"
    ).fetchall()
    if strange:
        listed = file.rows.listed(strange)
        raise DataError(f"{file.name}: not a JSON object; got {listed}; allowed: {{…}}")
    keys = con.execute(
        "SELECT key FROM (SELECT rowid, unnest(json_keys(json)) AS key FROM line)"
        " GROUP BY key ORDER BY min(rowid), key"
    ).fetchall()
    return [key for (key,) in keys]


def _requests_from_csv(con: duckdb.DuckDBPyConnection, file: File) -> pa.Table:
    names = header(file)
    columns = {f"c{i}": "VARCHAR" for i in range(len(names))}
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE text AS FROM {_READ_CSV}",
        {**file.parameters, "columns": columns},
    ).fetchall()
    _refuse_ragged(con, file)
    chosen = [
        c if name in _ALWAYS_TEXT else _typed(con, c)
        for c, name in zip(columns, names, strict=True)
    ]
    table = con.sql(f"SELECT {', '.join(chosen)} FROM text").to_arrow_table()  # noqa: S608
    return table.rename_columns(names)


_READS_AS = (
    ("BIGINT", "CAST(TRY_CAST({c} AS BIGINT) AS VARCHAR) = {c}"),
    ("DOUBLE", "isfinite(TRY_CAST({c} AS DOUBLE)) AND NOT regexp_matches({c}, '^[-+]?0[0-9]')"),
    ("BOOLEAN", "lower({c}) IN ('true', 'false')"),
    ("TIMESTAMP", "TRY_CAST({c} AS TIMESTAMP) IS NOT NULL"),
)
"""Types and when text is of them. Numbers with leading zeros are names, such as postal codes."""


def _typed(con: duckdb.DuckDBPyConnection, column: str) -> str:
    """SQL that gives a column the first type which each of its values has."""
    tests = ", ".join(
        f"count(*) FILTER (coalesce({test.format(c=column)}, false))" for _, test in _READS_AS
    )
    filled, *fitting = con.execute(f"SELECT count({column}), {tests} FROM text").fetchall()[0]  # noqa: S608
    for (name, _), fits in zip(_READS_AS, fitting, strict=True):
        if filled and fits == filled:
            return f"CAST({column} AS {name}) AS {column}"
    return column
