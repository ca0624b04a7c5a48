"""The simulator against formulas and sequences worked out by hand: what resilience rests on.

Times are multiples of 1/16 s wherever something happens exactly at them, so that no rounding
decides.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests import small_logs
from toolkit.engine.replay import Replay, replay
from toolkit.logs.datasets import Dataset
from toolkit.policy.model import Policy
from toolkit.policy.proofs import worst_case
from toolkit.scenarios import Scenario, parse_scenario
from toolkit.schema import ErrorType, Status

SERVER_ERROR = int(ErrorType.SERVER_ERROR)


def log(
    arrivals: Any, m: int = 2, *, requests: Any = None, tokens: Any = None, **cells: Any
) -> Dataset:
    """A request per arrival over models a, b, …: right, in 0.25 s and for 1 cent if not said."""
    n = len(arrivals)
    values = {"cost_usd": 0.01, "latency_s": 0.25} | cells
    data = small_logs.log(np.ones((n, m)), **values)
    columns = data.requests.append_column("timestamp", [np.asarray(arrivals, float)])
    for name, column in (requests or {}).items():
        columns = columns.append_column(name, [column])
    if tokens is None:
        return replace(data, requests=columns)
    at = columns.column_names.index("input_tokens")
    columns = columns.set_column(at, "input_tokens", [np.asarray(tokens, float)])
    matrix = np.repeat(np.asarray(tokens, float)[:, None], m, axis=1)
    return replace(data, requests=columns, input_tokens=matrix)


def policy(*steps: Any, a: Any = None, b: Any = None, chain: Any = None, **parts: Any) -> Policy:
    """A policy of one chain; a step is a model's name or a step."""
    written = [{"model": step} if isinstance(step, str) else step for step in steps]
    return Policy.model_validate(
        {
            "policy": "formula",
            "models": {"a": a or {}, "b": b or {}},
            "default": "only",
            "chains": {"only": {"steps": written} | (chain or {})},
        }
        | parts
    )


def down(models: str = "all") -> Scenario:
    """Those models fail every call after a quarter of a second."""
    return parse_scenario(
        f"scenario: down\nfaults:\n  - {{outage: {{latency_s: 0.25}}, models: {models}}}\n"
    )


def ends(done: Replay) -> list[str | None]:
    """Per request the error it ended with or degraded for, None if it has an answer."""
    return [ErrorType(code).label if code else None for code in done.error]


def calls(done: Replay, model: str = "a") -> list[float]:
    """When calls to a model started, on the common clock."""
    return [
        float(done.arrival_s[row["request_ix"]]) + row["start_s"]
        for row in done.attempt_table.to_pylist()
        if done.model_names[row["model"]] == model
    ]


# --- limits ----------------------------------------------------------------------------------


def test_a_saturated_token_bucket_admits_burst_plus_rate_times_time():
    """With a request every quarter of a second, 5 + 1 a second get through: no more, no fewer."""
    at = np.arange(240) / 4
    done = replay(policy("a", a={"limits": {"requests_per_min": 60, "burst_s": 5}}), log(at))
    admitted = calls(done)
    assert len(admitted) == math.floor(5 + 1.0 * at[-1])
    for t in (0.0, 1.0, 10.0, 30.0):
        assert sum(start <= t for start in admitted) == min(math.floor(5 + t), 1 + 4 * t)
    assert ends(done).count("rate_limited") == len(at) - len(admitted)


@pytest.mark.parametrize("seed", range(5))
def test_no_window_sees_more_calls_than_burst_plus_rate_times_its_length(seed: int):
    """Whatever the arrivals and retries: in every window at most burst + rate × time."""
    at = np.cumsum(np.random.default_rng(seed).exponential(0.3, 500))
    limits = {"requests_per_min": 90, "burst_s": 4}
    step = {"model": "a", "retries": 3, "backoff_s": 0.5}
    done = replay(policy(step, a={"limits": limits}), log(at))
    starts = np.sort(calls(done))
    count = np.arange(len(starts))[None, :] - np.arange(len(starts))[:, None] + 1
    length = starts[None, :] - starts[:, None]
    assert (count <= 1.5 * 4 + 1.5 * length + 1e-6)[length >= 0].all()
    assert len(starts) > 1.5 * 4 + 1.5 * at[-1] * 0.95  # and it is used


