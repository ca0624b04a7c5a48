"""The state machine: what to do next for one request, live and in replay.

Everything that decides about retries, fallbacks, hedges, deadlines, budgets and degrade steps is
in this file, and what requests have in common (breakers, limits) beside it in ``admission``. It
opens no socket, reads no clock and draws no random number: a driver tells it what happened and
when, and it answers with the next action. Replay answers the calls from a log in virtual time, the
live driver by calling a provider; both turn the same crank::

    ARRIVED ──► LOOK ──► FOUND ──► HIT                           (a fresh answer from the cache)
       │          └────► MISSED ─┐
       └─────────────────────────┴► CALL ──► COMPLETED ──► FINISH (accepted)
                                     ▲ │         ├──► WAIT ──► WOKE ──► CALL      (retry)
                                     │ │         ├──► CALL, DEGRADE, LOOK_STALE   (fall back)
                                     │ │         └──► FINISH (error)
                                     │ └──► HEDGE_DUE ──► HEDGE, then HOLD until one is COMPLETED
                                     └── SKIPPED ◄── SKIP   (a step that may not be tried now)

States, events and actions are plain tuples and the functions are pure but for ``shared``, so that
they compile to machine code. ``shared`` is None where requests have nothing in common; that code
is then compiled without it. Times are seconds on the driver's clock.

An accepted answer is never thrown away for its price: ``max_cost_usd`` stops the *next* call.
"""

from __future__ import annotations

from typing import Any, NamedTuple, SupportsInt

import numpy as np

from toolkit.engine.admission import (
    EXTRA,
    IN_PROGRESS,
    admit,
    give_up,
    grant,
    pay,
    record,
    still_open,
)
from toolkit.engine.compiled import callable_inlined, inlined
from toolkit.policy.plan import LOOK, SAY
from toolkit.schema import ErrorType

# Not plain ints: for each of those Numba would compile every function it is passed to once more.
(
    ARRIVED, COMPLETED, WOKE, SKIPPED, HEDGE_DUE, FOUND, MISSED, FOUND_STALE, MISSED_STALE,
) = np.arange(9)  # fmt: skip
(
    CALL, WAIT, DEGRADE, FINISH, SKIP, LOOK_FRESH, LOOK_STALE, HEDGE, HOLD, HIT, STALE_HIT, _ENTER,
) = np.arange(12)  # fmt: skip
_ZERO, FIRST, SECOND = np.arange(3)
"""Bits of the two calls of a step: its own and the hedge."""

_TIMEOUT = np.int64(ErrorType.TIMEOUT)
_BUDGET = np.int64(ErrorType.BUDGET)
_RATE_LIMITED = np.int64(ErrorType.RATE_LIMITED)
_CONTEXT_WINDOW = np.int64(ErrorType.CONTEXT_WINDOW)
_SHED = np.int64(ErrorType.SHED)
_UNSUPPORTED = np.int64(ErrorType.UNSUPPORTED)
_NO_TIME_S = 1e-9
"""Less than this is no time at all: sums of seconds carry rounding errors."""


class Request(NamedTuple):
    """What the machine has to know about a request."""

    needs: Any
    """bit r is set: it needs the policy's r-th required capability"""
    tokens: Any
    """input tokens; 0 where not known"""
    room: Any
    """requests in progress at which it is shed"""


class Event(NamedTuple):
    """What happened to a request."""

    kind: Any
    now: Any
    """Seconds on the driver's clock."""
    error: Any
    """COMPLETED: code of the call's error, 0 for an accepted answer; SKIPPED: the action's."""
    cost_usd: Any
    """COMPLETED: what the call cost; 0 where that was not measured."""
    jitter: Any
    """COMPLETED: a number in [0, 1) that spreads the wait before a retry."""
    retry_after_s: Any
    """COMPLETED: how long the provider asks to wait; 0 where it does not."""
    call: Any
    """COMPLETED: which call, ``FIRST`` or ``SECOND``."""
    tokens: Any
    """COMPLETED: output tokens; 0 where not known."""
    other_usd: Any
    """COMPLETED: what the other call costs if it is given up now; 0 where there is none."""


