"""Replay: a policy played against a dataset, and its result.

Only per-request totals are kept. The attempts behind them are played again when someone asks, and
come out the same because every draw is keyed.

There are two drivers. Where what one request meets does not depend on the others, each is folded
by itself; else everything is played in event order. Both turn the same state machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.engine.cached import CacheState, cache_state, no_cache
from toolkit.engine.decide import decide
from toolkit.engine.events import Changes, play
from toolkit.engine.facts import NO_FACTS, facts
from toolkit.engine.faults import needs_order, world
from toolkit.engine.fold import fold
from toolkit.engine.observed import observe
from toolkit.engine.tables import NOWHERE, Recording, Totals, recording, totals
from toolkit.learn.routing import Routers, load_routers
from toolkit.policy.model import Policy
from toolkit.policy.orders import with_orders
from toolkit.policy.plan import Plan, compile_plan
from toolkit.scenarios.aim import aim
from toolkit.scenarios.arrivals import Traffic, traffic
from toolkit.scenarios.faults import Faults, no_faults
from toolkit.scenarios.model import Scenario
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
    """the requests that were played: of the log, or drawn from it to fill a scenario's arrivals"""
    seed: int
    plan: Plan
    scenario: Scenario | None
    faults: Faults
    stateful: bool
    """what one request met depended on the others, so that their arrival times mattered"""
    arrivals: Traffic
    changes: Changes
    """of breakers; none where no model has one"""
    route: NDArray[np.int16]
    """index into ``route_names``; -1 (the last one) where no rule matched"""
    chain: NDArray[np.int16]
    """index into the chains of ``ordered``"""
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
    cached: NDArray[np.bool_]
    """answered from the cache"""
    skips: NDArray[np.int16]
    """model steps that were not tried"""
    routers: Routers = field(default_factory=dict)
    """those that decided, as they were then"""

    @property
    def arrival_s(self) -> NDArray[np.float64]:
        """When each request arrived, (n,) seconds since the start."""
        return self.arrivals.arrival_s

    @property
    def ordered(self) -> Policy:
        """The policy with a chain for each order that its routers may choose: what was played."""
        return with_orders(self.policy)

    @property
    def model_names(self) -> tuple[str, ...]:
        """The policy's names of its models."""
        return tuple(self.policy.models)

    @property
    def route_names(self) -> tuple[str, ...]:
        """The policy's rules, then ``default``."""
        return (*(rule.name for rule in self.policy.routes), "default")

    @cached_property
    def _rows(self) -> Recording:
        """Everything that happened, played once more to be written down."""
        done = Totals(*(getattr(self, name) for name in Totals._fields))
        rows = recording(done)
        _play(self, totals(len(self.status)), rows)
        return rows

    @property
    def attempt_table(self) -> pa.Table:
        """All attempts, one row each: the columns of ``Attempts``."""
        return pa.table(self._rows.attempts._asdict())

    @property
    def skip_table(self) -> pa.Table:
        """All model steps that were not tried, and why: the columns of ``Skips``."""
        return pa.table(self._rows.skips._asdict())

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
                "chain": pa.array(np.array(tuple(self.ordered.chains), object)[self.chain]),
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
                "cached": self.cached,
                "arrival_s": self.arrival_s,
            }
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return ``to_arrow()`` as a pandas table."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def replay(
    policy: Policy, dataset: Dataset, seed: int = 0, scenario: Scenario | None = None
) -> Replay:
    """Play a policy against a dataset's logged outcomes, under a scenario's faults if one is given.

    The same policy, dataset, scenario and seed give the same result to the last digit. Raises
    ``PolicyError`` where the policy names a model or a column that the dataset does not have.
    """
    faults = no_faults(len(policy.models))
    if scenario is not None:
        faults = aim(scenario, policy, dataset.models)
    return replay_traffic(policy, traffic(scenario, dataset, seed), faults, seed, scenario)


def replay_traffic(
    policy: Policy,
    arrivals: Traffic,
    faults: Faults,
    seed: int = 0,
    scenario: Scenario | None = None,
) -> Replay:
    """Play a policy against requests that arrive at given times, under given faults."""
    dataset = arrivals.dataset
    plan = compile_plan(with_orders(policy), dataset.models)
    routers = load_routers(policy)
    decisions = decide(policy, dataset.requests, seed, routers)
    done = totals(dataset.n_requests)
    blank = Replay(
        policy, dataset, seed, plan, scenario, faults,
        plan.stateful or (len(faults.kind) > 0 and needs_order(faults)),
        arrivals, _UNCHANGED, **decisions._asdict(), **done._asdict(),
        routers=routers,
    )  # fmt: skip
    changes = _play(blank, done, NOWHERE)
    if not dataset.graded:
        # Without a single grade, the zeros of the failures would pass for a mean quality.
        done.quality[:] = np.nan
    if len(faults.kind):
        # Nor would what a fault costs and takes pass for what nobody measured.
        for name in ("cost_usd", "latency_s"):
            if dataset.measured_share(name) == 0:
                getattr(done, name)[:] = np.nan
    return blank if changes is _UNCHANGED else replace(blank, changes=changes)


_UNCHANGED = Changes(np.empty(0), np.empty(0, np.int16), np.empty(0, np.int8))


def _play(one: Replay, done: Totals, rows: Recording) -> Changes:
    """Turn the machine; ``done`` and ``rows`` are filled."""
    plan, dataset = one.plan, one.dataset
    log = observe(dataset, input_cost=bool((plan.models["bill_timeouts"] == 1).any()))
    around, known = world(one.faults), NO_FACTS
    if one.stateful or plan.filtered:
        known = facts(one.policy, dataset.requests, log.request_tokens)
    if not one.stateful:
        fold(plan, log, around, one.arrival_s, known, one.chain, one.seed, done, rows)
        return _UNCHANGED
    return play(
        plan, log, around, _cache(one.policy, dataset), one.arrival_s, one.arrivals.origin_s,
        known, one.chain, one.seed, done, rows,
    )  # fmt: skip


def _cache(policy: Policy, dataset: Dataset) -> CacheState:
    if policy.cache is None:
        return no_cache()
    from toolkit.cache.keys import cache_keys, references
    from toolkit.cache.similar import neighbours

    requests = dataset.requests
    keys = cache_keys(policy.cache, requests)
    near = neighbours(policy.cache, requests, keys)
    return cache_state(keys, references(requests), near, policy.cache.max_entries)
