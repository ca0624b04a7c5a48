"""Which model a router puts first, and the chains that come of it."""

from __future__ import annotations

import gc
import itertools
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.reference_router import order_of_one
from tests.told_router import EVERYTHING
from toolkit.errors import PolicyError
from toolkit.learn.choose import first, orders
from toolkit.policy.loading import parse_policy
from toolkit.policy.model import Policy
from toolkit.policy.orders import orders_of, with_orders
from toolkit.policy.remembered import Remembered
from toolkit.policy.router_rule import RouterRule
from toolkit.policy.steps import ModelStep

NAN = math.nan
RULES = st.one_of(
    st.builds(lambda x: {"min_quality": x}, st.sampled_from([0.0, 0.5, 0.75, 1.0])),
    st.builds(lambda x: {"max_cost_usd": x}, st.sampled_from([0.001, 0.002, 0.01])),
    st.builds(lambda x: {"tradeoff_usd_per_point": x}, st.sampled_from([0.0, 0.05, 1.0, 100.0])),
)


def rule(**how):
    """A rule of some router."""
    return RouterRule.model_validate({"name": "easy", **how})


@st.composite
def forecasts(draw):
    """Probabilities and costs with many ties and gaps, (n, k) each."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 5)))
    quality = arrays.arrays(float, shape, elements=st.sampled_from([0.0, 0.5, 0.75, 0.9, 1.0, NAN]))
    cost = arrays.arrays(float, shape, elements=st.sampled_from([0.0, 0.001, 0.002, 0.05, NAN]))
    return draw(quality), draw(st.none() | cost)


@given(forecasts(), RULES)
@settings(max_examples=600, deadline=None)
def test_the_order_is_that_of_a_plain_sort_of_one_request(pair, how):
    """Columns give each request the order that sorting its models by hand gives."""
    quality, cost = pair
    found = orders(quality, cost, rule(**how))
    for i, row in enumerate(quality):
        costs = [NAN] * len(row) if cost is None else cost[i].tolist()
        assert found[i].tolist() == order_of_one(row.tolist(), costs, rule(**how))
    assert (found[:, 0] == first(quality, cost, rule(**how))).all()


# --- the orders as chains ---------------------------------------------------------------------


def policy(models, router, steps=None, name="learned", **more):
    """A policy whose rule is a router over these models, or over the steps of a chain ``main``."""
    route = {"name": name, "when": EVERYTHING, "router": {"name": "easy", **router}}
    chains = {"usual": {"steps": [{"model": models[0]}]}}
    if steps is not None:
        route["use"] = "main"
        chains["main"] = {"deadline_s": 9, "steps": steps}
    data = {
        "policy": "p",
        "models": {model: {} for model in models},
        "routes": [route],
        "default": "usual",
        "chains": chains,
    }
    return Policy.model_validate(data | more)


def asked(chain):
    """The models of a chain."""
    return [step.model for step in chain.steps if isinstance(step, ModelStep)]


@pytest.mark.parametrize("fallbacks", [0, 1, 2, 3, 9])
def test_every_order_has_its_chain(fallbacks):
    """The number of an order is that of the chain that asks its models, and no two share one."""
    written = policy(list("abcd"), {"min_quality": 0.9, "fallbacks": fallbacks})
    (orders_,) = orders_of(written).values()
    chains = list(with_orders(written).chains.values())
    every = list(itertools.permutations(range(4), orders_.tried))
    numbers = orders_.chains(np.array(every, np.int16))
    assert len(set(numbers.tolist())) == len(every) == orders_.count == len(chains) - 1
    for order, number in zip(every, numbers, strict=True):
        assert asked(chains[number]) == ["abcd"[j] for j in order]


def test_steps_keep_what_is_theirs_and_what_asks_no_model_stays_last():
    """A step's timeout moves with its model; messages stay at the end; the chain's limits hold."""
    steps = [
        {"model": "a", "timeout_s": 2},
        {"degrade": "stale_cache"},
        {"model": "b", "retries": 3},
        {"degrade": "message", "text": "Later."},
    ]
    written = policy(["a", "b"], {"min_quality": 0.9}, steps, cache={"stale_if_error_s": 60})
    chain = with_orders(written).chains["learned: b > a"]
    data = [step.to_data() for step in chain.steps]
    assert data == [steps[2], steps[0], steps[1], steps[3]]
    assert chain.deadline_s == 9


def test_a_model_in_two_steps_keeps_both():
    """Steps, and not models, are put in order; their names tell them apart."""
    steps = [{"model": "a", "timeout_s": 2}, {"model": "b"}, {"model": "a", "timeout_s": 20}]
    found = with_orders(policy(["a", "b"], {"min_quality": 0.9}, steps)).chains
    assert len(found) == 2 + 6
    again = found["learned: a (step 3) > a (step 1) > b"]
    assert [step.timeout_s for step in again.steps[:2]] == [20, 2]


def test_names_that_look_like_orders_do_not_collide():
    """Names are free: an order never takes the place of a chain or of another order."""
    models = ["a", "b > a", "a > b"]
    written = policy(models, {"min_quality": 0.9, "fallbacks": 1})
    data = written.to_data()
    data["chains"]["learned: a > b > a"] = {"steps": [{"model": "a"}]}
    found = with_orders(Policy.model_validate(data)).chains
    assert len(found) == 2 + 6
    assert asked(found["learned: a > b > a"]) == ["a"]


def test_a_policy_without_a_router_is_its_own():
    """Nothing is copied where nothing changes, and an expanded policy is made once."""
    single = Policy.single("a")
    assert with_orders(single) is single
    written = policy(["a", "b"], {"min_quality": 0.9})
    assert with_orders(written) is with_orders(written)
    assert with_orders(with_orders(written)) is with_orders(written)
    other = written.with_value("routes.0.router.fallbacks", 0)
    assert list(with_orders(other).chains) == ["usual", "learned: a", "learned: b"]
    assert written.to_data()["chains"] == {"usual": {"steps": [{"model": "a"}]}}


@pytest.mark.parametrize(
    ("router", "more", "message"),
    [
        ({}, {}, r"routes\.0\.router: does not say how to choose; allowed: one of min_quality"),
        ({"min_quality": 0.5, "max_cost_usd": 1}, {}, "has several ways to choose"),
        ({"min_quality": 1.5}, {}, r"router\.min_quality: is out of range; got the number 1.5"),
        ({"max_cost_usd": 0}, {}, r"router\.max_cost_usd: is out of range"),
        ({"tradeoff_usd_per_point": -1}, {}, r"tradeoff_usd_per_point: is out of range"),
        ({"min_quality": 0.5, "fallbacks": 10}, {}, "allowed: 9 or less"),
        ({"min_quality": 0.5, "abstain_above": 2}, {}, "abstain_above: is out of range"),
        ({"min_quality": 0.5, "least": 1}, {}, "unknown key; got 'least'; allowed: 'name'"),
        (
            {"min_quality": 0.5, "fallbacks": 4},
            {},
            (
                r"routes\.0\.router: could choose among too many orders; "
                r"got 30,240 orders of 5 of 10"
                r" models; allowed: 1,000: fewer fallbacks"
            ),
        ),
        ({"min_quality": 0.5}, {"sticky_by": "user"}, "has no effect without split"),
        (
            {"min_quality": 0.5},
            {"split": [{"use": "usual", "weight": 1}]},
            "leads to one place; got router and split",
        ),
        ({"min_quality": 0.5}, {"use": "nowhere"}, r"routes\.0\.use: unknown chain"),
        ({"min_quality": 0.5}, {"use": "silent"}, "has no model that the router could choose"),
    ],
)
def test_what_cannot_be_meant_is_an_error_with_its_place(router, more, message):
    """Each mistake in a router says where it is, what was found and what is allowed."""
    data = {
        "policy": "p",
        "models": {f"m{i}": {} for i in range(10)},
        "routes": [{"name": "r", "when": EVERYTHING, "router": {"name": "e", **router}, **more}],
        "default": "usual",
        "chains": {
            "usual": {"steps": [{"model": "m0"}]},
            "silent": {"steps": [{"degrade": "message", "text": "x"}]},
        },
    }
    with pytest.raises(PolicyError, match=message):
        Policy.model_validate(data)


def test_a_router_rule_needs_a_name():
    """Left out, the message says what it is."""
    with pytest.raises(PolicyError, match=r"router\.name: is missing; allowed: the name of a"):
        parse_policy(
            "policy: p\nmodels: {a: {}}\ndefault: c\nchains: {c: {steps: [{model: a}]}}\n"
            "routes: [{name: r, when: {x: {eq: 1}}, router: {min_quality: 0.5}}]\n"
        )


def test_long_names_make_long_chains():
    """Names as long as a name may be still make orders; nobody writes those chains."""
    models = [c * 200 for c in "abc"]
    found = with_orders(policy(models, {"min_quality": 0.9}, name="r" * 200))
    assert len(found.chains) == 1 + 6
    assert len(list(found.chains)[-1]) > 800


def test_two_routers_have_their_own_orders():
    """Each rule's orders follow one another, whichever chains they take their steps from."""
    written = policy(["a", "b", "c"], {"min_quality": 0.9, "fallbacks": 1})
    data = written.to_data()
    data["routes"].insert(
        0,
        {
            "name": "dear",
            "when": {"category": {"eq": "x"}},
            "router": {"name": "other", "max_cost_usd": 0.1, "fallbacks": 0},
        },
    )
    written = Policy.model_validate(data)
    names = list(with_orders(written).chains)
    assert names[:5] == ["usual", "dear: a", "dear: b", "dear: c", "learned: a > b"]
    first, second = orders_of(written).values()
    assert (first.start, first.count, second.start, second.count) == (1, 3, 4, 6)


def test_values_are_remembered_by_identity_and_made_once():
    """Threads that ask together wait for one of them; an object that is gone is forgotten."""

    class Key:
        """Equal to everything, so that only identity tells."""

        def __eq__(self, other):
            return True

        __hash__ = None

    memory, made = Remembered(), []

    def make():
        time.sleep(0.02)
        made.append(1)
        return len(made)

    key = Key()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: memory.of(key, make), range(16))) == {1}
    assert memory.of(Key(), make) == 2
    gc.collect()
    assert len(memory._entries) == 1


def test_a_value_that_cannot_be_made_is_tried_again():
    """An error is not remembered."""
    memory, key, left = Remembered(), threading.Event(), [1]

    def make():
        if left:
            left.pop()
            raise ValueError("not now")
        return "there"

    with pytest.raises(ValueError, match="not now"):
        memory.of(key, make)
    assert memory.of(key, make) == "there"
