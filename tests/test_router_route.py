"""A router as a route of a policy: the same decision everywhere, and all that reads policies."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference_router import chain_of_one, plain
from tests.strategies import datasets
from tests.told_router import EVERYTHING, ToldRouter, steps, told
from toolkit.engine.calls import Reply
from toolkit.engine.decide import decide
from toolkit.engine.live import Service
from toolkit.engine.replay import replay
from toolkit.errors import PolicyError
from toolkit.evaluate.compare import compare
from toolkit.evaluate.flows import flows
from toolkit.evaluate.gate import gate
from toolkit.evaluate.incident import incident
from toolkit.evaluate.offpolicy.actions import target
from toolkit.evaluate.offpolicy.branches import branches, value_of
from toolkit.evaluate.offpolicy.estimate import estimate
from toolkit.evaluate.offpolicy.explore import explore
from toolkit.evaluate.offpolicy.sampling import sample_log
from toolkit.evaluate.protection import protections
from toolkit.evaluate.search.search import search
from toolkit.evaluate.search.tunables import tunables
from toolkit.evaluate.summary import summarize
from toolkit.evaluate.tradeoffs.frontier import frontier
from toolkit.learn.checks import check
from toolkit.learn.registry import load_router, promote_router, save_router
from toolkit.learn.router import QualityRouter
from toolkit.learn.routing import chosen, explain_choice, mark
from toolkit.logs.collect.answers import Answer
from toolkit.logs.dataset import Dataset
from toolkit.logs.datasets import load_dataset
from toolkit.policy.loading import parse_policy
from toolkit.policy.model import Policy
from toolkit.policy.orders import with_orders
from toolkit.policy.router_rule import RouterRule
from toolkit.scenarios.model import Scenario

ROOT = Path(__file__).parents[1]
NAN = float("nan")


def by_router(models: Any, router: dict[str, Any], use: str | None = "main", **more: Any) -> Policy:
    """A policy whose only rule is a router; ``main`` asks all models, then says something."""
    names = list(models)
    route = {"name": "learned", "when": EVERYTHING, "router": {"name": "easy", **router}}
    data = {
        "policy": "routed",
        "models": {name: {} for name in names},
        "routes": [route if use is None else {**route, "use": use}],
        "default": "usual",
        "chains": {
            "main": {
                "steps": [*steps(*names), {"degrade": "message", "text": "Later.", "quality": 0.1}]
            },
            "usual": {"steps": steps(names[-1])},
        },
    }
    return Policy.model_validate(data | more)


# --- a real router ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local() -> Dataset:
    """Real small models on 1,313 requests."""
    return load_dataset("local")


@pytest.fixture(scope="module")
def trained(local: Dataset) -> QualityRouter:
    """A router that learned from every second request."""
    half = np.arange(local.n_requests) % 2 == 0
    y = np.where(local.error > 0, 0.0, local.quality)
    router = QualityRouter(local.models, folds=2)
    return router.fit(local.requests.filter(half), y[half], cost_usd=local.cost_usd[half])


@pytest.fixture
def registry(tmp_path, monkeypatch, trained):
    """A registry of this test alone with the router ``easy``."""
    monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path / "routers"))
    save_router(trained, "easy", {"dataset": "local", "n": 657})
    return tmp_path / "routers"


def answer(*_: object) -> Reply:
    """Every model answers at once."""
    return Answer(text="yes", latency_s=0.1, cost_usd=0.001, input_tokens=10, output_tokens=1)


def test_the_same_decision_one_by_one_in_a_batch_live_in_replay_and_in_another_process(
    local, trained, registry
):
    """Wherever and however a request is decided, and from a file, it takes the same chain."""
    policy = by_router(local.models, {"min_quality": 0.6})
    requests = local.requests
    played = replay(policy, local)
    names = list(with_orders(policy).chains)
    assert len(set(played.chain)) > 3  # the router does tell requests apart
    assert (decide(policy, requests).chain == played.chain).all()
    assert (decide(policy, requests.slice(7, 50)).chain == played.chain[7:57]).all()
    assert (decide(policy, requests, 5, {"easy": trained}).chain == played.chain).all()
    service = Service(policy)
    for i, row in enumerate(requests.slice(0, 60).to_pylist()):
        assert decide(policy, requests.slice(i, 1)).chain == played.chain[i]
        trace, again = service.serve(row, answer).trace, played.trace(i)
        assert (trace.route, trace.chain) == ("learned", names[played.chain[i]])
        assert (again.chain, again.why) == (trace.chain, trace.why)
        assert trace.attempts[0].model == again.attempts[0].model
    told = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        input=policy.to_yaml(),
        env={"DETOUR_ROUTERS": str(registry), "PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == played.chain.tolist()


_ELSEWHERE = """
import json, sys
from toolkit import load_dataset, parse_policy, replay
print(json.dumps(replay(parse_policy(sys.stdin.read()), load_dataset("local")).chain.tolist()))
"""


def test_a_live_request_may_lack_columns(local, registry):
    """What a request does not say counts as missing, live as in a table without the column."""
    policy = by_router(local.models, {"min_quality": 0.6, "abstain_above": 1})
    service = Service(policy)
    bare = local.requests.select(["request_id", "prompt"]).slice(0, 20)
    chains = list(with_orders(policy).chains)
    for row, chain in zip(bare.to_pylist(), decide(policy, bare).chain, strict=True):
        assert service.serve(row, answer).trace.chain == chains[chain]


def test_a_service_keeps_the_router_it_began_with(local, trained, registry):
    """Promoting another version changes what comes after, not a service that is running."""
    policy = by_router(local.models, {"min_quality": 0.6})
    before, seen = mark(policy), replay(policy, local)
    service = Service(policy)
    other = QualityRouter(local.models, text=None, columns=["category"], folds=2)
    y = np.where(local.error > 0, 0.0, local.quality)
    save_router(other.fit(local.requests, 1 - y, cost_usd=local.cost_usd), "easy", {})
    assert mark(policy) == before
    promote_router("easy", 2)
    assert mark(policy) != before
    rows = local.requests.slice(0, 30).to_pylist()
    chains = list(with_orders(policy).chains)
    now = replay(policy, local)
    assert [service.serve(row, answer).trace.chain for row in rows] == [
        chains[chain] for chain in seen.chain[:30]
    ]
    assert (now.chain != seen.chain).any()
    assert seen.trace(3).why != now.trace(3).why  # each told by the router that decided
    pinned = by_router(local.models, {"name": "easy@1", "min_quality": 0.6})
    assert (replay(pinned, local).chain == seen.chain).all()
    assert load_router("easy@1") is load_router("easy@1")


def test_a_live_decision_takes_at_most_two_milliseconds(local, registry):
    """Embedding, forecast and order of one request, as processor time of its thread."""
    policy = by_router(local.models, {"min_quality": 0.6})
    service = Service(policy)
    took = []
    for i in range(60):
        request = local.requests.slice(i, 1)
        began = time.thread_time()
        decide(policy, request, 0, service.routers)
        took.append(time.thread_time() - began)
    assert np.median(took) < 0.002 * 2  # a loaded machine may take twice as long


def test_a_policy_without_a_router_loads_no_learning_library():
    """Who does not route by a router does not wait for scikit-learn."""
    code = """
