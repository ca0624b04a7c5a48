"""A router judged on the requests that it learned from, or that it cannot judge: results say so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.told_router import EVERYTHING, ToldRouter, steps, told
from toolkit.cli.search import search_text
from toolkit.engine.replay import replay
from toolkit.evaluate.compare import compare
from toolkit.evaluate.gate import gate
from toolkit.evaluate.offpolicy.explore import explore
from toolkit.evaluate.search.search import search
from toolkit.evaluate.tradeoffs.frontier import frontier
from toolkit.learn.registry import save_router
from toolkit.learn.router import QualityRouter
from toolkit.logs.dataset import Dataset
from toolkit.policy.model import Policy

SEEN = "the router learned from these requests"
N = 200


@pytest.fixture(scope="module")
def data() -> Dataset:
    """A dear model that is good everywhere and a cheap one that is good at half of the work."""
    rng = np.random.default_rng(0)
    easy = np.arange(N) % 2 == 0
    likely = np.stack([np.full(N, 0.9), np.where(easy, 0.9, 0.2)], axis=1)
    return Dataset(
        name="made",
        requests=pa.table(
            {
                "request_id": [f"r{i}" for i in range(N)],
                "category": np.where(easy, "easy", "hard"),
            }
        ),
        models=("large", "small"),
        observed=np.ones((N, 2), bool),
        quality=(rng.random((N, 2)) < likely).astype(float),
        cost_usd=np.tile([0.01, 0.001], (N, 1)),
        latency_s=np.tile([2.0, 1.0], (N, 1)),
        input_tokens=np.full((N, 2), 100.0),
        output_tokens=np.full((N, 2), 10.0),
        error=np.zeros((N, 2), np.int8),
        digest="d" * 64,
    )


@pytest.fixture
def registry(data, tmp_path, monkeypatch) -> Any:
    """A registry of this test alone; what it holds is saved with the card that a test wants."""
    monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path))
    router = QualityRouter(data.models, text=None, folds=2)
    router.fit(data.requests, data.quality, cost_usd=data.cost_usd)

    def save(**card: object) -> None:
        save_router(router, "easy", {"dataset": "made", "n": N, **card}, promote=True)

    save()
    return save


def policy_of(data: Dataset, **goals: Any) -> Policy:
    """Everything is decided by the router."""
    return Policy.model_validate(
        {
            "policy": "routed",
            "goals": goals,
            "models": {name: {} for name in data.models},
            "routes": [
                {
                    "name": "learned",
                    "when": EVERYTHING,
                    "use": "main",
                    "router": {"name": "easy", "min_quality": 0.7},
                }
            ],
            "default": "usual",
            "chains": {
                "main": {"steps": steps(*data.models)},
                "usual": {"steps": steps("large")},
            },
        }
    )


def test_a_gate_does_not_pass_on_what_a_router_learned_from(data, registry):
    """It is undecided, everywhere with the reason; what fails even there is a fail."""
    policy = policy_of(data, quality={"min": 0.1}, error_rate={"max": 0.9})
    assert gate(policy, data).status == "pass"  # the card does not say what it has seen
    registry(dataset_digest=data.digest)
    found = gate(policy, data)
    assert (found.status, found.exit_code) == ("undecided", 3)
    assert found.verdict.startswith(f"The data cannot tell: {SEEN} (easy@2)")
    assert SEEN in found.to_markdown()
    assert found.to_junit().count('type="undecided"') == 2
    assert SEEN in found.to_junit()
    told_as = found.to_dict()
    assert told_as["seen_by_routers"] == ["easy@2"]
    assert [goal["reason"] for goal in told_as["goals"]] == [SEEN, SEEN]
    missed = gate(policy_of(data, quality={"min": 0.99}), data)
    assert (missed.status, missed.exit_code) == ("fail", 1)
    assert 'type="missed"' in missed.to_junit()
    assert SEEN in missed.verdict


def test_a_baseline_that_has_seen_them_is_told_and_hinders_no_pass(data, registry):
    """It makes it harder, not easier, to be better than it."""
    registry(dataset_digest=data.digest)
    single = Policy.single("large").with_value("goals", {"quality": {"min": 0.1}})
    found = gate(single, data, policy_of(data))
    assert found.status == "pass"
    assert any(line.startswith("The baseline: Router easy@2") for line in found.assumptions)


def test_every_answer_begins_with_what_its_router_has_seen(data, registry):
    """Replay, comparison, sweep and plan say it once, and only where it is so."""
    policy, single = policy_of(data, quality={"min": 0.1}), Policy.single("small")

    def answers() -> list[Any]:
        return [
            replay(policy, data).summary(),
            compare(single, policy, data),
            frontier(policy, data, vary=["routes.0.router.min_quality=0.5,0.9"]),
            explore([single, policy], data, resamples=20),
        ]

    assert not any(SEEN in one.verdict.lower() for one in answers())
    registry(dataset_digest=data.digest)
    for one in answers():
        assert one.verdict.lower().startswith(f"{SEEN} (easy@2)")
        assert one.verdict.lower().count(SEEN) == 1
        assert one.to_dict()["seen_by_routers"] == ["easy@2"]
    assert not compare(single, Policy.single("large"), data).seen


def test_a_search_holds_nothing_out_from_a_router_that_saw_all(data, registry):
    """It says so first, and calls the half that did not tune the other half."""
    policy = policy_of(data, quality={"min": 0.1}).with_value("routes.0.router.min_quality", 0.98)
    registry(dataset="elsewhere")
    fair = search(policy, data, only=["routes.0.router"], trials=12, seed=1)
    assert not fair.seen
    assert "held-out" in fair.verdict
    registry(dataset_digest=data.digest)
    found = search(policy, data, only=["routes.0.router"], trials=12, seed=1)
    assert found.to_dict()["seen_by_routers"] == ["easy@3"]
    assert any(one.changes for one in found.candidates)
    assert found.verdict.startswith(f"Nothing is held out: {SEEN} (easy@3), on both halves")
    told_as = (
        found.verdict.removeprefix("Nothing is held out")
        + " ".join(found.assumptions)
        + search_text(found)
        + found._repr_html_()
        + found.figure().to_json()
    )
    told_as = told_as.replace("Nothing is held out", "")
    assert "held out" not in told_as.lower()
    assert "held-out" not in told_as.lower()
    assert "of the other half" in found.verdict


def test_results_say_what_a_router_does_not_do(data, tmp_path, monkeypatch):
    """Abstentions, columns that are not there and unknown models stand in what they rest on."""
    monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path))
    ids = data.requests["request_id"].to_pylist()
    novelty = np.where(np.arange(N) < N // 2, 1.0, 0.1)
    router = ToldRouter(data.models, ids, np.full((N, 2), 0.9), data.cost_usd, novelty)
    router.columns_ = [{"name": "tenant", "kind": "category"}]
    policy = policy_of(data, quality={"min": 0.1})
    with told(easy=router):
        found = (
            replay(policy, data).summary(),
            gate(policy, data),
            frontier(policy, data, vary=["routes.0.router.min_quality=0.5,0.9"]),
            compare(Policy.single("small"), policy, data),
        )
    for one in found:
        words = " ".join(one.assumptions)
        assert "Router easy abstained on 50.0 % of the 200 requests of rule learned" in words
        assert "reads columns that these requests do not have (tenant)" in words
    for known, sentence in (
        ("other", "knows none of the models of rule learned: they are asked in the order written"),
        ("small", "does not know large of rule learned: it is tried after the others"),
    ):
        with told(easy=ToldRouter([known], ids, np.full((N, 1), 0.9))):
            assert sentence in " ".join(replay(policy, data).summary().assumptions)
