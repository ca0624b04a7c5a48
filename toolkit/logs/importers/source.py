"""Reading the files of a log into one table, as text, with the place of every row.

DuckDB's guessing of dialects and types is off: a wrong guess reads a broken file as a whole one. A
row that does not fit goes to ``unread`` and never stops the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import DataError
from toolkit.logs.checks import refuse, repeated_columns
from toolkit.logs.files import File, explained
from toolkit.logs.importers.documents import load_documents, read_documents
from toolkit.logs.importers.format import Columns
from toolkit.logs.importers.unread import READ_TEXT, Unread, refused
from toolkit.logs.readers import header

_SETTINGS = """
SET TimeZone = 'UTC';
CREATE TEMP MACRO blank_to_null(x) AS nullif(trim(CAST(x AS VARCHAR)), '');
CREATE TEMP MACRO as_number(x) AS TRY_CAST(x AS DOUBLE);
-- Whole numbers are read by their magnitude: seconds, milliseconds, microseconds, nanoseconds.
CREATE TEMP MACRO moment_of(n) AS make_timestamp(TRY_CAST(
    CASE WHEN abs(n) < 1e11 THEN n * 1e6 WHEN abs(n) < 1e14 THEN n * 1e3
    WHEN abs(n) < 1e17 THEN n ELSE n / 1e3 END AS BIGINT));
-- Reading a text as TIMESTAMP would drop its offset.
CREATE TEMP MACRO as_moment(x) AS
    CASE WHEN TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE) IS NULL
    THEN make_timestamp(epoch_us(TRY_CAST(x AS TIMESTAMPTZ)))
    ELSE moment_of(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)) END;
CREATE TEMP MACRO json_text(x, path) AS
    CASE WHEN json_valid(x) THEN json_extract_string(x, path) END
"""
_CSV = READ_TEXT.format(header="true", delim="','", quote="'\"'")
_BATCH_ROWS = 1 << 16


@dataclass(eq=False)
class Source:
    """Files of one kind, to be read into table ``source``."""

    con: duckdb.DuckDBPyConnection
    files: tuple[File, ...]
    columns: Columns
    unread: list[Unread] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    """Row of ``source`` at which each file begins, where the table has no ``line``."""
    has_line: bool = False

    @property
    def line(self) -> str:
        """SQL of the row of the file, from 0, that a row of ``source`` comes from."""
        if self.has_line:
            return "line"
        if len(self.firsts) == 1:
            return "source.rowid"
        starts = ", ".join(map(str, self.firsts))
        return f"source.rowid - [{starts}][file + 1]"


def connect() -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB with the macros that formats use."""
    con = duckdb.connect()
    con.execute(_SETTINGS).fetchall()
    return con


def open_source(con: duckdb.DuckDBPyConnection, files: Sequence[File]) -> Source:
    """Look at the columns of files; DataError when they differ. Makes table ``file`` (ix, name)."""
    names = pa.table(
        {"ix": pa.array(range(len(files)), pa.int32()), "name": [f.name for f in files]}
    )
    con.register("file_names", names)
    con.execute("CREATE TEMP TABLE file AS FROM file_names").fetchall()
    source = Source(con, tuple(files), Columns(()))
    if files[0].kind == "jsonl":
        keys, source.unread = read_documents(con, files)
        source.columns = Columns(keys)
    else:
        found = [_names(file) for file in files]
        source.columns = Columns(tuple(found[0]))
        for file, one in zip(files, found, strict=True):
            if sorted(one) != sorted(found[0]):
                other = min(set(one) ^ set(found[0]))
                raise DataError(
                    f"{file.name}: its columns are not those of {files[0].name}; got {other!r} in"
                    " only one of the two; allowed: files of the same columns"
                )
    return source


def load(source: Source, used: Sequence[int] | None = None, *, keep_line: bool = False) -> None:
    """Make table ``source`` with the columns in ``used`` (all by default)."""
    wanted = list(range(len(source.columns.names)) if used is None else used)
    kind = source.files[0].kind
    if kind == "jsonl":
        load_documents(source.con, source.columns.names, wanted)
        source.has_line = True
        return
    for ix, file in enumerate(source.files):
        with explained(file):
            rows = source.con.execute("SELECT count(*) FROM source").fetchall()[0][0] if ix else 0
            source.firsts.append(rows)
            (_load_csv if kind == "csv" else _load_parquet)(source, ix, file, wanted)
    if keep_line:
        source.con.execute(
            f"CREATE OR REPLACE TEMP TABLE source AS SELECT {source.line} AS line, * FROM source"  # noqa: S608
        ).fetchall()
        source.has_line = True


def used_columns(*statements: str) -> list[int]:
    """Columns that SQL of ours names."""
    return sorted({int(n) for s in statements for n in re.findall(r"\bc(\d+)\b", s)})


def _names(file: File) -> list[str]:
    with explained(file):
        if file.kind == "csv":
            return header(file)
        names: list[str] = pq.ParquetFile(file.path).schema_arrow.names
        refuse(repeated_columns(names, file.rows))
        return names


def _insert(source: Source, ix: int, statement: str, parameters: dict[str, Any]) -> None:
    """Make or extend table ``source`` by a SELECT of ours."""
    verb = "INSERT INTO source BY NAME" if ix else "CREATE OR REPLACE TEMP TABLE source AS"
    source.con.execute(f"{verb} {statement}", parameters).fetchall()


def _load_csv(source: Source, ix: int, file: File, wanted: Sequence[int]) -> None:
    places = header(file) if ix else list(source.columns.names)
    names = [f"c{source.columns.names.index(name)}" for name in places]
    listed = "".join(f", c{i}" for i in wanted)
    parameters = {**file.parameters, "columns": dict.fromkeys(names, "VARCHAR")}
    _insert(source, ix, f"SELECT {ix} AS file{listed} FROM {_CSV}", parameters)  # noqa: S608
    source.unread += [
        Unread(ix, offset - 1, reason)
        for offset, reason in refused(source.con, "line_byte_position")
    ]


def _load_parquet(source: Source, ix: int, file: File, wanted: Sequence[int]) -> None:
    parquet = pq.ParquetFile(file.path)
    names = [source.columns.names[i] for i in wanted]
    schema = pa.schema(
        [
            field.with_name(f"c{i}")
            for i, field in zip(wanted, map(parquet.schema_arrow.field, names), strict=True)
        ]
    )
    # A file without wanted columns still has its rows.
    counted = pa.schema([*schema, pa.field("n", pa.int8())])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=names):
            arrays = [batch.column(name) for name in names]
            yield pa.RecordBatch.from_arrays(
                [*arrays, pa.nulls(batch.num_rows, pa.int8())], schema=counted
            )

    source.con.register("batches", pa.RecordBatchReader.from_batches(counted, batches()))
    listed = "".join(f", {_plain(f)} AS {f.name}" for f in schema)
    _insert(source, ix, f"SELECT {ix} AS file{listed} FROM batches", {})  # noqa: S608
    source.con.unregister("batches")


def _plain(column: pa.Field) -> str:
    """SQL of a column of Parquet: what is nested as JSON, and NaN as not measured."""
    name: str = column.name
    if pa.types.is_nested(column.type):
        return f"CAST(to_json({name}) AS VARCHAR)"
    if pa.types.is_floating(column.type):
        return f"CASE WHEN NOT isnan({name}) THEN {name} END"
    return name
