"""The replay driver for policies whose requests have nothing in common.

Where a policy shares nothing between requests (``Plan.stateful``) and no fault counts calls, each
is folded through the machine on its own clock, which starts at 0 when it arrives, and threads
share the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import compiled, in_threads
from toolkit.engine.facts import Facts
from toolkit.engine.faults import World
from toolkit.engine.keys import Purpose, uniform
from toolkit.engine.machine import (
    ARRIVED,
    CALL,
    COMPLETED,
    DEGRADE,
    FIRST,
    SKIP,
    SKIPPED,
    WAIT,
    WOKE,
    Event,
    Request,
    arrive,
    next_action,
)
from toolkit.engine.outcomes import Observed, attempt_outcome
from toolkit.engine.tables import Recording, Totals
from toolkit.policy.plan import ASK, Plan
from toolkit.schema import Status

_BACKOFF = np.int64(Purpose.BACKOFF)
_NONE = np.int64(0)
_ACCEPTED, _DEGRADED, _FAILED, _UNOBSERVED = (int(s) for s in Status)


@compiled
def _play(
    plan: Any, log: Any, world: Any, arrival_s: Any, facts: Any, chains: Any, seed: Any,
    lo: Any, hi: Any, totals: Any, record: Any,
) -> None:  # fmt: skip
    """Play requests ``lo`` to ``hi``.

    Where a latency or cost was not measured the clock and the budget do not move, and the
    request's total is NaN.
    """
    rows, passes = record.attempts, record.skips
    recording = record.first_attempt.shape[0] > 0
    request = Request(0, 0.0, 0)
    for i in range(lo, hi):
        if plan.filtered:
            request = Request(facts.needs[i], facts.tokens[i], 0)
        state = arrive(np.int64(chains[i]))
        now, cost, measured_cost, measured_latency = 0.0, 0.0, True, True
        wait, quality, attempts, skips, imputed = 0.0, 0.0, _NONE, _NONE, False
        model, status, called = np.int64(-1), _FAILED, _NONE
        kind, error, paid, jitter, after = ARRIVED, _NONE, 0.0, 0.0, 0.0
        while True:
            state, action = next_action(
                plan, None, request, state,
                Event(kind, now, error, paid, jitter, after, FIRST, 0.0, 0.0),
            )  # fmt: skip
            if action.kind == CALL:
                model = plan.steps[state.step].model
                column = plan.models[model].column
                if column < 0 or not log.observed[i, column]:
                    status = _UNOBSERVED
                    break
                bit = plan.steps[state.step].log
                again = (called >> bit) & 1 != 0
                called |= 1 << bit
                out = attempt_outcome(
                    log, world, seed, i, column, model, attempts, again, action.seconds,
                    plan.models[model].bill_timeouts, arrival_s[i] + now, 1,
                )  # fmt: skip
                if recording:
                    r = record.first_attempt[i] + attempts
                    rows.request_ix[r] = i
                    rows.attempt[r] = attempts
                    rows.step[r] = state.step - plan.chains[state.chain].start
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
                error, after, jitter = out.error, out.retry_after_s, 0.0
                if error:
                    jitter = uniform(
                        seed, log.request_key[i], log.model_key[column], attempts, _BACKOFF
                    )
                kind = COMPLETED
            elif action.kind == WAIT:
                wait += action.seconds
                now += action.seconds
                kind = WOKE
            elif action.kind == SKIP:
                if plan.steps[state.step - 1].kind == ASK:
                    if recording:
                        r = record.first_skip[i] + skips
                        passes.request_ix[r] = i
                        passes.step[r] = state.step - 1 - plan.chains[state.chain].start
                        passes.start_s[r] = now
                        passes.error[r] = action.error
                    skips += 1
                kind, error = SKIPPED, action.error
            elif action.kind == DEGRADE:
                status = _DEGRADED
                quality = plan.steps[state.step].quality
                cost += plan.steps[state.step].cost_usd
                now += plan.steps[state.step].latency_s
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
        last_step = min(state.step, plan.chains[state.chain].end - 1)
        totals.fallback[i] = last_step > plan.chains[state.chain].start and attempts > 0
        totals.imputed[i] = imputed
        totals.skips[i] = skips


def fold(
    plan: Plan,
    log: Observed,
    world: World,
    arrival_s: NDArray[np.float64],
    known: Facts,
    chain: NDArray[np.int16],
    seed: int,
    totals: Totals,
    record: Recording,
) -> None:
    """Play every request through its chain into ``totals`` and ``record``."""

    def work(lo: int, hi: int) -> None:
        _play(plan, log, world, arrival_s, known, chain, seed, lo, hi, totals, record)

    in_threads(work, len(chain))