class RequestState(NamedTuple):
    """Everything the machine remembers about one request."""

    chain: Any
    step: Any
    """Index into the plan's step arrays."""
    retry: Any
    """Retries made on this step; 0 while its first attempt runs."""
    spent_usd: Any
    deadline: Any
    """On the driver's clock; infinite where the chain has none."""
    error: Any
    """What led to this step; 0 at the first."""
    shed: Any
    """1: no model is asked"""
    calls: Any
    """bits of the calls under way"""
    extra: Any
    """bits of the calls that hold a place in the retry budget"""
    ticket: Any
    """breaker generation in which the first call was admitted"""
    second_ticket: Any


class Action(NamedTuple):
    """What the driver has to do next."""

    kind: Any
    """``CALL`` the step's model, ``HEDGE`` with its second, ``WAIT``, ``LOOK_FRESH`` or
    ``LOOK_STALE`` into the cache, give what was found (``HIT``, ``STALE_HIT``), answer with the
    ``DEGRADE`` step, ``FINISH``, take note of a ``SKIP``, or ``HOLD`` until a call ends."""
    seconds: Any
    """CALL, HEDGE: the call's timeout; WAIT, LOOK: how long."""
    error: Any
    """FINISH: the request's error, 0 for an accepted answer; DEGRADE, STALE_HIT: what led here;
    SKIP: why."""


def happened(
    kind: SupportsInt,
    now: float,
    *,
    error: int = 0,
    cost_usd: float = 0.0,
    jitter: float = 0.0,
    retry_after_s: float = 0.0,
    call: int = 0,
    tokens: float = 0.0,
) -> Event:
    """Make an event of the types that the compiled machine has."""
    return Event(
        int(kind), float(now), int(error), float(cost_usd), float(jitter), float(retry_after_s),
        int(call), float(tokens), 0.0,
    )  # fmt: skip


@inlined
def _moved(state: Any, step: Any, retry: Any, spent: Any, error: Any) -> Any:
    """The state on a step with no call under way."""
    return RequestState(
        state.chain, step, retry, spent, state.deadline,
        error, state.shed, _ZERO, state.extra, state.ticket, state.second_ticket,
    )  # fmt: skip


@inlined
def _calling(state: Any, calls: Any, spent: Any, extra: Any, ticket: Any, second: Any) -> Any:
    """The state on the same step with other calls under way."""
    return RequestState(
        state.chain, state.step, state.retry, spent, state.deadline, state.error,
        state.shed, calls, extra, ticket, second,
    )  # fmt: skip


@callable_inlined
def arrive(chain: Any) -> Any:
    """Return the state of a request that has just been routed to a chain."""
    none: Any = _ZERO
    return RequestState(
        np.int64(chain), none, none, 0.0, 0.0, none, none, none, none, none, none
    )  # fmt: skip


@callable_inlined
def next_action(plan: Any, shared: Any, request: Any, state: Any, event: Any) -> Any:
    """Return the new state and the next action after an event."""
    kind, now = event.kind, event.now
    if kind == COMPLETED:
        state, action = _completed(plan, shared, state, event)
    elif kind == ARRIVED:
        state, action = _arrived(plan, shared, request, state, now)
    elif kind == HEDGE_DUE:
        state, action = _hedge_due(plan, shared, request, state, now)
    elif kind == FOUND:
        action = Action(HIT, 0.0, _ZERO)
    elif kind == FOUND_STALE:
        action = Action(STALE_HIT, 0.0, state.error)
    elif kind == MISSED_STALE:
        state = _moved(state, state.step + 1, _ZERO, state.spent_usd, state.error)
        action = Action(_ENTER, 0.0, _ZERO)
    else:  # WOKE, SKIPPED, MISSED
        action = Action(_ENTER, 0.0, _ZERO)
    if action.kind == _ENTER:
        state, action = _enter_step(plan, shared, request, state, now)
    if shared is not None:
        over = action.kind in (FINISH, DEGRADE, HIT, STALE_HIT)
        if over and not state.shed:
            shared.counts[IN_PROGRESS] -= 1
    return state, action


