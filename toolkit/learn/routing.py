"""Which chain each request of a router's route takes, and why."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.errors import DataError, PolicyError, Problem, did_you_mean
from toolkit.learn import choose
from toolkit.learn.forecasts import forecast
from toolkit.learn.tables import Gaps, Kinds, as_words, gaps
from toolkit.policy.model import Policy
from toolkit.policy.orders import has_router, orders_of
from toolkit.policy.router_rule import RouterRule
from toolkit.schema import PROMPT

if TYPE_CHECKING:
    from toolkit.learn.router import Forecast, QualityRouter

Floats = NDArray[np.float64]
Routers: TypeAlias = "Mapping[str, QualityRouter]"
"""Trained routers by the name that a policy gives."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """What a router decided for n requests of its route, whose k models it put in order."""

    rule: RouterRule
    models: tuple[str, ...]
    """the policy's names, in the order written"""
    tried: int
    """so many of them make a chain"""
    quality: Floats
    """(n, k) probability of a good answer; NaN: a model that the router does not know"""
    cost_usd: Floats
    """(n, k) expected cost of a request; NaN: not known"""
    novelty: Floats
    """(n,)"""
    order: NDArray[np.int16]
    """(n, k)"""
    chain: NDArray[np.int16]
    """(n,) index into the chains of ``with_orders(policy)``"""
    gaps: Gaps
    """by column, what requests lack of what the router reads, and (n,) which requests"""

    @property
    def abstains(self) -> NDArray[np.bool_]:
        """(n,) whether the request is sent to the default chain, as it is like nothing known."""
        return np.asarray(self.novelty > self.rule.abstain_above)

    def words(self, row: int = 0) -> str:
        """Why a request went where it went: ``small first: P = 0.93, needs 0.85``.

        What the request lacked of what the router reads stands at the end.
        """
        lacking = as_words(self.gaps, row)
        return f"{self._reason(row)}; {lacking}" if lacking else self._reason(row)

    def _reason(self, row: int) -> str:
        if self.abstains[row]:
            return _unlike(float(self.novelty[row]), self.rule)
        first = int(self.order[row, 0])
        name, p = self.models[first], float(self.quality[row, first])
        if np.isnan(p):
            return f"{name} first: it knows none of these models and keeps them as written"
        usd = self.cost_usd[row]
        return f"{name} first: {_why(self.rule, p, float(usd[first]), bool(np.isnan(usd).all()))}"


def load_routers(policy: Policy) -> Routers:
    """Load the routers that a policy names, each once.

    Raises:
        PolicyError: One is not in the registry, or its file cannot be used.
    """
    if not has_router(policy):
        return {}
    from toolkit.learn import registry

    found: dict[str, QualityRouter] = {}
    problems = []
    for i, route in enumerate(policy.routes):
        if route.router is None or route.router.name in found:
            continue
        try:
            found[route.router.name] = registry.load_router(route.router.name)
        except DataError as error:
            problems.append(problem(error, f"routes.{i}.router.name", route.router.name))
    if problems:
        raise PolicyError(problems, policy.policy)
    return found


def problem(error: DataError, where: str, name: str = "") -> Problem:
    """The problem that an error tells of; ``name`` is what was asked for, should it not say."""
    what, _, allowed = str(error).partition("; allowed: ")
    what, _, got = what.partition("; got ")
    if name and not got:
        # What stands beside as what was found need not be said twice.
        what, got = what.replace(f" {name!r}", "", 1), repr(name)
    return Problem(what, where, got, allowed)


def versions(policy: Policy) -> dict[str, str]:
    """The version that each router of a policy is now: ``{"easy": "easy@2"}``; "" for none."""
    from toolkit.learn import folder

    names = [route.router.name for route in policy.routes if route.router is not None]
    found = {}
    for name in dict.fromkeys(names):
        try:
            place, number = folder.find(name)
            found[name] = f"{place.name}@{number}"
        except DataError:
            found[name] = ""
    return found


