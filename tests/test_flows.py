"""Where requests go, counted: nothing appears and nothing is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.app_home import shop
from toolkit.engine.replay import Replay, replay
from toolkit.errors import PolicyError
from toolkit.evaluate.breakdown import (
    endings_by_model,
    endings_by_route,
    latency_curves,
    model_costs,
    worst_category,
)
from toolkit.evaluate.flows import flows
from toolkit.logs.datasets import dataset_from_frame
from toolkit.policy.loading import parse_policy
from toolkit.schema import Status

SLOW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def replays(draw: st.DrawFn) -> Replay:
    """Any policy on any log."""
    data = draw(strategies.datasets())
    try:
        policy = draw(strategies.policies(data.models))
    except PolicyError:  # now and then a generated rule is unreachable
        assume(False)
        raise
    return replay(policy, data, draw(st.integers(0, 3)))


@SLOW
@given(one=replays())
def test_what_enters_a_node_leaves_it(one):
    """Traffic is conserved at every node but the first and the ends, which hold all requests."""
    found = flows(one)
    size = len(found.nodes)
    into = np.bincount(found.target, found.count, minlength=size)
    out = np.bincount(found.source, found.count, minlength=size)
    for i, node in enumerate(found.nodes):
        if node.kind == "requests":
            assert out[i] == found.requests == len(one.status)
        elif node.kind == "end":
            assert into[i] == (one.status == Status[node.name.upper()]).sum()
        else:
            assert into[i] == out[i]
    assert (found.count > 0).all()


@SLOW
@given(one=replays())
def test_links_lead_onwards_and_count_what_a_loop_counts(one):
    """Every link goes to a later node, and fail-overs are those that the attempts show."""
    found = flows(one)
    assert (found.source < found.target).all()
    assert found.share == pytest.approx(found.count / found.requests)
    fail_overs = 0
    steps: dict[int, int] = {}
    for row in one.attempt_table.to_pylist():
        if row["request_ix"] in steps and steps[row["request_ix"]] != row["step"]:
            fail_overs += 1
        steps[row["request_ix"]] = row["step"]
    assert found.count[found.fallback].sum() == fail_overs


GUARDED = parse_policy("""
policy: guarded
models:
  small: {log: small-1, breaker: {min_calls: 3, failure_rate: 0.2}}
  large: {log: large-1, limits: {concurrency: 1}}
cache: {key: [category], ttl_s: 4, stale_if_error_s: 20}
default: ask
chains:
  ask:
    steps:
      - {model: small, timeout_s: 0.9, hedge: {after_s: 0.5, model: large}}
      - {model: large, timeout_s: 0.8}
      - {degrade: stale_cache}
      - {degrade: refusal, text: "Not now."}
""")


@pytest.fixture(scope="module")
def guarded() -> Replay:
    """A little shop behind a breaker, a limit and a cache."""
    return replay(GUARDED, dataset_from_frame("shop", *shop()))


def test_answers_without_a_model_have_a_node_each(guarded):
    """Fresh answers, older ones and refusals are counted where they are given; nothing is lost."""
    found = flows(guarded)
    into = np.bincount(found.target, found.count, minlength=len(found.nodes))
    out = np.bincount(found.source, found.count, minlength=len(found.nodes))
    counts = {(node.kind, node.name): int(n) for node, n in zip(found.nodes, into, strict=True)}
    degraded = guarded.status == Status.DEGRADED
    assert counts["cache", "from cache"] == (guarded.cached & ~degraded).sum() > 0
    assert counts["degrade", "older answer"] == (guarded.cached & degraded).sum() > 0
    assert counts["degrade", "refusal"] == (~guarded.cached & degraded).sum() > 0
    assert guarded.skips.sum() > 0
    inner = [node.kind not in {"requests", "end"} for node in found.nodes]
    assert (into == out)[inner].all()
    assert (found.source < found.target).all()


def test_answers_from_the_cache_are_an_ending_of_their_own(guarded):
    """They are nobody's answers, and every request still ends once."""
    found = endings_by_route(guarded)
    fresh = guarded.cached & (guarded.status == Status.ACCEPTED)
    assert found.count[:, found.ways.index("from cache")].sum() == fresh.sum()
    assert found.count.sum() == len(guarded.status)


@SLOW
@given(one=replays())
def test_endings_add_up(one):
    """Each request ends once, and each call too."""
    routes, models = endings_by_route(one), endings_by_model(one)
    assert routes.count.sum() == len(one.status)
    assert models.count.sum() == one.attempts.sum()
    for found in (routes, models):
        rows = found.count.sum(axis=1)
        assert np.nansum(found.share, axis=1)[rows > 0] == pytest.approx(1)
        assert np.isnan(found.share[rows == 0]).all()
    answered = routes.count[:, : len(one.model_names)].sum(axis=0)
    assert answered.tolist() == [(one.model == k).sum() for k in range(len(one.model_names))]


@SLOW
@given(one=replays())
def test_a_latency_curve_rises_from_the_fastest_to_the_slowest(one):
    """Curves begin at the smallest and end at the largest measured value."""
    for curve in latency_curves(one):
        assert (np.diff(curve.seconds) >= 0).all()
        assert curve.share[[0, -1]].tolist() == [0, 1]
        assert curve.seconds[0] <= curve.p50 <= curve.p95 <= curve.seconds[-1]
    known = one.latency_s[~np.isnan(one.latency_s)]
    if known.size:
        everything = latency_curves(one)[0]
        assert everything.n == known.size
        assert everything.seconds[-1] == known.max()


@SLOW
@given(one=replays())
def test_the_cost_of_the_models_is_the_cost_of_the_policy(one):
    """The parts sum to the whole wherever the whole is known."""
    summary = one.summary()
    if summary.cost_usd_per_1k.value > 0:
        parts = [part for part in model_costs(summary).values() if not np.isnan(part)]
        assert sum(parts) == pytest.approx(summary.cost_usd_per_1k.value)


@SLOW
@given(one=replays())
def test_the_worst_category_has_the_lowest_quality(one):
    """No category of at least as many graded requests is worse."""
    summary = one.summary()
    worst = worst_category(summary, fewest=1)
    values = {n: p.quality.value for n, p in summary.by_category.items() if p.quality.n}
    assert worst is None if len(values) < 2 else values[worst] == min(values.values())
