"""Breakers, limits, hedges, caches, budgets and faults: the compiled machine and the obvious one.

2,000 generated cases: each feature by itself, some together, all together.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import Log
from tests.reference_invariants import Played, Try, check
from tests.reference_records import Journal, Result
from tests.reference_world import play_all
from tests.strategies_cases import FEATURES, Case, cases
from toolkit.cache.similar import similarities, vector
from toolkit.engine.replay import Replay, replay, replay_traffic
from toolkit.logs.datasets import load_dataset
from toolkit.policy import load_policy
from toolkit.scenarios import load_scenario
from toolkit.scenarios.arrivals import Traffic
from toolkit.schema import ErrorType, Status

STATES = ("closed", "open", "half_open")
ALONE, SOME, TOGETHER = 120, 400, 400
assert len(FEATURES) * ALONE + SOME + TOGETHER >= 2_000
CLOSE = (
    {"breaker", "hedge"},
    {"breaker", "hedge", "faults"},
    {"breaker", "limits", "hedge"},
    {"limits", "retry_budget"},
    {"hedge", "retry_budget", "faults"},
    {"cache", "hedge", "daily"},
    {"semantic", "shedding", "faults"},
)
"""Features with much to say to each other."""


@cache
def similarity(one: str, other: str) -> float:
    """Cosine of two prompts."""
    return float(similarities(vector(one)[None], vector(other)[None])[0])


def refer(case: Case) -> tuple[list[Result], Journal]:
    """Play a case in plain Python."""
    log = Log(case.dataset)

    def similar(i: int, j: int) -> float:
        return similarity(log.rows[i]["prompt"], log.rows[j]["prompt"])

    return play_all(
        case.policy, log, case.arrival_s.tolist(), case.seed, case.faults,
        origin_s=case.origin_s, similar=similar,
    )  # fmt: skip


def run(case: Case) -> Replay:
    """Play a case on the compiled machine."""
    rows = range(case.dataset.n_requests)
    traffic = Traffic(case.dataset, case.arrival_s, case.origin_s, drawn=False, row=rows)
    return replay_traffic(case.policy, traffic, case.faults, case.seed)


def label(code: int) -> str | None:
    """An error's name."""
    return ErrorType(code).label if code else None


def as_played(case: Case, done: Replay) -> Played:
    """A compiled replay as the invariants read it."""
    names = done.model_names
    table = done.attempt_table.to_pylist()
    return Played(
        case,
        [tuple(case.policy.chains)[c] for c in done.chain],
        [Status(s).label for s in done.status],
        done.cached.tolist(),
        done.cost_usd.tolist(),
        done.latency_s.tolist(),
        [
            Try(
                a["request_ix"], a["step"], names[a["model"]], a["hedge"], a["wait_s"],
                a["start_s"], a["latency_s"], a["cost_usd"], label(a["error"]),
            )
            for a in table
        ],
        changes(done),
    )  # fmt: skip


def changes(done: Replay) -> list[tuple[float, str, str]]:
    """Every change of a breaker: (time, model, state)."""
    made = done.changes
    return [
        (time, done.model_names[model], STATES[state])
        for time, model, state in zip(*(column.tolist() for column in made), strict=True)
    ]


def same(a: float, b: float) -> bool:
    """Equal up to rounding; unknown equals unknown."""
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def agree(case: Case, done: Replay) -> None:
    """Assert that the compiled replay is what the plain implementation says."""
    results, journal = refer(case)
    got = as_played(case, done)
    for i, want in enumerate(results):
        assert done.route_names[done.route[i]] == want.route
        assert (got.status[i], label(done.error[i])) == (want.status, want.error)
        assert got.cached[i] == want.cached
        assert (done.model_names[done.model[i]] if done.model[i] >= 0 else None) == want.model
        assert done.attempts[i] == len(want.calls)
        assert done.fallback[i] == want.fallback
        assert done.imputed[i] == want.imputed
        assert same(done.quality[i], want.quality)
        assert same(done.cost_usd[i], want.cost_usd)
        assert same(done.latency_s[i], want.latency_s)
    calls = [call for want in results for call in want.calls]
    assert len(got.tries) == len(calls)
    for a, call in zip(got.tries, calls, strict=True):
        assert (a.row, a.model, a.step, a.hedge) == (call.row, call.model, call.step, call.hedge)
        assert a.error == call.error
        assert same(a.wait_s, call.wait_s)
        assert same(a.start_s, call.start_s)
        assert same(a.latency_s, call.latency_s)
        assert same(a.cost_usd, call.cost_usd)
    passed = [(s["request_ix"], s["step"], label(s["error"])) for s in done.skip_table.to_pylist()]
    assert passed == [(i, *skip) for i, want in enumerate(results) for skip in want.skips]
    assert len(got.changes) == len(journal.changes)
    for (time, model, state), change in zip(got.changes, journal.changes, strict=True):
        assert (model, state) == (change.model, change.state)
        assert same(time, change.time_s)


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_alone_agrees_with_the_reference(feature: str):
    """What it does is what its words say, and the invariants hold."""

    @settings(max_examples=ALONE, deadline=None)
    @given(cases(frozenset({feature})))
    def one(case: Case) -> None:
        done = run(case)
        agree(case, done)
        check(as_played(case, done))

    one()


@settings(max_examples=SOME, deadline=None)
@given(st.data())
def test_some_features_together_agree_with_the_reference(data: st.DataObject):
    """Those that matter to each other most, or any two to four."""
    several = st.sets(st.sampled_from(FEATURES), min_size=2, max_size=4)
    some = data.draw(st.one_of(st.sampled_from(CLOSE), several))
    case = data.draw(cases(frozenset(some)))
    done = run(case)
    agree(case, done)
    check(as_played(case, done))


@settings(max_examples=TOGETHER, deadline=None)
@given(cases(frozenset(FEATURES)))
def test_all_features_together_agree_with_the_reference(case: Case):
    """Everything switched on at once."""
    done = run(case)
    agree(case, done)
    check(as_played(case, done))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([frozenset(), frozenset({"faults"}), frozenset({"capabilities"})]), st.data()
)
def test_protection_that_never_acts_changes_nothing(features: frozenset[str], data: st.DataObject):
    """One request by itself or all in the order of events: the same, if they share nothing."""
    case = data.draw(cases(features))
    alone = run(case)
    idle = {"share": 0.0, "min_retries": 1_000_000}
    policy = case.policy.with_value("retry_budget", idle)
    together = run(replace(case, policy=policy))
    assert together.stateful
    assert alone.status.tolist() == together.status.tolist()
    assert alone.error.tolist() == together.error.tolist()
    assert alone.attempts.tolist() == together.attempts.tolist()
    for name in ("latency_s", "cost_usd", "quality"):
        np.testing.assert_allclose(getattr(alone, name), getattr(together, name), atol=1e-9)
    assert run(replace(case, policy=policy)).latency_s.tobytes() == together.latency_s.tobytes()


@pytest.mark.parametrize("name", ["provider_outage", "monday_morning"])
def test_a_bundled_policy_on_real_outcomes_agrees_with_the_reference(name: str):
    """Thousands of requests to the bundled models, while the first of them is in trouble."""
    world = load_scenario(name).with_value("arrivals.for_s", 1800.0)
    done = replay(load_policy("guarded"), load_dataset("local"), scenario=world)
    assert done.dataset.n_requests > 8_000
    origin_s = done.arrivals.origin_s
    case = Case(done.policy, done.dataset, done.arrival_s, origin_s, done.faults, done.seed)
    agree(case, done)
