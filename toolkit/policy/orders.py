"""The orders that routers may choose, as chains: what runs and proves policies knows only these.

A route with a router becomes a route with a split over one chain for each order, named
``ROUTE: first > second > third``, and the default chain where the router may abstain. The weights
of that split mean nothing: which of the chains a request takes is not drawn, `engine.decide` says.
The policy that was written, not this one, is what decides, is shown and is saved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import Problem
from toolkit.policy.model import Chain, Policy, Route, Share
from toolkit.policy.remembered import Remembered
from toolkit.policy.router_rule import RouterRule
from toolkit.policy.steps import ModelStep

MOST_ORDERS = 1_000
"""Most orders that a router may choose from in one route; each is a chain."""


@dataclass(frozen=True)
class Orders:
    """The chains of one router's route."""

    models: tuple[str, ...]
    """of the k model steps that are put in order, as they are written"""
    tried: int
    """so many of them make a chain"""
    start: int
    """number of the first of these chains among those of `with_orders`"""

    @property
    def count(self) -> int:
        """How many orders there are."""
        return math.perm(len(self.models), self.tried)

    def chains(self, order: NDArray[np.integer[Any]]) -> NDArray[np.int16]:
        """Return the number of each order's chain, (n,); ``order`` (n, k) or (n, tried)."""
        # The place of a permutation among all in the order of a dictionary.
        place = np.zeros(len(order), np.int64)
        for j in range(self.tried):
            smaller = (order[:, :j] < order[:, j : j + 1]).sum(axis=1)
            left = math.perm(len(self.models) - 1 - j, self.tried - 1 - j)
            place += (order[:, j] - smaller) * left
        return (self.start + place).astype(np.int16)


@dataclass(frozen=True)
class _Expanded:
    policy: Policy | None
    """None: the one that was written, which must not hold itself"""
    orders: Mapping[int, Orders]


_memory: Remembered[Policy, _Expanded] = Remembered()


def with_orders(policy: Policy) -> Policy:
    """Return the policy with a chain for each order of its routers; without routers, itself.

    Its first chains are those of ``policy``.
    """
    return _expanded(policy).policy or policy


def orders_of(policy: Policy) -> Mapping[int, Orders]:
    """Return the orders of each route with a router, by the number of the route."""
    return _expanded(policy).orders


def has_router(policy: Policy) -> bool:
    """Whether a router decides anything in a policy."""
    return any(route.router is not None for route in policy.routes)


def too_many(router: Mapping[str, Any], models: int, where: str) -> Iterator[Problem]:
    """The problem of a router, as data, that would choose among too many orders of its models."""
    fallbacks = router.get("fallbacks", RouterRule.model_fields["fallbacks"].default)
    if not isinstance(fallbacks, int) or fallbacks < 0:
        return
    count = math.perm(models, min(models, 1 + fallbacks))
    if count > MOST_ORDERS:
        yield Problem(
            "could choose among too many orders",
            where,
            f"{count:,} orders of {1 + fallbacks} of {models} models",
            f"{MOST_ORDERS:,}: fewer fallbacks, or fewer models in a chain that it uses",
        )


def _expanded(policy: Policy) -> _Expanded:
    if not has_router(policy):
        return _Expanded(None, {})
    return _memory.of(policy, lambda: _expand(policy))


def _expand(policy: Policy) -> _Expanded:
    chains, routes = dict(policy.chains), list(policy.routes)
    orders = {}
    for i, route in enumerate(policy.routes):
        if route.router is None:
            continue
        steps, chain = _steps(policy, route)
        found = Orders(
            models=tuple(step.model for step in steps),
            tried=min(len(steps), 1 + route.router.fallbacks),
            start=len(chains),
        )
        made = _chains(route.name, steps, found.tried, chain, chains)
        orders[i] = found
        chains |= made
        leads = [*made, *([policy.default] if route.router.abstain_above < 1 else [])]
        # Not validated: the names of these chains may be longer than a person would write.
        split = tuple(Share.model_construct(use=name, weight=1.0) for name in leads)
        routes[i] = route.model_copy(update={"router": None, "use": None, "split": split})
    return _Expanded(policy.model_copy(update={"chains": chains, "routes": tuple(routes)}), orders)


def _steps(policy: Policy, route: Route) -> tuple[tuple[ModelStep, ...], Chain | None]:
    """The steps that a router puts in order, and the chain whose they are."""
    if route.use is None:
        return tuple(ModelStep(model=name) for name in policy.models), None
    chain = policy.chains[route.use]
    return tuple(step for step in chain.steps if isinstance(step, ModelStep)), chain


def _chains(
    route: str,
    steps: Sequence[ModelStep],
    tried: int,
    chain: Chain | None,
    taken: Mapping[str, Chain],
) -> dict[str, Chain]:
    """A chain for each order, by name; what asks no model stays behind the models."""
    base = Chain(steps=tuple(steps[:tried])) if chain is None else chain
    rest = tuple(step for step in base.steps if not isinstance(step, ModelStep))
    names = [step.model for step in steps]
    labels = [
        name if names.count(name) == 1 else f"{name} (step {i + 1})" for i, name in enumerate(names)
    ]
    made: dict[str, Chain] = {}
    for order in permutations(range(len(steps)), tried):
        name = f"{route}: {' > '.join(labels[j] for j in order)}"
        while name in taken or name in made:  # names may hold anything, also " > "
            name += "'"
        made[name] = base.model_copy(update={"steps": (*(steps[j] for j in order), *rest)})
    return made
