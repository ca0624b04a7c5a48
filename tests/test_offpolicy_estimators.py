from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from toolkit.evaluate.intervals import wilson
from toolkit.evaluate.offpolicy.contrast import Part, contrast
from toolkit.evaluate.offpolicy.estimators import (
    clipped_ips,
    dm,
    dr,
    effective_sample_size,
    ips,
    snips,
    switch_dr,
)
from toolkit.evaluate.offpolicy.uncertainty import interval, standard_error, student

OBP = {
    "ips": 0.33370359180078,
    "clipped_ips 3": 0.260423693781157,
    "snips": 0.3261598205970265,
    "dm": 0.40999495001946434,
    "dr": 0.3237362781447572,
    "switch_dr 1": 0.383751373938318,
    "switch_dr 3": 0.3506161707704591,
    "switch_dr 10": 0.3315747916626137,
}
"""What obp 0.5.7 (Open Bandit Pipeline) gives on ``generated()``: InverseProbabilityWeighting,
the same with lambda_=3, SelfNormalizedInverseProbabilityWeighting, DirectMethod, DoublyRobust, and
SwitchDoublyRobust with lambda_ = 1, 3, 10; Python 3.11, NumPy 2.4.6."""


def softmax(score: np.ndarray) -> np.ndarray:
    """Chances by score, a row each."""
    raised = np.exp(score - score.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def generated(n: int = 2_000, k: int = 4) -> dict[str, np.ndarray]:
    """The log that both were asked about, from uniform numbers alone."""
    rng = np.random.default_rng(20240)
    x, u = rng.random(n), rng.random((n, 3))
    arms, rows = np.arange(k), np.arange(n)
    logging = softmax(2 * x[:, None] * arms - arms)
    target = softmax(3 * (1 - x[:, None]) * arms - 0.5 * arms)
    action = (u[:, :1] > logging.cumsum(axis=1)).sum(axis=1).clip(max=k - 1)
    mean = 0.2 + 0.15 * arms * x[:, None]
    q = np.clip(mean + 0.2 * (x[:, None] - 0.5) + 0.03 * arms, 0, 1)
    return {
        "weight": target[rows, action] / logging[rows, action],
        "reward": (u[:, 1] < mean[rows, action]).astype(float),
        "q_logged": q[rows, action],
        "q_target": (target * q).sum(axis=1),
    }


def test_estimators_agree_with_open_bandit_pipeline():
    """Each gives what obp gives on the same log, to the last digits."""
    log = generated()
    w, r, q, qt = (log[name] for name in ("weight", "reward", "q_logged", "q_target"))
    ours = {
        "ips": ips(w, r),
        "clipped_ips 3": clipped_ips(w, r, 3.0),
        "snips": snips(w, r),
        "dm": dm(qt),
        "dr": dr(w, r, q, qt),
        "switch_dr 1": switch_dr(w, r, q, qt, 1.0),
        "switch_dr 3": switch_dr(w, r, q, qt, 3.0),
        "switch_dr 10": switch_dr(w, r, q, qt),
    }
    assert {name: found.value for name, found in ours.items()} == pytest.approx(OBP, rel=1e-12)


def test_estimators_equal_one_line_loops():
    """Sums over one request after the other say the same."""
    log = {name: values[:50] for name, values in generated().items()}
    each = list(zip(*log.values(), strict=True))
    assert ips(log["weight"], log["reward"]).value == pytest.approx(
        sum(w * r for w, r, _, _ in each) / 50
    )
    assert snips(log["weight"], log["reward"]).value == pytest.approx(
        sum(w * r for w, r, _, _ in each) / sum(w for w, *_ in each)
    )
    assert dr(**log).value == pytest.approx(sum(t + w * (r - q) for w, r, q, t in each) / 50)
    assert switch_dr(**log, tau=2.0).value == pytest.approx(
        sum(t + (w * (r - q) if w <= 2 else 0) for w, r, q, t in each) / 50
    )


numbers = arrays(float, 20, elements=st.floats(0, 50))
rewards = arrays(float, 20, elements=st.floats(0, 1))


@settings(max_examples=40)
@given(numbers, rewards, rewards, rewards)
def test_every_estimate_is_the_mean_of_its_influence(w, r, q, t):
    """The influence function adds up to the estimate, so that its spread is the estimate's."""
    for found in (ips(w, r), dm(t), dr(w, r, q, t), switch_dr(w, r, q, t)):
        assert found.influence.mean() == pytest.approx(found.value, abs=1e-9)
    if w.sum() > 1e-3:
        found = snips(w, r)
        assert found.influence.mean() == pytest.approx(found.value, abs=1e-6)
        assert -1e-9 <= found.value <= 1 + 1e-9


@settings(max_examples=40)
@given(numbers, rewards, rewards)
def test_doubly_robust_without_errors_is_the_direct_method(w, r, t):
    """Where the model foretold every reward there is nothing to correct."""
    assert dr(w, r, r, t).value == pytest.approx(dm(t).value)
    assert dr(w, r, np.zeros(20), np.zeros(20)).value == pytest.approx(ips(w, r).value)


def test_the_standard_errors_are_those_of_many_repeats():
    """The spread over 1,000 logs is what each log says of itself, also for the ratio of sums."""
    rng = np.random.default_rng(3)
    w = 0.2 + 3 * rng.random((1_000, 400)) ** 3
    r = (rng.random((1_000, 400)) < 0.3 + 0.1 * w).astype(float)
    for method in (ips, snips):
        found = [method(a, b) for a, b in zip(w, r, strict=True)]
        spread = np.std([one.value for one in found])
        said = np.mean([standard_error(one.influence) for one in found])
        assert said == pytest.approx(spread, rel=0.08)


def test_clusters_widen_the_interval():
    """Ten copies of each request tell no more than one."""
    log = generated(200)
    once = dr(**log)
    copied = dr(**{name: np.repeat(values, 10) for name, values in log.items()})
    cluster = np.repeat(np.arange(200), 10)
    assert standard_error(copied.influence, cluster) == pytest.approx(
        standard_error(once.influence)
    )
    assert standard_error(copied.influence) < 0.4 * standard_error(once.influence)


def test_an_interval_stays_within_0_and_1_and_is_not_empty_where_nothing_failed():
    """No error among 100 requests does not prove that there are none."""
    nothing = np.zeros(100)
    found = interval(ips(np.ones(100), nothing), np.ones(100), nothing, fraction=True)
    assert (found.value, found.low) == (0, 0)
    assert 0.02 < found.high < 0.06
    assert found.n == 100


def test_without_a_weight_there_is_no_estimate():
    """Where no logged request speaks for the policy everything is undefined."""
    zero = np.zeros(10)
    found = interval(snips(zero, zero), zero, zero)
    assert math.isnan(found.value)
    assert math.isnan(found.low)
    assert found.n == 0


def test_effective_sample_size():
    """Even weights count in full, one heavy weight counts alone, none counts nothing."""
    assert effective_sample_size(np.full(50, 0.3)) == pytest.approx(50)
    assert effective_sample_size(np.array([1.0, 0, 0])) == pytest.approx(1)
    assert effective_sample_size(np.zeros(3)) == 0


def two_arms(errors: tuple[int, int], n: int = 100) -> tuple[Part, Part]:
    """Two policies that ask one of two models each, of which chance took either for n requests."""
    arm = np.repeat([0, 1], n)
    failed = np.concatenate([np.arange(n) < k for k in errors]).astype(float)
    weights = [2.0 * (arm == j) for j in (0, 1)]
    first, second = (Part(ips(w, failed), w, failed) for w in weights)
    return first, second


def test_a_difference_of_errors_is_no_surer_than_the_shares_are():
    """No error under either does not prove that there is no difference."""
    found = contrast(*two_arms((0, 0)), fraction=True)
    most = wilson(0, 100)[1]
    assert (found.value, found.p) == (0, 1)
    assert (found.low, found.high) == pytest.approx((-most, most))
    few, many = contrast(*two_arms((2, 0)), fraction=True), contrast(*two_arms((40, 30)))
    assert few.low < 0.02 - (0.02 - wilson(0.02, 100)[0])
    assert few.high - few.value >= wilson(0.02, 100)[1] - 0.02
    assert contrast(*two_arms((40, 30)), fraction=True) == many


def test_what_two_policies_share_is_no_difference():
    """The same weights and rewards leave nothing, and the interval is [0, 0]."""
    one, other = two_arms((3, 5))
    found = contrast(one, one, fraction=True)
    assert (found.value, found.low, found.high, found.changed) == (0, 0, 0, 0)
    assert contrast(one, other).changed == 200


def test_few_coins_convince_nobody():
    """Where two policies part on two requests only, no spread makes a difference of it."""
    weight, reward = np.ones(400), np.zeros(400)
    changed = np.where(np.arange(400) < 2, 1.0, 0.0)
    one, other = (
        Part(ips(weight, changed), weight, changed),
        Part(ips(weight, reward), weight, reward),
    )
    assert contrast(one, other).p >= 0.5


def test_the_p_value_belongs_to_the_interval():
    """It is 0.05 where an end of the interval is 0, also with few degrees of freedom."""
    rng = np.random.default_rng(0)
    for n in (6, 40):
        weight, nothing = np.ones(n), np.zeros(n)
        noise = rng.normal(size=n)
        spread = standard_error(noise)
        reward = noise - noise.mean() + student(n - 1) * spread
        found = contrast(
            Part(ips(weight, reward), weight, reward), Part(ips(weight, nothing), weight, nothing)
        )
        assert found.low == pytest.approx(0, abs=1e-12)
        assert found.p == pytest.approx(0.05)