@callable_inlined
def abandon(plan: Any, shared: Any, state: Any, other_usd: Any, now: Any) -> None:
    """Give back whatever a request holds whose driver cannot go on."""
    shared.counts[IN_PROGRESS] -= 0 if state.shed else 1
    if state.calls & FIRST:
        give_up(shared, plan.steps[state.step].model, state.ticket)
    if state.calls & SECOND:
        give_up(shared, plan.steps[state.step].hedge_model, state.second_ticket)
    shared.counts[EXTRA] -= (state.extra & FIRST) + (state.extra & SECOND) // SECOND
    pay(plan, shared, other_usd, now)


@inlined
def _arrived(plan: Any, shared: Any, request: Any, state: Any, now: Any) -> Any:
    chain: Any = state.chain
    shed = _ZERO
    if shared is not None:
        if shared.counts[IN_PROGRESS] >= request.room:
            shed = FIRST
        else:
            shared.counts[IN_PROGRESS] += 1
    none: Any = _ZERO
    spent = 0.0
    looks = plan.chains[chain].cached and not shed
    if looks:
        spent = plan.cache_cost_usd
    state = RequestState(
        chain, plan.chains[chain].start, none, np.float64(spent),
        now + plan.chains[chain].deadline_s, none, shed, none, none, none, none,
    )  # fmt: skip
    if looks:
        return state, Action(LOOK_FRESH, plan.cache_latency_s, _ZERO)
    return state, Action(_ENTER, 0.0, _ZERO)


@inlined
def _completed(plan: Any, shared: Any, state: Any, event: Any) -> Any:
    chain, step, retry = state.chain, state.step, state.retry
    now, error = event.now, event.error
    spent = state.spent_usd + event.cost_usd
    extra, others = state.extra, state.calls & ~event.call
    if shared is not None:
        first = event.call == FIRST
        model = plan.steps[step].model if first else plan.steps[step].hedge_model
        ticket = state.ticket if first else state.second_ticket
        record(plan, shared, model, ticket, error, event.tokens, now)
        pay(plan, shared, event.cost_usd, now)
        if extra & event.call:
            shared.counts[EXTRA] -= 1
            extra &= ~event.call
        if error == 0 and others:
            model = plan.steps[step].hedge_model if first else plan.steps[step].model
            give_up(shared, model, state.second_ticket if first else state.ticket)
            spent += event.other_usd
            pay(plan, shared, event.other_usd, now)
            if extra:
                shared.counts[EXTRA] -= 1
                extra = _ZERO
    after = _calling(state, others, spent, extra, state.ticket, state.second_ticket)
    if error == 0:
        return _moved(after, step, retry, spent, _ZERO), Action(FINISH, 0.0, _ZERO)
    if others:
        return after, Action(HOLD, 0.0, _ZERO)
    bit = 1 << error
    if retry < plan.steps[step].retries and plan.chains[chain].retry_on & bit:
        wait = plan.steps[step].backoff_s * 2.0**retry * (0.5 + 0.5 * event.jitter)
        wait = max(wait, event.retry_after_s)
        granted = now + wait < state.deadline and spent < plan.chains[chain].max_cost_usd
        if shared is not None and granted:
            granted = not still_open(plan, shared, plan.steps[step].model, now + wait)
            granted = granted and grant(plan, shared)
        if granted:
            again = _moved(after, step, retry + 1, spent, error)
            if shared is not None:
                again = _calling(again, _ZERO, spent, FIRST, _ZERO, _ZERO)
            return again, Action(WAIT, wait, _ZERO)
    if plan.chains[chain].fallback_on & bit:
        return _moved(after, step + 1, _ZERO, spent, error), Action(_ENTER, 0.0, _ZERO)
    return _moved(after, step, retry, spent, error), Action(FINISH, 0.0, error)


