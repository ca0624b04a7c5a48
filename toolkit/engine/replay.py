"""The replay driver: answers the machine's calls from logged columns, in virtual time.

Without anything shared between requests (no breaker, no limit) each request is independent: it is
folded through the machine on its own clock, which starts at 0 when it arrives, and threads share
the rows. Only per-request totals are kept; the attempts behind them are played again when someone
asks, and come out the same because every draw is keyed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.engine.compiled import compiled, in_threads
from toolkit.engine.decide import decide
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
from toolkit.engine.observed import attempt_outcome, observe
from toolkit.policy.model import Policy
from toolkit.policy.plan import Plan, compile_plan
from toolkit.schema import REQUEST_ID, ErrorType, Status

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from toolkit.engine.trace import Trace
    from toolkit.evaluate.summary import Summary
    from toolkit.logs.datasets import Dataset

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


@dataclass(frozen=True, eq=False)
class Replay:
    """What a policy would have done on a dataset: n requests, each array of shape (n,)."""

    policy: Policy
    dataset: Dataset
    seed: int
    plan: Plan
    route: NDArray[np.int16]
    """index into ``route_names``; -1 (the last one) where no rule matched"""
    chain: NDArray[np.int16]
    propensity: NDArray[np.float64]
    """probability of the chain under the rule that matched"""
    status: NDArray[np.int8]
    """codes of ``schema.Status``"""
    model: NDArray[np.int16]
    """index into ``model_names`` of the model whose answer was accepted, else -1"""
    quality: NDArray[np.float64]
    """0 for an error, as stated for a degrade step; NaN where not graded or not observed"""
    cost_usd: NDArray[np.float64]
    """over all attempts; NaN where a part was not measured or not observed"""
    latency_s: NDArray[np.float64]
    """over all attempts and waits; NaN as for the cost"""
    error: NDArray[np.int8]
    """code of the error that ended the request or led to its degrade step, else 0"""
    attempts: NDArray[np.int16]
    """calls made"""
    fallback: NDArray[np.bool_]
    """went on from its first step to another"""
    imputed: NDArray[np.bool_]
    """rests on at least one attempt that the log does not hold"""

    @property
    def model_names(self) -> tuple[str, ...]:
        """The policy's names of its models."""
        return tuple(self.policy.models)

    @property
    def route_names(self) -> tuple[str, ...]:
        """The policy's rules, then ``default``."""
        return (*(rule.name for rule in self.policy.routes), "default")

    @cached_property
    def attempt_table(self) -> pa.Table:
        """All attempts, one row each: the columns of ``Attempts``."""
        total = int(self.attempts.sum(dtype=np.int64))
        first = np.cumsum(self.attempts, dtype=np.int64) - self.attempts
        rows = _attempts(total)
        self._play_again(rows, first)
        return pa.table(dict(zip(Attempts._fields, rows, strict=True)))

    def _play_again(self, rows: Attempts, first: NDArray[np.int64]) -> None:
        log = _observed_for(self.plan, self.dataset)
        totals = _totals(len(self.status))

        def work(lo: int, hi: int) -> None:
            _play(self.plan, log, self.chain, self.seed, lo, hi, totals, rows, first)

        in_threads(work, len(self.status))

    def trace(self, request: int | str) -> Trace:
        """Return one request's attempts, by its row number or its ``request_id``."""
        from toolkit.engine.trace import trace

        return trace(self, request)

    def summary(self) -> Summary:
        """Return cost, latency, errors and quality with their 95 % intervals."""
        from toolkit.evaluate.summary import summarize

        return summarize(self)

    def figure(self) -> go.Figure:
        """Draw the policy among the single models and the oracle."""
        from toolkit.figures import replay_figure

        return replay_figure(self)

    def to_arrow(self) -> pa.Table:
        """Return one row per request: how it was routed, how it ended, what it cost."""
        errors = np.array([e.label for e in ErrorType], object)
        errors[0] = None
        statuses = np.array([s.label for s in Status], object)
        return pa.table(
            {
                REQUEST_ID: self.dataset.requests.column(REQUEST_ID),
                "route": pa.array(np.array(self.route_names, object)[self.route]),
                "chain": pa.array(np.array(tuple(self.policy.chains), object)[self.chain]),
                "propensity": self.propensity,
                "status": pa.array(statuses[self.status]),
                "model": pa.array(np.array((*self.model_names, None), object)[self.model]),
                "quality": pa.array(self.quality, from_pandas=True),
                "cost_usd": pa.array(self.cost_usd, from_pandas=True),
                "latency_s": pa.array(self.latency_s, from_pandas=True),
                "error_type": pa.array(errors[self.error], pa.string()),
                "attempts": self.attempts,
                "fallback": self.fallback,
                "imputed": self.imputed,
            }
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return ``to_arrow()`` as a pandas table."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def _observed_for(plan: Plan, dataset: Dataset) -> Any:
    return observe(dataset, input_cost=bool((plan.model_bill_timeouts == 1).any()))


def replay(policy: Policy, dataset: Dataset, seed: int = 0) -> Replay:
    """Play a policy against a dataset's logged outcomes.

    The same policy, dataset and seed give the same result to the last digit. Raises
    ``PolicyError`` where the policy names a model or a column that the dataset does not have.
    """
    plan = compile_plan(policy, dataset.models)
    decisions = decide(policy, dataset.requests, seed)
    log = _observed_for(plan, dataset)
    n = dataset.n_requests
    totals, no_rows, no_first = _totals(n), _attempts(0), np.empty(0, np.int64)

    def work(lo: int, hi: int) -> None:
        _play(plan, log, decisions.chain, seed, lo, hi, totals, no_rows, no_first)

    in_threads(work, n)
    return Replay(policy, dataset, seed, plan, **decisions._asdict(), **totals._asdict())
