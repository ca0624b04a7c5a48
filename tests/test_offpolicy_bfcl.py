"""Real outcomes seen as a log would have seen them: what the estimates say, and what is true.

All models answered all requests of this data, so that the truth is known: a log is drawn from it by
a router whose chances are known, and ten policies are estimated from that log alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from toolkit.engine.replay import replay
from toolkit.evaluate.offpolicy.branches import branches, value_of
from toolkit.evaluate.offpolicy.estimate import estimate
from toolkit.evaluate.offpolicy.evidence import Evidence, gather, read_log
from toolkit.evaluate.offpolicy.explore import explore
from toolkit.evaluate.offpolicy.sampling import sample_log
from toolkit.evaluate.offpolicy.support import SupportError
from toolkit.evaluate.offpolicy.uncertainty import interval
from toolkit.logs.datasets import Dataset, dataset_from_frame
from toolkit.policy.model import Policy

MODELS = {
    "sonnet": "claude-3-5-sonnet-20240620",
    "mini": "gpt-4o-mini-2024-07-18",
    "haiku": "claude-3-haiku-20240307",
    "turbo": "gpt-4-turbo-2024-04-09",
    "flash": "gemini-1.5-flash-preview-0514",
}


@pytest.fixture(scope="module")
def bfcl(bfcl_dir: Path) -> Dataset:
    """Five models on 1,700 prompts."""
    frame = pd.read_csv(bfcl_dir / "bfcl_long.csv.gz")
    frame = frame[frame.model.isin(MODELS.values())]
    long = frame.assign(latency_s=frame.latency_ms / 1000)
    columns = ["request_id", "category", "model", "quality", "input_tokens", "output_tokens"]
    return dataset_from_frame("bfcl", long[[*columns, "cost_usd", "latency_s", "error"]])


def policy(name: str, default: str, *routes: Any, **chains: Any) -> Policy:
    """A policy whose chains are single models and those given, each a list of steps."""
    steps = {model: [model] for model in MODELS} | chains
    return Policy.model_validate(
        {
            "policy": name,
            "models": {model: {"log": log} for model, log in MODELS.items()},
            "routes": [{"name": f"rule {i}", **route} for i, route in enumerate(routes)],
            "default": default,
            "chains": {
                chain: {"steps": [{"model": s} if isinstance(s, str) else s for s in of]}
                for chain, of in steps.items()
            },
        }
    )


def of(*categories: str) -> dict[str, Any]:
    """The condition that a request is of one of these categories."""
    return {"category": {"in": list(categories)}}


def split(**weights: float) -> list[dict[str, Any]]:
    """A split by weight."""
    return [{"use": chain, "weight": weight} for chain, weight in weights.items()]


LATER = {"degrade": "message", "text": "Later.", "quality": 0.25, "latency_s": 0.1}
ALL = {"request_id": {"exists": True}}
POLICIES = [
    policy("mini", "mini"),
    policy("haiku", "haiku"),
    policy("fallback", "two", two=["haiku", "mini"]),
    policy("two fallbacks", "three", three=["haiku", "mini", "sonnet"]),
    policy("timeout", "two", two=[{"model": "mini", "timeout_s": 1.0}, "haiku"]),
    policy("message", "said", said=["haiku", LATER]),
    policy("split", "mini", {"when": ALL, "split": split(mini=70, sonnet=30)}),
    policy(
        "rules",
        "sonnet",
        {"when": of("simple", "relevance"), "use": "mini"},
        {"when": {"input_tokens": {"lt": 300}}, "use": "flash"},
    ),
    policy(
        "rules and fallback",
        "two",
        {"when": of("simple", "multiple_function"), "use": "haiku"},
        two=["turbo", "sonnet"],
    ),
    policy(
        "rules, fallback and split",
        "haiku",
        {"when": of("relevance"), "split": split(turbo=50, two=50)},
        {"when": {"input_tokens": {"gte": 400}}, "use": "sonnet"},
        two=["flash", "mini"],
    ),
]
QUALITY, COST, LATENCY, ERROR = range(4)


def evenly(data: Dataset) -> None:
    """Chances of a router that takes any model."""
    return


def skewed(data: Dataset) -> np.ndarray:
    """Chances (requests, models) of a router that has its favourites in each category."""
    rng = np.random.default_rng(5)
    category = np.array(data.requests["category"].to_pylist())
    chances = np.empty((data.n_requests, data.n_models))
    for kind in np.unique(category):
        chances[category == kind] = 0.05 + 0.75 * rng.dirichlet(np.ones(data.n_models))
    return chances


def truth(policy: Policy, data: Dataset) -> np.ndarray:
    """Mean quality, cost, latency and errors of a request, from all that was observed."""
    return value_of(branches(policy, data)).mean(axis=0) / [1, 1000, 1, 1]


def test_the_truth_is_what_replay_says(bfcl):
    """Where nothing is drawn, the mean over chains is the replay of the complete data."""
    for one in POLICIES:
        if any(rule.split for rule in one.routes):
            continue
        summary = replay(one, bfcl).summary()
        found = truth(one, bfcl)
        assert found[QUALITY] == pytest.approx(summary.quality.value)
        assert 1000 * found[COST] == pytest.approx(summary.cost_usd_per_1k.value)
        assert found[LATENCY] == pytest.approx(summary.latency_mean_s.value)
        assert found[ERROR] == pytest.approx(summary.error_rate.value)
    halves = truth(POLICIES[6], bfcl)
    mini, sonnet = (truth(policy(m, m), bfcl) for m in ("mini", "sonnet"))
    np.testing.assert_allclose(halves, 0.7 * mini + 0.3 * sonnet)


@pytest.mark.parametrize("router", [evenly, skewed])
def test_estimates_from_a_log_recover_the_truth(bfcl, router):
    """The 95 % intervals of ten policies hold the truth; weighing alone errs more."""
    inside, error = [], {"ips": [], "dr": []}
    truths = [truth(one, bfcl) for one in POLICIES]
    for seed in range(6):
        log = read_log(sample_log(bfcl, seed=seed, weights=router(bfcl)), seed=seed)
        for one, true in zip(POLICIES, truths, strict=True):
            evidence = gather(log, one)
            rows = np.arange(bfcl.n_requests)
            for metric in (QUALITY, COST):
                found = evidence.estimated(metric, rows)
                for name, errors in error.items():
                    errors.append(abs(found[name][0].value - true[metric]) / true[metric])
                ends = interval(*found["dr"], fraction=metric == QUALITY)
                inside.append(ends.low <= true[metric] <= ends.high)
    assert len(inside) == 120
    assert np.mean(inside) >= 0.9
    assert np.mean(error["dr"]) < 0.6 * np.mean(error["ips"])


def test_what_is_estimated_is_true_or_refused(bfcl):
    """Each policy gets an estimate near the truth, or a word on what the log cannot speak for."""
    log = sample_log(bfcl, seed=1)
    answered = 0
    for one in POLICIES:
        true = truth(one, bfcl)
        try:
            found = estimate(one, log)
        except SupportError:
            with pytest.raises(SupportError, match="the log does not overlap with it in"):
                estimate(one, log)
            continue
        answered += 1
        wide = 3.5 / 1.96
        for metric, value in (("quality", true[QUALITY]), ("cost_usd_per_1k", 1000 * true[COST])):
            e = found.best[metric]
            assert abs(e.value - value) <= wide * max(e.high - e.value, e.value - e.low)
        assert found.propensities == "stated"
    assert answered >= 7


def test_a_log_of_one_model_is_refused(bfcl):
    """Without chance there is no overlap, and no propensity of one makes up for it."""
    log = sample_log(bfcl, policy("mini", "mini"), 0.0)
    with pytest.raises(SupportError, match="nothing was left to chance"):
        estimate(policy("sonnet", "sonnet"), log)
    with pytest.raises(SupportError, match="nothing was left to chance"):
        estimate(policy("haiku", "haiku"), log)


def test_what_is_explored_as_planned_decides(bfcl):
    """Logs drawn as a plan says tell the policies apart as often as it says."""
    serving, other = policy("mini", "mini"), policy("haiku", "haiku")
    plan = explore((serving, other), bfcl, shares=[0.2])
    (share,) = plan.shares
    evenly = dict.fromkeys(plan.models, 1.0)
    found = []
    for seed in range(30):
        log = read_log(sample_log(bfcl, serving, 0.2, seed, evenly), seed=seed)
        one, two = (_influence(gather(log, p)) for p in (serving, other))
        gap = two - one
        found.append(gap.mean() + 1.96 * gap.std() / len(gap) ** 0.5 < 0)
    assert share.power == pytest.approx(np.mean(found), abs=0.2)


def _influence(evidence: Evidence) -> np.ndarray:
    return evidence.estimated(QUALITY, np.arange(len(evidence.log.action)))["dr"][0].influence
