"""What is going to happen, ordered by time and then by the order of scheduling.

A heap, in which each event has up to four below it: half as many levels as with two, and the four
are compared without branches that no processor can foresee. Beside it stands a line for events
that are all scheduled the same time ahead and so come in order by themselves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import inlined


class Heap(NamedTuple):
    """At most c events in the heap, the first ``size[0]`` of them in use, and l in line."""

    time: NDArray[np.float64]
    order: NDArray[np.int64]
    what: NDArray[np.int64]
    """what the driver makes of it"""
    line_time: NDArray[np.float64]
    """(l,) a ring, as the next two; l is a power of two"""
    line_order: NDArray[np.int64]
    line_what: NDArray[np.int64]
    size: NDArray[np.int64]
    """(4,) events in the heap, events ever scheduled, first of the line, events in the line"""


def heap(capacity: int, line: int = 1024) -> Heap:
    """Nothing is going to happen."""
    return Heap(
        np.empty(capacity), np.empty(capacity, np.int64), np.empty(capacity, np.int64),
        np.empty(line), np.empty(line, np.int64), np.empty(line, np.int64),
        np.zeros(4, np.int64),
    )  # fmt: skip


def more_heap(old: Heap) -> Heap:
    """Twice the room, in the heap and in the line."""
    first, size = int(old.size[2]), old.size.copy()
    size[2] = 0

    def twice(column: NDArray[Any], start: int = 0) -> NDArray[Any]:
        return np.tile(np.roll(column, -start), 2)

    return Heap(
        twice(old.time), twice(old.order), twice(old.what),
        twice(old.line_time, first), twice(old.line_order, first), twice(old.line_what, first),
        size,
    )  # fmt: skip


@inlined
def has_room(heap: Any, events: Any) -> Any:
    """Whether so many events more can be scheduled."""
    size = heap.size
    return heap.time.shape[0] - size[0] >= events and heap.line_time.shape[0] - size[3] >= events


@inlined
def next_time(heap: Any) -> Any:
    """When the first event happens; infinite where there is none."""
    time = np.inf
    if heap.size[0]:
        time = heap.time[0]
    if heap.size[3]:
        time = min(time, heap.line_time[heap.size[2]])
    return time


@inlined
def push_last(heap: Any, time: Any, what: Any) -> None:
    """Schedule an event that is due no earlier than all others that were scheduled so."""
    at = (heap.size[2] + heap.size[3]) & (heap.line_time.shape[0] - 1)
    heap.line_time[at] = time
    heap.line_order[at] = heap.size[1]
    heap.line_what[at] = what
    heap.size[1] += 1
    heap.size[3] += 1


@inlined
def _sooner(heap: Any, a: Any, b: Any) -> Any:
    """Whether event ``a`` comes before event ``b``."""
    return (heap.time[a] < heap.time[b]) | (
        (heap.time[a] == heap.time[b]) & (heap.order[a] < heap.order[b])
    )


@inlined
def push(heap: Any, time: Any, what: Any) -> None:
    """Schedule an event; there must be room."""
    at = heap.size[0]
    order = heap.size[1]
    heap.size[0] = at + 1
    heap.size[1] = order + 1
    while at > 0:
        above = (at - 1) >> 2
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
    if heap.size[3]:
        head = heap.size[2]
        due = heap.line_time[head]
        if (
            heap.size[0] == 0
            or due < heap.time[0]
            or (due == heap.time[0] and heap.line_order[head] < heap.order[0])
        ):
            heap.size[2] = (head + 1) & (heap.line_time.shape[0] - 1)
            heap.size[3] -= 1
            ahead: Any = (due, heap.line_what[head])
            return ahead
    first: Any = (heap.time[0], heap.what[0])
    last = heap.size[0] - 1
    heap.size[0] = last
    time, order, what = heap.time[last], heap.order[last], heap.what[last]
    at = 0
    while True:
        below = 4 * at + 1
        if below >= last:
            break
        if below + 3 < last:
            left = below + _sooner(heap, below + 1, below)
            right = below + 2 + _sooner(heap, below + 3, below + 2)
            below = right if _sooner(heap, right, left) else left
        else:
            for other in range(below + 1, last):
                if _sooner(heap, other, below):
                    below = other
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
