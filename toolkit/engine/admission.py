"""What requests have in common: breakers, limits, budgets, and who may call a model now.

The second half of the state machine: ``machine`` decides for one request and asks here whether a
call may be made. Everything is a small array that the driver owns; nothing reads a clock.

- **Breaker**, per model. Closed, it counts calls and failures in ten buckets that slide over
  ``window_s``. Each change of state starts a new generation, and a call carries the generation in
  which it was admitted, so that a late result of the time before an outage decides nothing.
- **Limits**, per model: two token buckets with continuous refill, and calls under way.
- **Extra calls** (retries and hedges), over all models: a retry is under way from the moment it is
  granted, its wait included, as Envoy's retry budget counts.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import inlined
from toolkit.policy.plan import Plan
from toolkit.schema import ErrorType

CLOSED, OPEN, HALF_OPEN = np.arange(3)
BUCKETS = 10
DAY_S = 86_400.0

_RATE_LIMITED = np.int64(ErrorType.RATE_LIMITED)
_BUDGET = np.int64(ErrorType.BUDGET)
_BREAKER_OPEN = np.int64(ErrorType.BREAKER_OPEN)
_NEARLY = 1e-9
"""Levels of a bucket are sums of fractions: this much short is enough."""

IN_PROGRESS, EXTRA, DAY, CHANGES = 0, 1, 2, 3


class Shared(NamedTuple):
    """The state that requests share, over k models of a policy."""

    origin_s: float
    """Time 0 of the driver's clock, in seconds after a midnight (UTC)."""
    counts: NDArray[np.int64]
    """(4,) requests in progress, extra calls under way, the day, breaker changes so far."""
    spent_usd: NDArray[np.float64]
    """(1,) on that day"""
    in_flight: NDArray[np.int64]
    """(k,) calls under way"""
    breaker: NDArray[np.int8]
    """(k,) CLOSED, OPEN or HALF_OPEN"""
    generation: NDArray[np.int64]
    """(k,) number of changes of state so far"""
    opened_at: NDArray[np.float64]
    issued: NDArray[np.int64]
    """(k,) probes sent in this half-open time"""
    succeeded: NDArray[np.int64]
    bucket: NDArray[np.int64]
    """(k,) number of the window's newest bucket"""
    calls: NDArray[np.int64]
    """(k, BUCKETS) calls that ended, by bucket number modulo BUCKETS"""
    failed: NDArray[np.int64]
    requests: NDArray[np.float64]
    """(k,) level of the bucket of requests"""
    tokens: NDArray[np.float64]
    filled_at: NDArray[np.float64]
    """(k,) time of those two levels"""
    change_s: NDArray[np.float64]
    """(c,) times of the breakers' changes; more than c are not kept"""
    change_model: NDArray[np.int16]
    change_state: NDArray[np.int8]


def shared_state(plan: Plan, origin_s: float = 0.0, changes: int = 1024) -> Shared:
    """Nothing under way, every breaker closed, every bucket full."""
    k = len(plan.model_column)
    ints, floats = np.zeros((5, k), np.int64), np.zeros((2, k))
    return Shared(
        origin_s=float(origin_s),
        counts=np.zeros(4, np.int64),
        spent_usd=np.zeros(1),
        in_flight=ints[0],
        breaker=np.zeros(k, np.int8),
        generation=ints[1],
        opened_at=floats[0],
        issued=ints[2],
        succeeded=ints[3],
        bucket=ints[4],
        calls=np.zeros((k, BUCKETS), np.int64),
        failed=np.zeros((k, BUCKETS), np.int64),
        requests=plan.model_request_burst.copy(),
        tokens=plan.model_token_burst.copy(),
        filled_at=floats[1],
        change_s=np.zeros(changes),
        change_model=np.zeros(changes, np.int16),
        change_state=np.zeros(changes, np.int8),
    )


@inlined
def _change(shared: Any, model: Any, state: Any, now: Any) -> None:
    """Move a breaker to another state."""
    shared.breaker[model] = state
    shared.generation[model] += 1
    shared.issued[model] = 0
    shared.succeeded[model] = 0
    if state == OPEN:
        shared.opened_at[model] = now
    elif state == CLOSED:
        for b in range(BUCKETS):
            shared.calls[model, b] = 0
            shared.failed[model, b] = 0
    row = shared.counts[CHANGES]
    if row < shared.change_s.shape[0]:
        shared.change_s[row] = now
        shared.change_model[row] = model
        shared.change_state[row] = state
        shared.counts[CHANGES] += 1


@inlined
def _today(shared: Any, now: Any) -> None:
    """Begin a new day's spending where one has begun."""
    day = np.int64(math.floor((shared.origin_s + now) / DAY_S))
    if day != shared.counts[DAY]:
        shared.counts[DAY] = day
        shared.spent_usd[0] = 0.0


@inlined
def still_open(plan: Any, shared: Any, model: Any, then: Any) -> Any:
    """Whether the model's breaker, as it is now, will refuse every call until after ``then``."""
    return (
        shared.breaker[model] == OPEN
        and shared.opened_at[model] + plan.model_breaker_open_s[model] > then
    )


