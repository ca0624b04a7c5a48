"""The live driver over a fake provider on a virtual clock gives the trace that replay gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings

from tests.local_model import MODEL, shared_model
from tests.strategies import replays
from toolkit.engine.live import serve, through_litellm
from toolkit.engine.replay import Replay
from toolkit.errors import ProviderError
from toolkit.policy.model import Model, Policy
from toolkit.schema import ErrorType, Status


@dataclass(frozen=True)
class Logged:
    """A logged outcome as a provider's reply."""

    text: str
    cost_usd: float
    latency_s: float
    error: ErrorType


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
        return Logged("42", logged.cost_usd, logged.latency_s, error)

    return call


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
        got = served.trace
        assert (got.route, got.chain, got.status) == (want.route, want.chain, want.status)
        assert got.error_type == want.error_type
        assert math.isclose(got.cost_usd, want.cost_usd, rel_tol=1e-9, abs_tol=1e-12)
        assert math.isclose(got.latency_s, want.latency_s, rel_tol=1e-9, abs_tol=1e-12)
        assert [(a.model, a.step, a.error_type) for a in got.attempts] == [
            (a.model, a.step, a.error_type) for a in want.attempts
        ]
        assert all(
            math.isclose(a.start_s, b.start_s, abs_tol=1e-9)
            for a, b in zip(got.attempts, want.attempts, strict=True)
        )
        accepted = want.status == Status.ACCEPTED.label
        assert (served.text == "42") == accepted


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
