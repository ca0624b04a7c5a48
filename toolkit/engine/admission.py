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
from toolkit.policy.plan import BUCKETS, Plan
from toolkit.schema import ErrorType

CLOSED, OPEN, HALF_OPEN = np.arange(3)
DAY_S = 86_400.0

_RATE_LIMITED = np.int64(ErrorType.RATE_LIMITED)
_BUDGET = np.int64(ErrorType.BUDGET)
_BREAKER_OPEN = np.int64(ErrorType.BREAKER_OPEN)
_NEARLY = 1e-9
"""Levels of a bucket are sums of fractions: this much short is enough."""

IN_PROGRESS, EXTRA, DAY, CHANGES = 0, 1, 2, 3


MODEL_STATE = np.dtype(
    [
        ("in_flight", np.int64),  # calls under way
        ("breaker", np.int64),  # CLOSED, OPEN or HALF_OPEN
        ("generation", np.int64),  # number of changes of that so far
        ("opened_at", np.float64),
        ("issued", np.int64),  # probes sent in this half-open time
        ("succeeded", np.int64),
        ("bucket", np.int64),  # number of the window's newest bucket
        ("calls", np.int64),  # in the window
        ("failed", np.int64),  # of those
        ("requests", np.float64),  # level of the bucket of requests
        ("tokens", np.float64),
        ("filled_at", np.float64),  # time of those two levels
    ],
    align=True,
)
CHANGE = np.dtype([("time_s", np.float64), ("model", np.int64), ("state", np.int64)])


class Shared(NamedTuple):
    """The state that requests share, over k models of a policy."""

    origin_s: float
    """Time 0 of the driver's clock, in seconds after a midnight (UTC)."""
    counts: NDArray[np.int64]
    """(4,) requests in progress, extra calls under way, the day, breaker changes so far."""
    spent_usd: NDArray[np.float64]
    """(1,) on that day"""
    models: NDArray[np.void]
    """(k,) of MODEL_STATE"""
    calls: NDArray[np.int64]
    """(k, BUCKETS) calls that ended, by bucket number modulo BUCKETS"""
    failed: NDArray[np.int64]
    changes: NDArray[np.void]
    """(c,) of CHANGE; more than c are not kept"""


def shared_state(plan: Plan, origin_s: float = 0.0, changes: int = 1024) -> Shared:
    """Nothing under way, every breaker closed, every bucket full."""
    k = len(plan.models)
    models = np.zeros(k, MODEL_STATE)
    models["requests"] = plan.models["request_burst"]
    models["tokens"] = plan.models["token_burst"]
    return Shared(
        origin_s=float(origin_s),
        counts=np.zeros(4, np.int64),
        spent_usd=np.zeros(1),
        models=models,
        calls=np.zeros((k, BUCKETS), np.int64),
        failed=np.zeros((k, BUCKETS), np.int64),
        changes=np.zeros(changes, CHANGE),
    )


@inlined
def _change(shared: Any, model: Any, state: Any, now: Any) -> None:
    """Move a breaker to another state."""
    shared.models[model].breaker = state
    shared.models[model].generation += 1
    shared.models[model].issued = 0
    shared.models[model].succeeded = 0
    if state == OPEN:
        shared.models[model].opened_at = now
    elif state == CLOSED:
        shared.models[model].calls = 0
        shared.models[model].failed = 0
        for b in range(BUCKETS):
            shared.calls[model, b] = 0
            shared.failed[model, b] = 0
    row = shared.counts[CHANGES]
    if row < shared.changes.shape[0]:
        shared.changes[row].time_s = now
        shared.changes[row].model = model
        shared.changes[row].state = state
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
        shared.models[model].breaker == OPEN
        and shared.models[model].opened_at + plan.models[model].breaker_open_s > then
    )


@inlined
def _refill(plan: Any, shared: Any, model: Any, now: Any) -> None:
    passed = now - shared.models[model].filled_at
    shared.models[model].filled_at = now
    if plan.models[model].requests_per_s < np.inf:
        level = shared.models[model].requests + passed * plan.models[model].requests_per_s
        shared.models[model].requests = min(level, plan.models[model].request_burst)
    if plan.models[model].tokens_per_s < np.inf:
        level = shared.models[model].tokens + passed * plan.models[model].tokens_per_s
        shared.models[model].tokens = min(level, plan.models[model].token_burst)