import sys
from toolkit import Policy, check, load_dataset, replay
data = load_dataset("local")
policy = Policy.single(data.models[0])
check(policy, data.requests)
replay(policy, data)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"sklearn", "skops", "wordllama"}))
"""
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == ""


# --- what a router decides --------------------------------------------------------------------


@st.composite
def routed(draw: st.DrawFn) -> tuple[Policy, Dataset, ToldRouter]:
    """A log, a router with any forecasts, and a policy that it decides."""
    dataset = draw(datasets())
    n, models = dataset.n_requests, list(dataset.models)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    known = [*draw(st.permutations(models))[: draw(st.integers(0, len(models)))], "stranger"]
    router = ToldRouter(
        known,
        dataset.requests["request_id"].to_pylist(),
        rng.choice([0.0, 0.5, 0.8, 0.9, 1.0], (n, len(known))),
        rng.choice([0.001, 0.002, 0.1, NAN], (n, len(known))),
        rng.choice([0.0, 0.5, 1.0], n),
    )
    rule = draw(
        st.sampled_from(
            [{"min_quality": 0.8}, {"max_cost_usd": 0.002}, {"tradeoff_usd_per_point": 0.5}]
        )
    )
    rule = rule | {
        "fallbacks": draw(st.integers(0, 4)),
        "abstain_above": draw(st.sampled_from([0.4, 0.99, 1.0])),
    }
    asks = [
        {"model": model, **draw(st.sampled_from([{}, {"timeout_s": 2}, {"retries": 2}]))}
        for model in draw(st.permutations(models))
    ]
    says = draw(st.sampled_from([[], [{"degrade": "refusal", "text": "no", "quality": 0.25}]]))
    limits = draw(st.sampled_from([{}, {"deadline_s": 3}, {"max_cost_usd": 0.4}]))
    policy = by_router(
        models,
        rule,
        draw(st.sampled_from(["main", None])),
        chains={"main": {**limits, "steps": [*asks, *says]}, "usual": {"steps": steps(models[0])}},
    )
    return policy, dataset, router


@settings(max_examples=150, deadline=None)
@given(routed(), st.integers(0, 3))
def test_a_request_fares_as_in_the_chain_that_is_its_order(case, seed):
    """Each request ends as under a plain policy with the one chain that obvious Python picks."""
    policy, dataset, router = case
    with told(easy=router):
        done = replay(policy, dataset, seed)
        got = [done.trace(i) for i in range(dataset.n_requests)]
    for i, trace in enumerate(got):
        forecast = {
            name: (router.quality[i, j], router.cost_usd[i, j])
            for j, name in enumerate(router.models_)
        }
        name, chain = chain_of_one(policy, 0, forecast, router.told_novelty[i])
        want = replay(plain(policy, name, chain), dataset, seed).trace(i)
        assert (trace.route, trace.chain, trace.propensity) == ("learned", name, 1.0)
        assert (trace.attempts, trace.status, trace.skips) == (
            pytest.approx(want.attempts, nan_ok=True) if not want.attempts else trace.attempts,
            want.status,
            want.skips,
        )
        assert [(a.model, a.step, a.error_type, a.imputed) for a in trace.attempts] == [
            (a.model, a.step, a.error_type, a.imputed) for a in want.attempts
        ]
        np.testing.assert_array_equal(
            [trace.quality, trace.cost_usd, trace.latency_s],
            [want.quality, want.cost_usd, want.latency_s],
        )
        assert trace.why


def two(**more: Any) -> tuple[Dataset, ToldRouter]:
    """Four requests, a cheap and a dear model, and a router that knows both."""
    n = 4
    dataset = Dataset(
        name="four",
        requests=pa.table({"request_id": ["a", "b", "c", "d"], "category": ["x", "x", "y", "y"]}),
        models=("large", "small"),
        observed=np.ones((n, 2), bool),
        quality=np.array([[1, 1], [1, 0], [1, 0], [0, 1.0]]),
        cost_usd=np.tile([0.01, 0.001], (n, 1)),
        latency_s=np.tile([2.0, 1.0], (n, 1)),
        input_tokens=np.full((n, 2), 100.0),
        output_tokens=np.full((n, 2), 10.0),
        error=np.zeros((n, 2), np.int8),
    )
    quality = np.array([[0.9, 0.95], [0.9, 0.6], [0.92, 0.3], [0.6, 0.7]])
    router = ToldRouter(dataset.models, ["a", "b", "c", "d"], quality, dataset.cost_usd, **more)
    return dataset, router


@pytest.mark.parametrize(
    ("rule", "chains", "whys"),
    [
        (
            {"min_quality": 0.85},
            ["small > large", "large > small", "large > small", "small > large"],
            [
                "small first: P = 0.95, needs 0.85",
                "large first: P = 0.9, needs 0.85",
                "large first: P = 0.92, needs 0.85",
                "small first: P = 0.7, the highest, as none has the 0.85 that it needs",
            ],
        ),
        (
            {"max_cost_usd": 0.005, "fallbacks": 0},
            ["small", "small", "small", "small"],
            ["small first: P = 0.95, the highest for at most $0.005 (expected: $0.001)"],
        ),
        (
            {"max_cost_usd": 0.0005, "fallbacks": 0},
            ["small", "small", "small", "small"],
            ["small first: expected to cost $0.001, the least, as none costs the $0.0005 at most"],
        ),
        (
            {"tradeoff_usd_per_point": 0.2},
            ["small > large", "small > large", "large > small", "small > large"],
            ["small first: P = 0.95 for $0.001, best at $0.2 a point and 1,000 requests"],
        ),
    ],
)
def test_the_three_ways_to_choose_and_what_they_say(rule, chains, whys):
    """Each rule puts first what it is for, and the trace says in words why."""
    dataset, router = two()
    policy = by_router(dataset.models, rule)
    with told(easy=router):
        done = replay(policy, dataset)
        traces = [done.trace(i) for i in range(4)]
    assert [trace.chain for trace in traces] == [f"learned: {chain}" for chain in chains]
    assert [trace.why for trace in traces][: len(whys)] == [f"easy: {why}" for why in whys]
    assert f"Router {traces[0].why}." in traces[0].words
    with told(easy=router):
        assert explain_choice(policy, "learned", dataset.requests, 0).words() == whys[0]
        with pytest.raises(PolicyError, match="no rule with a router; got 'lerned'"):
            explain_choice(policy, "lerned", dataset.requests)


def test_what_is_like_nothing_known_goes_to_the_default_chain():
    """Above the novelty allowed a router abstains; the rule that matched is still its own."""
    dataset, router = two(novelty=np.array([0.2, 0.995, 0.99, 1.0]))
    policy = by_router(dataset.models, {"min_quality": 0.85})
    with told(easy=router):
        done = replay(policy, dataset)
        assert (done.route == 0).all()
        abstained = [done.trace(i).chain == "usual" for i in range(4)]
        assert abstained == [False, True, False, True]
        assert "it abstains" in done.trace(3).words
        never = policy.with_value("routes.0.router.abstain_above", 1)
        assert "usual" not in {replay(never, dataset).trace(i).chain for i in range(4)}


def test_models_that_the_router_does_not_know_come_last():
    """They stand behind all others as written; where it knows none, nothing is reordered."""
    dataset, router = two()
    half = ToldRouter(["small"], ["a", "b", "c", "d"], router.quality[:, 1:])
    none = ToldRouter(["other"], ["a", "b", "c", "d"], router.quality[:, 1:])
    policy = by_router(dataset.models, {"min_quality": 0.99})
    with told(easy=half):
        assert replay(policy, dataset).trace(2).chain == "learned: small > large"
    with told(easy=none):
        trace = replay(policy, dataset).trace(2)
    assert trace.chain == "learned: large > small"
    assert "knows none of these models" in trace.words


def test_a_router_that_is_not_there_is_told_with_its_place():
    """Whoever plays, serves or checks the policy learns which router is missing, and where."""
    dataset, _ = two()
    policy = by_router(dataset.models, {"min_quality": 0.9})
    with told():
        for use in (lambda: replay(policy, dataset), lambda: Service(policy)):
            with pytest.raises(PolicyError, match=r"routes\.0\.router\.name: there is no router"):
                use()
        (problem,) = check(policy, dataset.requests).errors
    assert problem.where == "routes.0.router.name"
    assert problem.what == "there is no router; none is saved yet"
    assert problem.got == "'easy'"


# --- whatever reads policies ------------------------------------------------------------------


def test_a_sweep_asks_the_router_once():
    """A hundred thresholds rest on one forecast, which goes with the table or the router."""
    dataset, router = two()
    policy = by_router(dataset.models, {"min_quality": 0.85})
    with told(easy=router):
        found = frontier(policy, dataset, vary=["routes.0.router.min_quality=0.5:0.99:100"])
    assert len(found.points) >= 100
    assert router.asked == 1
    costs = [point.cost_usd_per_1k.value for point in found.points[1:]]
    assert costs == sorted(costs)  # a higher threshold asks the dear model more often


def test_a_forecast_goes_with_its_table():
    """Nothing holds on to the requests that were once decided."""
    import weakref

    dataset, router = two()
    policy = by_router(dataset.models, {"min_quality": 0.85})
    for _ in range(3):
        requests = pa.table(dataset.requests.to_pydict())
        gone = weakref.ref(requests)
        decide(policy, requests, 0, {"easy": router})
        decide(policy, requests, 0, {"easy": router})
        del requests
        gc.collect()
        assert gone() is None
    assert router.asked == 3


@pytest.fixture(scope="module")
def shop(local: Dataset) -> tuple[Dataset, ToldRouter]:
    """Real requests and a router that is often right about them."""
    rng = np.random.default_rng(4)
    y = np.where(local.error > 0, 0.0, local.quality)
    noisy = np.clip(0.2 + 0.6 * y + rng.normal(0, 0.1, y.shape), 0, 1)
    ids = local.requests["request_id"].to_pylist()
    novelty = np.linspace(0, 1, len(ids))
    return local, ToldRouter(local.models, ids, noisy, local.cost_usd, novelty)


def test_results_of_every_kind_come_of_a_policy_with_a_router(shop):
    """Summary, comparison, gate, flows, incident and its protections play the router's orders."""
    data, router = shop
    policy = by_router(data.models, {"min_quality": 0.7}, goals={"quality": {"min": 0.2}})
    alone = Policy.single(data.models[0])
    with told(easy=router):
        done = replay(policy, data)
        assert summarize(done).quality.value == pytest.approx(done.quality.mean())
        assert "routed" in compare(policy, alone, data).verdict
        assert gate(policy, data, against=alone).to_dict()
        moved = flows(done)
        scenario = Scenario.model_validate(
            {"scenario": "out", "faults": [{"at_s": 0, "for_s": 300, "models": ["primary"],
                                            "outage": {}}]}
        )  # fmt: skip
        found = incident(policy, data, scenario)
        bare = protections(policy)["no fallback"]
        first = replay(bare, data)
    for node in range(len(moved.nodes)):
        into = moved.count[moved.target == node].sum()
        out = moved.count[moved.source == node].sum()
        kind = moved.nodes[node].kind
        assert kind in {"requests", "end"} or into == out
    assert len({node for node in moved.nodes if node.kind == "chain"}) == 3
    assert found.to_dict()
    # Without fallbacks each request asks the model that its router puts first, once.
    assert (first.attempts <= 1).all()
    mine = np.flatnonzero(router.told_novelty <= 0.99)
    asked = done.attempt_table.to_pandas().drop_duplicates("request_ix").set_index("request_ix")
    once = first.attempt_table.to_pandas().set_index("request_ix")
    assert (asked.loc[mine, "model"] == once.loc[mine, "model"]).all()