def test_tokens_of_requests_and_answers_both_count():
    """Call k of 100 + 10 tokens waits until 1000 + 100 t - 110 k suffices for its 100."""
    at = np.arange(480) / 8
    limits = {"tokens_per_min": 6000, "burst_s": 10}
    done = replay(policy("a", a={"limits": limits}), log(at, latency_s=1 / 16))
    assert len(calls(done)) == math.floor((900 + 100 * at[-1]) / 110) + 1


def test_a_request_longer_than_the_bucket_is_sent_when_it_is_full():
    """It leaves a debt of 4,000 tokens, at 100 a second, and 10 for its answer."""
    at = [0.0, *range(1, 60)]
    tokens = [5000.0, *[100.0] * 59]
    limits = {"tokens_per_min": 6000, "burst_s": 10}
    done = replay(policy("a", a={"limits": limits}), log(at, tokens=tokens))
    assert calls(done)[:2] == [0.0, 42.0]  # -4010 + 100 t >= 100 from 41.1 s on


def test_calls_under_way_are_limited_and_a_call_that_ends_makes_room_at_once():
    """Two at a time, each for a second; what arrives just as both end is taken."""
    at = [0, 0, 0, 0.5, 1, 1, 1.5]
    done = replay(policy("a", a={"limits": {"concurrency": 2}}), log(at, latency_s=1.0))
    assert ends(done) == [None, None, "rate_limited", "rate_limited", None, None, "rate_limited"]


def test_a_limited_call_waits_until_there_is_room():
    """A retry comes exactly when the bucket has its token again."""
    limits = {"requests_per_min": 15, "burst_s": 4}
    step = {"model": "a", "retries": 1, "backoff_s": 0.25}
    done = replay(policy(step, a={"limits": limits}), log([0, 1, 1]))
    assert calls(done) == [0, 4]
    assert ends(done) == [None, None, "rate_limited"]  # the third found it empty once more
    assert done.latency_s.tolist() == [0.25, 3.25, 3.0]


# --- breakers --------------------------------------------------------------------------------

BREAKER = {"failure_rate": 0.5, "window_s": 10, "min_calls": 4, "open_s": 5, "probes": 2}


def changes(done: Replay) -> list[tuple[float, str]]:
    """When breakers changed, and to what."""
    states = ("closed", "open", "half_open")
    times, codes = done.changes.time_s.tolist(), done.changes.state.tolist()
    return [(time, states[code]) for time, code in zip(times, codes, strict=True)]


def test_a_breaker_opens_and_closes_at_the_hand_computed_events():
    """A request a second, each answered or failed after a quarter of one."""
    failing = [2, 3, *range(11, 15), 20]
    error = [[SERVER_ERROR * (t in failing), 0] for t in range(28)]
    done = replay(policy("a", a={"breaker": BREAKER}), log(range(28), error=error))
    assert changes(done) == [
        (3.25, "open"),  # two of four have failed
        (9.0, "half_open"),  # the first request after 8.25 s
        (10.25, "closed"),  # two probes have succeeded, and the window is empty
        (14.25, "open"),  # four of four
        (20.0, "half_open"),
        (20.25, "open"),  # its probe has failed
        (26.0, "half_open"),
        (27.25, "closed"),
    ]
    refused = [t for t, end in enumerate(ends(done)) if end == "breaker_open"]
    assert refused == [*range(4, 9), *range(15, 20), *range(21, 26)]


