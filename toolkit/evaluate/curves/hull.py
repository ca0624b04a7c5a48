"""Which policies are worth looking at: those that none beats, and the hull above all of them.

A point on the straight line between two policies can be had too, by sending a share of the requests
to each at random, so the best that a set of policies can do is the upper convex hull of their
points. It is cut where more money buys no more quality (RouterBench's non-decreasing convex hull,
arXiv 2403.12031). The hull of single models is what routing without any knowledge of a request
reaches: RouterBench's zero router.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toolkit.evaluate.curves.chain import heights_into, vertices_into

Floats: TypeAlias = NDArray[np.float64]
Better: TypeAlias = Literal["low", "high"]


def non_dominated(values: ArrayLike, better: Sequence[Better]) -> NDArray[np.bool_]:
    """Which of p points no other beats: (p,), from their ``values`` (p, k) on k axes.

    A point beats another where it is at least as good on every axis and better on one. Of equal
    points the first stands for all; one that was not measured on an axis cannot be compared and is
    left out. Raises ``ValueError`` where there is not one direction for each axis.
    """
    table = np.array(values, np.float64, ndmin=2)
    if table.shape[1] != len(better):
        raise ValueError(f"{table.shape[1]} axes need as many directions, got {len(better)}")
    table *= np.where(np.array(better) == "high", -1.0, 1.0)
    kept = np.zeros(len(table), np.bool_)
    left = np.flatnonzero(~np.isnan(table).any(axis=1))
    left = left[np.lexsort(table[left].T[::-1])]
    # The first in this order can be beaten by none of the rest; what it beats, or equals, goes.
    while left.size:
        kept[left[0]] = True
        left = left[(table[left] < table[left[0]]).any(axis=1)]
    return kept


def hull(cost: ArrayLike, quality: ArrayLike) -> NDArray[np.intp]:
    """Indices of the vertices of the non-decreasing upper convex hull, by rising cost.

    ``cost`` and ``quality`` are (p,). It begins at the cheapest point (the best of the cheapest)
    and ends at the best (the cheapest of the best); points on an edge are no vertices. What was
    not measured is left out.
    """
    c, q = (np.asarray(axis, np.float64) for axis in (cost, quality))
    order = np.argsort(c, kind="stable")
    vertices = np.empty(len(c), np.intp)
    return vertices[: vertices_into(order, c, q, vertices)]


def hull_value(at: ArrayLike, cost: ArrayLike, quality: ArrayLike) -> Floats:
    """Quality of the hull at each cost of ``at``: NaN left of its first point, flat on its right.

    ``cost`` and ``quality`` (p,) are those of all points.
    """
    c, q = (np.asarray(axis, np.float64) for axis in (cost, quality))
    vertices = hull(c, q)
    where = np.asarray(at, np.float64)
    if not vertices.size:
        return np.full(where.shape, np.nan)
    return np.asarray(np.interp(where, c[vertices], q[vertices], left=np.nan))


def hull_value_of_draws(at: ArrayLike, cost: ArrayLike, quality: ArrayLike) -> Floats:
    """:func:`hull_value` of every draw of a bootstrap, (r, a), of ``cost`` and ``quality`` (r, p).

    The costs ``at`` are (a,), the same for all draws, or (r, a).
    """
    c, q = (np.ascontiguousarray(axis, np.float64) for axis in (cost, quality))
    where = np.asarray(at, np.float64)
    where = np.ascontiguousarray(np.broadcast_to(where, (len(c), where.shape[-1])))
    out, vertices = np.empty(where.shape), np.empty(c.shape[1], np.intp)
    heights_into(np.argsort(c, axis=1, kind="stable"), c, q, where, vertices, out)
    return out
