"""Which model a router puts first, and the chains that come of it."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.reference_router import order_of_one
from toolkit.learn.choose import first, orders
from toolkit.policy.router_rule import RouterRule

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