def test_worst_cases_hold_for_every_order(shop):
    """What is proved of the router's route bounds what any request does."""
    data, router = shop
    policy = by_router(
        data.models,
        {"min_quality": 0.9, "fallbacks": 2},
        chains={
            "main": {"deadline_s": 30, "steps": steps(*data.models, timeout_s=2, retries=1)},
            "usual": {"steps": steps(data.models[0], timeout_s=1)},
        },
    )
    dearest = dict(zip(data.models, np.nanmax(data.cost_usd, axis=0).tolist(), strict=True))
    with told(easy=router):
        done = replay(policy, data)
        found = check(policy, data.requests, dearest)
    proof = found.routes["learned"]
    assert proof.orders == 7 * 6 * 5
    assert proof.chains == ("main", "usual")
    assert done.attempts.max() <= proof.worst.attempts == 6
    assert np.nanmax(done.latency_s) <= proof.worst.seconds_unasked == 3 * (2 * 2 + 0.5)
    assert proof.worst.usd is not None
    assert np.nanmax(done.cost_usd) <= proof.worst.usd
    assert proof.worst.usd == pytest.approx(2 * sum(sorted(dearest.values())[-3:]))


def test_what_a_check_says_of_a_router(shop):
    """Unknown models, columns that are not there, abstentions and thresholds out of reach."""
    data, router = shop
    router = ToldRouter(
        data.models[1:], list(router.row), router.quality[:, 1:], None, np.ones(len(router.row))
    )
    router.columns_ = [{"name": "n_functions", "kind": "number"}]
    router.features_ = {"text": "embedding"}
    policy = by_router(data.models, {"min_quality": 1.0}, use=None)
    with told(easy=router):
        found = check(policy, data.requests.drop_columns(["prompt"]))
    assert not found.errors
    words = "\n".join(map(str, (*found.warnings, *found.risks)))
    assert "was not trained on this model: tried only after the others" in words
    strange = next(one for one in found.warnings if "not trained on" in one.what)
    assert strange.got == repr(data.models[0])
    assert repr(data.models[1]) in strange.allowed
    assert "reads columns that the requests do not have" in words
    assert "'prompt', 'n_functions'" in words
    assert "takes models whose cost it does not know for the dearest" not in words
    assert "as it knows no costs" in words
    assert "abstains on 100 % of the requests" in words
    assert "routes.0.router: can end without an answer" in words
    low = by_router(data.models, {"min_quality": 1.0, "abstain_above": 1})
    router.quality[:] = 0.4
    router.cost_usd = np.ones_like(router.quality)
    with told(easy=router):
        fresh = ToldRouter(router.models_, list(router.row), router.quality, router.cost_usd)
        with told(easy=fresh):
            words = "\n".join(map(str, check(low, data.requests).risks))
    assert "no model of router 'easy' ever reaches it" in words
    assert "0.4 or less" in words