@inlined
def _refill(plan: Any, shared: Any, model: Any, now: Any) -> None:
    passed = now - shared.filled_at[model]
    shared.filled_at[model] = now
    if plan.model_requests_per_s[model] < np.inf:
        level = shared.requests[model] + passed * plan.model_requests_per_s[model]
        shared.requests[model] = min(level, plan.model_request_burst[model])
    if plan.model_tokens_per_s[model] < np.inf:
        level = shared.tokens[model] + passed * plan.model_tokens_per_s[model]
        shared.tokens[model] = min(level, plan.model_token_burst[model])


@inlined
def admit(plan: Any, shared: Any, model: Any, tokens: Any, now: Any) -> Any:
    """Take a place for one call: 0, or the code of why not, and the seconds until it may be.

    The reason ``RATE_LIMITED`` means that a limit of ours is reached; only it has seconds.
    """
    if plan.daily_cost_usd < np.inf:
        _today(shared, now)
        if shared.spent_usd[0] >= plan.daily_cost_usd:
            return _BUDGET, 0.0
    state = shared.breaker[model]
    if state == OPEN and now < shared.opened_at[model] + plan.model_breaker_open_s[model]:
        return _BREAKER_OPEN, 0.0
    if state == HALF_OPEN and shared.issued[model] >= plan.model_breaker_probes[model]:
        return _BREAKER_OPEN, 0.0
    if shared.in_flight[model] >= plan.model_concurrency[model]:
        return _RATE_LIMITED, 0.0
    if plan.model_limited[model]:
        _refill(plan, shared, model, now)
        need = min(tokens, plan.model_token_burst[model])
        short, after = 1.0 - shared.requests[model], 0.0
        if short > _NEARLY:
            after = short / plan.model_requests_per_s[model]
        short = need - shared.tokens[model]
        if short > _NEARLY:
            after = max(after, short / plan.model_tokens_per_s[model])
        if after > 0.0:
            return _RATE_LIMITED, after
        shared.requests[model] -= 1.0
        shared.tokens[model] -= tokens
    if state == OPEN:
        _change(shared, model, HALF_OPEN, now)
    if shared.breaker[model] == HALF_OPEN:
        shared.issued[model] += 1
    shared.in_flight[model] += 1
    return np.int64(0), 0.0


@inlined
def record(
    plan: Any, shared: Any, model: Any, ticket: Any, error: Any, tokens: Any, now: Any
) -> None:
    """Take note of a call that ended: its place is free, and the breaker learns how it went."""
    shared.in_flight[model] -= 1
    if plan.model_limited[model] and error == 0:
        _refill(plan, shared, model, now)
        shared.tokens[model] -= tokens
    if plan.model_breaker_rate[model] == np.inf or ticket != shared.generation[model]:
        return
    bad = 1 if (plan.model_breaker_on[model] >> error) & 1 and error else 0
    if shared.breaker[model] == HALF_OPEN:
        if bad:
            _change(shared, model, OPEN, now)
        else:
            shared.succeeded[model] += 1
            if shared.succeeded[model] >= plan.model_breaker_probes[model]:
                _change(shared, model, CLOSED, now)
        return
    newest = np.int64(math.floor(now / (plan.model_breaker_window_s[model] / BUCKETS)))
    step = shared.bucket[model]
    shared.bucket[model] = newest
    step = max(step, newest - BUCKETS)
    while step < newest:
        step += 1
        shared.calls[model, step % BUCKETS] = 0
        shared.failed[model, step % BUCKETS] = 0
    shared.calls[model, newest % BUCKETS] += 1
    shared.failed[model, newest % BUCKETS] += bad
    calls, failed = 0, 0
    for b in range(BUCKETS):
        calls += shared.calls[model, b]
        failed += shared.failed[model, b]
    enough = calls >= plan.model_breaker_min_calls[model]
    if enough and failed / calls >= plan.model_breaker_rate[model]:
        _change(shared, model, OPEN, now)


@inlined
def give_up(shared: Any, model: Any, ticket: Any) -> None:
    """Take note of a call that was cancelled: its place and its probe are free again."""
    shared.in_flight[model] -= 1
    if ticket == shared.generation[model] and shared.breaker[model] == HALF_OPEN:
        shared.issued[model] -= 1


@inlined
def pay(plan: Any, shared: Any, cost_usd: Any, now: Any) -> None:
    """Add to the day's spending."""
    if plan.daily_cost_usd < np.inf:
        _today(shared, now)
        shared.spent_usd[0] += cost_usd


@inlined
def grant(plan: Any, shared: Any) -> Any:
    """Take a place for one extra call, if the retry budget has one."""
    most = max(plan.retry_share * shared.counts[IN_PROGRESS], plan.retry_floor)
    if shared.counts[EXTRA] + 1 > most:
        return False
    shared.counts[EXTRA] += 1
    return True
