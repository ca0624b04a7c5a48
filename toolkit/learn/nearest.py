"""Cosines of many rows with many, each the same to the last digit however many there are.

Every sum has one order, along the row, and is neither fused nor regrouped, so a row's numbers do
not depend on which others stand beside it, nor on the thread. Candidates are found in float32; a
distance that is returned is taken anew in float64.

Compiled loops do not look whether a place exists: callers do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.kernels import kernel
from toolkit.threads import in_threads

_BLOCK = 8_000_000
"""Products held at a time (32 MB)."""
_SLACK = np.float32(1e-4)
"""More than twice what a float32 product of two unit rows is off by."""
_PANEL = 64
"""Rows that the loops take at a time."""
_STEP = 8
"""Coordinates that they take at a time: stored rows are padded to a multiple of it."""


def padded(width: int) -> int:
    """Coordinates of a stored row: its own, the one of a row of zeros, and zeros."""
    return -(-(width + 1) // _STEP) * _STEP


def unit_rows(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of unit length as they are stored, (n, D)."""
    n, d = vectors.shape
    unit = np.zeros((n, padded(d)), np.float32)
    exact = np.ascontiguousarray(vectors, np.float64)
    if not _scale(exact, unit):
        bad = int(np.flatnonzero(~np.isfinite(exact).all(axis=1))[0])
        raise DataError(f"row {bad} has numbers that are not finite; allowed: finite numbers")
    return unit


def panels_of(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (r, D) as panels (p, D, 64) of 64 rows each, the last padded with zeros."""
    count = -(-len(unit) // _PANEL)
    whole = np.zeros((count * _PANEL, unit.shape[1]), np.float32)
    whole[: len(unit)] = unit
    return np.ascontiguousarray(whole.reshape(count, _PANEL, -1).transpose(0, 2, 1))


def to_nearest(
    query: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    panels: NDArray[np.float32],
    leave_out: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Distance of each row (q,) to its nearest landmark but for that one of ``leave_out``."""
    at = np.empty(len(query), np.int64)
    none = np.empty((0, 0), np.float32)

    def work(first: int, end: int) -> None:
        part = slice(first, end)
        _scan(panels, len(landmarks), query[part], leave_out[part], at[part], none)

    in_threads(work, len(query), small=256)
    apart = np.empty(len(query))
    _apart(query, landmarks, np.arange(len(query)), at, apart)
    return apart


def most_like(
    query: NDArray[np.float32], unit: NDArray[np.float32], panels: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k rows of ``unit`` nearest to each of (q,), (q, k), and how far each is, nearest first.

    Equally near ones come by number. Fewer columns where there are fewer rows.
    """
    k = min(max(k, 0), len(unit))
    at, apart = np.empty((len(query), k), np.int64), np.empty((len(query), k))
    height = max(1, _BLOCK // len(unit))
    for begin in range(0, len(query) if k else 0, height):
        row, near, distance = _candidates(query[begin : begin + height], unit, panels, k)
        order = np.lexsort((near, distance, row))
        row, near, distance = row[order], near[order], distance[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        best = rank < k
        at[begin + row[best], rank[best]] = near[best]
        apart[begin + row[best], rank[best]] = distance[best]
    return at, apart


def _candidates(
    query: NDArray[np.float32], unit: NDArray[np.float32], panels: NDArray[np.float32], k: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Pairs of rows, among which are each row's k nearest, and their distances."""
    rough = np.empty((len(query), len(unit)), np.float32)

    none = np.empty(len(query), np.int64)

    def work(first: int, end: int) -> None:
        part = slice(first, end)
        _scan(panels, len(unit), query[part], none[part], none[part], rough[part])

    in_threads(work, len(query), small=64)
    least = np.partition(rough, len(unit) - k, axis=1)[:, len(unit) - k]
    row, near = np.nonzero(rough >= least[:, None] - _SLACK)
    distance = np.empty(len(row))
    _apart(query, unit, row, near, distance)
    return row, near, distance


@kernel
def _scale(exact: Any, unit: Any) -> bool:
    n, d = exact.shape
    for i in range(n):
        largest = 0.0
        for k in range(d):
            if not np.isfinite(exact[i, k]):
                return False
            largest = max(largest, abs(exact[i, k]))
        if largest == 0.0:
            unit[i, d] = 1
            continue
        total = 0.0
        for k in range(d):  # divided first: a square may be too large or too small for a number
            total += (exact[i, k] / largest) ** 2
        length = np.sqrt(total)
        for k in range(d):
            unit[i, k] = exact[i, k] / largest / length
    return True


@kernel
def _scan(panels: Any, count: int, query: Any, leave_out: Any, at: Any, out: Any) -> None:
    """Products of each row with ``count`` others: all into ``out``, or the place of the largest.

    Eight coordinates at a time only save memory traffic: each product is added up in order.
    """
    product = np.empty(_PANEL, np.float32)
    for i in range(len(query)):
        best, place = np.float32(-9), 0
        for p in range(len(panels)):
            product[:] = 0
            for k in range(0, panels.shape[1], _STEP):
                q0, q1, q2, q3 = query[i, k], query[i, k + 1], query[i, k + 2], query[i, k + 3]
                q4, q5, q6, q7 = query[i, k + 4], query[i, k + 5], query[i, k + 6], query[i, k + 7]
                for j in range(_PANEL):
                    total = product[j]
                    total += q0 * panels[p, k, j]
                    total += q1 * panels[p, k + 1, j]
                    total += q2 * panels[p, k + 2, j]
                    total += q3 * panels[p, k + 3, j]
                    total += q4 * panels[p, k + 4, j]
                    total += q5 * panels[p, k + 5, j]
                    total += q6 * panels[p, k + 6, j]
                    total += q7 * panels[p, k + 7, j]
                    product[j] = total
            for j in range(min(_PANEL, count - p * _PANEL)):
                other = p * _PANEL + j
                if len(out):
                    out[i, other] = product[j]
                elif product[j] > best and other != leave_out[i]:
                    best, place = product[j], other
        at[i] = place


@kernel
def _apart(one: Any, other: Any, i: Any, j: Any, out: Any) -> None:
    """Half the squared distance of pairs of unit rows: 1 - cosine, and exactly 0 of equal rows."""
    for e in range(len(i)):
        total = 0.0
        for k in range(one.shape[1]):
            total += (np.float64(one[i[e], k]) - np.float64(other[j[e], k])) ** 2
        out[e] = total / 2
