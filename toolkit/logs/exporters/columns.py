"""Columns of any type as text, numbers and booleans, and back.

A spreadsheet runs a cell as a formula when it begins with one of ``= + - @`` or a tab or line end,
so in CSV such a text gets an apostrophe in front, as OWASP advises. So does a text that begins with
an apostrophe; reading takes one away from each text that has one, and so gives back every text.
Numbers are not text and stay as they are. Column names are text of the user too.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import DataError

# What a spreadsheet may skip before a formula is skipped here too: space, control and format
# characters. The last four are the wide forms that some of them read as formulas.
_FORMULA = r"^('|[\t\r\n]|[\s\pZ\pC]*[=+\-@\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])"
_is = pa.types


def csv_columns(table: pa.Table, where: str) -> pa.Table:
    """The table as CSV has it: numbers, booleans, and text that no spreadsheet runs."""

    def native(column: pa.ChunkedArray) -> bool:
        return _is_number(column.type) or _is.is_decimal(column.type)

    written = _plain(table, native, where)
    for i, field in enumerate(written.schema):
        if _is.is_string(field.type):
            written = written.set_column(i, field.name, guarded(written.column(i)))
    return written.rename_columns(guarded(pa.array(table.column_names, pa.string())).to_pylist())


def json_columns(table: pa.Table, where: str) -> pa.Table:
    """The table as JSON has it: text, booleans, and numbers, none of them infinite or NaN."""

    def native(column: pa.ChunkedArray) -> bool:
        if _is.is_floating(column.type) and pc.all(pc.is_finite(column)).as_py() is False:
            return False
        return _is_number(column.type)

    return _plain(table, native, where)


def guarded(texts: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Texts with an apostrophe in front where a spreadsheet would run them, or one is there."""
    return pc.replace_substring_regex(texts, _FORMULA, r"'\1")


def unguarded(texts: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Undo :func:`guarded`."""
    return pc.replace_substring_regex(texts, "^'", "", max_replacements=1)


def restored(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A plain column with its own type again; raises pa.ArrowException or ValueError."""
    if column.type.equals(kind):
        return column
    if _is.is_null(kind):
        return pa.chunked_array([pa.nulls(len(column))])
    if _is.is_nested(kind):
        values = [None if text is None else json.loads(text) for text in column.to_pylist()]
        return pa.chunked_array([pa.array(values, kind)])
    if _is.is_dictionary(kind):
        return column.cast(kind.value_type).dictionary_encode().cast(kind)
    return pc.cast(column, kind)


def _plain(table: pa.Table, native: Callable[[pa.ChunkedArray], bool], where: str) -> pa.Table:
    columns = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if native(column):
            columns[field.name] = column
            continue
        try:
            columns[field.name] = text = _as_text(column)
            same = is_text(field.type) or restored(text, field.type).equals(column)
        except (pa.ArrowException, ValueError, TypeError):
            same = False
        # Numbers come here only for NaN and infinity, which are never equal, and do come back.
        if not same and not _is_number(field.type):
            raise DataError(
                f"{where}: column {field.name!r} would not come back as it is;"
                f" got {field.type}; allowed: text, numbers, booleans, dates; or export as Parquet"
            )
    return pa.table(columns)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if _is.is_nested(column.type):
        texts = [
            None if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)
            for value in column.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if _is.is_timestamp(column.type) and column.type.tz:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))  # text has no odd old offsets
    return pc.cast(column, pa.string())


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        _is.is_integer(kind) or _is.is_float32(kind) or _is.is_float64(kind) or _is.is_boolean(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text."""
    return bool(_is.is_string(kind) or _is.is_large_string(kind) or _is.is_string_view(kind))
