"""Requests put into groups by one of their columns: what every slice of a result goes by.

Texts and truths go by their value, and so do numbers that take few; other numbers go by quarters of
the requests, moments by day. What groups are and what they are called depends on the dataset alone,
so that two results on it can be held side by side.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.evaluate.format import number
from toolkit.schema import INPUT_TOKENS, PROMPT, REQUEST_ID

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

MOST_GROUPS = 100
"""The largest groups stand alone; all further ones together are ``OTHER``."""
OTHER = "(other)"
NONE = "(none)"
MOST_VALUES = 12
"""Numbers with more different values than this go by quarters."""
LENGTH = "length"
"""Another name for ``input_tokens``."""

_DAY_US = 86_400_000_000
_UNITS = {"_tokens": " tokens", "_chars": " characters", "_s": " s", "_usd": " USD"}


@dataclass(frozen=True, eq=False)
class Groups:
    """The n requests of a dataset by one column."""

    column: str
    code: NDArray[np.intp]
    """(n,) the group of each request, an index into ``names``"""
    names: tuple[str, ...]
    """by rising value or by name; ``(other)`` and, for numbers and moments, ``(none)`` last"""


_kept: weakref.WeakKeyDictionary[Dataset, dict[str, Groups]] = weakref.WeakKeyDictionary()


def groups(dataset: Dataset, column: str) -> Groups:
    """Put the requests of a dataset into groups; ``length`` stands for ``input_tokens``.

    Raises ``DataError`` for a column that is not there, or that holds neither texts, truths,
    numbers nor moments.
    """
    if column == LENGTH and LENGTH not in dataset.requests.column_names:
        column = INPUT_TOKENS
    kept = _kept.setdefault(dataset, {})
    if column not in kept:
        values = dataset.column(column)
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        code, names = _way(kind, f"dataset {dataset.name!r}, column {column!r}")(values, column)
        kept[column] = Groups(column, code, names)
    return kept[column]


def sliceable(dataset: Dataset) -> tuple[str, ...]:
    """The columns by which groups make sense, in the order of the dataset.

    Not those that hold one value, nor texts of more different ones than there are groups, such as
    prompts and ids.
    """
    found = []
    for name in dataset.requests.column_names:
        values = dataset.requests[name]
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        if name in {REQUEST_ID, PROMPT} or not (_is_text(kind) or _is_plain(kind)):
            continue
        different = pc.count_distinct(values, mode="all").as_py()
        most = min(MOST_GROUPS, len(values) // 2) if _is_text(kind) else len(values)
        if 1 < different <= most:
            found.append(name)
    return tuple(found)


_Way = Callable[[pa.ChunkedArray, str], tuple[NDArray[np.intp], tuple[str, ...]]]


def _way(kind: pa.DataType, where: str) -> _Way:
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _by_time
    if _is_text(kind) or pa.types.is_boolean(kind):
        return _by_text
    if _is_plain(kind):
        return _by_number
    raise DataError(
        f"{where}: no groups can be made of {kind}; allowed: texts, truths, numbers, moments"
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_plain(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_timestamp(kind)
        or pa.types.is_date(kind)
    )


def _by_text(column: pa.ChunkedArray, _: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    text = pc.fill_null(pc.cast(column, pa.string()), NONE).combine_chunks()
    coded = pc.dictionary_encode(text)
    code, names = coded.indices.to_numpy(zero_copy_only=False), coded.dictionary.to_pylist()
    if len(names) > MOST_GROUPS:
        size = np.bincount(code, minlength=len(names))
        # A value that is called so itself is among the others.
        size[[i for i, name in enumerate(names) if name == OTHER]] = 0
        kept = np.sort(np.argsort(-size, kind="stable")[: MOST_GROUPS - 1])
        position = np.full(len(names), len(kept))
        position[kept] = np.arange(len(kept))
        code, names = position[code], [*(names[i] for i in kept), OTHER]
    order = sorted(range(len(names)), key=lambda i: (names[i] == OTHER, names[i]))
    place = np.empty(len(names), np.intp)
    place[order] = np.arange(len(names))
    return place[code], tuple(names[i] for i in order)


def _by_number(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    values = pc.cast(column, pa.float64(), safe=False).to_numpy()
    there = np.isfinite(values)
    known = values[there]
    unit = next((word for end, word in _UNITS.items() if name.endswith(end)), "")
    starts = np.unique(known)
    if len(starts) > MOST_VALUES:
        # A quarter begins at the value after a quartile: equal numbers stay together.
        after = np.searchsorted(starts, np.quantile(known, (0.25, 0.5, 0.75)), side="right")
        starts = starts[np.unique(np.concatenate([[0], after[after < len(starts)]]))]
    code = np.full(len(values), len(starts), np.intp)
    code[there] = np.searchsorted(starts, known, side="right") - 1
    ends = np.full(len(starts), -np.inf)
    np.maximum.at(ends, code[there], known)
    names = _ranges(starts.tolist(), ends.tolist(), unit)
    return code, names if there.all() else (*names, NONE)


def _ranges(starts: list[float], ends: list[float], unit: str) -> tuple[str, ...]:
    """``40–61 tokens``; with as many digits as it takes to tell them apart."""
    names: tuple[str, ...] = ()
    for write in (number, *(_digits(d) for d in (6, 9, 12, 17))):
        names = tuple(
            f"{write(a)}{unit}" if a == b else f"{write(a)}–{write(b)}{unit}"
            for a, b in zip(starts, ends, strict=True)
        )
        if len(set(names)) == len(names):
            break
    return names


def _digits(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:,.{digits}g}"


def _by_time(column: pa.ChunkedArray, _: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """By day; by hour within three days; by month where there are too many days."""
    moments = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64())
    there = pc.is_valid(moments).to_numpy()
    at = pc.fill_null(moments, 0).to_numpy().astype("datetime64[us]")
    known = at[there]
    unit = "D"
    if len(known):
        span = int((known.max() - known.min()).astype(np.int64))
        unit = "h" if span < 3 * _DAY_US else "D" if span < (MOST_GROUPS - 1) * _DAY_US else "M"
    starts, inverse = np.unique(known.astype(f"datetime64[{unit}]"), return_inverse=True)
    code = np.full(len(at), len(starts), np.intp)
    code[there] = inverse
    ending = ":00" if unit == "h" else ""
    names = tuple(str(start).replace("T", " ") + ending for start in starts)
    return code, names if there.all() else (*names, NONE)
