"""Rows of text that DuckDB's reader refuses: it sets them aside and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

READ_TEXT = (
    "read_csv($path, columns=$columns, auto_detect=false, header={header}, delim={delim},"
    " quote={quote}, escape={quote}, compression=$compression, max_line_size=$longest,"
    " store_rejects=true, rejects_limit=0)"
)


@dataclass(frozen=True)
class Unread:
    """A row that could not be read at all."""

    file: int
    offset: int
    """Byte of the file at which it begins, or for JSON the number of its line, from 0."""
    reason: str


def refused(con: duckdb.DuckDBPyConnection, place: str) -> Iterator[tuple[int, str]]:
    """Yield place and reason of what the reader refused, and forget it."""
    found = con.execute(
        f"SELECT {place}, arg_min((error_type, error_message), column_idx) FROM reject_errors"  # noqa: S608
        " GROUP BY 1 ORDER BY 1"
    ).fetchall()
    for table in ("reject_errors", "reject_scans"):
        con.execute(f"DROP TABLE IF EXISTS {table}").fetchall()
    for at, (kind, message) in found:
        yield (
            at,
            _REASONS.get(kind, "cannot be read")
            + (f"; {message.rstrip('.')}" if kind.endswith("COLUMNS") else ""),
        )


_REASONS = {
    "MISSING COLUMNS": "does not fit the header",
    "TOO MANY COLUMNS": "does not fit the header",
    "UNQUOTED VALUE": "a quote is not closed, or stands inside a value",
    "INVALID ENCODING": "is not UTF-8; is the whole file in another encoding, name it",
    "LINE SIZE OVER MAXIMUM": "is longer than 64 MiB",
}
