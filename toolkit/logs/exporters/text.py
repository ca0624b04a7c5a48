"""CSV and JSON lines of plain columns, written and read by Arrow without guessing.

In CSV every text is in quotes and a null is an empty cell without, so that null and empty text are
two things. In JSON lines every key is in every line.
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.json

from toolkit.errors import DataError
from toolkit.logs.exporters.about import Layout
from toolkit.logs.exporters.columns import restored, unguarded
from toolkit.logs.files import File, explained

_BLOCK_BYTES = 64 * 2**20
"""The longest row that is read, as in every other reader of ours."""


def write_csv(columns: pa.Table, path: Path) -> None:
    """Write plain columns as CSV."""
    pa.csv.write_csv(columns, path)


def write_lines(columns: pa.Table, path: Path) -> None:
    """Write plain columns as JSON lines."""
    cells, parameters = [], {}
    for i, name in enumerate(columns.column_names):
        parameters[f"k{i}"] = f"{',' if i else '{'}{json.dumps(name)}:"
        cells.append(f"$k{i}, coalesce(CAST(to_json(c{i}) AS VARCHAR), 'null')")
    statement = f"SELECT concat({', '.join(cells)}, '}}\n') FROM plain"  # noqa: S608 -- our names
    with duckdb.connect() as con, path.open("wb") as file:
        con.register("plain", columns.rename_columns([f"c{i}" for i in range(len(cells))]))
        for batch in con.sql(statement, params=parameters).to_arrow_reader(100_000):
            file.write("".join(batch.column(0).to_pylist()).encode())


def read_text(file: File, layout: Layout) -> pa.Table:
    """Read a file of an export with the types that it was written from; DataError when wrong."""
    with explained(file):
        table = _read_csv(file, layout) if file.kind == "csv" else _read_lines(file, layout)
        table.validate(full=True)  # text that is not UTF-8 passes Arrow's reader of JSON
    columns = {}
    for field, column in zip(layout.schema, table.columns, strict=True):
        try:
            columns[field.name] = restored(column, field.type)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise DataError(
                f"{file.path.name}: column {field.name!r} is wrong; got {error};"
                f" allowed: {field.type}"
            ) from error
    return pa.table(columns, schema=layout.schema)


def _read_csv(file: File, layout: Layout) -> pa.Table:
    names = layout.written.names
    table = pa.csv.read_csv(
        file.path,
        pa.csv.ReadOptions(block_size=_BLOCK_BYTES),
        pa.csv.ParseOptions(newlines_in_values=True),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    if table.column_names != names:
        raise DataError(
            f"{file.path.name}: other columns than were exported; got"
            f" {', '.join(table.column_names)}; allowed: {', '.join(names)}"
        )
    for i, field in enumerate(layout.written):
        if pa.types.is_string(field.type):
            table = table.set_column(i, field.name, unguarded(table.column(i)))
    return table


def _read_lines(file: File, layout: Layout) -> pa.Table:
    return pa.json.read_json(
        file.path,
        pa.json.ReadOptions(block_size=_BLOCK_BYTES),
        pa.json.ParseOptions(
            explicit_schema=layout.written,
            newlines_in_values=False,
            unexpected_field_behavior="error",
        ),
    )