@pytest.mark.parametrize(("fourth", "opens"), [(9.5, True), (10.0, False)])
def test_the_window_slides_in_tenths(fourth: float, opens: bool):
    """A call that ended in the first second counts until the tenth second is over."""
    at = [0, 1, 2, fourth]
    error = [[SERVER_ERROR, 0]] * 4
    done = replay(policy("a", a={"breaker": BREAKER}), log(at, error=error))
    assert changes(done) == ([(9.75, "open")] if opens else [])


def test_a_model_that_is_down_gets_its_first_calls_and_then_probes_only():
    """16 requests a second for 100 s, and each failure takes a quarter of one."""
    at = np.arange(1600) / 16
    breaker = {"min_calls": 10, "open_s": 30, "probes": 3}
    done = replay(policy("a", "b", a={"breaker": breaker}), log(at), scenario=down("[a]"))
    # The tenth failure is known after 9/16 + 4/16 s; 13 calls have started by then. Each time
    # 30 s later, 3 probes start before the first of them has failed.
    opened = [13 / 16]
    while opened[-1] + 30.25 < 100:
        opened.append(opened[-1] + 30.25)
    assert [t for t, state in changes(done) if state == "open"] == opened
    assert len(calls(done)) == 13 + 3 * (len(opened) - 1)
    assert (done.status == Status.ACCEPTED).all()
    assert len(calls(done, "b")) == len(at)


def test_a_probe_that_is_not_needed_any_more_leaves_its_place_to_another():
    """A hedge in time cancels the only probe; the next request is the probe then."""
    at = [0.0, 2.0, 2.25, 3.0, 4.0]
    error = [[SERVER_ERROR, 0], *[[0, 0]] * 4]
    latency = [[0.25, 0.25], [2.0, 0.25], *[[0.25, 0.25]] * 3]
    data = log(at, error=error, latency_s=latency)
    breaker = {"min_calls": 1, "open_s": 1, "probes": 1}
    step = {"model": "a", "hedge": {"after_s": 0.5, "model": "b"}}
    done = replay(policy(step, a={"breaker": breaker}), data)
    # The hedge answers at 2.75 s, after the request of 2.25 s was refused.
    assert ends(done) == ["server_error", None, "breaker_open", None, None]
    assert changes(done) == [(0.25, "open"), (2.0, "half_open"), (3.25, "closed")]
    errors = done.attempt_table["error"].to_pylist()
    assert errors == [SERVER_ERROR, int(ErrorType.CANCELLED), 0, 0, 0]


# --- hedges ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("bill", "cost"), [("full", 1.5), ("none", 1.0)])
def test_hedging_at_the_median_of_exponential_latencies(bill: str, cost: float):
    """Half of the calls get a second one; the rest of the wait is halved, and so its tail.

    With latencies L, L' of mean 1 and a hedge after m = ln 2, a request takes L if L <= m, else
    m + min(L - m, L'), which is m plus an exponential of mean 1/2. So P(longer than t >= m) is
    exp(-2 (t - m)) / 2: the mean is 3/4 and p99 m + ln(50) / 2, without a hedge 1 and ln(100).
    """
    n, median = 40_000, math.log(2)
    latency = np.random.default_rng(7).exponential(1.0, (n, 2))
    data = log(np.arange(n), latency_s=latency)
    models = {"a": {"bill_timeouts": bill}, "b": {"bill_timeouts": bill}}
    hedge = {"model": "a", "hedge": {"after_s": median, "model": "b"}}
    plain, done = replay(policy("a", **models), data), replay(policy(hedge, **models), data)

    def near(value: float, wanted: float, spread: float) -> bool:
        return abs(value - wanted) < 4 * spread / math.sqrt(n)

    assert near(done.attempts.mean(), 1.5, 0.5)
    assert near(done.cost_usd.mean() / 0.01, cost, 0.5)
    assert near(done.latency_s.mean(), 0.75, 1.0)
    # The standard error of a quantile is that of its share over the density there.
    p99 = median + math.log(50) / 2
    assert near(np.quantile(done.latency_s, 0.99), p99, math.sqrt(0.99 * 0.01) / 0.02)
    assert near(np.quantile(plain.latency_s, 0.99), math.log(100), math.sqrt(0.99 * 0.01) / 0.01)
    assert (done.latency_s <= plain.latency_s + 1e-9).all()
    first, second = latency[:, 0], median + latency[:, 1]
    np.testing.assert_allclose(
        done.latency_s, np.where(first <= median, first, np.minimum(first, second)), atol=1e-9
    )


