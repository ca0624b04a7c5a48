"""Which request columns a router reads, and how each becomes numbers.

A column is read as a *number* (on a log scale where it is skewed; standardised; a missing value is
the mean, with a flag of its own where that happened in training), a *flag*, or a *category*: one
0/1 number per frequent value, and one per word that several values share, so that a rare
``high_school_physics`` learns from a frequent ``high_school_biology``; a value never seen is 0 in
the former. What was learnt is plain data, so it can be kept in a file: a list of dictionaries.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import DataError, did_you_mean
from toolkit.learn.tables import kind_of, learnt
from toolkit.schema import PROMPT, REQUEST_ID

Floats = NDArray[np.float64]
Column = dict[str, Any]
"""``name``, ``kind``, ``width`` (how many numbers it becomes) and what its kind needs."""

MOST_VALUES = 50
"""A text column with more distinct values is no category."""
RARE = 5
"""Requests that a category's value must have in training to count for itself."""
_IDENTITIES = {
    *("id", "user", "user_id", "end_user", "session", "session_id", "conversation"),
    *("conversation_id", "thread_id", "trace_id", "span_id", "propensity", REQUEST_ID),
}
_AFTERWARDS = re.compile(
    r"(^|.*_)(reference|answer|expected|label|target|ground_truth|gold|grader|grade|score|correct"
    r"|quality|outcome|accepted|rating|feedback|error|error_type|cost_usd|latency_s)"
    r"|(output|response|completion|judge|reference|answer|expected|grader)s?_.*"
    r"|outputs?|responses?|completions?|judges?|judgements?|answers?"
)


def learn_columns(
    table: pa.Table, wanted: Sequence[str] | str = "auto"
) -> tuple[list[Column], dict[str, str]]:
    """Decide which columns are read and how; also why each other one is not.

    A wanted column that says nothing in these requests is left out: a few of them, as a learning
    curve learns from, may lack what is in all.

    Args:
        table: the training requests.
        wanted: "auto", or the names of columns to read whatever they are called.

    Raises:
        DataError: a wanted column is not there, or holds neither numbers nor text.
    """
    auto = isinstance(wanted, str)
    if auto and wanted != "auto":
        raise DataError(f"columns: not a list of names; got {wanted!r}; allowed: 'auto', a list")
    for name in () if auto else wanted:
        if name not in table.column_names:
            allowed = did_you_mean(name, table.column_names)
            raise DataError(f"columns: no such column; got {name!r}; allowed: {allowed}")
    read: list[Column] = []
    left: dict[str, str] = {}
    for name in table.column_names:
        if name == PROMPT or not (auto or name in wanted):
            continue
        reason = _unfit(name) if auto else ""
        column = None if reason else _learn(name, table[name], auto)
        if isinstance(column, dict):
            read.append(column)
        else:
            left[name] = reason or column or ""
            if not auto and not kind_of(table[name].type):
                raise DataError(f"columns: {name!r} cannot be read: {column}")
    return sorted(read, key=lambda column: column["kind"] != "category"), left


def _unfit(name: str) -> str:
    if name.lower() in _IDENTITIES:
        return "says who asked, not what"
    return "known only afterwards, by its name" if _AFTERWARDS.fullmatch(name.lower()) else ""


def _learn(name: str, values: pa.ChunkedArray, auto: bool) -> Column | str:
    """How a column is read, or why it is not."""
    kind = kind_of(values.type)
    if not kind:
        return f"holds {values.type}, neither numbers nor text"
    if kind == "category":
        return _learn_category(name, values, auto)
    x = _numbers(values)
    known = np.isfinite(x)
    if not known.any() or ((x[known] == x[known][0]).all() and (known.all() or kind == "flag")):
        return "is the same everywhere"
    low, middle, high = np.quantile(x[known], [0.0, 0.5, 1.0])
    log = bool(kind == "number" and low >= 0 and high > 20 and high > 5 * middle)
    x = np.log1p(x[known]) if log else x[known]
    missing = bool(1 - known.mean() >= 0.005)
    return {
        "name": name,
        "kind": kind,
        "log": log,
        "missing": missing,
        "width": 1 + missing,
        "mean": float(x.mean()),
        "scale": float(x.std()) or 1.0,
        "low": float(x.min()),
        "high": float(x.max()),
    }


