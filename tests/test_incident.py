"""Incidents against what can be counted by hand: who fared how, when, and at which load."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.small_logs import chain, log
from toolkit.cli import app
from toolkit.engine.replay import replay
from toolkit.evaluate.compare import compare
from toolkit.evaluate.format import usd_interval
from toolkit.evaluate.goodput import goodput, scaled
from toolkit.evaluate.incident import HEAD, incident
from toolkit.evaluate.measures import ESTIMATES, during
from toolkit.evaluate.protection import (
    ALL,
    BREAKER,
    FALLBACK,
    NO_FALLBACK,
    PROTECTIONS,
    protections,
    with_recommended,
)
from toolkit.evaluate.timeline import timeline
from toolkit.logs.datasets import dataset_from_frame
from toolkit.policy.guards import Breaker, RetryBudget
from toolkit.policy.model import Policy
from toolkit.scenarios import Scenario

STATES = {"closed": {"open"}, "open": {"half_open"}, "half_open": {"open", "closed"}}
"""From each state of a breaker, the next."""


def scenario(*faults, **values):
    """A scenario with these faults."""
    return Scenario.model_validate({"scenario": "trial", "faults": list(faults), **values})


def outage(at_s=3, for_s=4, **values):
    """The first model is down."""
    return {"outage": values, "models": "primary", "at_s": at_s, "for_s": for_s}


def guarded(**values):
    """A policy with everything that protects."""
    return Policy.model_validate(
        {
            "policy": "guarded",
            "models": {
                "a": {"breaker": {"min_calls": 2}, "limits": {"concurrency": 50}},
                "b": {"supports": ["tools"]},
            },
            "cache": {"key": ["category"], "stale_if_error_s": 60},
            "retry_budget": {"share": 0.5},
            "shedding": {"max_in_progress": 100},
            "daily_cost_usd": 5,
            "requires": {"tools": {"category": {"eq": "code"}}},
            "routes": [{"name": "said", "when": {"category": {"eq": "words"}}, "use": "words"}],
            "default": "main",
            "chains": {
                "main": {
                    "deadline_s": 20,
                    "steps": [
                        {"model": "a", "timeout_s": 3, "retries": 1, "hedge": {"after_s": 2}},
                        {"degrade": "stale_cache"},
                        {"model": "b", "timeout_s": 6},
                        {"degrade": "message", "text": "Later."},
                    ],
                },
                "words": {"steps": [{"degrade": "refusal", "text": "No."}]},
            },
            **values,
        }
    )


def test_the_ladder_adds_one_protection_after_the_other():
    """First one model asked once, then all with retries, then breakers, then the policy itself."""
    policy = guarded()
    ladder = protections(policy)
    assert tuple(ladder) == PROTECTIONS
    bare, fallback, breaker = (
        ladder[name].chains["main"].to_data()["steps"] for name in PROTECTIONS[:3]
    )
    assert bare == [{"model": "a", "timeout_s": 3}]
    assert fallback == [
        {"model": "a", "timeout_s": 3, "retries": 1},
        {"model": "b", "timeout_s": 6},
    ]
    assert breaker == fallback
    for name in (NO_FALLBACK, FALLBACK):
        assert ladder[name].models["a"].to_data() == {}
    assert ladder[BREAKER].models["a"].to_data() == {"breaker": {"min_calls": 2}}
    for name in PROTECTIONS[:3]:
        one = ladder[name]
        assert (one.cache, one.retry_budget, one.shedding, one.daily_cost_usd) == (None,) * 4
        assert one.chains["main"].deadline_s == 20
        assert one.models["b"].supports == ("tools",)
        assert one.requires == policy.requires
        assert one.policy == f"guarded, {name}"
    assert ladder[ALL] is policy


def test_chains_that_ask_no_model_stay_chains():
    """A refusal stays a refusal in every rung."""
    for one in protections(guarded()).values():
        assert one.chains["words"].steps[0].text == "No."


def test_a_long_name_stays_a_name():
    """A policy's name may fill its place; the rung's is still seen."""
    bare = protections(guarded(policy="x" * 200))[NO_FALLBACK]
    assert len(bare.policy) == 200
    assert bare.policy.endswith(", no fallback")


def test_what_is_recommended_fills_gaps_only():
    """Breakers and a budget are added where there are none, and nothing else is changed."""
    policy = guarded()
    found = with_recommended(policy)
    assert found.models["a"].breaker == policy.models["a"].breaker
    assert found.models["b"].breaker == Breaker()
    assert found.retry_budget == policy.retry_budget
    assert with_recommended(chain("a")).retry_budget == RetryBudget()
    assert with_recommended(found) == found


def test_an_incident_by_hand():
    """Ten requests, one a second; the first model is down for four of them."""
    data = log(np.tile([1.0, 0.5], (10, 1)), cost_usd=[[0.001, 0.004]], latency_s=[[1.0, 2.0]])
    found = incident(chain("a", "b"), data, scenario(outage(latency_s=0.5)))
    bare, fallback = found[NO_FALLBACK], found[FALLBACK]
    assert (bare.whole.requests, bare.during.requests) == (10, 4)
    assert list(np.flatnonzero(during(bare.replay))) == [3, 4, 5, 6]
    assert (bare.whole.error_rate.value, bare.during.error_rate.value) == (0.4, 1.0)
    assert (bare.whole.success_rate.value, bare.during.success_rate.value) == (0.6, 0.0)
    assert bare.whole.cost_usd_per_1k.value == pytest.approx(0.6)
    assert bare.during.cost_usd_per_1k.value == 0
    assert bare.during.latency_p95_s.value == 0.5
    assert fallback.whole.error_rate.value == 0
    assert fallback.during.quality.value == 0.5
    assert fallback.whole.quality.value == pytest.approx(0.8)
    assert fallback.during.latency_p95_s.value == 2.5
    assert fallback.during.attempts_mean.value == 2
    assert fallback.whole.attempts_mean.value == pytest.approx(1.4)
    assert fallback.during.cost_usd_per_1k.value == pytest.approx(4)
    assert found.extra_cost_usd_per_1k.value == pytest.approx(1.6)
    assert [row.name for row in found.rows] == list(PROTECTIONS)
    assert found.verdict == (
        "During the faults (4 of 10 requests) 100.0 % [51.0, 100.0] failed with no fallback "
        "and 0.0 % [0.0, 49.0] with all of it. Their mean quality was 0.000 with no fallback and "
        "0.500 with all of it, p95 latency, failures included, was 0.5 s with no fallback and 2.5 "
        "s with all of it. Over the whole run all of it costs "
        f"{usd_interval(found.extra_cost_usd_per_1k)} more per 1k than no fallback."
    )


def test_rungs_that_add_nothing_are_the_same_and_said_to_be():
    """Without breakers or anything shared, three rungs end alike."""
    data = log(np.ones((20, 2)))
    found = incident(chain("a", "b"), data, scenario(outage()))
    assert found[FALLBACK].whole == found[BREAKER].whole == found[ALL].whole
    assert found[BREAKER].replay.policy.policy == "policy, fallback and breaker"
    same = [line for line in found.assumptions if "so both are the same" in line]
    assert len(same) == 2


def test_unobserved_requests_are_counted_and_left_out():
    """Nobody knows what the fallback would have answered where the log does not hold it."""
    seen = np.ones((10, 2), bool)
    seen[4:6, 1] = False
    found = incident(chain("a", "b"), log(np.ones((10, 2)), observed=seen), scenario(outage()))
    assert (found[ALL].during.requests, found[ALL].during.unobserved) == (4, 2)
    assert found[ALL].during.success_rate.n == 2
    assert found[NO_FALLBACK].during.unobserved == 0
    assert found.extra_cost_usd_per_1k.n == 8


@pytest.mark.parametrize(
    ("faults", "hit"),
    [
        ([outage(2, 3)], [2, 3, 4]),
        ([outage(2, 1), outage(6, 2)], [2, 6, 7]),
        ([outage(2, 1), {"price": {"factor": 2}, "models": "all", "at_s": 5}], [2]),
        ([{"price": {"factor": 2}, "models": "all", "at_s": 7}], [7, 8, 9]),
        ([outage(2, 1), {"overload": {"concurrency": 5}, "models": "all"}], [2]),
        ([{"overload": {"concurrency": 5}, "models": "all"}], list(range(10))),
        ([], []),
    ],
)
def test_what_counts_as_during_the_faults(faults, hit):
    """Passing faults count; prices and what is always there only where there is nothing else."""
    one = replay(chain("a"), log(np.ones((10, 1))), scenario=scenario(*faults))
    assert list(np.flatnonzero(during(one))) == hit


def test_without_a_fault_nothing_is_said_to_be_tried():
    """A calm scenario has no requests during faults, and undefined estimates there."""
    found = incident(chain("a", "b"), log(np.ones((10, 2))), scenario())
    assert "nothing was tried" in found.verdict
    assert math.isnan(found[ALL].during.error_rate.value)


def test_repeats_do_not_narrow_the_intervals():
    """Ten times the arrivals from the same rows give an interval about as wide."""
    rng = np.random.default_rng(1)
    data = log(rng.random((200, 1)))
    policy = chain("a")
    widths = []
    for per_s in (2, 20):
        world = scenario(arrivals={"per_s": per_s, "for_s": 100})
        quality = replay(policy, data, scenario=world).summary().quality
        widths.append(quality.high - quality.low)
    assert 0.75 < widths[1] / widths[0] < 1.1


def test_a_policy_joins_the_scenario_that_it_is_compared_in():
    """What is given as a policy meets the same arrivals and faults as the replay beside it."""
    data = log(np.ones((10, 2)))
    one = replay(chain("a"), data, scenario=scenario(outage()))
    found = compare(one, chain("a", "b", name="both"))
    assert (found.error_rate.a, found.error_rate.b) == (0.4, 0.0)


@given(
    st.integers(20, 400),
    st.floats(0.01, 50),
    st.integers(0, 2**20),
    st.sampled_from([1, 7, 60]),
)
def test_a_timeline_sums_to_its_replay(n, per_s, seed, bins):
    """Every request is in one bin, under one ending; bands follow each other without a gap."""
    rng = np.random.default_rng(seed)
    data = log(
        rng.random((50, 2)),
        latency_s=rng.exponential(1, (50, 2)),
        error=rng.choice([0, 0, 0, 3], (50, 2)),
        observed=rng.random((50, 2)) < 0.97,
        category=[str(c) for c in rng.integers(0, 9, 50)],
    )
    world = scenario(
        outage(n / per_s / 3, n / per_s / 3),
        arrivals={"per_s": per_s, "for_s": n / per_s, "pattern": "poisson"},
        seed=seed,
    )
    one = replay(guarded(), data, seed, scenario=world)
    found = timeline(one, bins)
    total = len(one.status)
    assert int(found.requests.sum()) == total
    assert len(found.start_s) <= bins + 1
    assert found.start_s[0] == 0
    assert found.start_s[-1] >= one.arrival_s.max()
    assert np.allclose(np.diff(found.start_s), found.start_s[1])
    assert int(found.degraded.sum()) == int((one.status == 1).sum())
    assert int(found.failed.sum()) == int((one.status == 2).sum())
    assert int(found.unobserved.sum()) == int((one.status == 3).sum())
    assert int(found.cached.sum()) == int((one.cached & (one.status == 0)).sum())
    assert found.attempts.sum() == one.attempts.sum()
    assert found.cost_usd.sum() == pytest.approx(np.nansum(one.cost_usd))
    _in_a_row(found)
    _quantiles_by_hand(found, one)


def _in_a_row(found):
    """Bands of the only breaker cover the run, each state after one that leads to it."""
    bands = found.bands
    assert {band.model for band in bands} == {"a"}
    assert (bands[0].state, bands[0].start_s) == ("closed", 0)
    assert bands[-1].end_s == found.start_s[-1]
    for one, after in itertools.pairwise(bands):
        assert one.end_s == after.start_s
        assert after.state in STATES[one.state]


def _quantiles_by_hand(found, one):
    """Percentiles of each bin by numpy."""
    last = len(found.start_s) - 2
    for i, (start, end) in enumerate(zip(found.start_s, found.start_s[1:], strict=False)):
        inside = (one.arrival_s >= start) & ((one.arrival_s < end) | (i == last))
        known = one.latency_s[inside][~np.isnan(one.latency_s[inside])]
        expected = np.quantile(known, [0.5, 0.95]) if len(known) else [np.nan, np.nan]
        assert [found.p50_s[i], found.p95_s[i]] == pytest.approx(list(expected), nan_ok=True)


def test_an_hour_has_a_bin_for_each_minute():
    """Bins have widths that read well on a clock, and faults keep their own times."""
    world = scenario(outage(1200, 1200), arrivals={"per_s": 0.5, "for_s": 3600})
    found = timeline(replay(chain("a"), log(np.ones((9, 1))), scenario=world))
    assert found.start_s.tolist() == [60.0 * i for i in range(61)]
    assert found.failed.tolist() == [0] * 20 + [30] * 20 + [0] * 20
    (span,) = found.spans
    assert (span.label, span.models) == ("outage of the first model", ("a",))
    assert (span.start_s, span.end_s) == (1200, 2400)
    assert found.bands == ()
    assert len(found.to_pandas()) == 60


def test_a_breaker_opens_and_closes_on_the_timeline():
    """Two failures open it, thirty seconds later one probe, and after the outage it closes."""
    policy = Policy.model_validate(
        {
            "policy": "one",
            "models": {"a": {"breaker": {"min_calls": 2, "probes": 1, "open_s": 30}}},
            "default": "main",
            "chains": {"main": {"steps": [{"model": "a"}]}},
        }
    )
    data = log(np.ones((100, 1)), latency_s=0.5)
    found = timeline(replay(policy, data, scenario=scenario(outage(0, 10, latency_s=0.25))))
    assert [(b.state, b.start_s, b.end_s) for b in found.bands] == [
        ("closed", 0, 1.25),
        ("open", 1.25, 32),
        ("half_open", 32, 32.5),
        ("closed", 32.5, found.start_s[-1]),
    ]
    assert found.failed.sum() == 32


def test_the_cache_hit_rate_is_what_the_cache_answered():
    """Ten equal requests, one a second: all but those before the first answer are hits."""
    policy = Policy.model_validate(
        {
            "policy": "cached",
            "models": {"a": {}},
            "cache": {"key": ["category"]},
            "default": "main",
            "chains": {"main": {"steps": [{"model": "a"}]}},
        }
    )
    data = log(np.ones((10, 1)), latency_s=1.5, category=["x"] * 10)
    summary = replay(policy, data).summary()
    assert summary.cache_hit_rate == 0.8
    text = " ".join(summary.assumptions)
    assert "80.0 % of requests were answered from the cache." in text
    assert "one request a second is assumed" in text
    assert "The cache act as the policy states" in text
    assert replay(chain("a"), data).summary().cache_hit_rate == 0


def test_a_scenario_is_told_among_the_assumptions():
    """Faults as injected, arrivals as drawn, and what the latencies cannot show."""
    world = scenario(outage(10, 20), arrivals={"per_s": 2, "for_s": 60})
    summary = replay(guarded(), log(np.ones((30, 2)), category=["x"] * 30), scenario=world)
    text = " ".join(summary.summary().assumptions)
    assert "injected, not observed" in text
    assert "the first model answers nothing (server_error): a." in text
    assert "were drawn, with repeats, to fill 120 arrivals" in text
    assert "bootstrap over rows of the log" in text
    assert "real traffic repeats itself otherwise" in text
    calm = replay(chain("a"), log(np.ones((3, 1)))).summary().assumptions
    assert not any("scenario" in line or "arrive" in line for line in calm)


def test_a_call_given_up_is_no_error_of_its_model():
    """The slow call of a hedged pair was not waited for: nobody knows how it would have ended."""
    policy = chain("a", "b").with_value("chains.only.steps.0.hedge", {"after_s": 1, "model": "b"})
    one = replay(policy, log(np.ones((10, 2)), latency_s=[[9.0, 0.5]]))
    parts = one.summary().by_model
    assert (parts["a"].calls, parts["b"].requests) == (10, 10)
    assert parts["a"].call_error_rate.n == 0
    assert parts["b"].call_error_rate.value == 0
    assert any("given up is billed" in line for line in one.summary().assumptions)


def test_results_draw_themselves():
    """An incident as its timeline, loads as their curve."""
    data = log(np.ones((10, 2)))
    found = incident(chain("a", "b"), data, scenario(outage()))
    loads = goodput(chain("a"), data, scenario(arrivals={"per_s": 1, "for_s": 5}), (1, 2))
    assert len(found.figure().data) > 2
    assert len(loads.figure().data) > 2


def retrying(**values):
    """One model with a short patience and many retries."""
    return Policy.model_validate(
        {
            "policy": "retrying",
            "models": {"a": {}},
            "default": "main",
            "chains": {
                "main": {"steps": [{"model": "a", "timeout_s": 2, "retries": 4, "backoff_s": 0.1}]}
            },
            **values,
        }
    )


def test_all_is_accepted_while_nothing_is_overloaded():
    """Without faults every request counts, at each load, and is asked once."""
    world = scenario(arrivals={"per_s": 5, "for_s": 200})
    found = goodput(retrying(), log(np.ones((20, 1))), world, factors=(0.5, 1, 2))
    assert found.offered_per_s == pytest.approx([2.5, 5, 10])
    assert found.accepted_with_per_s == pytest.approx([2.5, 5, 10])
    assert found.accepted_without_per_s == pytest.approx([2.5, 5, 10])
    assert found.attempts_with.tolist() == found.attempts_without.tolist() == [1, 1, 1]
    assert "makes no difference" in found.verdict


def test_a_retry_budget_keeps_an_overload_from_growing():
    """Above what a model bears, unlimited retries multiply the calls; a budget bounds them."""
    world = scenario(
        {"overload": {"concurrency": 8}, "models": "all"},
        arrivals={"per_s": 4, "for_s": 300, "pattern": "poisson"},
    )
    found = goodput(retrying(), log(np.ones((20, 1))), world, factors=(0.5, 1, 1.5, 2, 4))
    assert (np.diff(found.offered_per_s) > 0).all()
    for accepted in (found.accepted_with_per_s, found.accepted_without_per_s):
        assert (accepted <= 1.05 * found.offered_per_s).all()
    assert (found.attempts_with <= found.attempts_without + 1e-9).all()
    assert (found.attempts_without <= 5).all()
    assert found.attempts_with[-1] < 1.3
    assert found.attempts_without[-1] > 4
    assert found.accepted_with_per_s[-1] >= found.accepted_without_per_s[-1]
    assert found.budget == RetryBudget()
    assert any("states no retry budget" in line for line in found.assumptions)
    assert len(found.cells) == len(found.to_pandas()) == 5


def test_a_load_is_scaled_by_rate_or_by_time():
    """Stated arrivals become more in the same time; those of the log come faster."""
    data = log(np.ones((10, 1)))
    stated = scaled(scenario(outage(), arrivals={"per_s": 2, "for_s": 10}), 3)
    assert (stated.arrivals.per_s, stated.arrivals.for_s) == (6, 10)
    faster = replay(chain("a"), data, scenario=scaled(scenario(outage()), 2))
    assert faster.arrival_s.tolist() == [i / 2 for i in range(10)]
    assert list(np.flatnonzero(faster.status)) == [6, 7, 8, 9]
    same = scenario(outage())
    assert scaled(same, 1) is same


def test_progress_counts_the_replays():
    """Two for each load."""
    seen = []
    world = scenario(arrivals={"per_s": 1, "for_s": 20})
    goodput(chain("a"), log(np.ones((5, 1))), world, (1, 2), progress=lambda *at: seen.append(at))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_results_are_json_and_html():
    """Undefined numbers are null, and names are text."""
    data = log(np.ones((10, 2)), simulated=True)
    found = incident(chain("a", "b", name="<b>"), data, scenario(outage()))
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["simulated"] is True
    first = plain["protections"][0]
    assert first["name"] == NO_FALLBACK
    assert first["during"]["error_rate"] == 1.0
    assert len(first["during"]["error_rate_ci95"]) == 2
    assert first["during"]["error_rate_n"] == 4
    assert set(ESTIMATES) <= set(first["whole"])
    page = found._repr_html_()
    assert "<b>" not in page
    assert "simulated" in page
    assert all(len(line) == len(HEAD) for line in found.cells)
    frame = found.to_pandas()
    assert frame.loc[(NO_FALLBACK, "during"), "error_rate"] == 1.0
    loads = goodput(chain("a"), data, scenario(arrivals={"per_s": 1, "for_s": 5}), (1,))
    assert json.loads(json.dumps(loads.to_dict(), allow_nan=False))["factors"] == [1.0]


def test_break_prints_the_ladder(tmp_path):
    """The command shows every rung twice, then what it rests on."""
    file = tmp_path / "trial.yaml"
    file.write_text(scenario(outage(10, 20), arrivals={"per_s": 1, "for_s": 60}).to_yaml())
    given = ["break", "--policy", "tiered", "--dataset", "local", "--scenario", str(file)]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    for name in PROTECTIONS:
        assert result.stdout.count(f"\n{name} ") == 2
    assert "injected, not observed" in " ".join(result.stdout.split())
    found = json.loads(CliRunner().invoke(app, [*given, "--json"]).stdout)
    assert [row["name"] for row in found["protections"]] == list(PROTECTIONS)
    more = json.loads(CliRunner().invoke(app, [*given, "--recommended", "--json"]).stdout)
    assert (found["recommended"], more["recommended"]) == (False, True)
    assert not any("so both are the same" in line for line in more["assumptions"])
    loads = CliRunner().invoke(app, [*given, "--goodput", "--json"])
    assert len(json.loads(loads.stdout)["factors"]) == 9


def test_break_needs_a_scenario():
    """Without one, those that there are are named."""
    result = CliRunner().invoke(app, ["break", "--policy", "tiered", "--dataset", "local"])
    assert result.exit_code == 2
    assert "overload" in result.stderr


def test_log_times_are_told_as_such():
    """A log with timestamps is played at its own times."""
    data = log(np.ones((3, 1)))
    requests = data.requests.append_column("timestamp", pa.array([0.0, 5.0, 9.0]))
    stamped = type(data)(**{**vars(data), "requests": requests})
    lines = replay(chain("a"), stamped, scenario=scenario(outage())).summary().assumptions
    assert any("at its own time" in line for line in lines)


def test_faults_make_up_no_cost_and_no_latency():
    """Where the log measured neither, what a fault costs and takes does not pass for a mean."""
    rows = [{"request_id": f"r{i}", "model": "a", "quality": 1.0} for i in range(20)]
    blind = dataset_from_frame("blind", pd.DataFrame(rows))
    whole = incident(Policy.single("a"), blind, scenario(outage(at_s=0, for_s=10)))[
        NO_FALLBACK
    ].whole
    assert whole.error_rate.value == 0.5
    assert np.isnan([whole.cost_usd_per_1k.value, whole.latency_p95_s.value]).all()


def test_a_scenario_without_faults_says_so():
    """Arrivals alone are no incident."""
    rows = [{"request_id": f"r{i}", "model": "a", "quality": 1.0} for i in range(20)]
    found = incident(Policy.single("a"), dataset_from_frame("calm", pd.DataFrame(rows)), scenario())
    assert found.verdict.startswith("The scenario has no faults")