@inlined
def _may_ask(plan: Any, request: Any, state: Any, model: Any, now: Any) -> Any:
    """Whether this request may go to a model: 0, or the reason why not."""
    if state.shed:
        return _SHED
    if state.deadline - now <= _NO_TIME_S:
        return _TIMEOUT
    if state.spent_usd >= plan.chains[state.chain].max_cost_usd:
        return _BUDGET
    if plan.filtered:
        if request.needs & ~plan.models[model].supports:
            return _UNSUPPORTED
        if request.tokens > plan.models[model].context_tokens:
            return _CONTEXT_WINDOW
    return _ZERO


@inlined
def _enter_step(plan: Any, shared: Any, request: Any, state: Any, now: Any) -> Any:
    """Do what this step says, or skip it where it may not be tried now."""
    step, spent, error = state.step, state.spent_usd, state.error
    if step >= plan.chains[state.chain].end:
        return state, Action(FINISH, 0.0, error)
    if plan.steps[step].kind == SAY:
        return state, Action(DEGRADE, 0.0, error)
    if plan.steps[step].kind == LOOK:
        if not plan.chains[state.chain].cached:
            return _moved(state, step + 1, _ZERO, spent, error), Action(SKIP, 0.0, error)
        looking = _moved(state, step, _ZERO, spent + plan.cache_cost_usd, error)
        return looking, Action(LOOK_STALE, plan.cache_latency_s, _ZERO)
    model = plan.steps[step].model
    reason = _may_ask(plan, request, state, model, now)
    after = 0.0
    if shared is not None and reason == 0:
        reason, after = admit(plan, shared, model, request.tokens, now)
    if reason == 0:
        ticket = _ZERO
        if shared is not None:
            ticket = shared.models[model].generation
        limit = min(plan.steps[step].timeout_s, state.deadline - now)
        return _calling(state, FIRST, spent, state.extra, ticket, _ZERO), Action(CALL, limit, _ZERO)
    if shared is not None:
        if state.extra:
            shared.counts[EXTRA] -= 1
            state = _calling(state, _ZERO, spent, _ZERO, _ZERO, _ZERO)
        limited = reason == _RATE_LIMITED and (plan.chains[state.chain].retry_on >> reason) & 1
        if limited and state.retry < plan.steps[step].retries:
            wait = max(plan.steps[step].backoff_s * 2.0**state.retry, after)
            if now + wait < state.deadline and grant(plan, shared):
                again = _moved(state, step, state.retry + 1, spent, reason)
                return _calling(again, _ZERO, spent, FIRST, _ZERO, _ZERO), Action(WAIT, wait, _ZERO)
    return _moved(state, step + 1, _ZERO, spent, reason), Action(SKIP, 0.0, reason)


@inlined
def _hedge_due(plan: Any, shared: Any, request: Any, state: Any, now: Any) -> Any:
    """Send the second call of a slow step, if everything allows one."""
    if shared is not None:
        model = plan.steps[state.step].hedge_model
        if _may_ask(plan, request, state, model, now) == 0 and grant(plan, shared):
            reason, _ = admit(plan, shared, model, request.tokens, now)
            if reason == 0:
                limit = min(plan.steps[state.step].timeout_s, state.deadline - now)
                calls, extra = state.calls | SECOND, state.extra | SECOND
                ticket = shared.models[model].generation
                sent = _calling(state, calls, state.spent_usd, extra, state.ticket, ticket)
                return sent, Action(HEDGE, limit, _ZERO)
            shared.counts[EXTRA] -= 1
    return state, Action(HOLD, 0.0, _ZERO)