def _learn_category(name: str, values: pa.ChunkedArray, auto: bool) -> Column | str:
    counted = pc.value_counts(pc.drop_null(_text(values)))
    counts = counted.field("counts").to_numpy(zero_copy_only=False)
    if auto and (len(counts) > MOST_VALUES and len(counts) > len(values) / 100):
        return f"text with {len(counts)} distinct values"
    if auto and len(counts) > len(values) / 2:
        return "text that hardly repeats"
    pairs = sorted(zip((-counts).tolist(), counted.field("values").to_pylist(), strict=True))
    levels = sorted(str(value) for count, value in pairs[: 4 * MOST_VALUES] if -count >= RARE)
    if (len(counts) < 2 and not values.null_count) or not levels:
        return "is the same everywhere" if len(counts) < 2 else "no value repeats often enough"
    parts = _parts(levels)
    width = len(levels) + len(parts)
    return {"name": name, "kind": "category", "levels": levels, "parts": parts, "width": width}


def _parts(levels: list[str]) -> list[str]:
    """Words that some of the values share but not all: what holds for one may for the other."""
    counts = Counter(word for level in levels for word in _words(level))
    return sorted(word for word, count in counts.items() if 2 <= count < len(levels))


def _words(level: str) -> set[str]:
    return set(re.split(r"[\W_]+", level.lower())) - {""}


def encode_columns(columns: Sequence[Column], table: pa.Table) -> Floats:
    """The numbers of the columns, (n, sum of their widths).

    A column that is not there, or of another kind than in training, is missing.
    """
    out = np.zeros((table.num_rows, sum(c["width"] for c in columns)))
    at = 0
    for column in columns:
        values = learnt(table, column["name"], column["kind"])
        if values is None:
            values = pa.chunked_array([pa.nulls(table.num_rows)])
        _encode(column, values, out[:, at : at + column["width"]])
        at += column["width"]
    return out


def _encode(column: Column, values: pa.ChunkedArray, out: Floats) -> None:
    kind = column["kind"]
    if kind == "category":
        levels = column["levels"]
        code = pc.index_in(_text(values), pa.array(levels, pa.string()))
        code = pc.fill_null(code, -1).to_numpy()
        row = np.flatnonzero(code >= 0)
        out[row, code[row]] = 1.0
        _encode_parts(column, values, out[:, len(levels) :])
        return
    x = _numbers(values)
    known = np.isfinite(x)
    if column["log"]:
        x = np.log1p(np.maximum(x, 0.0))
    # No farther than training went: a straight line means nothing out there.
    x = np.clip(x, column["low"], column["high"])
    out[:, 0] = np.where(known, (x - column["mean"]) / column["scale"], 0.0)
    if column["missing"]:
        out[:, 1] = ~known


def _encode_parts(column: Column, values: pa.ChunkedArray, out: Floats) -> None:
    place = {word: i for i, word in enumerate(column["parts"])}
    if place:
        coded = _text(values).combine_chunks().dictionary_encode()
        held = np.zeros((len(coded.dictionary) + 1, len(place)))
        for i, level in enumerate(coded.dictionary.to_pylist()):
            held[i, [place[word] for word in _words(level) if word in place]] = 1.0
        out[:] = held[pc.fill_null(coded.indices, -1).to_numpy()]


def _text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values if values.type == pa.string() else values.cast(pa.string())


def _numbers(values: pa.ChunkedArray) -> Floats:
    """As float64, missing and infinite values NaN."""
    x = values.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isfinite(x), x, np.nan)
