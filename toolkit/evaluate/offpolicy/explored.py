"""The models that are explored: which the policies ask, and the policy that asks one by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate.offpolicy.actions import LIVE_ONLY, target
from toolkit.policy.model import Policy
from toolkit.policy.plan import chain_names
from toolkit.policy.steps import ModelStep
from toolkit.schema import REQUEST_ID

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset


def models_asked(policies: Sequence[Policy], dataset: Dataset) -> tuple[str, ...]:
    """Names in the log of all models that the chains taken by these policies may ask.

    Raises ``DataError`` where a policy first asks a model that the log does not have.
    """
    names = set()
    for policy in policies:
        asked = target(policy, dataset)
        chances = asked.chains
        if ((asked.first == LIVE_ONLY) & (chances > 0)).any():
            raise DataError(
                f"policy {policy.policy!r}: it asks models first that dataset {dataset.name!r} does"
                f" not have, and of which nothing is known; allowed: {', '.join(dataset.models)}"
            )
        for i, name in enumerate(chain_names(asked.policy)):
            steps = asked.policy.chains[name].steps if chances[:, i].any() else ()
            names |= {policy.log_name(s.model) for s in steps if isinstance(s, ModelStep)}
    return tuple(model for model in dataset.models if model in names)


def models_drawn(dataset: Dataset, models: Sequence[str] | None) -> tuple[str, ...]:
    """These names in the order of the dataset; DataError for one that it does not have."""
    for name in models or ():
        if name not in dataset.models:
            allowed = did_you_mean(name, dataset.models)
            raise DataError(
                f"models: dataset {dataset.name!r} has no model {name!r}; allowed: {allowed}"
            )
    return tuple(model for model in dataset.models if model in (models or ()))


def one_at_random(models: Sequence[str]) -> Policy:
    """The policy that asks one of these models of the log by chance, and no other after it."""
    names = [f"model {i}" for i in range(len(models))]
    return Policy.model_validate(
        {
            "policy": "one at random",
            "models": {n: {"log": model} for n, model in zip(names, models, strict=True)},
            "routes": [
                {
                    "name": "everything",
                    "when": {REQUEST_ID: {"exists": True}},
                    "split": [{"use": name, "weight": 1} for name in names],
                }
            ],
            "default": names[0],
            "chains": {name: {"steps": [{"model": name}]} for name in names},
        }
    )
