"""What each chain of a policy gives on each request, and how often the policy takes it.

The planner needs more than a policy's mean: how the policies differ depends on the first model that
is asked, as this is what a log shows, and a split takes several chains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.replay import replay
from toolkit.evaluate.offpolicy.actions import target
from toolkit.policy.model import Policy
from toolkit.policy.plan import chain_names
from toolkit.policy.steps import StaleStep
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


def branches(policy: Policy, dataset: Dataset, seed: int = 0) -> tuple[Branch, ...]:
    """The chains that a policy takes on a dataset, each played on every request.

    What requests share (breakers, limits, budgets, the cache) is left out, as an estimate from a
    log leaves it out. Raises ``PolicyError`` for a policy that does not fit the dataset.
    """
    asked = target(policy, dataset)
    found = []
    for i, name in enumerate(chain_names(policy)):
        if not asked.chains[:, i].any():
            continue
        played = replay(_alone(policy, name), dataset, seed)
        failed = (played.status == Status.ERROR).astype(np.float64)
        failed[played.status == Status.UNOBSERVED] = np.nan
        columns = (played.quality, 1000 * played.cost_usd, played.latency_s, failed)
        went_on = (played.attempts > 1) | played.fallback
        found.append(
            Branch(asked.chains[:, i], asked.first[:, i], np.column_stack(columns), went_on)
        )
    return tuple(found)


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


def _alone(policy: Policy, chain: str) -> Policy:
    """The policy that takes one of its chains always, without what requests share."""
    steps = tuple(s for s in policy.chains[chain].steps if not isinstance(s, StaleStep))
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
