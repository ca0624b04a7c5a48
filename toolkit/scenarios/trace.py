"""Arrival times from a CSV file, such as the published hour of Azure's LLM service.

The times are moments in ISO form, with up to nine digits of a second and with or without a zone
(without: UTC), or numbers of seconds. Only differences count: the earliest is 0. They need not be
sorted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from toolkit.errors import DataError, did_you_mean

USUAL = ("timestamp", "time", "arrival_s", "arrival_time", "arrived_at", "arrival", "start_time")
"""Names of a column of times, in any case; the first that is there is taken."""

_ZONE = r"[T ]\d[\d:.]*(Z|[+-]\d\d(:?\d\d)?)$"
_NUMBER = r"^\s*[+-]?(\d|\.\d)[\d.]*([eE][+-]?\d+)?\s*$"


def read_times(file: str, column: str | None = None) -> NDArray[np.float64]:
    """Return the arrivals of a trace in seconds since the earliest, sorted.

    Raises:
        DataError: The file is not there or no CSV file, has no such column or no rows, or holds a
            time that cannot be read; with its line.
    """
    texts = _column(file, column)
    if not len(texts):
        raise DataError(f"{file}: the trace has no rows")
    number = pc.match_substring_regex(texts[:1], _NUMBER)[0].as_py()
    read = _numbers if number else _moments
    try:
        times = read(texts)
    except pa.ArrowInvalid:
        bad = _first_bad(texts, read)
        kind = "a number of seconds" if number else "a time such as 2023-11-16 18:15:46.68"
        raise DataError(
            f"{file}:{_line(file, bad)}: this is not {kind}; got {texts[bad].as_py()!r}"
        ) from None
    return np.sort(times - times.min()) / (1 if number else 1e9)


def _column(file: str, column: str | None) -> pa.Array:
    try:
        with pacsv.open_csv(file) as reader:
            names = reader.schema.names
        name = _which(file, column, names)
        options = pacsv.ConvertOptions(include_columns=[name], column_types={name: pa.string()})
        table = pacsv.read_csv(file, convert_options=options)
    except OSError as error:
        what = "there is no such trace" if isinstance(error, FileNotFoundError) else str(error)
        raise DataError(f"{file}: {what}") from None
    except (pa.ArrowInvalid, ValueError) as error:
        raise DataError(f"{file}: the trace is not a CSV file: {error}") from None
    return table[name].combine_chunks()


def _which(file: str, column: str | None, names: list[str]) -> str:
    if column in names:
        return str(column)
    if column is not None:
        allowed = did_you_mean(column, names)
        raise DataError(f"{file}: the trace has no column {column!r}; allowed: {allowed}")
    usual = {name.lower(): name for name in reversed(names)}
    found = [usual[name] for name in USUAL if name in usual] or (names if len(names) == 1 else [])
    if not found:
        raise DataError(
            f"{file}: which column of the trace holds the times? It has none of the usual names"
            f" ({', '.join(USUAL)}); allowed: {did_you_mean('', names)}"
        )
    return found[0]


def _numbers(texts: pa.Array) -> NDArray[np.float64]:
    seconds: NDArray[np.float64] = pc.cast(pc.utf8_trim_whitespace(texts), pa.float64()).to_numpy()
    if not np.isfinite(seconds).all():
        raise pa.ArrowInvalid
    return seconds


def _moments(texts: pa.Array) -> NDArray[np.int64]:
    """Nanoseconds since 1970, whole, as a float of that size is good for 0.2 µs only."""
    texts = pc.utf8_trim_whitespace(texts)
    zoned = pc.match_substring_regex(texts, _ZONE)
    moments = np.empty(len(texts), np.int64)
    for mask, kind in ((zoned, pa.timestamp("ns", "UTC")), (pc.invert(zoned), pa.timestamp("ns"))):
        there = mask.to_numpy(zero_copy_only=False)
        moments[there] = pc.cast(pc.cast(texts.filter(mask), kind), pa.int64()).to_numpy()
    return moments


def _first_bad(texts: pa.Array, read: Callable[[pa.Array], object]) -> int:
    """Which text is the first that cannot be read, by halves."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            read(texts[low:middle])
        except pa.ArrowInvalid:
            high = middle
        else:
            low = middle
    return low


def _line(file: str, row: int) -> int:
    """The line of a row, as blank lines are not rows."""
    with Path(file).open(encoding="utf-8", errors="replace") as lines:
        full = (number for number, line in enumerate(lines, 1) if line.strip("\r\n"))
        return next((number for i, number in enumerate(full) if i == row + 1), row + 2)
