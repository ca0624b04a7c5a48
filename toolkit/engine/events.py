"""The replay driver for policies whose requests meet: everything happens in event order.

Arrivals come from a sorted column, all else (a call's end, the end of a wait or a look-up, a hedge
falling due) from a heap. At the same time, what was scheduled comes before what arrives, and what
was scheduled first comes first. Of a call that was cancelled, the event stays in the heap and is
void: its version is not the row's.

The compiled loop allocates nothing. It stops when it needs room and goes on with twice as much.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.admission import CHANGES, Shared, shared_state
from toolkit.engine.cached import CacheState, find, hit_quality, keep
from toolkit.engine.compiled import compiled, inlined
from toolkit.engine.facts import Facts
from toolkit.engine.faults import World
from toolkit.engine.heap import Heap, has_room, heap, more_heap, next_time, pop, push, push_last
from toolkit.engine.keys import Purpose, uniform
from toolkit.engine.machine import (
    ARRIVED,
    CALL,
    COMPLETED,
    DEGRADE,
    FINISH,
    FIRST,
    FOUND,
    FOUND_STALE,
    HEDGE,
    HEDGE_DUE,
    HIT,
    HOLD,
    LOOK_FRESH,
    LOOK_STALE,
    MISSED,
    MISSED_STALE,
    SECOND,
    SKIP,
    SKIPPED,
    STALE_HIT,
    WAIT,
    WOKE,
    Event,
    Request,
    abandon,
    arrive,
    next_action,
)
from toolkit.engine.outcomes import Observed, attempt_outcome
from toolkit.engine.slots import Slots, begin, end, load, more, save, slots
from toolkit.engine.tables import Recording, Totals
from toolkit.policy.plan import ASK, Plan
from toolkit.schema import ErrorType, Status

_BACKOFF = np.int64(Purpose.BACKOFF)
_CANCELLED = int(ErrorType.CANCELLED)
_ACCEPTED, _DEGRADED, _FAILED, _UNOBSERVED = (int(s) for s in Status)

_FIRST_ENDS, _SECOND_ENDS, _HEDGE, _WAKE, _LOOKED, _LOOKED_STALE = np.arange(6)
_NONE = np.int64(0)
_KIND_BITS, _SLOT_BITS = 4, 24
_PUSHES = 2
"""Most events that one event schedules."""
_MOST_CHANGES = 64
"""More changes of breakers than one event can bring about."""


class Arrivals(NamedTuple):
    """n requests in time."""

    order: NDArray[np.int64]
    """(n,) rows of the dataset, the first to arrive first"""
    arrival_s: NDArray[np.float64]
    """(n,) by row"""
    next: NDArray[np.int64]
    """(1,) position in ``order`` of the next to arrive"""


class Changes(NamedTuple):
    """c changes of breakers, in the order in which they happened."""

    time_s: NDArray[np.float64]
    model: NDArray[np.int16]
    """index into ``policy.models``"""
    state: NDArray[np.int8]
    """0 closed, 1 open, 2 half-open"""


@compiled
def _run(
    plan: Any, log: Any, world: Any, shared: Any, cache: Any, arrivals: Any, facts: Any,
    chains: Any, seed: Any, heap: Any, slots: Any, totals: Any, record: Any,
) -> Any:  # fmt: skip
    """Play until nothing is left (True) or until more room is needed (False)."""
    n = chains.shape[0]
    rows, passes = record.attempts, record.skips
    recording = record.first_attempt.shape[0] > 0
    while True:
        room = has_room(heap, _PUSHES) and slots.free[slots.free.shape[0] - 1] > 0
        if not room or shared.changes.shape[0] - shared.counts[CHANGES] < _MOST_CHANGES:
            return False
        error, paid, jitter, after, call, tokens, other_usd = _NONE, 0.0, 0.0, 0.0, _NONE, 0.0, 0.0
        model, hit, quality, call_imputed = -1, -1, 0.0, False
        row, room_for, soonest = -1, _NONE, next_time(heap)
        if arrivals.next[0] < n:
            row = arrivals.order[arrivals.next[0]]
            if soonest <= arrivals.arrival_s[row]:
                row = -1
        if row >= 0:
            now = arrivals.arrival_s[row]
            arrivals.next[0] += 1
            s = begin(slots, row, facts, now)
            room_for = facts.room[row]
            state = arrive(np.int64(chains[row]))
            kind = ARRIVED
        elif soonest == np.inf:
            return True
        else:
            now, what = pop(heap)
            s = what & ((1 << _SLOT_BITS) - 1)
            due = (what >> _SLOT_BITS) & ((1 << _KIND_BITS) - 1)
            version = what >> (_SLOT_BITS + _KIND_BITS)
            if due <= _HEDGE and slots.calls[s, due & 1].version != version:
                continue
            row = slots.rows[s].row
            state = load(slots, s, np.int64(chains[row]))
            kind = WOKE
            if due == _HEDGE:
                kind = HEDGE_DUE
            elif due == _LOOKED:
                hit = find(cache, row, now, plan.cache_ttl_s)
                kind = FOUND if hit >= 0 else MISSED
            elif due == _LOOKED_STALE:
                hit = find(cache, row, now, plan.cache_stale_s)
                kind = FOUND_STALE if hit >= 0 else MISSED_STALE
            elif due <= _SECOND_ENDS:
                kind, call = COMPLETED, FIRST if due == _FIRST_ENDS else SECOND
                slots.calls[s, due].version += 1
                error, paid = slots.calls[s, due].error, slots.calls[s, due].cost_usd
                quality, call_imputed = slots.calls[s, due].quality, slots.calls[s, due].imputed
                after = slots.calls[s, due].retry_after_s
                model = plan.steps[state.step].model
                if due == _SECOND_ENDS:
                    model = plan.steps[state.step].hedge_model
                column = plan.models[model].column
                if error:
                    jitter = uniform(
                        seed, log.request_key[row], log.model_key[column], slots.rows[s].attempts,
                        _BACKOFF,
                    )  # fmt: skip
                else:
                    tokens = slots.calls[s, due].tokens
                if np.isnan(paid):
                    paid = 0.0
                    slots.rows[s].unmeasured |= 1
                slots.rows[s].cost_usd += paid
        chain = state.chain
        status = -1
        request = Request(slots.rows[s].needs, slots.rows[s].tokens, room_for)
        while True:
            lost = kind == COMPLETED and error == 0 and state.calls != call
            if lost:  # the other call is given up now
                other = _FIRST_ENDS if call == SECOND else _SECOND_ENDS
                other_usd = _give_up(slots, s, other, now, rows, record.first_attempt, recording)
            state, action = next_action(
                plan, shared, request, state,
                Event(kind, now, error, paid, jitter, after, call, tokens, other_usd),
            )  # fmt: skip
            if action.kind in (CALL, HEDGE):
                c = _FIRST_ENDS if action.kind == CALL else _SECOND_ENDS
                model = plan.steps[state.step].model
                bit = plan.steps[state.step].log
                if c:
                    model = plan.steps[state.step].hedge_model
                    bit = plan.steps[state.step].hedge_log
                column = plan.models[model].column
                if column < 0 or not log.observed[row, column]:
                    if c:
                        other_usd = _give_up(
                            slots, s, _FIRST_ENDS, now, rows, record.first_attempt, recording
                        )
                    abandon(plan, shared, state, other_usd, now)
                    status, quality = _UNOBSERVED, np.nan
                    break
                again = (slots.rows[s].called >> bit) & 1 != 0
                slots.rows[s].called |= 1 << bit
                number = slots.rows[s].attempts
                out = attempt_outcome(
                    log, world, seed, row, column, model, number, again, action.seconds,
                    plan.models[model].bill_timeouts, now, shared.models[model].in_flight,
                )  # fmt: skip
                slots.rows[s].attempts = number + 1
                slots.rows[s].imputed |= out.imputed
                slots.calls[s, c].number = number
                slots.calls[s, c].start = now
                slots.calls[s, c].error = out.error
                slots.calls[s, c].cost_usd = out.cost_usd
                slots.calls[s, c].given_up_usd = out.given_up_usd
                slots.calls[s, c].quality = out.quality
                # Read here, where the processor waits for the row's other columns anyway.
                length = log.output_tokens[row, column]
                slots.calls[s, c].tokens = 0.0 if np.isnan(length) else length
                slots.calls[s, c].retry_after_s = out.retry_after_s
                slots.calls[s, c].imputed = out.imputed
                if recording:
                    r = record.first_attempt[row] + number
                    rows.request_ix[r] = row
                    rows.attempt[r] = number
                    rows.step[r] = state.step - plan.chains[chain].start
                    rows.model[r] = model
                    rows.hedge[r] = c == 1
                    rows.wait_s[r] = 0.0 if c else slots.rows[s].wait_s
                    rows.start_s[r] = now - slots.rows[s].arrived
                    rows.latency_s[r] = out.latency_s
                    rows.cost_usd[r] = out.cost_usd
                    rows.quality[r] = out.quality
                    rows.error[r] = out.error
                    rows.imputed[r] = out.imputed
                takes = out.latency_s
                if np.isnan(takes):
                    takes = 0.0
                    slots.rows[s].unmeasured |= 2
                version = slots.calls[s, c].version
                push(heap, now + takes, _pack(version, c, s))
                if c == 0:
                    slots.rows[s].wait_s = 0.0
                    hedge_s = plan.steps[state.step].hedge_after_s
                    if takes > hedge_s:
                        push(heap, now + hedge_s, _pack(version, _HEDGE, s))
                break
            if action.kind == SKIP:
                if plan.steps[state.step - 1].kind == ASK:
                    if recording:
                        r = record.first_skip[row] + slots.rows[s].skips
                        passes.request_ix[r] = row
                        passes.step[r] = state.step - 1 - plan.chains[chain].start
                        passes.start_s[r] = now - slots.rows[s].arrived
                        passes.error[r] = action.error
                    slots.rows[s].skips += 1
                kind, error = SKIPPED, action.error
                continue
            if action.kind == WAIT:
                slots.rows[s].wait_s += action.seconds
                push(heap, now + action.seconds, _pack(_NONE, _WAKE, s))
                break
            if action.kind in (LOOK_FRESH, LOOK_STALE):
                slots.rows[s].cost_usd += plan.cache_cost_usd
                due = _LOOKED if action.kind == LOOK_FRESH else _LOOKED_STALE
                push_last(heap, now + action.seconds, _pack(_NONE, due, s))
                break
            if action.kind == HOLD:
                break
            if action.kind == HIT:
                status, quality = _ACCEPTED, hit_quality(cache, hit, row)
            elif action.kind == STALE_HIT:
                status, quality = _DEGRADED, plan.steps[state.step].quality
                if np.isnan(quality):
                    quality = hit_quality(cache, hit, row)
            elif action.kind == DEGRADE:
                status, quality = _DEGRADED, plan.steps[state.step].quality
                slots.rows[s].cost_usd += plan.steps[state.step].cost_usd
                now += plan.steps[state.step].latency_s
            elif action.kind == FINISH:
                status = _FAILED if action.error else _ACCEPTED
                if status == _FAILED:
                    quality = 0.0
                elif plan.chains[chain].cached:
                    keep(cache, row, quality, call_imputed, now)
            break
        if status < 0:
            save(slots, s, state)
            continue
        gone = status == _UNOBSERVED
        found = action.kind in (HIT, STALE_HIT)
        totals.status[row] = status
        totals.model[row] = model if status == _ACCEPTED and not found else -1
        totals.quality[row] = quality
        totals.cost_usd[row] = (
            np.nan if gone or slots.rows[s].unmeasured & 1 else slots.rows[s].cost_usd
        )
        totals.latency_s[row] = (
            np.nan if gone or slots.rows[s].unmeasured & 2 else now - slots.rows[s].arrived
        )
        totals.error[row] = 0 if gone else action.error
        totals.attempts[row] = slots.rows[s].attempts
        last_step = min(state.step, plan.chains[chain].end - 1)
        totals.fallback[row] = last_step > plan.chains[chain].start and slots.rows[s].attempts > 0
        totals.imputed[row] = slots.rows[s].imputed or (found and cache.entries[hit].imputed != 0)
        totals.cached[row] = found
        totals.skips[row] = slots.rows[s].skips
        end(slots, s)


@inlined
def _pack(version: Any, kind: Any, slot: Any) -> Any:
    """An event as one number."""
    return (version << (_SLOT_BITS + _KIND_BITS)) | (kind << _SLOT_BITS) | slot


@inlined
def _give_up(slots: Any, s: Any, c: Any, now: Any, rows: Any, first: Any, recording: Any) -> Any:
    """Cancel call ``c`` of row ``s``; what it costs, 0 where that was not measured."""
    slots.calls[s, c].version += 1
    cost = slots.calls[s, c].given_up_usd
    if recording:
        r = first[slots.rows[s].row] + slots.calls[s, c].number
        rows.latency_s[r] = now - slots.calls[s, c].start
        rows.cost_usd[r] = cost
        rows.quality[r] = 0.0
        rows.error[r] = _CANCELLED
    if np.isnan(cost):
        slots.rows[s].unmeasured |= 1
        cost = 0.0
    slots.rows[s].cost_usd += cost
    return cost


def play(
    plan: Plan,
    log: Observed,
    world: World,
    cache: CacheState,
    arrival_s: NDArray[np.float64],
    origin_s: float,
    known: Facts,
    chain: NDArray[np.int16],
    seed: int,
    totals: Totals,
    record: Recording,
) -> Changes:
    """Play every request in event order into ``totals`` and ``record``."""
    arrivals = Arrivals(np.argsort(arrival_s, kind="stable"), arrival_s, np.zeros(1, np.int64))
    shared = shared_state(plan, origin_s)
    events, open_requests = heap(1024), slots(512)
    while not _run(
        plan, log, world, shared, cache, arrivals, known, chain, seed, events, open_requests,
        totals, record,
    ):  # fmt: skip
        events, open_requests, shared = _roomier(events, open_requests, shared)
    made = shared.changes[: shared.counts[CHANGES]]
    return Changes(
        made["time_s"].copy(), made["model"].astype(np.int16), made["state"].astype(np.int8)
    )


def _roomier(events: Heap, open_requests: Slots, shared: Shared) -> tuple[Heap, Slots, Shared]:
    """Double whatever is full."""
    if min(len(events.time) - events.size[0], len(events.line_time) - events.size[3]) < _PUSHES:
        events = more_heap(events)
    if open_requests.free[-1] == 0:
        open_requests = more(open_requests)
    if len(shared.changes) - shared.counts[CHANGES] < _MOST_CHANGES:
        shared = shared._replace(changes=np.concatenate([shared.changes, shared.changes]))
    return events, open_requests, shared
