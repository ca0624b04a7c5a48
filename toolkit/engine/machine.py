"""The state machine: what to do next for one request, live and in replay.

Everything that decides about retries, fallbacks, deadlines, budgets and degrade steps is in this
file. It opens no socket, reads no clock and draws no random number: a driver tells it what
happened and when, and it answers with the next action. Replay answers the calls from a log in
virtual time, the live driver by calling a provider; both turn the same crank::

    ARRIVED ──► CALL ──► COMPLETED ──► FINISH (accepted)
                 ▲           │
                 │           ├──► WAIT ──► WOKE ──► CALL          (retry)
                 │           ├──► CALL, DEGRADE on the next step  (fall back)
                 │           └──► FINISH (error)

States, events and actions are plain tuples and the functions are pure, so that they compile to
machine code. Times are seconds on the driver's clock.

An accepted answer is never thrown away for its price: ``max_cost_usd`` stops the *next* call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from toolkit.engine.compiled import inlined
from toolkit.schema import ErrorType

ARRIVED, COMPLETED, WOKE = 0, 1, 2
CALL, WAIT, DEGRADE, FINISH = 0, 1, 2, 3

_TIMEOUT = int(ErrorType.TIMEOUT)
_BUDGET = int(ErrorType.BUDGET)
_NO_TIME_S = 1e-9
"""Less than this is no time at all: sums of seconds carry rounding errors."""


class Event(NamedTuple):
    """What happened to a request."""

    kind: int
    """``ARRIVED``, ``COMPLETED`` (an attempt) or ``WOKE`` (a wait is over)."""
    now: float
    """Seconds on the driver's clock."""
    error: int
    """COMPLETED: code of the attempt's error, 0 for an accepted answer."""
    cost_usd: float
    """COMPLETED: what the attempt cost; 0 where that was not measured."""
    jitter: float
    """COMPLETED: a number in [0, 1) that spreads the wait before a retry."""


class RequestState(NamedTuple):
    """Everything the machine remembers about one request."""

    chain: int
    step: int
    """Index into the plan's step arrays."""
    retry: int
    """Retries made on this step; 0 while its first attempt runs."""
    spent_usd: float
    deadline: float
    """On the driver's clock; infinite where the chain has none."""


class Action(NamedTuple):
    """What the driver has to do next."""

    kind: int
    """``CALL`` the step's model, ``WAIT``, answer with the ``DEGRADE`` step, or ``FINISH``."""
    seconds: float
    """CALL: the attempt's timeout; WAIT: how long."""
    error: int
    """FINISH: the request's error, 0 for an accepted answer; DEGRADE: the error that led here."""


# One tuple type each, whatever the widths of the plan's columns: compiled code needs that.
@inlined
def _at(chain: Any, step: Any, retry: Any, spent: Any, deadline: Any) -> Any:
    numbers: Any = np.int64(chain), np.int64(step), np.int64(retry)
    return RequestState(numbers[0], numbers[1], numbers[2], np.float64(spent), np.float64(deadline))


@inlined
def _do(kind: Any, seconds: Any, error: Any) -> Any:
    numbers: Any = np.int64(kind), np.int64(error)
    return Action(numbers[0], np.float64(seconds), numbers[1])


@inlined
def arrive(chain: Any) -> Any:
    """Return the state of a request that has just been routed to a chain."""
    return _at(chain, 0, 0, 0.0, 0.0)


@inlined
def next_action(plan: Any, state: Any, event: Any) -> Any:
    """Return the new state and the next action after an event."""
    if event.kind == ARRIVED:
        first = plan.chain_start[state.chain]
        deadline = event.now + plan.chain_deadline_s[state.chain]
        state = _at(state.chain, first, 0, 0.0, deadline)
        return _enter_step(plan, state, event.now, 0)
    if event.kind == WOKE:
        return _enter_step(plan, state, event.now, _TIMEOUT)
    return _after_attempt(plan, state, event)


@inlined
def _after_attempt(plan: Any, state: Any, event: Any) -> Any:
    chain, step, retry = state.chain, state.step, state.retry
    spent = state.spent_usd + event.cost_usd
    if event.error == 0:
        done = _at(chain, step, retry, spent, state.deadline)
        return done, _do(FINISH, 0.0, 0)
    bit = 1 << event.error
    if retry < plan.step_retries[step] and plan.chain_retry_on[chain] & bit:
        wait = plan.step_backoff_s[step] * 2.0**retry * (0.5 + 0.5 * event.jitter)
        if event.now + wait < state.deadline and spent < plan.chain_max_cost_usd[chain]:
            again = _at(chain, step, retry + 1, spent, state.deadline)
            return again, _do(WAIT, wait, 0)
    if plan.chain_fallback_on[chain] & bit:
        following = _at(chain, step + 1, 0, spent, state.deadline)
        return _enter_step(plan, following, event.now, event.error)
    failed = _at(chain, step, retry, spent, state.deadline)
    return failed, _do(FINISH, 0.0, event.error)


@inlined
def _enter_step(plan: Any, state: Any, now: Any, error: Any) -> Any:
    """Call this step's model, or the first later step that time and money still allow."""
    chain, spent, deadline = state.chain, state.spent_usd, state.deadline
    retry = state.retry
    step = state.step
    while step < plan.chain_start[chain + 1]:
        if plan.step_model[step] < 0:
            here = _at(chain, step, 0, spent, deadline)
            return here, _do(DEGRADE, 0.0, error)
        if deadline - now <= _NO_TIME_S:
            error = _TIMEOUT
        elif spent >= plan.chain_max_cost_usd[chain]:
            error = _BUDGET
        else:
            here = _at(chain, step, retry, spent, deadline)
            return here, _do(CALL, min(plan.step_timeout_s[step], deadline - now), 0)
        step += 1
        retry = 0
    end = _at(chain, step, 0, spent, deadline)
    return end, _do(FINISH, 0.0, error)