# --- retries ---------------------------------------------------------------------------------


def test_retries_amplify_a_total_outage_by_the_closed_form():
    """Every request makes the sum over steps of 1 + retries calls, which is the proved worst."""
    steps = [{"model": "a", "retries": 2}, {"model": "b", "retries": 1}, "a"]
    whole = policy(*steps)
    done = replay(whole, log(range(50)), scenario=down())
    assert (done.attempts == (1 + 2) + (1 + 1) + 1).all()
    assert worst_case(whole, "only").attempts == 6
    assert (done.status == Status.ERROR).all()
    assert (done.cost_usd == 0).all()


@pytest.mark.parametrize(("share", "least", "granted"), [(0, 0, 0), (0.2, 0, 20), (0.2, 30, 30)])
def test_of_a_hundred_that_fail_at_once_the_budget_lets_so_many_retry(
    share: float, least: int, granted: int
):
    """The share of the requests in progress, or the floor where that is more."""
    budget = {"share": share, "min_retries": least}
    step = {"model": "a", "retries": 1}
    done = replay(policy(step, retry_budget=budget), log([0] * 100), scenario=down())
    assert done.attempts.sum() == 100 + granted


def test_a_retry_budget_bounds_the_amplification_under_any_load():
    """With no pauses each request in progress is a call, so extras are a share of all calls.

    E <= s (E + P) for E extra and P first calls, so that calls grow to 1 / (1 - s) at most,
    against 4 without a budget.
    """
    at = np.arange(6400) / 64
    step = {"model": "a", "retries": 3, "backoff_s": 0}
    data, free = log(at), policy(step)
    bounded = policy(step, retry_budget={"share": 0.25, "min_retries": 0})
    assert replay(free, data, scenario=down()).attempts.mean() == 4
    amplification = replay(bounded, data, scenario=down()).attempts.mean()
    assert 0.97 / (1 - 0.25) < amplification <= 1 / (1 - 0.25)


# --- the cache -------------------------------------------------------------------------------


def cached(at: Any, prompts: str, cache: Any, **columns: Any) -> str:
    """Play one-letter prompts; per request h for a hit, . for a call."""
    data = log(at, requests={"prompt": list(prompts)} | columns)
    done = replay(policy("a", cache=cache), data)
    assert (done.attempts == ~done.cached).all()
    assert (done.cost_usd == np.where(done.cached, 0, 0.01)).all()
    return "".join("h" if hit else "." for hit in done.cached)


def test_the_answer_used_longest_ago_makes_room():
    """Two entries: C drives B out, as A was asked for since; then B drives C out, and C A."""
    assert cached(range(9), "ABACABCAC", {"max_entries": 2}) == "..h.h...h"
    assert cached(range(9), "ABACABCAC", {"max_entries": 3}) == "..h.hhhhh"


def test_an_answer_is_fresh_for_its_time_to_live_from_when_it_came():
    """A hit does not make it younger; one that is on its way is not there yet."""
    at = [0, 0.125, 5, 10.25, 10.375, 10.5, 20.75, 20.8125]
    # The first two both call; the later answer came at 0.375 s, the next call's at 10.75 s.
    assert cached(at, "AAAAAAAA", {"ttl_s": 10}) == "..hhh.h."


def test_nothing_is_shared_across_tenants():
    """The same words of another tenant are another request, unless the scope says otherwise."""
    who = {"tenant": ["x", "y", "x", "y"]}
    assert cached(range(4), "AAAA", {}, **who) == "..hh"
    assert cached(range(4), "AAAA", {"scope": []}, **who) == ".hhh"


