"""A replay in numbers, against loops over its requests and attempts."""

from __future__ import annotations

import json
import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings

from tests.small_logs import chain, log
from tests.strategies import replays
from toolkit.engine.replay import replay
from toolkit.evaluate import groups
from toolkit.evaluate.goals import judge
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.summary import ESTIMATES, summarize
from toolkit.policy.model import Goal, Policy
from toolkit.schema import ErrorType, Status

TIMEOUT, SERVER = int(ErrorType.TIMEOUT), int(ErrorType.SERVER_ERROR)


def mean(values):
    """Mean of what was measured."""
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


def close(a, b):
    """Equal to rounding, or both undefined."""
    return a == pytest.approx(b, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(replays())
def test_a_summary_agrees_with_loops(done):
    """Every number is the plain mean or count over the observed requests or their calls."""
    s = summarize(done, resamples=50)
    rows = [r for r in done.to_arrow().to_pylist() if r["status"] != Status.UNOBSERVED.label]
    for row in rows:
        row |= {k: math.nan if row[k] is None else row[k] for k in ("cost_usd", "latency_s")}
        row["quality"] = math.nan if row["quality"] is None else row["quality"]

    def of(name, part=rows):
        return mean([float(row[name]) for row in part])

    def ended(status, part=rows):
        return mean([float(row["status"] == status) for row in part])

    assert (s.requests, s.unobserved) == (len(done.status), len(done.status) - len(rows))
    assert close(s.quality.value, of("quality"))
    assert close(s.cost_usd_per_1k.value, 1000 * of("cost_usd"))
    assert close(s.latency_mean_s.value, of("latency_s"))
    assert close(s.error_rate.value, ended("error"))
    assert close(s.degraded_rate.value, ended("degraded"))
    assert close(s.fallback_rate.value, of("fallback"))
    assert close(s.attempts_mean.value, of("attempts"))
    assert close(s.imputed_share, of("imputed"))

    for name, part in s.by_route.items():
        mine = [row for row in rows if row["route"] == name]
        assert part.requests == len(mine)
        assert close(part.quality.value, of("quality", mine))
        assert close(part.cost_usd_per_1k.value, 1000 * of("cost_usd", mine))
        assert close(part.error_rate.value, ended("error", mine))

    calls = defaultdict(list)
    for call in done.attempt_table.to_pylist():
        if done.status[call["request_ix"]] != Status.UNOBSERVED:
            calls[done.model_names[call["model"]]].append(call)
    spent = {m: sum(c["cost_usd"] for c in cs if c["cost_usd"] >= 0) for m, cs in calls.items()}
    for name, part in s.by_model.items():
        mine = calls[name]
        assert part.calls == len(mine)
        ended_alone = [float(c["error"] > 0) for c in mine if c["error"] != ErrorType.CANCELLED]
        assert close(part.call_error_rate.value, mean(ended_alone))
        assert close(part.cost_usd_per_1k_calls.value, 1000 * mean([c["cost_usd"] for c in mine]))
        answers = [row for row in rows if row["model"] == name]
        assert part.requests == len(answers)
        assert close(part.quality.value, of("quality", answers))
        if part.cost_usd_per_1k_calls.n and sum(spent.values()):
            assert close(part.cost_share, spent[name] / sum(spent.values()))
    json.dumps(s.to_dict(), allow_nan=False)


def test_categories_and_their_p95_agree_with_numpy():
    """Each category is summed up alone; a request without one is in a category of its own."""
    rng = np.random.default_rng(0)
    names = [["x", "y", "z", None][i] for i in rng.integers(0, 4, 200)]
    latency = rng.exponential(1, (200, 1))
    done = replay(Policy.single("a"), log(np.ones((200, 1)), latency_s=latency, category=names))
    parts = done.summary().by_category
    assert list(parts) == ["(none)", "x", "y", "z"]
    for name, part in parts.items():
        mine = latency[[n == (None if name == "(none)" else name) for n in names], 0]
        assert part.requests == len(mine)
        assert part.share == len(mine) / 200
        assert part.latency_p95_s.value == pytest.approx(np.percentile(mine, 95))


def test_many_categories_are_gathered(monkeypatch):
    """Beyond the largest categories the rest stand together, last."""
    monkeypatch.setattr(groups, "MOST_GROUPS", 3)
    names = ["a"] * 5 + ["b"] * 4 + ["c", "d", "e"]
    done = replay(Policy.single("a"), log(np.ones((12, 1)), category=names))
    counts = {name: part.requests for name, part in done.summary().by_category.items()}
    assert counts == {"a": 5, "b": 4, "(other)": 3}


def test_requests_without_categories_have_none():
    """No column, no slices."""
    assert replay(Policy.single("a"), log([[1.0]])).summary().by_category == {}


def test_unobserved_requests_are_counted_and_left_out():
    """What the log does not hold is neither a failure nor dropped without a word."""
    data = log([[1.0], [0.0], [1.0], [1.0]], observed=[[1], [1], [1], [0]])
    s = replay(Policy.single("a"), data).summary()
    assert (s.requests, s.unobserved, s.quality.n) == (4, 1, 3)
    assert s.quality.value == pytest.approx(2 / 3)
    assert s.quality.share == 1
    assert s.error_rate.value == 0
    assert any("1 of 4 requests is unobserved" in line for line in s.assumptions)


def test_all_unobserved_is_undefined():
    """Where nothing is known every estimate is undefined, and the JSON says null."""
    s = replay(Policy.single("a"), log([[1.0], [1.0]], observed=False)).summary()
    assert s.unobserved == 2
    assert all(math.isnan(getattr(s, name).value) for name in ESTIMATES)
    found = s.to_dict()
    assert found["quality"] is None
    assert found["quality_ci95"] == [None, None]
    assert found["latency_s"]["p99"] is None
    assert found["by_model"]["a"]["cost_share"] is None


def test_an_empty_dataset_is_undefined():
    """Without requests there is nothing to estimate, and no crash."""
    s = replay(Policy.single("a"), log(np.ones((0, 1)), category=[])).summary()
    assert s.requests == 0
    assert math.isnan(s.quality.value)
    json.dumps(s.to_dict(), allow_nan=False)
    assert "There are no requests." in s._repr_html_()


def test_what_was_not_measured_is_averaged_over_the_rest():
    """A cost on half of the requests gives their mean, with the share beside it."""
    cost = [[0.002], [np.nan], [0.004], [np.nan]]
    s = replay(Policy.single("a"), log(np.ones((4, 1)), cost, np.nan)).summary()
    assert s.cost_usd_per_1k.value == pytest.approx(3.0)
    assert (s.cost_usd_per_1k.n, s.cost_usd_per_1k.share) == (2, 0.5)
    assert math.isnan(s.latency_mean_s.value)
    assert s.latency_p95_s.share == 0
    assert any(line.startswith("Cost was measured on 50.0 % of") for line in s.assumptions)
    assert "Latency was not measured." in s.assumptions


def test_assumptions_say_only_what_happened():
    """A quiet replay says what log it is and how intervals are made, a rough one much more."""
    quiet = replay(Policy.single("a"), log(np.ones((5, 1)))).summary()
    assert [line.split()[0] for line in quiet.assumptions] == ["The", "Intervals"]
    assert quiet.assumptions[0].startswith("The log is complete")
    policy = Policy.model_validate(
        {
            "policy": "rough",
            "models": {"a": {}, "b": {"bill_timeouts": "none"}},
            "default": "c",
            "chains": {
                "c": {
                    "steps": [
                        {"model": "a", "retries": 1, "timeout_s": 0.5},
                        {"model": "b", "timeout_s": 0.5},
                        {"degrade": "message", "text": "no"},
                    ]
                }
            },
        }
    )
    rough = replay(policy, log(np.ones((5, 2)), simulated=True)).summary()
    text = " ".join(rough.assumptions)
    assert rough.assumptions[0].startswith("The data is simulated")
    assert "rest on an imputed attempt" in text
    assert "5 requests ended in a degrade step" in text
    assert "billed as each model states: a in full, b with nothing" in text
    assert rough.to_dict()["simulated"] is True
    assert "simulated" in rough._repr_html_()


def test_going_on_after_an_unreadable_answer_is_said():
    """A log may know of unreadable answers only where they were wrong, which flatters a policy."""
    unreadable = log(np.ones((4, 2)), error=[[int(ErrorType.INVALID_OUTPUT), 0]] * 4)
    went_on = replay(chain("a", "b"), unreadable).summary()
    stayed = replay(Policy.single("a"), unreadable).summary()
    assert any("(invalid_output)" in line for line in went_on.assumptions)
    assert not any("(invalid_output)" in line for line in stayed.assumptions)


def test_the_json_has_the_agreed_keys():
    """Names and shapes that scripts rely on."""
    policy = chain("a", "b", goals={"quality": {"min": 0.5}, "latency_p95_s": {"max": 0.1}})
    data = log(np.ones((20, 2)), error=[[SERVER, 0]] * 10 + [[0, 0]] * 10, category=["x"] * 20)
    found = replay(policy, data, seed=3).summary().to_dict()
    assert found["policy"] == "policy"
    assert (found["requests"], found["seed"]) == (20, 3)
    assert set(found["latency_s"]) == {"mean", "p50", "p95", "p99"}
    assert set(found["latency_s_ci95"]) == set(found["latency_s"])
    for name in ("quality", "cost_usd_per_1k", "error_rate", "fallback_rate", "degraded_rate"):
        assert found[f"{name}_n"] == 20
        assert found[f"{name}_measured_share"] == 1.0
        assert len(found[f"{name}_ci95"]) == 2
    assert found["fallback_rate"] == 0.5
    assert found["attempts_mean"] == 1.5
    assert found["cache_hit_rate"] == 0.0
    assert found["imputed_share"] == 0.0
    assert found["by_model"]["a"]["share"] == 0.5
    assert found["by_model"]["a"]["calls"] == 20
    assert found["by_model"]["a"]["call_error_rate"] == 0.5
    assert set(found["by_route"]) == {"default"}
    assert found["by_category"]["x"]["requests"] == 20
    assert [(g["name"], g["limit"], g["met"]) for g in found["goals"]] == [
        ("quality", "min 0.5", True),
        ("latency_p95_s", "max 0.1", False),
    ]


@pytest.mark.parametrize(
    ("estimate", "met", "certain", "answer"),
    [
        (Estimate(0.9, 0.86, 0.94), True, True, "yes"),
        (Estimate(0.9, 0.80, 0.94), True, False, "probably"),
        (Estimate(0.8, 0.70, 0.90), False, False, "probably not"),
        (Estimate(0.7, 0.60, 0.80), False, True, "no"),
        (Estimate(0.9), True, False, "probably"),
        (Estimate(math.nan), None, False, "unknown"),
    ],
)
def test_a_goal_is_judged_by_its_value_and_its_interval(estimate, met, certain, answer):
    """The value decides whether it is met, the interval whether that is certain."""
    found = judge("quality", Goal(min=0.85), estimate)
    assert (found.met, found.certain, found.answer) == (met, certain, answer)


def test_a_goal_may_have_two_limits():
    """Between both is met; the limits are named."""
    goal = Goal(min=0.1, max=0.3)
    assert judge("error_rate", goal, Estimate(0.2, 0.15, 0.25)).answer == "yes"
    assert judge("error_rate", goal, Estimate(0.4, 0.35, 0.45)).answer == "no"
    assert judge("error_rate", goal, Estimate(0.05, 0.01, 0.09)).answer == "no"
    assert judge("error_rate", goal, Estimate(0.2, 0.0, 0.25)).limit == "min 0.1, max 0.3"


def test_the_verdict_is_a_sentence():
    """What is met, what is not and by how much, and what is too close to call."""
    goals = {
        "quality": {"min": 0.9},
        "cost_usd_per_1k": {"max": 2},
        "error_rate": {"max": 0.1},
        "latency_p95_s": {"max": 5},
    }
    quality = [[1.0]] * 60 + [[0.0]] * 40
    data = log(quality, latency_s=np.nan)
    verdict = replay(chain("a", goals=goals), data).summary().verdict
    assert verdict.startswith(
        "Yes on cost per 1k and errors, no on quality, unknown for p95 latency: quality 0.600 ["
    )
    assert verdict.endswith(", wanted at least 0.9.")
    assert replay(chain("a"), data).summary().verdict == "No goals are set."


def test_the_same_replay_gives_the_same_summary():
    """Nothing in it depends on the moment or on what was computed before."""
    data = log(np.random.default_rng(0).random((50, 2)), error=[[TIMEOUT, 0]] * 25 + [[0, 0]] * 25)
    one, two = (replay(chain("a", "b"), data, seed=1).summary() for _ in range(2))
    assert one == two


def test_names_are_escaped():
    """A policy's name is text in HTML."""
    data = log(np.ones((3, 1)))
    page = replay(chain("a", name="<img src=x>"), data).summary()._repr_html_()
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page


def test_to_pandas_has_a_row_per_estimate():
    """The numbers behind the table, for further work."""
    frame = replay(Policy.single("a"), log(np.ones((3, 1)))).summary().to_pandas()
    assert list(frame.index) == list(ESTIMATES)
    assert list(frame.columns) == ["value", "low", "high", "n", "share"]


def test_answers_graded_in_part_are_told_beside_failures():
    """Where failures are known and only some answers graded, the result says which way it errs."""
    data = log([[1.0], [np.nan], [np.nan], [0.0]], error=[[0], [0], [0], [3]])
    lines = replay(Policy.single("a"), data).summary().assumptions
    assert any("only 33.3 % of the answers were graded" in line for line in lines)
    whole = log([[1.0], [1.0], [1.0], [0.0]], error=[[0], [0], [0], [3]])
    assert not any(
        "graded" in line for line in replay(Policy.single("a"), whole).summary().assumptions
    )
