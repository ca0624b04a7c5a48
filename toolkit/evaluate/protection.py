"""A policy without its protections, one after the other: what each of them is worth.

A timeout or a deadline belongs to how a model is asked and stays in every rung; so do capabilities
and context windows, which are facts about models. Canned messages are the last rung's: as long as
they are out, what no model answered shows as an error.
"""

from __future__ import annotations

from typing import Any

from toolkit.policy.guards import Breaker, RetryBudget
from toolkit.policy.model import Chain, Model, Policy, Route
from toolkit.policy.steps import ModelStep, StaleStep
from toolkit.policy.written import MAX_NAME

NO_FALLBACK = "no fallback"
FALLBACK = "fallback only"
BREAKER = "fallback and breaker"
ALL = "all of it"
PROTECTIONS = (NO_FALLBACK, FALLBACK, BREAKER, ALL)
"""The rungs of the ladder, from none to all."""


def protections(policy: Policy) -> dict[str, Policy]:
    """The same policy with none, some and all of its protections, by the names of PROTECTIONS.

    No fallback: the first model of each chain, or the one that a router puts first, asked once.
    Fallback only: all models of each chain with their retries. With breakers: those that the policy
    states, none is invented. All of it is the policy as written: with limits, hedges, cache,
    budgets, shedding and canned answers.
    """
    return {
        NO_FALLBACK: _reduced(policy, NO_FALLBACK, steps=1, retries=False),
        FALLBACK: _reduced(policy, FALLBACK),
        BREAKER: _reduced(policy, BREAKER, breaker=True),
        ALL: policy,
    }


def with_recommended(policy: Policy) -> Policy:
    """The policy with a default breaker on each model and a retry budget, where it states none."""
    data = policy.to_data()
    for model in data["models"].values():
        model.setdefault("breaker", Breaker().to_data())
    data.setdefault("retry_budget", RetryBudget().to_data())
    return Policy.model_validate(data)


def _reduced(
    policy: Policy,
    rung: str,
    *,
    steps: int | None = None,
    retries: bool = True,
    breaker: bool = False,
) -> Policy:
    """The policy with the first ``steps`` models of each chain and nothing shared but breakers."""
    fields: dict[str, Any] = {name: getattr(policy, name) for name in Policy.model_fields}
    fields |= {
        "policy": f"{policy.policy[: MAX_NAME - len(rung) - 2]}, {rung}",
        "models": {name: _model(model, breaker) for name, model in policy.models.items()},
        "chains": {name: _chain(chain, steps, retries) for name, chain in policy.chains.items()},
    }
    if steps is not None:
        fields["routes"], more = _first_by_router(policy, retries)
        fields["chains"] |= more
    for shared in ("cache", "retry_budget", "shedding", "daily_cost_usd"):
        fields[shared] = None
    return Policy(**fields)


def _first_by_router(policy: Policy, retries: bool) -> tuple[tuple[Route, ...], dict[str, Chain]]:
    """The routes with routers that choose one model, and the chains with all that they choose of.

    A router picks from the steps of a chain, so it needs those that its rung takes from the chain.
    """
    routes, chains = [], {}
    for route in policy.routes:
        changed: dict[str, Any] = {}
        if route.router is not None:
            changed["router"] = route.router.model_copy(update={"fallbacks": 0})
            if route.use is not None:
                name = f"{route.use[: MAX_NAME - 20]}, one of them"
                while name in policy.chains:
                    name = f"{name[: MAX_NAME - 1]}'"
                chains[name] = _chain(policy.chains[route.use], None, retries)
                changed["use"] = name
        routes.append(route.model_copy(update=changed))
    return tuple(routes), chains


def _model(model: Model, breaker: bool) -> Model:
    kept = model.breaker if breaker else None
    return model.model_copy(update={"breaker": kept, "limits": None})


def _chain(chain: Chain, steps: int | None, retries: bool) -> Chain:
    asked = [step for step in chain.steps if isinstance(step, ModelStep)][:steps]
    kept: list[Any] = [
        step.model_copy(update={"hedge": None, "retries": step.retries if retries else 0})
        for step in asked
    ]
    # A chain that asks no model answers as it did.
    kept = kept or [step for step in chain.steps if not isinstance(step, StaleStep)]
    return chain.model_copy(update={"steps": tuple(kept)})


def behaviour(policy: Policy) -> str:
    """A digest of what makes a policy act as it does: all but its name."""
    return policy.model_copy(update={"policy": "", "description": ""}).digest
