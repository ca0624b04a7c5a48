"""Which route and chain each request takes: rules as column masks, splits by stable keys, routers.

The same function serves live, where one request is a table of one row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.engine.keys import Purpose, text_keys, uniforms
from toolkit.errors import DetourError, PolicyError, Problem, did_you_mean
from toolkit.learn.routing import Routers, chosen, load_routers
from toolkit.policy.conditions import route_tests
from toolkit.policy.model import Policy, Route
from toolkit.policy.orders import orders_of
from toolkit.policy.plan import chain_names
from toolkit.schema import REQUEST_ID
from toolkit.threads import in_threads

MAX_SEED = 2**63 - 1


class Decisions(NamedTuple):
    """One decision per request, each array of shape (n,)."""

    route: NDArray[np.int16]
    """index into ``policy.routes``, -1 where no rule matched"""
    chain: NDArray[np.int16]
    """index into ``chain_names(with_orders(policy))``; the first are those of ``policy``"""
    propensity: NDArray[np.float64]
    """probability of that chain under the rule that matched"""


def check_seed(seed: int) -> None:
    """Raise DetourError for a seed that no draw takes."""
    if not 0 <= seed <= MAX_SEED:
        raise DetourError(f"seed: out of range; got {seed}; allowed: 0 to {MAX_SEED}")


def decide(
    policy: Policy, requests: pa.Table, seed: int = 0, routers: Routers | None = None
) -> Decisions:
    """Route every request; the first rule that matches wins.

    A split is drawn once per value of its ``sticky_by`` column, whatever the seed, so that a user
    stays on one side; without that column, or where it is empty, once per request and seed. A
    router draws nothing. ``routers`` are those that the policy names; None: from the registry.
    """
    check_seed(seed)
    if routers is None:
        routers = load_routers(policy)
    n = requests.num_rows
    made = Decisions(np.empty(n, np.int16), np.empty(n, np.int16), np.ones(n))
    tests = route_tests(policy, requests)
    index = {name: i for i, name in enumerate(chain_names(policy))}
    # What a split draws and a router chooses is written over this.
    chains = [index[rule.shares[0][0]] if rule.shares else 0 for rule in policy.routes]
    chain_of = np.array([*chains, index[policy.default]], np.int16)
    route_of = np.array([*range(len(tests)), -1], np.int16)

    def work(first: int, end: int) -> None:
        part = slice(first, end)
        here = Decisions(made.route[part], made.chain[part], made.propensity[part])
        rule = _first([holds(part) for holds in tests], end - first)
        route_of.take(rule, out=here.route, mode="clip")
        chain_of.take(rule, out=here.chain, mode="clip")
        _split(policy, requests.slice(first, end - first), seed, here)

    in_threads(work, n)
    for i in orders_of(policy):
        rows = np.flatnonzero(made.route == i)
        if len(rows):
            made.chain[rows] = chosen(policy, requests, i, rows, routers).chain
    return made


def _first(matches: list[NDArray[np.bool_]], n: int) -> NDArray[np.int16]:
    """Return the first rule that matches each request, or their number where none does.

    Sums and maxima, which take the same time whatever matches, and not masked assignments.
    """
    rank = np.zeros(n, np.int16)
    for i, match in enumerate(matches):
        np.maximum(rank, match * np.int16(len(matches) - i), out=rank)
    return len(matches) - rank


def _split(policy: Policy, requests: pa.Table, seed: int, made: Decisions) -> None:
    """Draw the chain of each request whose rule has several."""
    index = {name: i for i, name in enumerate(chain_names(policy))}
    for i, rule in enumerate(policy.routes):
        if rule.split is None:
            continue
        rows = np.flatnonzero(made.route == i)
        sides = np.array([index[name] for name, _ in rule.shares], np.int16)
        weights = np.array([weight for _, weight in rule.shares])
        u = _draws(rule, requests, rows, seed)
        side = np.searchsorted(np.cumsum(weights)[:-1], u, side="right")
        made.chain[rows] = sides[side]
        made.propensity[rows] = weights[side]


def _draws(
    rule: Route, requests: pa.Table, rows: NDArray[np.intp], seed: int
) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each request of a split."""
    rule_key = text_keys(pa.array([rule.name]))[0]
    taken = pa.array(rows)
    keys = text_keys(requests.column(REQUEST_ID).take(taken))
    seeds = np.full(len(keys), seed, np.uint64)
    if rule.sticky_by is not None:
        if rule.sticky_by not in requests.column_names:
            raise PolicyError(
                [
                    Problem(
                        "the data has no such column to keep a split sticky by",
                        where=f"routes.{rule.name}.sticky_by",
                        got=repr(rule.sticky_by),
                        allowed=did_you_mean(rule.sticky_by, requests.column_names),
                    )
                ]
            )
        column = requests.column(rule.sticky_by).take(taken)
        known = column.is_valid().to_numpy()
        keys = np.where(known, text_keys(column), keys)
        seeds[known] = 0
    return uniforms(seeds, keys, rule_key, Purpose.SPLIT)
