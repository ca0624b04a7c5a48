"""Where requests go: from rules to chains, from step to step, to how they end.

The nodes are those of a layered graph without cycles: a model that stands in two chains, or twice
in one, is a node for each step. What enters a node leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.policy.model import ModelStep, Step
from toolkit.schema import Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay

NodeKind = Literal["requests", "rule", "chain", "step", "end"]


@dataclass(frozen=True)
class Node:
    """One box of the diagram."""

    kind: NodeKind
    name: str
    """of the rule, chain or model; ``accepted``, ``degraded``, … for an end"""
    part_of: str = ""
    """chain of a step"""
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


def _step_name(step: Step) -> str:
    return step.model if isinstance(step, ModelStep) else step.degrade.replace("_", " ")


def flows(replay: Replay) -> Flows:
    """Count the requests on every link that any took."""
    policy, n = replay.policy, len(replay.status)
    rules, chains = replay.route_names, tuple(policy.chains)
    steps = [(name, i, step) for name in chains for i, step in enumerate(policy.chains[name].steps)]
    nodes = [
        Node("requests", "requests"),
        *(Node("rule", name) for name in rules),
        *(Node("chain", name) for name in chains),
        *(Node("step", _step_name(step), name, i + 1) for name, i, step in steps),
        *(Node("end", status.label) for status in Status),
    ]
    first_chain = 1 + len(rules)
    first_step = first_chain + len(chains)
    first_end = first_step + len(steps)

    rule = 1 + np.where(replay.route < 0, len(rules) - 1, replay.route).astype(np.intp)
    chain = first_chain + replay.chain.astype(np.intp)
    end = first_end + replay.status.astype(np.intp)

    # One visit per step that a request called at least once, in the order of the calls.
    calls = replay.attempt_table
    request = calls.column("request_ix").to_numpy().astype(np.intp)
    step_of = calls.column("step").to_numpy().astype(np.intp)
    first_call = np.ones(len(request), np.bool_)
    first_call[1:] = (request[1:] != request[:-1]) | (step_of[1:] != step_of[:-1])
    request, step_of = request[first_call], step_of[first_call]
    visit = first_step + replay.plan.chains["start"][replay.chain[request]].astype(np.intp) + step_of
    begins = np.ones(len(request), np.bool_)
    begins[1:] = request[1:] != request[:-1]
    came_from = np.where(begins, chain[request], np.roll(visit, 1))

    last = chain.copy()
    last[request] = visit  # the last assignment of a request wins
    source = np.concatenate([np.zeros(n, np.intp), rule, came_from, last])
    target = np.concatenate([rule, chain, visit, end])
    links, count = np.unique(source * len(nodes) + target, return_counts=True)
    source, target = links // len(nodes), links % len(nodes)
    is_step = np.array([node.kind == "step" for node in nodes])
    return Flows(
        policy=policy.policy,
        requests=n,
        nodes=tuple(nodes),
        source=source,
        target=target,
        count=count.astype(np.int64),
        share=count / max(n, 1),
        fallback=is_step[source] & is_step[target],
    )