def mark(policy: Policy) -> str:
    """What stands for a policy and the routers that it names: another text for another decision."""
    if not has_router(policy):
        return policy.digest
    text = "\n".join(
        [policy.digest, str(os.environ.get("DETOUR_ROUTERS")), *versions(policy).values()]
    )
    return hashlib.sha256(text.encode()).hexdigest()


def kinds_read(router: QualityRouter) -> Kinds:
    """The request columns that a router reads, and of what kind each was in training."""
    kinds = {str(column["name"]): str(column["kind"]) for column in router.columns_}
    return {PROMPT: "category", **kinds} if router.features_.get("text") else kinds


def chosen(
    policy: Policy,
    requests: pa.Table,
    i: int,
    rows: NDArray[np.intp] | None = None,
    routers: Routers | None = None,
) -> Chosen:
    """What the router of route ``i`` decides for these rows of a table; None: for all.

    Raises:
        PolicyError: The router cannot be loaded.
    """
    rule, orders = policy.routes[i].router, orders_of(policy)[i]
    assert rule is not None
    router = (load_routers(policy) if routers is None else routers)[rule.name]
    told = forecast(router, requests)
    quality, cost, novelty = _of_candidates(policy, router, told, orders.models, rows)
    order = choose.orders(quality, cost, rule)
    chain = orders.chains(order)
    default = list(policy.chains).index(policy.default)
    chain[novelty > rule.abstain_above] = default
    lacks = gaps(kinds_read(router), requests)
    if rows is not None:
        lacks = {name: (how, where[rows]) for name, (how, where) in lacks.items()}
    return Chosen(rule, orders.models, orders.tried, quality, cost, novelty, order, chain, lacks)


def explain_choice(policy: Policy, route: str, requests: pa.Table, row: int = 0) -> Chosen:
    """What the router of a rule decides for one request, and with `Chosen.words` why.

    Raises:
        PolicyError: No such rule, or none with a router, or the router cannot be loaded.
    """
    names = [rule.name for rule in policy.routes if rule.router is not None]
    if route not in names:
        what = Problem("no rule with a router", "route", repr(route), did_you_mean(route, names))
        raise PolicyError([what], policy.policy)
    i = [rule.name for rule in policy.routes].index(route)
    return chosen(policy, requests, i, np.array([row]))


def _of_candidates(
    policy: Policy,
    router: QualityRouter,
    told: Forecast,
    models: tuple[str, ...],
    rows: NDArray[np.intp] | None,
) -> tuple[Floats, Floats, Floats]:
    """The forecast as the candidates' columns (n, k), and the novelty (n,)."""
    known = {name: j for j, name in enumerate(router.models_)}
    column = np.array([known.get(policy.log_name(name), -1) for name in models])
    taken = slice(None) if rows is None else rows
    quality, cost = told.quality[taken][:, column], told.cost_usd[taken][:, column]
    quality[:, column < 0] = cost[:, column < 0] = np.nan
    return quality, cost, told.novelty[taken]


def _why(rule: RouterRule, p: float, usd: float, unpriced: bool) -> str:
    way, value = rule.rule
    if way == "min_quality":
        if p >= value:
            return f"P = {p:.3g}, needs {value:g}"
        return f"P = {p:.3g}, the highest, as none has the {value:g} that it needs"
    if unpriced:
        return f"P = {p:.3g}; what these models cost is not known"
    if way == "max_cost_usd":
        if usd <= value:
            return f"P = {p:.3g}, the highest for at most ${value:g} (expected: ${usd:.3g})"
        return f"expected to cost ${usd:.3g}, the least, as none costs the ${value:g} at most"
    cost = "unknown" if np.isnan(usd) else f"${usd:.3g}"
    return f"P = {p:.3g} for {cost}, best at ${value:g} a point and 1,000 requests"


def _unlike(novelty: float, rule: RouterRule) -> str:
    return (
        f"it abstains: the request is less familiar than {100 * novelty:.3g} % of those that it was"
        f" trained on, more than the {100 * rule.abstain_above:.3g} % allowed"
    )
