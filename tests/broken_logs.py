"""Logs with broken rows in them, and how many of their rows can be stored, counted while writing.

A log is rows, each a dict of column to value; ``write`` turns them into CSV or JSON lines and
damages some on the way. Each ``Damage`` knows whether its row can still be stored. A damage never
leaves a quote open in CSV, since nobody can say how many rows stand behind one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Row = Mapping[str, Any]

N_ROWS = 10_000
N_BROKEN = 100


@dataclass(frozen=True)
class Damage:
    """One way to break a row: its values, or the line that it stands on."""

    name: str
    of_row: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row
    of_line: Callable[[bytes], bytes] = lambda line: line
    stored: bool = False
    """Whether the row can be stored all the same."""


@dataclass(frozen=True)
class Counts:
    """What an import of the file must count."""

    n_rows: int
    n_stored: int


def put(column: str, value: Any, *, stored: bool = False) -> Damage:
    """Put another value into a column."""
    return Damage(f"{column}={value!r}", lambda row: {**row, column: value}, stored=stored)


def swap(first: str, second: str) -> Damage:
    """Exchange two columns, such as when a call began and ended: it then lasted below zero."""
    return Damage(
        f"{first}<->{second}", lambda row: {**row, first: row[second], second: row[first]}
    )


def without(column: str, *, stored: bool = False) -> Damage:
    """Leave a value out: an empty cell, or no such key."""
    return Damage(
        f"no {column}",
        lambda row: {**row, column: None},
        stored=stored,
    )


def csv_damages() -> tuple[Damage, ...]:
    """What goes wrong with lines of CSV."""
    return (
        Damage("cut off", of_line=_first_cells),
        Damage("a cell too many", of_line=lambda line: line + b",more"),
        Damage("not UTF-8", of_line=lambda line: b"\xff\xfe" + line),
    )


def json_damages() -> tuple[Damage, ...]:
    """What goes wrong with lines of JSON."""
    return (
        Damage("cut off", of_line=lambda line: line[: len(line) // 2]),
        Damage("no JSON", of_line=lambda _: b"{'single': quotes}"),
        Damage("a list", of_line=lambda line: b"[" + line + b"]"),
        Damage("a text", of_line=lambda _: b'"nothing"'),
        Damage("two in a line", of_line=lambda line: line + b"," + line),
        Damage("not UTF-8", of_line=lambda line: line.replace(b'"', b'"\xff', 1)),
    )


def damages_of(path: Path) -> tuple[Damage, ...]:
    """What goes wrong with the lines of such a file."""
    return csv_damages() if path.suffix == ".csv" else json_damages()


def broken(
    damages: Sequence[Damage], n_rows: int = N_ROWS, n_broken: int = N_BROKEN
) -> st.SearchStrategy[dict[int, Damage]]:
    """Draw which rows are broken, and how."""
    pairs = st.tuples(st.integers(0, n_rows - 1), st.sampled_from(damages))
    return st.lists(
        pairs, min_size=n_broken, max_size=n_broken, unique_by=lambda pair: pair[0]
    ).map(dict)


def write(path: Path, rows: Sequence[Row], damages: Mapping[int, Damage]) -> Counts:
    """Write rows as the suffix of ``path`` says, with these of them damaged.

    In CSV the first row's columns are the header, lists and dicts are JSON and None is empty.
    """
    columns = list(rows[0])
    is_csv = path.suffix == ".csv"
    with path.open("wb") as file:
        if is_csv:
            file.write(_csv_line(columns) + b"\n")
        for i, row in enumerate(rows):
            damage = damages.get(i)
            values = dict(row) if damage is None else damage.of_row(dict(row))
            if is_csv:
                line = _csv_line([values.get(column) for column in columns])
            else:
                line = json.dumps(values, ensure_ascii=False).encode()
            file.write((line if damage is None else damage.of_line(line)) + b"\n")
    lost = sum(not damage.stored for damage in damages.values())
    return Counts(len(rows), len(rows) - lost)


def cell(value: Any) -> str:
    """A value as a cell of CSV has it."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _csv_line(values: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([cell(value) for value in values])
    return text.getvalue().encode()


def _first_cells(line: bytes) -> bytes:
    """Cut a line between two cells, so that no quote stays open."""
    cells = next(csv.reader([line.decode()]))
    return _csv_line(cells[: max(1, len(cells) // 2)])
