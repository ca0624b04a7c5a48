"""Which model a log asked for each request, and which ones a policy would ask.

An action is the model that a request is first sent to. A policy takes it with a known probability:
its rules and routers decide, and the shares of a split are probabilities, so nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.facts import facts, request_tokens
from toolkit.errors import DataError
from toolkit.learn.routing import chosen, load_routers
from toolkit.policy.conditions import route_masks
from toolkit.policy.model import Policy
from toolkit.policy.orders import orders_of, with_orders
from toolkit.policy.plan import ASK, LOOK, Plan, chain_names, compile_plan
from toolkit.schema import REQUEST_ID

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

Floats = NDArray[np.float64]

SAID = -1
"""Column of what is answered, or given up, without asking a model."""
LIVE_ONLY = -2
"""Column of a model that the log does not have."""


@dataclass(frozen=True, eq=False)
class Target:
    """What a policy would do with the n requests of a dataset. Make it with :func:`target`."""

    policy: Policy
    """with a chain for each order that its routers choose for these requests"""
    plan: Plan
    dataset: Dataset
    route: NDArray[np.intp]
    """(n,) index into ``policy.routes``, -1 where no rule matches"""
    chains: Floats
    """(n, c) probability of each chain, in the order of ``chain_names``; rows sum to 1"""
    able: NDArray[np.bool_]
    """(n, k) whether each of the policy's models can take the request"""
    first: NDArray[np.intp]
    """(n, c) column of the log of the first model that each chain would ask, else SAID or
    LIVE_ONLY"""

    def weight_on(self, column: NDArray[np.intp] | int) -> Floats:
        """(n,) probability that the first model asked is that of a column of the log."""
        here = self.first == np.asarray(column).reshape(-1, 1)
        return np.asarray((self.chains * here).sum(axis=1))

    def share(self) -> Floats:
        """(n, m) probability of each model of the log.

        A row sums to less than 1 where a request may end without a model, or goes to one that the
        log does not have.
        """
        return np.column_stack([self.weight_on(j) for j in range(self.dataset.n_models)])


def logged_actions(dataset: Dataset, policies: Sequence[Policy] = ()) -> NDArray[np.intp]:
    """(n,) the column of the model that served each request.

    Where one model served all of them, the dataset is a log for ``policies`` that may ask others.

    Raises:
        DataError: The dataset is complete, or a request has no outcome or several.
    """
    name = dataset.name
    if dataset.complete and not any(never_seen(policy, dataset) for policy in policies):
        raise DataError(
            f"dataset {name!r}: every model was observed on every request, so nothing has to be"
            " estimated: `replay` measures what the policy does"
        )
    count = dataset.observed.sum(axis=1)
    if (wrong := np.flatnonzero(count != 1)).size:
        first = dataset.requests[REQUEST_ID][int(wrong[0])].as_py()
        raise DataError(
            f"dataset {name!r}: an estimate needs the one outcome of the model that served each"
            f" request; got {len(wrong):,} of {len(count):,} requests with none or several (the"
            f" first is {first!r}); `replay` plays such a log and leaves out what it does not hold"
        )
    return np.asarray(dataset.observed.argmax(axis=1))


def never_seen(policy: Policy, dataset: Dataset) -> tuple[str, ...]:
    """Names in the log of the policy's models that a log of one model does not have.

    Such a log names none but the model that served, whomever the router knew. In any other log a
    name that is not there is taken for a mistake: empty.
    """
    if dataset.n_models != 1 or not dataset.complete:
        return ()
    names = dict.fromkeys(policy.log_name(name) for name in policy.models)
    return tuple(name for name in names if name not in dataset.models)


def target(policy: Policy, dataset: Dataset, unseen: Sequence[str] = ()) -> Target:
    """What a policy would ask on each request of a dataset.

    ``unseen`` are names that the dataset need not have: they count as those of live models.

    Raises:
        PolicyError: The policy names a model or a column that the dataset does not have.
    """
    route = _routes(policy, dataset)
    policy, chains = _taken(policy, dataset, route)
    plan = compile_plan(policy, (*dataset.models, *unseen))
    plan.models["column"][plan.models["column"] >= dataset.n_models] = -1
    able = _able(policy, plan, dataset)
    first = [_first(plan, chain, able) for chain in range(len(plan.chains))]
    return Target(
        policy=policy,
        plan=plan,
        dataset=dataset,
        route=route,
        chains=chains,
        able=able,
        first=np.column_stack(first),
    )


def _routes(policy: Policy, dataset: Dataset) -> NDArray[np.intp]:
    masks = route_masks(policy, dataset.requests)
    if not len(masks):
        return np.full(dataset.n_requests, -1)
    return np.where(masks.any(axis=0), masks.argmax(axis=0), -1)


def _taken(policy: Policy, dataset: Dataset, route: NDArray[np.intp]) -> tuple[Policy, Floats]:
    """The policy with the orders that its routers choose, and (n, c) probability of each chain.

    Of the orders that a router might choose, which may be a thousand, mostly few occur.
    """
    shares, orders = _shares(policy)[route], orders_of(policy)
    if not orders:
        return policy, shares
    routers, written = load_routers(policy), len(policy.chains)
    chain = np.full(dataset.n_requests, -1)
    for i in orders:
        rows = np.flatnonzero(route == i)
        if len(rows):
            chain[rows] = chosen(policy, dataset.requests, i, rows, routers).chain
    whole = with_orders(policy).chains
    names, occur = tuple(whole), np.unique(chain[chain >= written])
    kept = {**policy.chains, **{names[number]: whole[names[number]] for number in occur}}
    chances = np.zeros((dataset.n_requests, len(kept)))
    chances[:, :written] = shares
    rows = np.flatnonzero(chain >= 0)
    place = np.where(chain < written, chain, written + np.searchsorted(occur, chain))
    chances[rows, place[rows]] = 1.0
    return policy.model_copy(update={"chains": kept}), chances


def _shares(policy: Policy) -> Floats:
    """(routes + 1, c) probability of each chain under each rule; the last row is the default's.

    That of a router is 0: which chain it takes depends on the request.
    """
    index = {name: i for i, name in enumerate(chain_names(policy))}
    shares = np.zeros((len(policy.routes) + 1, len(index)))
    for row, rule in zip(shares, policy.routes, strict=False):
        for name, share in rule.shares:
            row[index[name]] += share
    shares[-1, index[policy.default]] = 1.0
    return shares


def _able(policy: Policy, plan: Plan, dataset: Dataset) -> NDArray[np.bool_]:
    n, k = dataset.n_requests, len(policy.models)
    if not plan.filtered:
        return np.ones((n, k), np.bool_)
    known = facts(policy, dataset.requests, request_tokens(dataset.requests))
    lacks = (known.needs[:, None] & ~plan.models["supports"]) != 0
    return np.asarray(~lacks & (known.tokens[:, None] <= plan.models["context_tokens"]))


def _first(plan: Plan, chain: int, able: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(n,) see ``Target.first``. A look into the cache is passed over: nothing is known of it."""
    first = np.full(len(able), SAID)
    open_ = np.ones(len(able), np.bool_)
    for step in plan.steps[plan.chains[chain]["start"] : plan.chains[chain]["end"]]:
        if step["kind"] == LOOK:
            continue
        if step["kind"] != ASK:
            break
        column = int(plan.models[step["model"]]["column"])
        taken = open_ & able[:, step["model"]]
        first[taken] = column if column >= 0 else LIVE_ONLY
        open_ &= ~taken
    return first
