"""Replay: a policy played against a dataset, and its result.

Only per-request totals are kept. The attempts behind them are played again when someone asks, and
come out the same because every draw is keyed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.engine.decide import decide
from toolkit.engine.fold import fold, fold_again
from toolkit.engine.observed import observe
from toolkit.engine.outcomes import Observed
from toolkit.policy.model import Policy
from toolkit.policy.plan import Plan, compile_plan
from toolkit.schema import REQUEST_ID, ErrorType, Status

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from toolkit.engine.trace import Trace
    from toolkit.evaluate.summary import Summary
    from toolkit.logs.datasets import Dataset


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
        log = _observed_for(self.plan, self.dataset)
        rows = fold_again(self.plan, log, self.chain, self.seed, self.attempts)
        return pa.table(rows._asdict())

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


def _observed_for(plan: Plan, dataset: Dataset) -> Observed:
    return observe(dataset, input_cost=bool((plan.model_bill_timeouts == 1).any()))


def replay(policy: Policy, dataset: Dataset, seed: int = 0) -> Replay:
    """Play a policy against a dataset's logged outcomes.

    The same policy, dataset and seed give the same result to the last digit. Raises
    ``PolicyError`` where the policy names a model or a column that the dataset does not have.
    """
    plan = compile_plan(policy, dataset.models)
    decisions = decide(policy, dataset.requests, seed)
    totals = fold(plan, _observed_for(plan, dataset), decisions.chain, seed)
    if not dataset.graded:
        # Without a single grade, the zeros of the failures would pass for a mean quality.
        totals = totals._replace(quality=np.full(len(totals.quality), np.nan))
    return Replay(policy, dataset, seed, plan, **decisions._asdict(), **totals._asdict())
