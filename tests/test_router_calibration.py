"""Calibration of a router against obvious loops, and its intervals where the truth is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss

from toolkit.evaluate.intervals import wilson
from toolkit.evaluate.routers.calibration import calibration, equal_mass


def _one(predicted, quality, **more):
    """The calibration of a single model."""
    return calibration(predicted[:, None], quality[:, None], ["m"], **more)[0]


@pytest.fixture
def sample():
    """Predictions that are right, and what came of them."""
    rng = np.random.default_rng(1)
    predicted = rng.beta(4, 2, 900)
    return predicted, (rng.random(900) < predicted).astype(float)


def test_ece_and_brier_are_those_of_a_loop(sample):
    """Fifteen bins of sixty each, the mean distance weighted by their size."""
    p, y = sample
    order = np.argsort(p)
    ece = sum(abs(y[part].mean() - p[part].mean()) * 60 for part in np.split(order, 15)) / 900
    found = _one(p, y)
    assert found.ece.value == pytest.approx(ece)
    assert found.brier.value == pytest.approx(brier_score_loss(y, p))
    assert found.brier_base.value == pytest.approx(y.mean() * (1 - y.mean()))
    assert found.brier_gain.value == pytest.approx(found.brier_base.value - found.brier.value)
    assert found.brier_gain.low > 0
    assert [b.n for b in found.bins] == [60] * 15
    first = found.bins[0]
    share = y[order[:60]].mean()
    assert (first.low, first.high) == (p[order[0]], p[order[59]])
    assert (first.observed.low, first.observed.high) == pytest.approx(wilson(share, 60))


@given(
    arrays(np.float64, st.integers(1, 60), elements=st.sampled_from([0.1, 0.2, 0.5, 0.8, 0.9])),
    st.integers(1, 20),
)
def test_equal_predictions_share_a_bin(predicted, bins):
    """Whatever the steps of an isotonic calibration, none is cut, and the order is kept."""
    code = equal_mass(predicted, bins)
    assert len(set(zip(predicted, code, strict=True))) == len(set(predicted))
    assert (np.diff(code[np.argsort(predicted, kind="stable")]) >= 0).all()
    assert sorted(set(code)) == list(range(code.max() + 1))
    assert code.max() < bins


@given(st.integers(1, 400), st.integers(1, 20))
def test_without_equal_predictions_bins_hold_the_same_number(n, bins):
    """Their sizes differ by one at most."""
    size = np.bincount(equal_mass(np.random.default_rng(n).random(n), bins))
    assert size.max() - size.min() <= 1
    assert len(size) == min(n, bins)


def test_a_single_prediction_is_one_bin():
    """The base rate as the only prediction has no skill and is calibrated."""
    y = np.array([1.0] * 70 + [0.0] * 30)
    found = _one(np.full(100, 0.7), y)
    assert len(found.bins) == 1
    assert found.ece.value == pytest.approx(0)
    assert found.consistent
    assert found.brier_gain.value == 0
    assert "not surely better than the mean's" in found.words


def test_a_router_that_is_too_sure_is_found_out(sample):
    """Predictions far from what happens are off by more than chance."""
    p, y = sample
    found = _one(np.where(p > 0.6, 0.99, 0.2), y)
    assert found.consistent is False
    assert found.ece.low > found.ece_if_right
    assert "more than chance explains" in found.words


def test_right_predictions_are_not_called_off():
    """Of 200 routers whose predictions are right about 2.5 % are told to be off, and few more."""
    rng = np.random.default_rng(5)
    predicted = rng.beta(4, 2, (400, 200))
    quality = (rng.random((400, 200)) < predicted).astype(float)
    found = calibration(predicted, quality, [str(j) for j in range(200)])
    off = np.mean([one.consistent is False for one in found])
    assert off <= 0.06
    mean = np.mean([one.ece.value for one in found])
    assert mean == pytest.approx(np.mean([one.ece_if_right for one in found]), rel=0.03)
    assert mean > 0.05


@pytest.mark.parametrize("off", [0.0, 0.05, 0.15])
def test_the_interval_of_the_ece_holds_what_is_true(off):
    """Of 100 routers that are off by a known distance the interval holds it in 95 %."""
    rng = np.random.default_rng(6)
    truth = rng.uniform(0.2, 0.8, (800, 100))
    quality = (rng.random(truth.shape) < truth).astype(float)
    found = calibration(truth + off, quality, [str(j) for j in range(100)])
    held = [one.ece.low - 1e-9 <= off <= one.ece.high + 1e-9 for one in found]
    assert np.mean(held) >= 0.9
    assert all(one.ece.low <= one.ece.value <= one.ece.high for one in found)


def test_what_was_not_graded_is_left_out(sample):
    """A grade that is missing changes nothing but the number; a model without any is undefined."""
    p, y = sample
    holes = np.concatenate([y, np.full(50, np.nan)])
    more = np.concatenate([p, np.full(50, 0.5)])
    found, full = _one(more, holes), _one(p, y)
    assert (found.n, found.ece.value) == (900, pytest.approx(full.ece.value))
    none = _one(p, np.full(900, np.nan))
    assert none.n == 0
    assert math.isnan(none.ece.value)
    assert none.consistent is None
    assert none.to_dict()["ece"] is None


def test_a_weight_of_two_is_the_request_twice(sample):
    """The values are those of a log in which the request stands twice."""
    p, y = sample
    weight = np.where(np.arange(900) % 3 == 0, 2.0, 1.0)
    again = np.repeat(np.arange(900), weight.astype(int))
    heavy = _one(p, y, weight=weight[:, None], bins=1)
    twice = _one(p[again], y[again], bins=1)
    assert heavy.ece.value == pytest.approx(twice.ece.value)
    assert heavy.brier.value == pytest.approx(twice.brier.value)
    assert heavy.bins[0].observed.value == pytest.approx(twice.bins[0].observed.value)


def test_users_widen_what_is_known():
    """A hundred users with ten requests alike tell less than a thousand requests."""
    rng = np.random.default_rng(2)
    user = np.repeat(np.arange(100), 10)
    p = np.full(1_000, 0.7) + rng.normal(0, 0.02, 1_000)
    y = (rng.random(1_000) < np.repeat(rng.beta(1.4, 0.6, 100), 10)).astype(float)
    alone, together = _one(p, y), _one(p, y, cluster=user)
    assert together.brier.high - together.brier.low > alone.brier.high - alone.brier.low
    assert together.ece_if_right > alone.ece_if_right
    widths = [[b.observed.high - b.observed.low for b in c.bins] for c in (alone, together)]
    assert np.mean(widths[1]) > np.mean(widths[0])


def test_json_is_json(sample):
    """All of it can be written without NaN."""
    told = json.loads(json.dumps(_one(*sample).to_dict(), allow_nan=False))
    assert {"model", "ece", "ece_ci95", "brier", "brier_base", "bins"} <= set(told)
    assert len(told["bins"]) == 15