@inlined
def admit(plan: Any, shared: Any, model: Any, tokens: Any, now: Any) -> Any:
    """Take a place for one call: 0, or the code of why not, and the seconds until it may be.

    The reason ``RATE_LIMITED`` means that a limit of ours is reached; only it has seconds.
    """
    if plan.daily_cost_usd < np.inf:
        _today(shared, now)
        if shared.spent_usd[0] >= plan.daily_cost_usd:
            return _BUDGET, 0.0
    state = shared.models[model].breaker
    if state == OPEN and now < shared.models[model].opened_at + plan.models[model].breaker_open_s:
        return _BREAKER_OPEN, 0.0
    if state == HALF_OPEN and shared.models[model].issued >= plan.models[model].breaker_probes:
        return _BREAKER_OPEN, 0.0
    if shared.models[model].in_flight >= plan.models[model].concurrency:
        return _RATE_LIMITED, 0.0
    if plan.models[model].limited:
        _refill(plan, shared, model, now)
        need = min(tokens, plan.models[model].token_burst)
        short, after = 1.0 - shared.models[model].requests, 0.0
        if short > _NEARLY:
            after = short / plan.models[model].requests_per_s
        short = need - shared.models[model].tokens
        if short > _NEARLY:
            after = max(after, short / plan.models[model].tokens_per_s)
        if after > 0.0:
            return _RATE_LIMITED, after
        shared.models[model].requests -= 1.0
        shared.models[model].tokens -= tokens
    if state == OPEN:
        _change(shared, model, HALF_OPEN, now)
    if shared.models[model].breaker == HALF_OPEN:
        shared.models[model].issued += 1
    shared.models[model].in_flight += 1
    return np.int64(0), 0.0


@inlined
def record(
    plan: Any, shared: Any, model: Any, ticket: Any, error: Any, tokens: Any, now: Any
) -> None:
    """Take note of a call that ended: its place is free, and the breaker learns how it went."""
    shared.models[model].in_flight -= 1
    if plan.models[model].limited and error == 0:
        _refill(plan, shared, model, now)
        shared.models[model].tokens -= tokens
    if plan.models[model].breaker_rate == np.inf or ticket != shared.models[model].generation:
        return
    bad = 1 if (plan.models[model].breaker_on >> error) & 1 and error else 0
    if shared.models[model].breaker == HALF_OPEN:
        if bad:
            _change(shared, model, OPEN, now)
        else:
            shared.models[model].succeeded += 1
            if shared.models[model].succeeded >= plan.models[model].breaker_probes:
                _change(shared, model, CLOSED, now)
        return
    newest = np.int64(now / plan.models[model].breaker_bucket_s)
    step = shared.models[model].bucket
    shared.models[model].bucket = newest
    step = max(step, newest - BUCKETS)
    while step < newest:
        step += 1
        shared.models[model].calls -= shared.calls[model, step % BUCKETS]
        shared.models[model].failed -= shared.failed[model, step % BUCKETS]
        shared.calls[model, step % BUCKETS] = 0
        shared.failed[model, step % BUCKETS] = 0
    shared.calls[model, newest % BUCKETS] += 1
    shared.failed[model, newest % BUCKETS] += bad
    shared.models[model].calls += 1
    shared.models[model].failed += bad
    calls, failed = shared.models[model].calls, shared.models[model].failed
    enough = calls >= plan.models[model].breaker_min_calls
    if enough and failed / calls >= plan.models[model].breaker_rate:
        _change(shared, model, OPEN, now)


@inlined
def give_up(shared: Any, model: Any, ticket: Any) -> None:
    """Take note of a call that was cancelled: its place and its probe are free again."""
    shared.models[model].in_flight -= 1
    if ticket == shared.models[model].generation and shared.models[model].breaker == HALF_OPEN:
        shared.models[model].issued -= 1


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
