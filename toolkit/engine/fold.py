"""The replay driver: answers the machine's calls from logged columns, in virtual time.

Without anything shared between requests (no breaker, no limit) each request is independent: it is
folded through the machine on its own clock, which starts at 0 when it arrives, and threads share
the rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import compiled, in_threads
from toolkit.engine.keys import Purpose, uniform
from toolkit.engine.machine import (
    ARRIVED,
    CALL,
    COMPLETED,
    DEGRADE,
    WAIT,
    WOKE,
    Event,
    arrive,
    next_action,
)
from toolkit.engine.outcomes import Observed, attempt_outcome
from toolkit.policy.plan import Plan
from toolkit.schema import Status

_BACKOFF = int(Purpose.BACKOFF)
_ACCEPTED, _DEGRADED, _FAILED, _UNOBSERVED = (int(s) for s in Status)


class Totals(NamedTuple):
    """Per-request results, each of shape (n,)."""

    status: NDArray[np.int8]
    model: NDArray[np.int16]
    quality: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    error: NDArray[np.int8]
    attempts: NDArray[np.int16]
    fallback: NDArray[np.bool_]
    imputed: NDArray[np.bool_]


class Attempts(NamedTuple):
    """One row per attempt, requests in order, each of shape (total attempts,)."""

    request_ix: NDArray[np.int32]
    attempt: NDArray[np.int16]
    step: NDArray[np.int16]
    """position in its chain, from 0"""
    model: NDArray[np.int16]
    """index into ``policy.models``"""
    wait_s: NDArray[np.float64]
    """pause before this attempt"""
    start_s: NDArray[np.float64]
    """since the request's arrival"""
    latency_s: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    quality: NDArray[np.float64]
    error: NDArray[np.int8]
    imputed: NDArray[np.bool_]


def _totals(n: int) -> Totals:
    return Totals(
        np.empty(n, np.int8),
        np.empty(n, np.int16),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n, np.int8),
        np.empty(n, np.int16),
        np.empty(n, np.bool_),
        np.empty(n, np.bool_),
    )


def _attempts(n: int) -> Attempts:
    return Attempts(
        np.empty(n, np.int32),
        np.empty(n, np.int16),
        np.empty(n, np.int16),
        np.empty(n, np.int16),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n, np.int8),
        np.empty(n, np.bool_),
    )


@compiled
def _play(
    plan: Any,
    log: Any,
    chains: Any,
    seed: Any,
    lo: Any,
    hi: Any,
    totals: Any,
    rows: Any,
    first: Any,
) -> None:
    """Play requests ``lo`` to ``hi``; record attempts from row ``first[i]`` on where it is given.

    Where a latency or cost was not measured the clock and the budget do not move, and the
    request's total is NaN.
    """
    recording = first.shape[0] > 0
    for i in range(lo, hi):
        state = arrive(np.int64(chains[i]))
        now, cost, measured_cost, measured_latency = 0.0, 0.0, True, True
        wait, quality, attempts, imputed = 0.0, 0.0, 0, False
        model, status = -1, _FAILED
        state, action = next_action(plan, state, Event(ARRIVED, now, 0, 0.0, 0.0))
        while True:
            if action.kind == CALL:
                model = plan.step_model[state.step]
                column = plan.model_column[model]
                if column < 0 or not log.observed[i, column]:
                    status = _UNOBSERVED
                    break
                again = state.retry > 0 or plan.step_repeats[state.step]
                out = attempt_outcome(
                    log, seed, i, column, attempts, again, action.seconds,
                    plan.model_bill_timeouts[model],
                )  # fmt: skip
                if recording:
                    r = first[i] + attempts
                    rows.request_ix[r] = i
                    rows.attempt[r] = attempts
                    rows.step[r] = state.step - plan.chain_start[state.chain]
                    rows.model[r] = model
                    rows.wait_s[r] = wait
                    rows.start_s[r] = now
                    rows.latency_s[r] = out.latency_s
                    rows.cost_usd[r] = out.cost_usd
                    rows.quality[r] = out.quality
                    rows.error[r] = out.error
                    rows.imputed[r] = out.imputed
                attempts += 1
                imputed |= out.imputed
                wait = 0.0
                paid = out.cost_usd
                if np.isnan(paid):
                    paid, measured_cost = 0.0, False
                if np.isnan(out.latency_s):
                    measured_latency = False
                else:
                    now += out.latency_s
                cost += paid
                quality = out.quality
                jitter = 0.0
                if out.error:
                    jitter = uniform(
                        seed, log.request_key[i], log.model_key[column], attempts, _BACKOFF
                    )
                event = Event(COMPLETED, now, out.error, paid, jitter)
                state, action = next_action(plan, state, event)
            elif action.kind == WAIT:
                wait = action.seconds
                now += wait
                state, action = next_action(plan, state, Event(WOKE, now, 0, 0.0, 0.0))
            elif action.kind == DEGRADE:
                status = _DEGRADED
                quality = plan.step_quality[state.step]
                cost += plan.step_cost_usd[state.step]
                now += plan.step_latency_s[state.step]
                break
            else:
                status = _FAILED if action.error else _ACCEPTED
                break
        lost = status == _UNOBSERVED
        totals.status[i] = status
        totals.model[i] = model if status == _ACCEPTED else -1
        totals.quality[i] = np.nan if lost else 0.0 if status == _FAILED else quality
        totals.cost_usd[i] = cost if measured_cost and not lost else np.nan
        totals.latency_s[i] = now if measured_latency and not lost else np.nan
        totals.error[i] = 0 if lost else action.error
        totals.attempts[i] = attempts
        last_step = min(state.step, plan.chain_start[state.chain + 1] - 1)
        totals.fallback[i] = last_step > plan.chain_start[state.chain] and attempts > 0
        totals.imputed[i] = imputed


def fold(plan: Plan, log: Observed, chain: NDArray[np.int16], seed: int) -> Totals:
    """Play every request through its chain and keep the totals."""
    totals = _totals(len(chain))
    _play_all(plan, log, chain, seed, totals, _attempts(0), np.empty(0, np.int64))
    return totals


def fold_again(
    plan: Plan, log: Observed, chain: NDArray[np.int16], seed: int, attempts: NDArray[np.int16]
) -> Attempts:
    """Play every request once more and record its attempts, whose number is known by now."""
    ends = np.cumsum(attempts, dtype=np.int64)
    rows = _attempts(int(ends[-1]) if len(ends) else 0)
    _play_all(plan, log, chain, seed, _totals(len(chain)), rows, ends - attempts)
    return rows


def _play_all(
    plan: Plan,
    log: Observed,
    chain: NDArray[np.int16],
    seed: int,
    totals: Totals,
    rows: Attempts,
    first: NDArray[np.int64],
) -> None:
    def work(lo: int, hi: int) -> None:
        _play(plan, log, chain, seed, lo, hi, totals, rows, first)

    in_threads(work, len(chain))