def test_what_is_too_old_is_good_enough_when_all_else_fails():
    """A stale answer is used within stale_if_error_s, and only then."""
    at = [0, 5.25, 8.25, 8.3125]
    error = [[0, 0], *[[SERVER_ERROR, 0]] * 3]
    data = log(at, error=error, requests={"prompt": list("AAAA")})
    cache = {"ttl_s": 4, "stale_if_error_s": 4, "cost_usd": 0.001, "latency_s": 0.0625}
    done = replay(policy("a", {"degrade": "stale_cache"}, cache=cache), data)
    # Stored at 0.3125 s; after two look-ups and a call, 0.375 s later, its age is 5.3125, 8.3125.
    assert [Status(s).label for s in done.status] == ["accepted", "degraded", "error", "error"]
    np.testing.assert_allclose(done.cost_usd, [0.011, 0.012, 0.012, 0.012])
    assert done.latency_s.tolist() == [0.3125, 0.375, 0.375, 0.375]
    assert done.cached.tolist() == [False, True, False, False]
    assert done.quality.tolist() == [1, 1, 0, 0]


# --- deadlines, budgets and shedding ---------------------------------------------------------


def test_a_deadline_is_passed_down_to_each_attempt():
    """The second step has half a second left, and the third none; the message comes on top."""
    slow = log([0.0], latency_s=1.5, error=[[SERVER_ERROR, 0]])
    message = {"degrade": "message", "text": "Later.", "latency_s": 0.125}
    done = replay(policy("a", "b", "a", message, chain={"deadline_s": 2}), slow)
    assert done.attempt_table["latency_s"].to_pylist() == [1.5, 0.5]
    assert done.latency_s.tolist() == [2.125]
    assert ends(done) == ["timeout"]


def test_a_day_s_budget_ends_at_midnight():
    """Three cents are passed by the fourth cent, known when its call ends; then all are refused."""
    midnight = 1_700_006_400.0
    at = [*(midnight - 8 + np.arange(8)), midnight, midnight + 1]
    done = replay(policy("a", daily_cost_usd=0.03), log(at))
    assert [end is None for end in ends(done)] == [True] * 3 + [False] * 5 + [True] * 2
    assert ends(done)[3:8] == ["budget"] * 5


def test_shedding_turns_away_the_unimportant_first():
    """Of ten at once, six are taken, but of the batch only the first two."""
    priority = ["batch"] * 4 + ["user"] * 6
    shedding = {"max_in_progress": 6, "priority_by": "priority", "limits": {"batch": 2}}
    data = log([0] * 10, requests={"priority": priority})
    done = replay(policy("a", shedding=shedding), data)
    assert ends(done) == [None] * 2 + ["shed"] * 2 + [None] * 4 + ["shed"] * 2


# --- faults ----------------------------------------------------------------------------------


def test_a_provider_s_limit_admits_ten_seconds_worth_plus_its_rate():
    """60 a minute: 10 at once and 1 a second, and every other call is made and refused."""
    text = "scenario: s\nfaults:\n  - {rate_limit: {requests_per_min: 60}, models: all}\n"
    at = np.arange(160) / 8
    done = replay(policy("a"), log(at), scenario=parse_scenario(text))
    assert (done.status == Status.ACCEPTED).sum() == math.floor(10 + at[-1])
    assert (done.attempts == 1).all()


def test_calls_beyond_what_a_model_can_do_at_once_slow_each_other_down():
    """Four at once on one that can do two: each takes as long as those that it finds say."""
    text = "scenario: s\nfaults:\n  - {overload: {concurrency: 2}, models: all}\n"
    done = replay(policy("a"), log([0] * 4, latency_s=1.0), scenario=parse_scenario(text))
    assert done.latency_s.tolist() == [1, 1, 1.5, 2]
