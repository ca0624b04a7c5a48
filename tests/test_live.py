"""The live driver over a fake provider on a virtual clock gives the trace that replay gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.strategies import datasets, policies
from toolkit.engine.live import serve
from toolkit.engine.replay import Replay, replay
from toolkit.errors import PolicyError
from toolkit.policy.model import Model
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


@st.composite
def measured_replays(draw: st.DrawFn) -> Replay:
    """A generated policy on a generated log without gaps."""
    dataset = draw(datasets(complete=True))
    try:
        policy = draw(policies(dataset.models))
    except PolicyError:  # now and then a generated rule is unreachable
        assume(False)
        raise
    done = replay(policy, dataset, draw(st.integers(0, 3)))
    assume(not any(math.isnan(x) for x in [*done.latency_s, *done.cost_usd]))
    return done


@settings(max_examples=200, deadline=None)
@given(measured_replays())
def test_live_and_replay_give_the_same_trace(done: Replay):
    """The same request on the same outcomes is routed, retried and ended alike."""
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