def test_a_router_that_knows_none_of_its_models_is_an_error():
    """It would decide nothing, so the policy does not do what it says."""
    dataset, router = two()
    none = ToldRouter(["other"], ["a", "b", "c", "d"], router.quality[:, 1:])
    policy = by_router(dataset.models, {"min_quality": 0.9})
    with told(easy=none):
        (problem,) = check(policy, dataset.requests).errors
    assert "knows none of these models" in problem.what
    assert (problem.where, problem.got, problem.allowed) == (
        "routes.0.router",
        "'large', 'small'",
        "'other'",
    )


def test_an_estimate_knows_where_a_router_sends_requests(shop):
    """The off-policy target asks what replay asks, and only the orders that occur take room."""
    data, router = shop
    models = data.models[1:4]
    policy = by_router(models, {"min_quality": 0.7})
    with told(easy=router):
        done, asked = replay(policy, data), target(policy, data)
        parts = branches(policy, data)
        log = sample_log(data, explore=1.0, seed=3, weights=dict.fromkeys(models, 1.0))
        found = estimate(policy, log)
    assert (asked.chains.sum(axis=1) == 1).all()
    assert asked.chains.shape[1] <= 2 + 6
    names = np.array(list(asked.policy.chains))[asked.chains.argmax(axis=1)]
    assert (names == np.array(list(done.ordered.chains))[done.chain]).all()
    seen = done.status != 4
    np.testing.assert_allclose(value_of(parts)[seen, 0], done.quality[seen])
    truth = float(done.quality.mean())
    told_of = found.estimators[found.recommended]["quality"]
    assert told_of.low - 0.03 <= truth <= told_of.high + 0.03


