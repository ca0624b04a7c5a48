"""The requests in progress: a row each, and two calls a row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import inlined
from toolkit.engine.machine import RequestState

SLOT = np.dtype(
    [
        ("row", np.int64),  # the request
        ("needs", np.int64),  # as in machine.Request, and so is the next
        ("tokens", np.float64),
        ("step", np.int64),  # from here on as in RequestState
        ("retry", np.int64),
        ("spent_usd", np.float64),
        ("deadline", np.float64),
        ("error", np.int64),
        ("shed", np.int64),
        ("calls", np.int64),
        ("extra", np.int64),
        ("ticket", np.int64),
        ("second_ticket", np.int64),
        ("arrived", np.float64),
        ("cost_usd", np.float64),
        ("unmeasured", np.int64),  # bit 0: a cost was not measured; bit 1: a latency
        ("attempts", np.int64),
        ("skips", np.int64),
        ("imputed", np.bool_),
        ("called", np.int64),  # bits of the models of the log that it has called
        ("wait_s", np.float64),
    ],
    align=True,
)
CALL_UNDER_WAY = np.dtype(
    [
        ("version", np.int64),  # an event of an older version is void
        ("number", np.int64),  # which attempt of the request it is
        ("start", np.float64),
        ("error", np.int64),
        ("cost_usd", np.float64),
        ("given_up_usd", np.float64),
        ("quality", np.float64),
        ("tokens", np.float64),  # of the answer; 0 where not known
        ("retry_after_s", np.float64),
        ("imputed", np.bool_),
    ],
    align=True,
)


class Slots(NamedTuple):
    """s rows; those that are not in use are listed in ``free``."""

    free: NDArray[np.int64]
    """(s + 1,) free rows, then their number in the last element"""
    rows: NDArray[np.void]
    """(s,) of SLOT"""
    calls: NDArray[np.void]
    """(s, 2) of CALL_UNDER_WAY"""


def slots(s: int) -> Slots:
    """Rows of which none is in use."""
    return Slots(np.append(np.arange(s), s), np.zeros(s, SLOT), np.zeros((s, 2), CALL_UNDER_WAY))


def more(old: Slots) -> Slots:
    """Twice as many rows, the first half as they were."""
    s = len(old.rows)
    count = int(old.free[-1])
    free = np.zeros(2 * s + 1, np.int64)
    free[:count] = old.free[:count]
    free[count : count + s] = np.arange(s, 2 * s)
    free[-1] = count + s
    return Slots(
        free,
        np.concatenate([old.rows, np.zeros_like(old.rows)]),
        np.concatenate([old.calls, np.zeros_like(old.calls)]),
    )


@inlined
def load(slots: Any, s: Any, chain: Any) -> Any:
    """The machine's state of the request in row ``s``."""
    kept = slots.rows[s]
    return RequestState(
        chain, kept.step, kept.retry, kept.spent_usd, kept.deadline, kept.error, kept.shed,
        kept.calls, kept.extra, kept.ticket, kept.second_ticket,
    )  # fmt: skip


@inlined
def save(slots: Any, s: Any, state: Any) -> None:
    """Keep the machine's state until the request's next event."""
    slots.rows[s].step = state.step
    slots.rows[s].retry = state.retry
    slots.rows[s].spent_usd = state.spent_usd
    slots.rows[s].deadline = state.deadline
    slots.rows[s].error = state.error
    slots.rows[s].shed = state.shed
    slots.rows[s].calls = state.calls
    slots.rows[s].extra = state.extra
    slots.rows[s].ticket = state.ticket
    slots.rows[s].second_ticket = state.second_ticket


@inlined
def begin(slots: Any, row: Any, facts: Any, now: Any) -> Any:
    """Take a free row for a request that arrives; the row's number."""
    last = slots.free.shape[0] - 1
    count = slots.free[last] - 1
    slots.free[last] = count
    s = slots.free[count]
    slots.rows[s].row = row
    slots.rows[s].needs = facts.needs[row]
    slots.rows[s].tokens = facts.tokens[row]
    slots.rows[s].arrived = now
    slots.rows[s].cost_usd = 0.0
    slots.rows[s].unmeasured = 0
    slots.rows[s].attempts = 0
    slots.rows[s].skips = 0
    slots.rows[s].imputed = False
    slots.rows[s].called = 0
    slots.rows[s].wait_s = 0.0
    return s


@inlined
def end(slots: Any, s: Any) -> None:
    """Give a row back; what is still scheduled for it is void."""
    slots.calls[s, 0].version += 1
    slots.calls[s, 1].version += 1
    last = slots.free.shape[0] - 1
    slots.free[slots.free[last]] = s
    slots.free[last] += 1
