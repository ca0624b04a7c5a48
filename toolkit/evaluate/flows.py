"""Where requests go: from rules to chains, from step to step, to how they end.

The nodes are those of a layered graph without cycles: a model that stands in two chains, or twice
in one, is a node for each step. What enters a node leaves it. A step that was skipped, since the
breaker of its model was open, say, is passed by: links join the steps that did something.

The orders of a router are one chain here: a model is a node for each place that it may stand in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.evaluate.breakdown import FROM_CACHE
from toolkit.policy.orders import orders_of
from toolkit.policy.steps import ModelStep, StaleStep, Step
from toolkit.schema import Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay
    from toolkit.policy.model import Policy

NodeKind = Literal["requests", "rule", "chain", "cache", "step", "degrade", "end"]
_STEP_NAMES = {"stale_cache": "older answer", "message": "message", "refusal": "refusal"}


@dataclass(frozen=True)
class Node:
    """One box of the diagram."""

    kind: NodeKind
    name: str
    """of the rule, chain or model; what a step without a model gives; ``accepted``, … for an end"""
    part_of: str = ""
    """chain of a step, or of answers from the cache"""
    step: int = 0
    """position of a step in its chain, from 1"""


@dataclass(frozen=True, eq=False)
class Flows:
    """Replayed traffic over l links between ``nodes``."""

    policy: str
    requests: int
    nodes: tuple[Node, ...]
    source: NDArray[np.intp]
    """(l,) index of a node"""
    target: NDArray[np.intp]
    """(l,)"""
    count: NDArray[np.int64]
    """(l,) requests, above 0"""
    share: NDArray[np.float64]
    """(l,) of all requests"""
    fallback: NDArray[np.bool_]
    """(l,) the step failed and the next one was asked"""


def flows(replay: Replay) -> Flows:
    """Count the requests on every link that any took."""
    n, rules = len(replay.status), replay.route_names
    chains = _chain_names(replay.policy)
    played = replay.ordered.chains.values()
    steps = [
        (name, i, step)
        for name, chain in zip(chains, played, strict=True)
        for i, step in enumerate(chain.steps)
    ]
    layers = (
        [Node("requests", "requests")],
        [Node("rule", name) for name in rules],
        [Node("chain", name) for name in chains],
        [Node("cache", FROM_CACHE, name) for name in chains],
        [_step_node(name, i, step) for name, i, step in steps],
        [Node("end", status.label) for status in Status],
    )
    number: dict[Node, int] = {}
    _, rule_at, chain_at, cache_at, step_at, end_at = (
        np.array([number.setdefault(node, len(number)) for node in layer]) for layer in layers
    )
    nodes = tuple(number)

    rule = rule_at[replay.route]  # -1 is the last one
    chain = chain_at[replay.chain]
    end = end_at[replay.status]
    start = replay.plan.chains["start"][replay.chain].astype(np.intp)

    # One visit per step that a request called at least once, in the order of the calls.
    calls = replay.attempt_table
    request, step_of = _columns(calls, "request_ix", "step")
    first_call = np.ones(len(request), np.bool_)
    first_call[1:] = (request[1:] != request[:-1]) | (step_of[1:] != step_of[:-1])
    request, step_of = request[first_call], step_of[first_call]
    visit = step_at[start[request] + step_of]
    begins = np.ones(len(request), np.bool_)
    begins[1:] = request[1:] != request[:-1]
    came_from = np.where(begins, chain[request], np.roll(visit, 1))
    last = chain.copy()
    last[request] = visit  # the last assignment of a request wins

    without = _without_a_model(replay, steps, start)
    at_a_step = np.append(step_at, -1)[without]
    from_cache = replay.cached & (replay.status != Status.DEGRADED)
    without = np.where(from_cache, cache_at[replay.chain], at_a_step)
    answered = np.flatnonzero(without >= 0)
    ended_at = last.copy()
    ended_at[answered] = without[answered]
    source = np.concatenate([np.zeros(n, np.intp), rule, came_from, last[answered], ended_at])
    target = np.concatenate([rule, chain, visit, ended_at[answered], end])
    links, count = np.unique(source * len(nodes) + target, return_counts=True)
    source, target = links // len(nodes), links % len(nodes)
    is_step = np.array([node.kind == "step" for node in nodes])
    return Flows(
        policy=replay.policy.policy,
        requests=n,
        nodes=nodes,
        source=source,
        target=target,
        count=count.astype(np.int64),
        share=count / max(n, 1),
        fallback=is_step[source] & is_step[target],
    )


def _chain_names(policy: Policy) -> list[str]:
    """The names of the chains that were played, where all orders of a router have one."""
    names = list(policy.chains)
    for i, orders in orders_of(policy).items():
        name = f"{policy.routes[i].name}: in the router's order"
        while name in policy.chains:
            name += "'"
        names += [name] * orders.count
    return names


def _step_node(chain: str, i: int, step: Step) -> Node:
    if isinstance(step, ModelStep):
        return Node("step", step.model, chain, i + 1)
    return Node("degrade", _STEP_NAMES[step.degrade], chain, i + 1)


def _columns(table: pa.Table, *names: str) -> list[NDArray[np.intp]]:
    return [table.column(name).to_numpy().astype(np.intp) for name in names]


def _without_a_model(
    replay: Replay, steps: Sequence[tuple[str, int, Step]], start: NDArray[np.intp]
) -> NDArray[np.intp]:
    """The step, (n,) of all chains, that answered a request without a model; -1: none did."""
    answered = np.full(len(replay.status), -1, np.intp)
    degraded = replay.status == Status.DEGRADED
    stale = replay.cached & degraded
    # A message ends its chain, so it is the last step.
    messages = np.flatnonzero(degraded & ~stale)
    answered[messages] = replay.plan.chains["end"][replay.chain[messages]] - 1
    # An older answer comes from the first step of that kind after the last one that was tried.
    if stale.any():
        tried = np.full(len(answered), -1, np.intp)
        for table in (replay.attempt_table, replay.skip_table):
            np.maximum.at(tried, *_columns(table, "request_ix", "step"))
        kinds = np.array([isinstance(step, StaleStep) for _, _, step in steps])
        following = np.append(np.where(kinds, np.arange(len(steps)), len(steps)), len(steps))
        following = np.minimum.accumulate(following[::-1])[::-1]  # first such step from here on
        rows = np.flatnonzero(stale)
        answered[rows] = following[start[rows] + tried[rows] + 1]
    return answered