def test_exploring_for_a_router_works(shop):
    """The planner takes a policy with a router as any other."""
    data, router = shop
    policy = by_router(data.models[1:4], {"min_quality": 0.7})
    with told(easy=router):
        found = explore([Policy.single(data.models[1]), policy], data, resamples=20)
    assert found.to_dict()


def test_a_search_turns_the_routers_knob(shop):
    """The threshold is a place that can be tuned, and a short search runs over it."""
    data, router = shop
    policy = by_router(data.models[1:4], {"min_quality": 0.7}, goals={"quality": {"min": 0.1}})
    with told(easy=router):
        places = {one.path: one for one in tunables(policy, data)}
        knob = places["routes.0.router.min_quality"]
        assert (knob.current, knob.low, knob.high) == (0.7, 0.5, 0.99)
        found = search(policy, data, only=["routes.0.router"], trials=12, seed=1)
    assert found.to_dict()
    for rule in ({"max_cost_usd": 0.002}, {"tradeoff_usd_per_point": 0.0}):
        with told(easy=router):
            (way, now) = RouterRule(name="x", **rule).rule
            knob = {one.path: one for one in tunables(by_router(data.models, rule), data)}[
                f"routes.0.router.{way}"
            ]
            assert knob.low <= now <= knob.high


def test_results_name_the_router_and_what_it_has_seen(local, trained, registry):
    """A replay on the requests that a router learned from says that it flatters the router."""
    policy = by_router(local.models, {"min_quality": 0.6})
    lines = " ".join(summarize(replay(policy, local)).assumptions)
    assert "Router easy@1 decides where requests go; it was trained on 657 requests of" in lines
    assert "very requests" not in lines
    card = {"dataset": "local", "dataset_digest": local.digest, "n": 1313}
    save_router(trained, "easy", card, promote=True)
    lines = " ".join(summarize(replay(policy, local)).assumptions)
    assert "It knows the outcomes of these very requests" in lines


