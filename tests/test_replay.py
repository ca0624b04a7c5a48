"""The compiled machine against the obvious one, and what must always hold of a replay."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests import reference, reference_world, small_logs
from tests.strategies import datasets, policies, replays
from toolkit.engine.decide import decide
from toolkit.engine.replay import Replay, replay
from toolkit.errors import DataError, DetourError, PolicyError
from toolkit.logs.datasets import Dataset
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType, Status


def same(a: float, b: float) -> bool:
    """Equal up to rounding; unknown equals unknown."""
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


@settings(max_examples=400, deadline=None)
@given(replays())
def test_replay_agrees_with_the_reference(done: Replay):
    """Every request is routed, tried and ended as by the plain per-request implementation."""
    log = reference.Log(done.dataset)
    for i in range(done.dataset.n_requests):
        want, got = reference_world.play(done.policy, log, i, done.seed), done.trace(i)
        assert (got.route, got.chain, got.status) == (want.route, want.chain, want.status)
        assert got.error_type == want.error
        assert same(got.quality, want.quality)
        assert same(got.cost_usd, want.cost_usd)
        assert same(got.latency_s, want.latency_s)
        assert bool(done.fallback[i]) == want.fallback
        assert bool(done.imputed[i]) == want.imputed
        answered = done.model_names[done.model[i]] if done.model[i] >= 0 else None
        assert answered == want.model
        assert len(got.attempts) == len(want.attempts)
        for a, (model, start, latency, error) in zip(got.attempts, want.attempts, strict=True):
            assert (a.model, a.error_type) == (model, error)
            assert same(a.start_s, start)
            assert same(a.latency_s, latency)


@settings(max_examples=200, deadline=None)
@given(replays())
def test_totals_are_sums_over_attempts(done: Replay):
    """Cost and latency of a request are the sums of its attempts, waits and degrade step."""
    for i in range(done.dataset.n_requests):
        trace = done.trace(i)
        if trace.status == Status.UNOBSERVED.label:
            assert math.isnan(trace.cost_usd)
            continue
        step = done.policy.chains[trace.chain].steps[-1]
        ends = trace.status == Status.DEGRADED.label
        cost = sum(a.cost_usd for a in trace.attempts) + (step.cost_usd if ends else 0)
        waits = sum(a.wait_s + a.latency_s for a in trace.attempts)
        assert same(trace.cost_usd, cost)
        assert same(trace.latency_s, waits + (step.latency_s if ends else 0))


@settings(max_examples=200, deadline=None)
@given(replays())
def test_no_attempt_starts_after_the_deadline_or_outlasts_it(done: Replay):
    """A chain's deadline and a step's timeout bound every attempt; retries stay in number."""
    for i in range(done.dataset.n_requests):
        trace = done.trace(i)
        chain = done.policy.chains[trace.chain]
        deadline = chain.deadline_s or math.inf
        for a in trace.attempts:
            assert a.start_s < deadline
            if not math.isnan(a.latency_s):
                assert a.start_s + a.latency_s <= deadline + 1e-9
                assert a.latency_s <= (chain.steps[a.step - 1].timeout_s or math.inf) + 1e-9
        allowed = sum(1 + getattr(step, "retries", -1) for step in chain.steps)
        assert len(trace.attempts) <= allowed


@settings(max_examples=100, deadline=None)
@given(datasets(), st.data())
def test_the_order_of_requests_does_not_matter(dataset: Dataset, data: st.DataObject):
    """A reversed log gives the same routes and, without retries, the same outcomes."""
    try:
        policy = data.draw(policies(dataset.models))
    except PolicyError:
        assume(False)
        raise
    flipped = Dataset(
        name="flipped",
        requests=dataset.requests.take(np.arange(dataset.n_requests)[::-1]),
        models=dataset.models,
        **{
            name: np.ascontiguousarray(getattr(dataset, name)[::-1])
            for name in (
                "observed", "quality", "cost_usd", "latency_s",
                "input_tokens", "output_tokens", "error",
            )
        },
    )  # fmt: skip
    one, two = replay(policy, dataset), replay(policy, flipped)
    assert (one.route == two.route[::-1]).all()
    assert (one.chain == two.chain[::-1]).all()
    sure = ~(one.imputed | two.imputed[::-1])
    assert (one.status == two.status[::-1])[sure].all()
    np.testing.assert_allclose(one.cost_usd[sure], two.cost_usd[::-1][sure])


def log(**columns: list[float]) -> Dataset:
    """Two models, three requests: what is not given is answered, right, in 1 s, for 1 cent."""
    n = 3

    def column(name: str, default: float) -> np.ndarray:
        return np.array(columns.get(name, [[default, default]] * n), float)

    return Dataset(
        name="three",
        requests=pa.table({"request_id": ["a", "b", "c"], "category": ["x", "x", "y"]}),
        models=("large", "small"),
        observed=column("observed", 1).astype(bool),
        quality=column("quality", 1),
        cost_usd=column("cost_usd", 0.01),
        latency_s=column("latency_s", 1),
        input_tokens=column("input_tokens", 100),
        output_tokens=column("output_tokens", 10),
        error=column("error", 0).astype(np.int8),
    )


def chain(*steps: dict, **settings_: object) -> Policy:
    """A policy of one chain over ``small`` and ``large``."""
    return Policy.model_validate(
        {
            "policy": "one",
            "models": {"small": settings_.pop("small", {}), "large": {}},
            "default": "only",
            "chains": {"only": {"steps": list(steps), **settings_}},
        }
    )


def test_a_timed_out_call_is_billed_in_full_by_default():
    """The provider has worked on it, so a call given up on costs as if it had been awaited."""
    slow = log(latency_s=[[1, 5]] * 3)
    steps = ({"model": "small", "timeout_s": 2}, {"model": "large"})
    done = replay(chain(*steps), slow)
    assert done.latency_s.tolist() == [3, 3, 3]
    assert done.cost_usd.tolist() == [0.02] * 3
    assert done.trace(0).attempts[0].error_type == "timeout"
    assert replay(chain(*steps, small={"bill_timeouts": "none"}), slow).cost_usd[0] == 0.01


def test_input_only_billing_charges_the_input_tokens():
    """With prices recovered from the log, a timed-out call costs its input alone."""
    slow = log(
        latency_s=[[1, 5]] * 3,
        input_tokens=[[100, 100], [200, 200], [300, 300]],
        output_tokens=[[10, 10], [70, 70], [20, 20]],
        cost_usd=[[0, 0.12], [0, 0.34], [0, 0.34]],  # 1 ‰ a token in, 2 ‰ a token out
    )
    done = replay(
        chain(
            {"model": "small", "timeout_s": 2},
            {"model": "large"},
            small={"bill_timeouts": "input_only"},
        ),
        slow,
    )
    np.testing.assert_allclose(done.cost_usd, [0.1, 0.2, 0.3])


def test_an_unobserved_outcome_is_reported_and_not_counted_as_a_failure():
    """Nobody knows what a model that was not asked would have said."""
    done = replay(chain({"model": "small"}), log(observed=[[1, 1], [1, 0], [1, 1]]))
    assert [Status(s).label for s in done.status] == ["accepted", "unobserved", "accepted"]
    assert math.isnan(done.quality[1])
    assert math.isnan(done.cost_usd[1])


def test_what_was_not_measured_stays_unknown_in_the_total():
    """A total over attempts is not a number when one of them has no price or no time."""
    nan = math.nan
    done = replay(
        chain({"model": "small"}, {"model": "large"}),
        log(
            error=[[0, 3], [0, 0], [0, 3]],
            cost_usd=[[0.01, nan], [0.01, nan], [0.01, 0.02]],
            latency_s=[[1, nan], [1, 2], [1, 2]],
        ),
    )
    assert np.isnan(done.cost_usd).tolist() == [True, True, False]
    assert np.isnan(done.latency_s).tolist() == [True, False, False]


def test_a_spent_budget_stops_the_next_call_not_the_accepted_answer():
    """``max_cost_usd`` ends in ``budget`` once the money is gone, and keeps what was paid for."""
    failing = log(error=[[0, 3], [0, 0], [0, 3]])
    done = replay(chain({"model": "small"}, {"model": "large"}, max_cost_usd=0.01), failing)
    assert [Status(s).label for s in done.status] == ["error", "accepted", "error"]
    assert ErrorType(done.error[0]) is ErrorType.BUDGET


def test_bad_requests_do_not_fall_back_by_default():
    """Another model would refuse the same malformed request."""
    code = int(ErrorType.BAD_REQUEST)
    done = replay(chain({"model": "small"}, {"model": "large"}), log(error=[[0, code]] * 3))
    assert (done.attempts == 1).all()
    assert not done.fallback.any()


def test_a_single_model_never_counts_as_a_fallback():
    """A chain of one step has nowhere to go, whatever fails."""
    done = replay(Policy.single("small"), log(error=[[0, 3]] * 3))
    assert not done.fallback.any()
    assert (done.quality == 0).all()


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_no_generator_takes_is_refused(seed: int):
    """The message says which seeds there are."""
    with pytest.raises(DetourError, match=f"got {seed}; allowed: 0 to 9223372036854775807"):
        replay(Policy.single("small"), log(), seed)


def test_an_unknown_request_is_named_with_what_there_is():
    """Asking for the trace of a request that is not there is a clear error."""
    done = replay(Policy.single("small"), log())
    with pytest.raises(DataError, match="no request 'z'"):
        done.trace("z")
    with pytest.raises(DataError, match="allowed: 0 to 2"):
        done.trace(3)


def test_a_split_is_sticky_and_near_its_weights():
    """A user stays on one side under every seed; over many users the shares come out."""
    policy = Policy.model_validate(
        {
            "policy": "canary",
            "models": {"small": {}, "large": {}},
            "routes": [
                {
                    "name": "canary",
                    "when": {"user": {"exists": True}},
                    "split": [{"use": "new", "weight": 10}, {"use": "old", "weight": 90}],
                    "sticky_by": "user",
                }
            ],
            "default": "old",
            "chains": {
                "new": {"steps": [{"model": "small"}]},
                "old": {"steps": [{"model": "large"}]},
            },
        }
    )
    n = 20_000
    users = [f"u{i % 5000}" for i in range(n)]
    requests = pa.table({"request_id": [str(i) for i in range(n)], "user": users})
    one, two = decide(policy, requests, 0), decide(policy, requests, 1)
    assert (one.chain == two.chain).all()
    assert (one.chain[:5000] == one.chain[5000:10000]).all()
    assert abs((one.chain == 0).mean() - 0.1) < 0.015
    assert set(np.unique(one.propensity)) == {0.1, 0.9}


def test_without_a_grade_there_is_no_quality():
    """Where no answer was graded, failures do not make up a quality by counting as 0."""
    data = small_logs.log(np.full((4, 1), np.nan), error=[[0], [3], [0], [0]])
    done = replay(Policy.single("a"), data)
    assert np.isnan(done.quality).all()
    assert math.isnan(done.summary().quality.value)
    assert done.summary().error_rate.value == 0.25
    assert any("No quality was measured" in gap for gap in data.gaps)
