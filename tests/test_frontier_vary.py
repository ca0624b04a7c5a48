"""What a sweep varies: from text to values, from values to policies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_logs import chain
from toolkit.errors import PolicyError
from toolkit.evaluate.tradeoffs.vary import MOST_POLICIES, Vary, parse_vary, variants
from toolkit.policy.model import Policy

LIMIT, RETRIES = "chains.only.steps.0.timeout_s", "chains.only.steps.0.retries"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x=1:4:4", (1, 2, 3, 4)),
        ("x=0:1:5", (0, 0.25, 0.5, 0.75, 1)),
        ("x=3:1:3", (3, 2, 1)),
        ("x=0.1:0.3:3", (0.1, 0.2, 0.3)),
        ("x=1:100:3:log", (1, 10, 100)),
        ("x=2:9:1", (2,)),
        ("x=5:5:3", (5,)),
        ("x=-1:1:3", (-1, 0, 1)),
        ("x=a,b, c", ("a", "b", "c")),
        ("x='a,b',\"4\"", ("a,b", "4")),
        ("x=null,1,0.5,true,off", (None, 1, 0.5, True, "off")),
        ("x=12:30", ("12:30",)),
        ("a.b=c=d", ("c=d",)),
    ],
)
def test_text_becomes_values(text, values):
    """Ranges with both ends, even ratios, and values as a policy file has them."""
    found = parse_vary(text)
    assert found.values == values
    assert [type(v) for v in found.values] == [type(v) for v in values]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "must say what is varied"),
        ("=1,2", "must say what is varied"),
        ("x=", "must say what is varied"),
        ("x=1:2:0", "a range has 1 to 10,000 steps"),
        ("x=1:2:2.5", "a range has 1 to 10,000 steps"),
        ("x=a:2:3", "a range needs two numbers"),
        ("x=0:.inf:3", "a range needs two numbers"),
        ("x=0:1:3:log", "even ratios need ends above 0"),
        ("x=1:2:3:lin", "a range is even or log"),
        ("x={a: 1}", "a mapping is not a single value"),
        ("x=[1],2", "a list is not a single value"),
        ("x=*y", "aliases are not allowed"),
        ("x=a]", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(text, message):
    """What is wrong, what was written, and which forms there are."""
    with pytest.raises(PolicyError, match=message) as error:
        parse_vary(text)
    assert repr(text) in str(error.value)


def test_the_grid_is_every_combination_after_the_policy_as_it_stands():
    """The last place moves fastest; what the policy has already is not tried twice."""
    policy = chain("a", "b").with_value(LIMIT, 2)
    found = variants(policy, [Vary(LIMIT, (1, 2, None)), Vary(RETRIES, (0, 1))])
    assert [tuple(one.values.values()) for one in found] == [
        (2, 0), (1, 0), (1, 1), (2, 1), (None, 0), (None, 1),
    ]  # fmt: skip
    assert found[0].policy is policy
    for one in found:
        step = one.policy.chains["only"].steps[0]
        assert (step.timeout_s, step.retries) == tuple(one.values.values())
        expected = policy
        for path, value in one.values.items():
            expected = expected.with_value(path, value)
        assert one.policy == expected


def test_without_anything_to_vary_there_is_the_policy_alone():
    """One policy, no values."""
    (only,) = variants(chain("a"), [])
    assert only.values == {}


def test_whole_ends_give_whole_steps_where_only_these_fit():
    """Retries are counted; seconds are not."""
    policy = chain("a", "b")
    retries = variants(policy, [parse_vary(f"{RETRIES}=0:3:3")])
    assert [one.values[RETRIES] for one in retries] == [0, 2, 3]
    limits = variants(policy, [parse_vary(f"{LIMIT}=1:4:3")])
    assert [one.values[LIMIT] for one in limits] == [None, 1, 2.5, 4]
    with pytest.raises(PolicyError, match=r"retries = 0.5: .*must be a whole number"):
        variants(policy, [parse_vary(f"{RETRIES}=0,0.5")])


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ([Vary(LIMIT, (1, -1))], rf"{LIMIT} = -1: {LIMIT}: is out of range"),
        ([Vary("chains.only.steps.9.timeout_s", (1,))], "has no such part"),
        ([Vary("default", ("nowhere",))], "default = nowhere: default: unknown chain"),
        ([Vary(LIMIT, (1,)), Vary(LIMIT, (2,))], f"{LIMIT}: is varied twice"),
        ([Vary(LIMIT, tuple(range(1, 102))), Vary(RETRIES, tuple(range(100)))], "101 × 100"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_place(vary, message):
    """Before anything is replayed."""
    with pytest.raises(PolicyError, match=message):
        variants(chain("a"), vary)
    assert MOST_POLICIES == 10_000


def test_names_with_dots_are_found():
    """The longest name that is there, as where a value is replaced."""
    policy = Policy.single("gpt-4.1")
    path = "chains.gpt-4.1.steps.0.timeout_s"
    found = variants(policy, [Vary(path, (3,))])
    assert [one.values[path] for one in found] == [None, 3]


@given(
    st.lists(
        st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 9) | st.text("ab, :'\"\\#é"),
        min_size=1,
    )
)
def test_a_list_reads_as_what_it_says(values):
    """Values written as JSON come back as they are."""
    import json

    text = ", ".join(json.dumps(value) for value in values)
    assert parse_vary(f"x={text}").values == tuple(values)