def test_a_policy_with_a_router_reads_and_writes_as_any_other():
    """YAML, digest, schema and words hold the router."""
    policy = by_router(["a", "b"], {"min_quality": 0.85})
    again = parse_policy(policy.to_yaml())
    assert again == policy
    assert again.digest == policy.digest
    assert "router: {name: easy, min_quality: 0.85}" in policy.to_yaml()
    from toolkit.policy import json_schema, route_in_words

    assert set(json_schema()["$defs"]["RouterRule"]["properties"]) == set(RouterRule.model_fields)
    assert "in the order of router easy: first the cheapest" in route_in_words(policy.routes[0])
    assert "in the order of router easy" in policy._repr_html_()


def test_a_value_of_another_kind_counts_as_missing(local, trained):
    """In a batch what was text and is now numbers changes as much as a column that is gone."""
    policy = by_router(local.models, {"min_quality": 0.5})
    column = local.requests.column_names.index("category")
    wrong = local.requests.set_column(column, "category", pa.array(range(local.n_requests)))
    gone = local.requests.drop_columns(["category"])
    known = {"easy": trained}
    odd, none = decide(policy, wrong, 0, known), decide(policy, gone, 0, known)
    assert (odd.chain == none.chain).all()
    told = chosen(policy, wrong, 0, np.array([3]), known).words()
    assert told.endswith("; 'category' is a number, not text")
    assert chosen(policy, gone, 0, None, known).words(5).endswith("; 'category' is missing")
    assert "category" not in chosen(policy, local.requests, 0, None, known).words()


