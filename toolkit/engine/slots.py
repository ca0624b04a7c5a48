"""The requests in progress: a row each, and two calls a row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import inlined
from toolkit.engine.machine import RequestState


class Slots(NamedTuple):
    """s rows; those that are not in use are listed in ``free``."""

    free: NDArray[np.int64]
    """(s + 1,) free rows, then their number in the last element"""
    row: NDArray[np.int64]
    """the request"""
    step: NDArray[np.int64]
    retry: NDArray[np.int64]
    spent_usd: NDArray[np.float64]
    deadline: NDArray[np.float64]
    error: NDArray[np.int64]
    shed: NDArray[np.int64]
    calls: NDArray[np.int64]
    extra: NDArray[np.int64]
    ticket: NDArray[np.int64]
    """(s, 2)"""
    arrived: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    unmeasured: NDArray[np.int64]
    """bit 0: a cost was not measured; bit 1: a latency"""
    attempts: NDArray[np.int64]
    skips: NDArray[np.int64]
    imputed: NDArray[np.bool_]
    called: NDArray[np.int64]
    """bits of the models of the log that the request has called"""
    wait_s: NDArray[np.float64]
    version: NDArray[np.int64]
    """(s, 2) as are the next: of the call under way; an event of an older version is void"""
    number: NDArray[np.int64]
    """which attempt of the request it is"""
    start: NDArray[np.float64]
    call_error: NDArray[np.int64]
    call_usd: NDArray[np.float64]
    given_up_usd: NDArray[np.float64]
    quality: NDArray[np.float64]
    retry_after_s: NDArray[np.float64]
    call_imputed: NDArray[np.bool_]


_PAIRS = Slots._fields.index("version")


def slots(s: int) -> Slots:
    """Rows of which none is in use."""
    kinds = {"bool": np.bool_, "int64": np.int64, "float64": np.float64}
    columns = []
    for i, (name, kind) in enumerate(Slots.__annotations__.items()):
        dtype = next(dtype for word, dtype in kinds.items() if word in str(kind))
        shape: Any = (s, 2) if i >= _PAIRS or name == "ticket" else s
        columns.append(np.zeros(shape, dtype))
    columns[0] = np.append(np.arange(s), s)
    return Slots(*columns)


def more(old: Slots) -> Slots:
    """Twice as many rows, the first half as they were."""
    s = len(old.row)
    new = slots(2 * s)
    for before, after in zip(old[1:], new[1:], strict=True):
        after[:s] = before
    count = int(old.free[-1])
    new.free[:count] = old.free[:count]
    new.free[count : count + s] = np.arange(s, 2 * s)
    new.free[-1] = count + s
    return new


@inlined
def load(slots: Any, s: Any, chain: Any) -> Any:
    """The machine's state of the request in row ``s``."""
    return RequestState(
        np.int64(chain), slots.step[s], slots.retry[s], slots.spent_usd[s], slots.deadline[s],
        slots.error[s], slots.shed[s], slots.calls[s], slots.extra[s],
        slots.ticket[s, 0], slots.ticket[s, 1],
    )  # fmt: skip


@inlined
def save(slots: Any, s: Any, state: Any) -> None:
    """Keep the machine's state until the request's next event."""
    slots.step[s] = state.step
    slots.retry[s] = state.retry
    slots.spent_usd[s] = state.spent_usd
    slots.deadline[s] = state.deadline
    slots.error[s] = state.error
    slots.shed[s] = state.shed
    slots.calls[s] = state.calls
    slots.extra[s] = state.extra
    slots.ticket[s, 0] = state.ticket
    slots.ticket[s, 1] = state.second_ticket


@inlined
def begin(slots: Any, row: Any, now: Any) -> Any:
    """Take a free row for a request that arrives; the row's number."""
    last = slots.free.shape[0] - 1
    count = slots.free[last] - 1
    slots.free[last] = count
    s = slots.free[count]
    slots.row[s] = row
    slots.arrived[s] = now
    slots.cost_usd[s] = 0.0
    slots.unmeasured[s] = 0
    slots.attempts[s] = 0
    slots.skips[s] = 0
    slots.imputed[s] = False
    slots.called[s] = 0
    slots.wait_s[s] = 0.0
    return s


@inlined
def end(slots: Any, s: Any) -> None:
    """Give a row back; what is still scheduled for it is void."""
    slots.version[s, 0] += 1
    slots.version[s, 1] += 1
    last = slots.free.shape[0] - 1
    slots.free[slots.free[last]] = s
    slots.free[last] += 1
