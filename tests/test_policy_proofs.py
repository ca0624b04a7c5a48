"""What is proved about a policy holds, and what looks like a mistake is said."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference_conditions import conditions, tables
from toolkit.errors import PolicyError
from toolkit.policy import Condition, Policy, mask, parse_policy, worst_case
from toolkit.policy.check import check
from toolkit.policy.domains import clauses
from toolkit.policy.proofs import unreachable_rules

POLICY = """
policy: p
models: {small: {log: s}, large: {log: l}}
retry_budget: {}
default: main
chains:
  main:
    steps:
      - {model: small, timeout_s: 4, retries: 2, backoff_s: 0.5}
      - {model: large, timeout_s: 10}
      - {degrade: message, text: Sorry., latency_s: 0.1, cost_usd: 0.001}
"""
COSTS = {"s": 0.01, "l": 0.1}


def unreachable(*whens):
    """The indices of the rules that are proved to be unreachable."""
    rules = [(i, f"r{i}", Condition.model_validate(when)) for i, when in enumerate(whens)]
    return [int(p.where.split(".")[1]) for p in unreachable_rules(rules)]


def warnings(text, **more):
    """What `check` warns of, as text."""
    return [str(problem) for problem in check(parse_policy(text), **more).warnings]


@settings(deadline=None, max_examples=150)
@given(st.lists(conditions, min_size=1, max_size=4), tables(max_size=30))
def test_unreachable_rule_never_gets_a_row(rules, table):
    """A rule that is called unreachable matches no row that earlier rules leave."""
    dead = {
        int(problem.where.split(".")[1])
        for problem in unreachable_rules([(i, str(i), rule) for i, rule in enumerate(rules)])
    }
    taken = np.zeros(table.num_rows, bool)
    for i, rule in enumerate(rules):
        matches = mask(rule, table)
        assert not (i in dead and (matches & ~taken).any())
        taken |= matches


@given(conditions)
def test_doubled_rule_is_unreachable(condition):
    """A rule that stands twice is found, unless its condition is too large to analyse."""
    same = unreachable_rules([(0, "a", condition), (1, "b", condition)])
    assert clauses(condition) is None or "routes.1.when" in {problem.where for problem in same}


@pytest.mark.parametrize(
    ("whens", "dead"),
    [
        ([{"n": {"lt": 400}}, {"n": {"lte": 399}}], [1]),
        ([{"n": {"lt": 400}}, {"n": {"lte": 400}}], []),
        ([{"n": {"gt": 1}}, {"n": {"in": [2, 3]}}], [1]),
        ([{"c": {"in": ["a", "b"]}}, {"c": {"eq": "a"}, "n": {"gt": 0}}], [1]),
        ([{"c": {"eq": "a"}}, {"c": {"in": ["a", "b"]}}], []),
        ([{"c": {"ne": "a"}}, {"c": {"exists": False}}], [1]),
        ([{"c": {"ne": "a"}}, {"c": {"not_in": ["a", "b"]}}], [1]),
        ([{"c": {"ne": "a"}}, {"n": {"eq": 1}}], []),
        ([{"not": {"n": {"gte": 5}}}, {"n": {"lt": 5}}], [1]),
        ([{"n": {"lt": 5}}, {"not": {"n": {"gte": 5}}}], []),
        ([{"p": {"matches": "x"}}, {"p": {"matches": "x"}, "c": {"eq": "a"}}], [1]),
        ([{"p": {"matches": "^x"}}, {"p": {"in": ["xa", "xb"]}}], [1]),
        ([{"p": {"contains": "x"}}, {"p": {"eq": "y"}}], []),
        ([{"any": [{"c": {"eq": "a"}}, {"n": {"lt": 5}}]}, {"n": {"lt": 4}}], [1]),
        (
            [{"c": {"eq": "a"}}, {"n": {"lt": 5}}, {"any": [{"c": {"eq": "a"}}, {"n": {"lt": 5}}]}],
            [2],
        ),
        ([{"n": {"gt": 5, "lt": 5}}], [0]),
        ([{"n": {"gte": 5, "lte": 5, "ne": 5}}], [0]),
        ([{"p": {"matches": "x"}, "not": {"p": {"matches": "x"}}}], [0]),
        ([{"c": {"eq": "a", "exists": False}}], [0]),
        ([{"n": {"lt": 5}}, {"n": {"gte": 5}}, {"n": {"exists": True}}], []),  # only both together
    ],
)
def test_which_rules_are_proved_unreachable(whens, dead):
    """Contained and contradictory rules are found; a cover by several rules is not looked for."""
    assert unreachable(*whens) == dead


def test_large_condition_is_left_alone():
    """A condition whose clauses would be too many is not analysed, and that takes no time."""
    pairs = [{"any": [{f"c{i}": {"eq": "a"}}, {f"d{i}": {"eq": "b"}}]} for i in range(40)]
    assert unreachable({"all": pairs}, {"all": pairs}) == []


def test_many_rules_are_checked_in_bounded_time():
    """The first rules are compared with each other; thousands more are taken on trust."""
    whens = [{"c": {"eq": f"c{i}"}} for i in range(100)]
    assert unreachable(*whens, whens[7]) == [100]
    assert unreachable(*({"c": {"eq": f"c{i}"}} for i in range(1000)), whens[7]) == []


def test_worst_case_sums_attempts_waits_and_the_degrade_step():
    """Each attempt takes its whole timeout, each wait its longest, each call its highest cost."""
    policy = parse_policy(POLICY).with_value("chains.main.retry_on", ["timeout", "server_error"])
    worst = worst_case(policy, "main", COSTS)
    assert worst.attempts == 4
    assert worst.seconds == pytest.approx(3 * 4 + 0.5 + 1.0 + 10 + 0.1)
    assert worst.usd == pytest.approx(3 * 0.01 + 0.1 + 0.001)
    assert worst.terminates


def test_worst_case_under_limits():
    """The deadline bounds the seconds; the cost limit may be passed by one call."""
    policy = parse_policy(POLICY).with_value("chains.main.deadline_s", 6)
    assert worst_case(policy, "main").seconds == pytest.approx(6.1)
    policy = policy.with_value("chains.main.max_cost_usd", 0.02)
    assert worst_case(policy, "main", COSTS).usd == pytest.approx(0.02 + 0.1 + 0.001)


def test_worst_case_without_retries_or_fallback():
    """A chain that retries on nothing makes one attempt a step; one without fallback one step."""
    policy = parse_policy(POLICY).with_value("chains.main.retry_on", [])
    assert worst_case(policy, "main").attempts == 2
    policy = policy.with_value("chains.main.fallback_on", [])
    assert worst_case(policy, "main").attempts == 1
    assert worst_case(policy, "main").seconds == 4


def test_unknown_worst_case_says_why():
    """Without timeout the seconds are unbounded, without measured costs the dollars unknown."""
    worst = worst_case(Policy.single("m"), "m", {"m": math.nan})
    assert worst.seconds == math.inf
    assert worst.usd is None
    assert worst.note == "no timeout and no deadline; cost of a call not measured: 'm'"
    assert not worst.terminates
    found = check(Policy.single("m")).to_dict()["chains"]["m"]
    assert found["worst_case_attempts"] == 1
    assert found["worst_case_s"] is found["worst_case_usd"] is None
    assert found["terminates"] is False
    assert found["note"] == worst.note


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "chains:",
            "chains:\n  idle: {steps: [{model: large, timeout_s: 1}]}",
            "chains.idle: no rou",
        ),
        ("large: {log: l}", "large: {log: l}, other: {}", "models.other: no step asks this model"),
        (
            "    steps:",
            "    fallback_on: []\n    steps:",
            "steps.1: is never reached: no error falls",
        ),
        (
            "    steps:",
            "    retry_on: []\n    steps:",
            "chains.main.retry_on: has retries but retrie",
        ),
        (
            "    steps:",
            "    deadline_s: 3\n    steps:",
            "chains.main.deadline_s: is shorter than the",
        ),
        (
            "model: large",
            "model: small",
            "chains.main: asks the same model in several steps; got 's",
        ),
        (
            "timeout_s: 10",
            "retries: 1",
            "chains.main: may wait for ever; got no timeout_s, no deadl",
        ),
    ],
)
def test_likely_mistakes_are_warned_of(old, new, message):
    """Each usual slip gives its warning, and the policy without it gives none."""
    assert warnings(POLICY) == []
    assert any(message in warning for warning in warnings(POLICY.replace(old, new)))


def test_deadline_bounds_a_chain_without_timeouts():
    """With a deadline no timeout is missed."""
    text = POLICY.replace("timeout_s: 10", "retries: 1").replace(
        "    steps:", "    deadline_s: 30\n    steps:"
    )
    assert warnings(text) == []


def test_check_against_requests():
    """Rules that get no request are warned of; unknown columns and models are errors."""
    routes = (
        "routes:\n"
        "  - {name: maths, when: {category: {eq: maths}}, use: main}\n"
        "  - {name: topic, when: {category: {eq: topic}}, use: main}\n"
        "  - {name: short, when: {input_tokens: {lt: 5}}, use: main}\n"
        "default: main"
    )
    text = POLICY.replace("default: main", routes)
    requests = pa.table({"category": ["topic", "facts"], "input_tokens": [1.0, 9.0]})
    assert warnings(text, requests=requests) == [
        "routes.0.when: rule 'maths' matches no request",
        "routes.2.when: rule 'short' gets no request: earlier rules take all that it matches",
    ]
    found = check(parse_policy(text), requests.drop_columns(["input_tokens"]), {"s": 0.1, "x": 1.0})
    assert [problem.where for problem in found.errors] == [
        "models.large.log",
        "routes.2.when.input_tokens",
    ]


def test_sticky_column_must_exist():
    """A split that sticks to a column needs that column in the requests."""
    route = (
        "routes: [{name: a, when: {user: {exists: true}}, split: [{use: main, weight: 1}], "
        "sticky_by: usr}]\ndefault: main"
    )
    found = check(parse_policy(POLICY.replace("default: main", route)), pa.table({"user": ["x"]}))
    assert "'user' (did you mean this?)" in str(PolicyError(found.errors))