def test_a_check_names_a_column_of_another_kind(local, registry):
    """No error, as missing values are none, but nobody should be surprised by it."""
    column = local.requests.column_names.index("category")
    wrong = local.requests.set_column(column, "category", pa.array(range(local.n_requests)))
    policy = by_router(local.models, {"min_quality": 0.5})
    assert not any("another kind" in str(one) for one in check(policy, local.requests).warnings)
    found = check(policy, wrong)
    assert not found.errors
    (told,) = (one for one in found.warnings if "another kind" in str(one))
    assert told.got == "'category'"


def test_no_odd_value_loses_a_live_request(local, registry):
    """It is answered whatever its attributes hold, and its trace says what could not be read."""
    service = Service(by_router(local.models, {"min_quality": 0.5}))
    request = {name: local.requests[name][0].as_py() for name in local.requests.column_names}
    assert " is " not in service.serve(request, answer).trace.why
    read = {"prompt", *(column["name"] for column in load_router("easy").columns_)}
    assert read >= {"category", "input_tokens"}
    odd = (True, ["math"], {"a": 1}, object(), b"\xff", float("nan"), None)
    for name in sorted(read):
        text = name in ("prompt", "category")
        for wrong in (*odd, *((5, 2**70) if text else ("many", "\ud800"))):
            told = service.serve({**request, name: wrong}, answer)
            assert told.text == "yes"
            assert f"'{name}' is " in told.trace.why, wrong
        for unusual in ("\ud800", "") if text else (2**60 + 1, 2**70, -1.5):
            assert service.serve({**request, name: unusual}, answer).text == "yes"


def test_a_live_request_without_anything_goes_to_the_default_chain(local, registry):
    """It is like nothing known, so the router abstains, and says what was missing."""
    service = Service(by_router(local.models, {"min_quality": 0.5}))
    trace = service.serve({"request_id": "bare"}, answer).trace
    assert trace.chain == "usual"
    assert "it abstains" in trace.why
    assert "'prompt' is missing; " in trace.why
    assert "'category' is missing" in trace.why
