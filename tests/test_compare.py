"""Two policies on the same requests."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tests.small_logs import chain, log
from toolkit.engine.replay import replay
from toolkit.errors import DataError
from toolkit.evaluate.compare import METRICS, compare
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType

A, B = Policy.single("a"), Policy.single("b")
SERVER = int(ErrorType.SERVER_ERROR)


@pytest.fixture(scope="module")
def two_models():
    """400 requests: b is cheaper and faster, of about the same quality, and fails less often."""
    rng = np.random.default_rng(0)
    hard = rng.random((400, 1))
    return log(
        (rng.random((400, 2)) > hard).astype(float),
        np.hstack([hard, 0.7 * hard]) / 100,
        rng.exponential([[2.0, 1.0]], (400, 2)),
        np.where(rng.random((400, 2)) < [[0.15, 0.02]], SERVER, 0),
    )


def test_differences_are_means_of_paired_differences(two_models):
    """B minus A on each request, then the mean; and the means of both beside it."""
    found = compare(A, B, two_models)
    d = two_models
    for difference, matrix in (
        (found.quality, d.quality),
        (found.cost_usd_per_1k, 1000 * d.cost_usd),
        (found.latency_mean_s, d.latency_s),
        (found.error_rate, (d.error > 0).astype(float)),
    ):
        each = [b - a for a, b in matrix]
        assert difference.value == pytest.approx(sum(each) / len(each))
        assert (difference.a, difference.b) == pytest.approx(tuple(matrix.mean(axis=0)))
        assert (difference.n, difference.share) == (400, 1)
        half = 1.96 * np.std(each) / math.sqrt(400)
        assert difference.high - difference.low == pytest.approx(2 * half, rel=0.1)


def test_pairing_narrows_the_interval(two_models):
    """Cost varies with the request, and most of that cancels."""
    cost = 1000 * two_models.cost_usd
    apart = 2 * 1.96 * math.sqrt(cost.var(axis=0).sum() / 400)
    paired = compare(A, B, two_models).cost_usd_per_1k
    assert paired.high - paired.low < 0.5 * apart


def test_swapping_the_sides_turns_the_signs(two_models):
    """What A gains B loses: the same resamples serve both ways."""
    ab, ba = compare(A, B, two_models), compare(B, A, two_models)
    for name in METRICS:
        there, back = getattr(ab, name), getattr(ba, name)
        assert there.value == pytest.approx(-back.value)
        assert (there.low, there.high) == pytest.approx((-back.high, -back.low), rel=1e-4)
    assert list(ab.winners) == list(ba.losers)


def test_winners_and_losers_are_the_requests_that_differ():
    """Largest change first; equal or ungraded requests are neither."""
    quality = [[0.0, 0.5], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [np.nan, 1.0]]
    found = compare(A, B, log(quality))
    assert list(found.winners) == [2, 0]
    assert list(found.losers) == [1]
    assert found.quality.n == 4
    assert found.quality.share == 0.8


def test_only_requests_observed_under_both_count():
    """A request that one policy has no outcome for says nothing of the difference."""
    found = compare(A, B, log([[0.0, 1.0]] * 4, observed=[[1, 1], [1, 0], [0, 1], [1, 1]]))
    assert (found.requests, found.paired) == (4, 2)
    assert found.quality.value == 1.0
    nothing = compare(A, B, log([[0.0, 1.0]] * 2, observed=[[1, 0], [0, 1]]))
    assert nothing.paired == 0
    assert math.isnan(nothing.quality.value)
    assert nothing.verdict == "b and a have no observed request in common: nothing can be said."
    json.dumps(nothing.to_dict(), allow_nan=False)


def test_the_verdict_names_what_differs_and_what_does_not(two_models):
    """Cheaper and faster are stated with their size, the rest as not distinguishable."""
    verdict = compare(A, B, two_models).verdict
    assert verdict.startswith("b is cheaper than a by $")
    assert " per 1k [" in verdict
    assert "faster by" in verdict
    assert "less often in error by" in verdict
    assert verdict.endswith("not distinguishable on 400 requests; about 2,100 would decide it.")
    noise = log((np.random.default_rng(1).random((60, 2)) < 0.5).astype(float), latency_s=np.nan)
    verdict = compare(A, B, noise).verdict
    assert verdict.startswith(
        "b is not distinguishable from a on 60 requests: quality differs by +16.7 points ["
    )
    assert verdict.endswith(
        "; about 160 would decide it; cost is the same; error rate is the same. "
        "Not measured under both: latency."
    )


def test_a_policy_ends_like_itself():
    """There is nothing to distinguish, and the verdict says so."""
    found = compare(A, A, log(np.ones((30, 2))))
    assert found.identical
    assert found.verdict == "a ends like a on all of 30 requests."


def test_two_gains_do_not_make_a_difference():
    """With few requests that differ the interval is as wide as they are few."""
    quality = np.ones((1000, 2))
    quality[:4, 0] = 0
    four = compare(A, B, log(quality)).quality
    assert four.low < 0 < four.high
    assert not four.distinguishable
    quality[:12, 0] = 0
    assert compare(A, B, log(quality)).quality.distinguishable


def test_equal_policies_are_rarely_called_different():
    """Of 200 pairs of equally good models some 5 % are told apart, whatever the metric."""
    called = dict.fromkeys(METRICS, 0)
    for seed in range(200):
        rng = np.random.default_rng([20, seed])
        data = log(
            (rng.random((300, 2)) < 0.7).astype(float),
            rng.exponential(0.001, (300, 2)),
            rng.exponential(1.0, (300, 2)),
            np.where(rng.random((300, 2)) < 0.03, SERVER, 0),
        )
        found = compare(A, B, data)
        for name in METRICS:
            called[name] += getattr(found, name).distinguishable
    assert max(called.values()) <= 14, called  # 5 % of 200 and two standard errors
    assert sum(called.values()) <= 40, called  # 5 % of all


def test_intervals_of_differences_cover_the_truth():
    """Of 300 simulated logs, some 95 % have the true difference in their interval."""
    inside = 0
    for seed in range(300):
        rng = np.random.default_rng([10, seed])
        data = log((rng.random((250, 2)) < [[0.6, 0.7]]).astype(float))
        d = compare(A, B, data).quality
        inside += d.low <= 0.1 <= d.high
    assert 0.92 <= inside / 300 <= 0.98


def test_replays_of_different_data_are_refused():
    """A difference between two logs is not one between policies."""
    one, other = log([[1.0, 1.0]], digest="x"), log([[1.0, 0.0]], digest="y")
    with pytest.raises(DataError, match="needs one dataset; got a replay on 'small'"):
        compare(replay(A, one), replay(B, other))
    same = log([[1.0, 1.0]], digest="x")
    assert compare(replay(A, one), replay(B, same)).paired == 1


def test_policies_need_a_dataset():
    """Two policies alone cannot be compared; a replay brings its dataset."""
    with pytest.raises(DataError, match="compared on a dataset"):
        compare(A, B)
    assert compare(replay(A, log([[1.0, 1.0]])), B).b == "b"


def test_the_json_and_the_table(two_models):
    """Values, intervals, both sides and the verdict; names escaped."""
    found = compare(A, chain("b", name="<b>"), two_models)
    values = found.to_dict()
    json.dumps(values, allow_nan=False)
    assert values["quality_b"] - values["quality_a"] == pytest.approx(values["quality"])
    assert values["latency_mean_s_ci95"][0] < values["latency_mean_s"]
    assert values["verdict"] == found.verdict
    assert values["winners"] == len(found.winners)
    page = found._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
