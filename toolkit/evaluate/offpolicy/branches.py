"""What each chain of a policy gives on each request, and how often the policy takes it.

The planner needs more than a policy's mean: how the policies differ depends on the first model that
is asked, as this is what a log shows, and a split takes several chains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.replay import Replay, replay
from toolkit.evaluate.offpolicy.actions import target
from toolkit.policy.model import Policy
from toolkit.policy.plan import chain_names
from toolkit.policy.steps import ModelStep, StaleStep, Step
from toolkit.schema import Status

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Branch:
    """One chain of a policy on n requests."""

    share: Floats
    """(n,) probability that the policy takes it"""
    first: NDArray[np.intp]
    """(n,) column of the log of the first model that it asks, negative without one"""
    values: Floats
    """(n, metrics) how the request ends, in the order of METRICS; NaN: not in the log"""
    went_on: NDArray[np.bool_]
    """(n,) more than the first call was made, so that the end is not what a log would show"""
    later: tuple[Later, ...]
    """its model steps after the first"""


@dataclass(frozen=True, eq=False)
class Later:
    """The rest of a chain from a later step on, as if it began there."""

    column: int
    """of the log, of the model that the step asks"""
    reached: Floats
    """(n,) 1 where the steps before it failed in a way that leads to it; NaN: not in the log"""
    values: Floats
    """(n, metrics)"""
    went_on: NDArray[np.bool_]
    """(n,) more than its first call was made"""


def branches(policy: Policy, dataset: Dataset, seed: int = 0) -> tuple[Branch, ...]:
    """The chains that a policy takes on a dataset, each played on every request.

    What requests share (breakers, limits, budgets, the cache) is left out, as an estimate from a
    log leaves it out. Raises ``PolicyError`` for a policy that does not fit the dataset.
    """
    asked = target(policy, dataset)
    policy = asked.policy
    found = []
    for i, name in enumerate(chain_names(policy)):
        if not asked.chains[:, i].any():
            continue
        chain = policy.chains[name]
        steps = tuple(step for step in chain.steps if not isinstance(step, StaleStep))
        values, went_on = _ends(replay(_alone(policy, name, steps), dataset, seed))
        later = []
        for j, step in enumerate(steps):
            column = _column(policy, step, dataset)
            if j and column is not None:
                before = replay(_alone(policy, name, steps[:j]), dataset, seed)
                leads = np.isin(before.error, chain.fallback_errors)
                reached = ((before.status == Status.ERROR) & leads).astype(np.float64)
                reached[before.status == Status.UNOBSERVED] = np.nan
                rest = _ends(replay(_alone(policy, name, steps[j:]), dataset, seed))
                later.append(Later(column, reached, *rest))
        branch = Branch(asked.chains[:, i], asked.first[:, i], values, went_on, tuple(later))
        found.append(branch)
    return tuple(found)


def _ends(played: Replay) -> tuple[Floats, NDArray[np.bool_]]:
    """How each request ends, (n, metrics), and whether more than one call was made for it."""
    failed = (played.status == Status.ERROR).astype(np.float64)
    failed[played.status == Status.UNOBSERVED] = np.nan
    columns = (played.quality, 1000 * played.cost_usd, played.latency_s, failed)
    return np.column_stack(columns), (played.attempts > 1) | played.fallback


def _column(policy: Policy, step: Step, dataset: Dataset) -> int | None:
    """Where the log has the model that a step asks, if it asks one."""
    name = policy.log_name(step.model) if isinstance(step, ModelStep) else None
    return dataset.models.index(name) if name in dataset.models else None


def value_of(found: tuple[Branch, ...]) -> Floats:
    """(n, metrics) what a policy gives on each request: the mean over its chains."""
    values = np.zeros(found[0].values.shape)
    for branch in found:
        taken = branch.share > 0
        values[taken] += branch.share[taken, None] * branch.values[taken]
    return values


def shares_state(policy: Policy) -> bool:
    """Whether what one request meets depends on the others: what ``branches`` leaves out."""
    shared = (policy.cache, policy.retry_budget, policy.shedding, policy.daily_cost_usd)
    own = [part for model in policy.models.values() for part in (model.breaker, model.limits)]
    return any(part is not None for part in (*shared, *own))


def _alone(policy: Policy, chain: str, steps: tuple[Step, ...]) -> Policy:
    """The policy that takes some steps of one chain always, without what requests share."""
    one = policy.chains[chain].model_copy(update={"steps": steps})
    models = {
        name: model.model_copy(update={"breaker": None, "limits": None})
        for name, model in policy.models.items()
    }
    return policy.model_copy(
        update={
            "models": models,
            "cache": None,
            "retry_budget": None,
            "shedding": None,
            "daily_cost_usd": None,
            "routes": (),
            "default": chain,
            "chains": {chain: one},
        }
    )
