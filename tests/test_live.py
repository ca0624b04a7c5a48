"""The live driver over a fake provider on a virtual clock gives the trace that replay gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.local_model import MODEL, shared_model
from tests.strategies import replays
from tests.strategies_cases import Case, made
from toolkit.engine.live import Service, serve, through_litellm
from toolkit.engine.replay import Replay, replay_traffic
from toolkit.engine.trace import Trace
from toolkit.errors import ProviderError
from toolkit.policy.model import Model, Policy
from toolkit.scenarios.arrivals import Traffic
from toolkit.scenarios.faults import RATE_LIMIT, Faults
from toolkit.schema import ErrorType, Status


@dataclass(frozen=True)
class Logged:
    """A logged outcome as a provider's reply."""

    text: str
    cost_usd: float
    latency_s: float
    error: ErrorType
    output_tokens: float = math.nan


class Clock:
    """Virtual seconds: only waiting and calling take time."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def log_as_provider(done: Replay, row: int, clock: Clock):
    """Answer calls from the replayed attempts, timeouts included, and let the clock pass."""
    attempts = iter(done.trace(row).attempts)

    def call(name: str, settings_: Model, timeout_s: float) -> Logged:
        logged = next(attempts)
        assert logged.model == name
        assert logged.latency_s <= timeout_s + 1e-9
        clock.sleep(logged.latency_s)
        error = ErrorType[logged.error_type.upper()] if logged.error_type else ErrorType.NONE
        column = done.dataset.models.index(done.policy.log_name(name))
        tokens = float(done.dataset.output_tokens[row, column])
        return Logged("42", logged.cost_usd, logged.latency_s, error, tokens)

    return call


def assert_same(got: Trace, want: Trace) -> None:
    """All but the grades, which nobody gives live, and what was drawn."""
    assert (got.route, got.chain, got.status) == (want.route, want.chain, want.status)
    assert (got.error_type, got.cached) == (want.error_type, want.cached)
    assert math.isclose(got.cost_usd, want.cost_usd, rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(got.latency_s, want.latency_s, rel_tol=1e-9, abs_tol=1e-9)
    for mine, theirs in ((got.attempts, want.attempts), (got.skips, want.skips)):
        assert [(a.model, a.step, a.error_type) for a in mine] == [
            (a.model, a.step, a.error_type) for a in theirs
        ]
        assert [a.start_s for a in mine] == pytest.approx([a.start_s for a in theirs])
    assert [a.wait_s for a in got.attempts] == pytest.approx([a.wait_s for a in want.attempts])


@settings(max_examples=200, deadline=None)
@given(replays(complete=True))
def test_live_and_replay_give_the_same_trace(done: Replay):
    """The same request on the same outcomes is routed, retried and ended alike."""
    # A retry of a model that never answers has no known latency, and no clock can follow it.
    assume(not np.isnan([done.latency_s, done.cost_usd]).any())
    for i, request in enumerate(done.dataset.requests.to_pylist()):
        clock = Clock()
        served = serve(
            done.policy,
            {name: value for name, value in request.items() if value is not None},
            log_as_provider(done, i, clock),
            seed=done.seed,
            clock=lambda clock=clock: clock.now,
            sleep=clock.sleep,
        )
        want = done.trace(i)
        assert_same(served.trace, want)
        accepted = want.status == Status.ACCEPTED.label
        assert (served.text == "42") == accepted


SHARED = ("breaker", "limits", "cache", "retry_budget", "shedding", "daily", "capabilities")


def one_after_the_other(case: Case, gaps: Iterator[float]) -> Replay:
    """Replay a case in which nothing is missing and no request arrives before the last has ended.

    No fault of the world asks to wait before a retry, as traces do not say for how long one did.
    """
    dataset = replace(
        case.dataset,
        observed=np.ones_like(case.dataset.observed),
        cost_usd=np.nan_to_num(case.dataset.cost_usd, nan=0.25),
        latency_s=np.nan_to_num(case.dataset.latency_s, nan=1.0),
    )
    told = case.faults.kind != RATE_LIMIT
    faults = Faults(*(column[told] for column in case.faults[:-1]), seed=case.faults.seed)
    rows = np.arange(dataset.n_requests)
    arrival_s = rows * 65_536.0
    for i in rows:
        arrivals = Traffic(dataset, arrival_s, case.origin_s, drawn=False, row=rows)
        done = replay_traffic(case.policy, arrivals, faults, case.seed)
        arrival_s = arrival_s.copy()
        # A retry of a model that never answers has no known latency, and no clock can follow it.
        assume(not np.isnan([done.latency_s[i], done.cost_usd[i]]).any())
        arrival_s[i + 1 : i + 2] = arrival_s[i] + done.latency_s[i] + next(gaps)
    return done


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_live_and_replay_share_the_same_state(data):
    """Breakers, limits, budgets and the cache meet each request as they do in replay."""
    features = frozenset(data.draw(st.sets(st.sampled_from(SHARED), min_size=1))) | {"faults"}
    case = made(data.draw(st.integers(1, 10)), data.draw(st.integers(0, 2**48)), features)
    # Live, a look-up takes what it takes.
    if case.policy.cache:
        case = replace(case, policy=case.policy.with_value("cache.latency_s", 0.0))
    gaps = st.sampled_from([0.0, 0.25, 0.5, 1.0, 8.0])
    done = one_after_the_other(case, iter(lambda: data.draw(gaps), None))
    clock = Clock()
    service = Service(
        done.policy,
        seed=done.seed,
        clock=lambda: clock.now,
        sleep=clock.sleep,
        origin_s=case.origin_s,
    )
    for i, request in enumerate(done.dataset.requests.to_pylist()):
        clock.now = max(clock.now, float(done.arrival_s[i]))
        served = service.serve(request, log_as_provider(done, i, clock))
        assert_same(served.trace, done.trace(i))
        assert (served.text == "42") == (served.trace.status == "accepted" or served.trace.cached)


def live_policy(api_base: str) -> Policy:
    """A port where nothing listens, then the real model, then a message."""
    return Policy.model_validate(
        {
            "policy": "live",
            "models": {
                "gone": {"litellm": "openai/gone", "api_base": "http://127.0.0.1:9"},
                "local": {"litellm": MODEL, "api_base": api_base},
            },
            "routes": [
                {"name": "vip", "when": {"tenant": {"eq": "vip"}}, "use": "only_gone"},
            ],
            "default": "gone_then_local",
            "chains": {
                "gone_then_local": {"steps": [{"model": "gone"}, {"model": "local"}]},
                "only_gone": {
                    "steps": [
                        {"model": "gone", "retries": 1, "backoff_s": 0.01},
                        {"degrade": "message", "text": "Please try again.", "quality": 0.2},
                    ]
                },
            },
        }
    )


@pytest.mark.model
def test_a_policy_is_served_by_a_real_model_through_litellm():
    """A dead server is left for the real model, whose answer and attempts come back."""
    policy = live_policy(shared_model().api_base)
    call = through_litellm([{"role": "user", "content": "Say hello in one word."}])
    served = serve(policy, {"request_id": "r1"}, call)
    assert served.text
    assert served.trace.status == "accepted"
    assert [(a.model, a.error_type) for a in served.trace.attempts] == [
        ("gone", "connection"),
        ("local", None),
    ]
    assert served.trace.latency_s >= sum(a.latency_s for a in served.trace.attempts)


def test_live_retries_and_degrades_as_the_policy_says():
    """With nothing to fall back on, a dead server is tried twice and the message answers."""
    call = through_litellm([{"role": "user", "content": "hello"}])
    served = serve(live_policy("http://127.0.0.1:9"), {"request_id": "r2", "tenant": "vip"}, call)
    assert served.text == "Please try again."
    assert (served.trace.route, served.trace.status) == ("vip", "degraded")
    assert len(served.trace.attempts) == 2
    assert served.trace.attempts[1].wait_s > 0


def test_a_model_without_live_settings_says_so():
    """A policy made for replay alone cannot be served, and the message says what is missing."""
    call = through_litellm([{"role": "user", "content": "hello"}])
    with pytest.raises(ProviderError, match=r"models.small: nothing says how to call it live"):
        serve(Policy.single("small"), {"request_id": "r3"}, call)
