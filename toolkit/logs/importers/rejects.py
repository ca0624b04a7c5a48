"""Rows that were not stored: which line of which file, why, and what stands there."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from toolkit.errors import DataError
from toolkit.logs.files import File
from toolkit.logs.importers.source import Source

COLUMNS = ("file", "line", "reason", "row")
MAX_CHARS = 20_000
"""So much of a row is kept in the file of rejects."""


@dataclass(frozen=True)
class Reject:
    """One row that was not stored."""

    file: str
    line: int
    """Of the file, from 1; in Parquet the row, and in a JSON array the element."""
    reason: str
    row: str
    """The row as the file has it."""


def rejects(source: Source, limit: int | None = None) -> Iterator[Reject]:
    """Yield the rejected rows in the order of the files, the first ``limit`` of each file."""
    con = source.con
    for ix, file in enumerate(source.files):
        unread = {u.offset: u.reason for u in source.unread if u.file == ix}
        sifted = con.execute(
            "SELECT line, why FROM reject WHERE file = $ix ORDER BY line", {"ix": ix}
        ).fetchall()
        if limit is not None:
            unread = dict(sorted(unread.items())[:limit])
            sifted = sifted[:limit]
        found = _placed(file, unread, sifted)
        for line, reason, row in sorted(found, key=lambda one: one[0])[:limit]:
            yield Reject(file.name, line, reason, row[:MAX_CHARS])


def _placed(
    file: File, unread: dict[int, str], sifted: Sequence[tuple[int, str]]
) -> Iterable[tuple[int, str, str]]:
    """Line, reason and text of rows: ``sifted`` by their number, from 0, among those read."""
    if not unread and not sifted:
        return []
    if file.kind == "csv":
        return _csv_rows(file, unread, sifted)
    # Several rows may stand on one line, as spans do.
    wanted: dict[int, list[str]] = {line: [why] for line, why in unread.items()}
    for line, why in sifted:
        wanted.setdefault(line, []).append(why)
    texts = _parquet_rows(file, wanted) if file.kind == "parquet" else _lines(file, wanted)
    return [(line + 1, why, texts.get(line, "")) for line, all_ in wanted.items() for why in all_]


def _csv_rows(
    file: File, unread: dict[int, str], sifted: Sequence[tuple[int, str]]
) -> Iterator[tuple[int, str, str]]:
    """Walk the file once, as far as needed, counting the rows that were read.

    The reader told where unread rows begin in bytes, and only counted the others.
    """
    offsets = iter(sorted(unread))
    reasons = dict(sifted)
    left = len(unread) + len(reasons)
    offset = next(offsets, None)
    number, line = 0, 1
    for line, end, text in _csv_records(file):
        if not left:
            return
        if offset is not None and offset < end:
            yield line, unread[offset], text
            left -= 1
            while offset is not None and offset < end:
                offset = next(offsets, None)
            continue
        if number in reasons:
            yield line, reasons.pop(number), text
            left -= 1
        number += 1
    # Two readers may see the end of a broken file differently, and no reject may be lost by that.
    for why in (
        *([unread[offset]] if offset is not None else []),
        *map(unread.get, offsets),
        *reasons.values(),
    ):
        yield line, str(why), ""


def _csv_records(file: File) -> Iterator[tuple[int, int, str]]:
    """Yield first line, end in bytes and text of every record that is not empty."""
    taken: list[str] = []
    count = end = 0

    def lines(content: io.BufferedIOBase) -> Iterator[str]:
        nonlocal count, end
        for raw in content:
            count += 1
            end += len(raw)
            # Bytes as letters: the quotes and commas of UTF-8 are those of Latin-1.
            taken.append(raw.decode("latin-1"))
            yield taken[-1]

    with file.opened() as content, suppress(csv.Error):
        for i, row in enumerate(csv.reader(lines(content))):  # type: ignore[arg-type]
            text = "".join(taken).encode("latin-1").decode("utf-8", "replace")
            first = count - len(taken) + 1
            taken.clear()
            if i and row:
                yield first, end, text.rstrip("\r\n")


def _lines(file: File, wanted: dict[int, list[str]]) -> dict[int, str]:
    """Text of lines, or of the elements of a JSON array, by number from 0."""
    if file.is_json:
        return {}
    last = max(wanted)
    found = {}
    with file.opened() as content:
        for number, raw in enumerate(content):
            if number > last:
                break
            if number in wanted:
                found[number] = raw.decode("utf-8", "replace").rstrip("\r\n")
    return found


def _parquet_rows(file: File, wanted: dict[int, list[str]]) -> dict[int, str]:
    """Rows of a Parquet file as JSON, by number from 0."""
    found = {}
    start = 0
    for batch in pq.ParquetFile(file.path).iter_batches():
        for number in wanted:
            if start <= number < start + batch.num_rows:
                (row,) = batch.slice(number - start, 1).to_pylist()
                found[number] = json.dumps(row, default=str, ensure_ascii=False)
        start += batch.num_rows
    return found


def write_rejects(found: Iterable[Reject], path: Path) -> int:
    """Write a CSV file of COLUMNS, whole or not at all; returns how many rows it has.

    A cell that a spreadsheet would take for a formula gets an apostrophe.
    """
    new = path.with_name(path.name + ".part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("w", encoding="utf-8", newline="") as text:
            sheet = csv.writer(text)
            sheet.writerow(COLUMNS)
            for one in found:
                sheet.writerow([_safe(one.file), one.line, _safe(one.reason), _safe(one.row)])
                count += 1
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written; got {error.strerror or error}") from error
    return count


def _safe(text: str) -> str:
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def first_of(source: Source) -> str:
    """The first reject of all in words, or nothing."""
    try:
        one = next(iter(rejects(source, 1)), None)
    except duckdb.Error:
        return ""
    return "" if one is None else f"the first: {one.file}, line {one.line}: {one.reason}"
