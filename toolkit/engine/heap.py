"""A binary heap of what is going to happen, ordered by time and then by the order of scheduling."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import inlined


class Heap(NamedTuple):
    """At most c events; the first ``size[0]`` rows are in use."""

    time: NDArray[np.float64]
    order: NDArray[np.int64]
    what: NDArray[np.int64]
    """what the driver makes of it"""
    size: NDArray[np.int64]
    """(2,) events in use, events ever scheduled"""


def heap(capacity: int) -> Heap:
    """An empty heap."""
    return Heap(
        np.empty(capacity), np.empty(capacity, np.int64), np.empty(capacity, np.int64),
        np.zeros(2, np.int64),
    )  # fmt: skip


@inlined
def push(heap: Any, time: Any, what: Any) -> None:
    """Schedule an event; there must be room."""
    at = heap.size[0]
    order = heap.size[1]
    heap.size[0] = at + 1
    heap.size[1] = order + 1
    while at > 0:
        above = (at - 1) >> 1
        if heap.time[above] <= time:  # of equal times the older one stays above
            break
        heap.time[at] = heap.time[above]
        heap.order[at] = heap.order[above]
        heap.what[at] = heap.what[above]
        at = above
    heap.time[at] = time
    heap.order[at] = order
    heap.what[at] = what


@inlined
def pop(heap: Any) -> Any:
    """Take out the first event: its time and what it is."""
    first: Any = (heap.time[0], heap.what[0])
    last = heap.size[0] - 1
    heap.size[0] = last
    time, order, what = heap.time[last], heap.order[last], heap.what[last]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= last:
            break
        right = below + 1
        if right < last and (
            heap.time[right] < heap.time[below]
            or (heap.time[right] == heap.time[below] and heap.order[right] < heap.order[below])
        ):
            below = right
        if time < heap.time[below] or (time == heap.time[below] and order < heap.order[below]):
            break
        heap.time[at] = heap.time[below]
        heap.order[at] = heap.order[below]
        heap.what[at] = heap.what[below]
        at = below
    heap.time[at] = time
    heap.order[at] = order
    heap.what[at] = what
    return first
