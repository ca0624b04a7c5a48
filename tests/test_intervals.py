"""Means, quantiles and their intervals against obvious loops, known formulas and simulations."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from tests.small_logs import log
from toolkit.evaluate import intervals
from toolkit.evaluate.intervals import Bootstrap, Metric, Rows, bootstrap, bootstrap_of, wilson
from toolkit.evaluate.quantiles import _ranks, quantiles
from toolkit.scenarios.arrivals import Traffic


def means(values, codes=None, fraction=False, n_slices=1, seed=0):
    """Estimates of one metric, a row per request."""
    n = len(values)
    codes = np.zeros(n, int) if codes is None else codes
    rows = Rows(bootstrap(n, 2000, seed), np.arange(n), codes, n_slices)
    return rows.means(Metric(np.asarray(values, float), fraction))[0]


def coverage(low, high, truth):
    """Share of the intervals that hold the truth."""
    return float(np.mean((low <= truth) & (truth <= high)))


def test_means_of_slices_agree_with_a_loop():
    """Each slice's mean, count and share are those of its measured values."""
    rng = np.random.default_rng(1)
    values, codes = rng.random(500), rng.integers(0, 7, 500)
    values[rng.random(500) < 0.2] = np.nan
    for j, estimate in enumerate(means(values, codes, n_slices=7)):
        mine = values[codes == j]
        known = mine[~np.isnan(mine)]
        assert estimate.value == pytest.approx(known.mean())
        assert (estimate.n, estimate.share) == (len(known), len(known) / len(mine))


def test_the_interval_is_the_percentile_bootstrap():
    """The product of matrices gives what drawing requests one by one gives, widened by t."""
    rng = np.random.default_rng(2)
    values = rng.exponential(2, 80)
    values[::9] = np.nan
    weights = bootstrap(80, 2000, 0).weights.astype(int)
    resampled = [np.nanmean(np.repeat(values, w)) for w in weights]
    (estimate,) = means(values)
    n, mean = estimate.n, np.nanmean(values)
    kurtosis = float(scipy.stats.kurtosis(values, fisher=False, nan_policy="omit"))
    free = 2 * n / (kurtosis - 1)  # of the spread, here fewer than the 70 of normal values
    wider = math.sqrt((free + 1) / free) * scipy.stats.t.ppf(0.975, free) / 1.95996
    expected = mean + wider * (np.percentile(resampled, [2.5, 97.5]) - mean)
    assert n == 71
    assert free < 70
    assert (estimate.low, estimate.high) == pytest.approx(tuple(expected), rel=2e-4)


def test_rows_of_one_request_are_drawn_together():
    """Doubling every row adds nothing: the requests are the sample, not their attempts."""
    rng = np.random.default_rng(3)
    values = rng.random(300)
    boot, request = bootstrap(300), np.arange(300)
    once = Rows(boot, request, np.zeros(300, int), 1).means(Metric(values))[0][0]
    twice = Rows(boot, np.repeat(request, 2), np.zeros(600, int), 1).means(
        Metric(np.repeat(values, 2))
    )[0][0]
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), rel=5e-4)


def test_every_resample_draws_as_many_requests_as_there_are():
    """Weights are counts that sum to the number of requests, and the same for the same seed."""
    boot = bootstrap(123, 50, 7)
    assert (boot.weights.sum(axis=1) == 123).all()
    assert (bootstrap.__wrapped__(123, 50, 7).weights == boot.weights).all()
    assert (bootstrap(123, 50, 8).weights != boot.weights).any()


def test_groups_of_requests_give_the_plain_interval(monkeypatch):
    """At 4,000 requests, drawing groups is as wide as drawing requests and as the normal one."""
    rng = np.random.default_rng(4)
    values = rng.exponential(1, (4000, 40))
    plain = bootstrap.__wrapped__(4000)
    monkeypatch.setattr(intervals, "MOST_UNITS", 1000)
    monkeypatch.setattr(intervals, "GROUPS", 500)
    grouped = bootstrap.__wrapped__(4000)
    assert (plain.weights.shape[1], grouped.weights.shape[1]) == (4000, 500)

    def width(boot: Bootstrap):
        top = np.zeros((boot.weights.shape[1], 40))
        np.add.at(top, boot.unit, values)
        count = np.bincount(boot.unit)[:, None].astype(float)
        low, high = boot.intervals(top, count, np.zeros(40, int))
        return high - low

    normal = 2 * 1.96 * values.std(axis=0) / math.sqrt(4000)
    assert np.mean(width(plain) / normal) == pytest.approx(1, abs=0.02)
    assert np.mean(width(grouped) / normal) == pytest.approx(1, abs=0.02)
    assert width(grouped) == pytest.approx(normal, rel=0.2)


def test_intervals_of_means_cover_the_truth():
    """Of 300 simulated logs of 300 requests, some 95 % have the true mean in their interval."""
    rng = np.random.default_rng(5)
    values = rng.gamma(2.0, 1.0, (300, 300))
    low, high = bootstrap(300).intervals(values, np.ones((300, 1)), np.zeros(300, int))
    assert 0.92 <= coverage(low, high, 2.0) <= 0.98


@pytest.mark.parametrize("p", [0.005, 0.05, 0.5, 0.98])
def test_intervals_of_fractions_cover_the_truth(p):
    """Also near 0 and 1, where a bootstrap alone would miss the truth far too often."""
    rng = np.random.default_rng(6)
    values = (rng.random((400, 300)) < p).astype(float)
    rows = Rows(bootstrap(400), np.repeat(np.arange(400), 300), np.tile(np.arange(300), 400), 300)
    (found,) = rows.means(Metric(values.ravel(), fraction=True))
    low, high = np.array([(e.low, e.high) for e in found]).T
    assert 0.92 <= coverage(low, high, p) <= 0.99


@pytest.mark.parametrize(("p", "n"), [(0.5, 30), (0.5, 300), (0.95, 300), (0.99, 1000)])
def test_intervals_of_quantiles_cover_the_truth(p, n):
    """Order statistics hold at least 95 %, whatever the distribution."""
    rng = np.random.default_rng(7)
    found = [quantiles(rng.exponential(1, n), [p])[0] for _ in range(300)]
    low, high = np.array([(e.low, e.high) for e in found]).T
    assert 0.93 <= coverage(low, high, -math.log(1 - p)) <= 0.995


@pytest.mark.parametrize("p", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("n", [2, 3, 10, 40, 99])
def test_ranks_lie_beside_the_exact_binomial_ones(n, p):
    """Between neighbours in the binomial distribution, summed here with exact fractions."""
    q = Fraction(p).limit_denominator(100)
    mass = [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]
    below = [Fraction(0), *(sum(mass[: k + 1]) for k in range(n + 1))]  # of -1, 0, 1, …
    for rank, level in zip(_ranks(n, p), (0.025, 0.975), strict=True):
        k = next(k for k in range(n + 1) if below[k + 1] >= Fraction(level))
        part = (Fraction(level) - below[k]) / (below[k + 1] - below[k])
        assert rank == pytest.approx(min(max(float(k - 1 + part), 0), n - 1), abs=1e-6)


def test_quantiles_agree_with_numpy():
    """Values are numpy's linear quantiles of what was measured."""
    values = np.random.default_rng(8).exponential(1, 501)
    values[::50] = np.nan
    found = quantiles(values, [0.5, 0.95, 0.99])
    expected = np.nanpercentile(values, [50, 95, 99])
    assert [e.value for e in found] == pytest.approx(list(expected))
    assert {e.n for e in found} == {490}
    assert found[0].share == 490 / 501


def test_a_small_sample_bounds_its_p99_by_the_largest_value():
    """Where no order statistic is high enough, the maximum stands in."""
    values = np.arange(100.0)
    assert quantiles(values, [0.99])[0].high == 99


def test_nothing_measured_is_undefined():
    """Without a value there is NaN, not 0; without a row there is not even a share."""
    unknown = means([np.nan, np.nan])[0]
    assert math.isnan(unknown.value)
    assert (unknown.n, unknown.share) == (0, 0.0)
    for empty in (means([])[0], quantiles(np.array([]), [0.5])[0]):
        assert math.isnan(empty.value)
        assert math.isnan(empty.share)


def test_one_value_has_no_interval():
    """A single cost or latency says nothing of its spread."""
    for estimate in (means([3.0])[0], quantiles(np.array([3.0]), [0.5])[0]):
        assert estimate.value == 3.0
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)


def test_no_error_in_300_requests_does_not_prove_that_there_are_none():
    """The interval of 0 of 300 reaches to about 1.3 %."""
    (estimate,) = means(np.zeros(300), fraction=True)
    assert estimate.low == 0
    assert estimate.high == pytest.approx(0.01264, abs=1e-4)


def test_wilson_agrees_with_published_values():
    """15 of 148 is 6.2 % to 16.0 % (Newcombe 1998, table I)."""
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)


def test_a_constant_has_an_interval_of_itself():
    """Summation in single precision does not smear a constant cost."""
    (estimate,) = means(np.full(1700, 0.1))
    assert estimate.low == pytest.approx(0.1, rel=1e-9)
    assert estimate.high == pytest.approx(0.1, rel=1e-9)


measured = st.lists(
    st.one_of(st.floats(0, 1000, width=32), st.just(math.nan)), min_size=1, max_size=40
)


@given(measured)
def test_a_mean_is_that_of_its_measured_values(values):
    """Unmeasured values do not count, the interval holds the mean, and spread alone widens it."""
    known = [v for v in values if not math.isnan(v)]
    (estimate,) = means(values)
    if not known:
        assert math.isnan(estimate.value)
        return
    assert estimate.value == pytest.approx(sum(known) / len(known))
    if len(known) > 1:
        slack = 1e-6 * max(known) + 1e-12
        assert estimate.low - slack <= estimate.value <= estimate.high + slack
        assert (estimate.high - estimate.low > slack) or max(known) - min(known) <= 10 * slack


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_a_fraction_stays_a_fraction(values):
    """Value and interval lie in 0..1, the value between the ends where Wilson is used."""
    (estimate,) = means(values, fraction=True)
    assert 0 <= estimate.low <= estimate.high <= 1 + 1e-6
    if min(sum(values), len(values) - sum(values)) < intervals.FEW:
        assert estimate.low <= estimate.value <= estimate.high


def repeated(n_rows, rng, most=20):
    """The rows of a log, each drawn between once and ``most`` times, in no order."""
    drawn = np.repeat(np.arange(n_rows), rng.integers(1, most + 1, n_rows))
    return rng.permutation(drawn)


def arrived(row, drawn=True):
    """Arrivals of these rows of a log."""
    data = log(np.ones((len(row), 1)))
    return Traffic(data, np.zeros(len(row)), 0.0, drawn=drawn, row=row)


def test_repeats_of_a_row_add_nothing():
    """Ten of each row give the interval of the rows, of means, fractions and quantiles."""
    rng = np.random.default_rng(10)
    values, drawn = rng.exponential(1, 300), np.repeat(np.arange(300), 10)
    rare = (np.arange(300) < 3).astype(float)
    once = Rows(bootstrap(300), np.arange(300), np.zeros(300, int), 1)
    often = Rows(bootstrap_of(arrived(drawn)), np.arange(3000), np.zeros(3000, int), 1)
    for metric in (Metric(values), Metric(rare, fraction=True)):
        ((one,),) = once.means(metric)
        ((ten,),) = often.means(Metric(metric.values[drawn], metric.fraction))
        assert (ten.low, ten.high) == pytest.approx((one.low, one.high), rel=1e-2)
        assert (one.n, ten.n) == (300, 3000)
    (one,), (ten,) = quantiles(values, [0.9]), quantiles(values[drawn], [0.9], drawn)
    assert one.low == pytest.approx(ten.low, rel=0.05)
    assert one.high == pytest.approx(ten.high, rel=0.05)


def test_without_repeats_rows_are_requests():
    """Requests that were not drawn anew have the plain bootstrap, which is kept."""
    assert bootstrap_of(arrived(np.arange(50), drawn=False)) is bootstrap(50, 2000, 0)


def test_intervals_of_repeated_rows_cover_the_truth():
    """Means and quantiles of drawn arrivals hold the truth as often as those of the rows."""
    rng = np.random.default_rng(11)
    held = np.zeros((300, 2))
    for i in range(300):
        drawn = repeated(200, rng)
        row, n = rng.exponential(1, 200), len(drawn)
        # The same row is not quite as slow each time.
        values = row[drawn] * rng.choice([0.9, 1.1], n)
        rows = Rows(bootstrap_of(arrived(drawn), 400, i), np.arange(n), np.zeros(n, int), 1)
        ((mean,),) = rows.means(Metric(values))
        (p90,) = quantiles(values, [0.9], drawn)
        held[i] = mean.low <= 1 <= mean.high, p90.low <= 2.3055 <= p90.high
    assert (held.mean(axis=0) >= 0.92).all()
    assert (held.mean(axis=0) <= 0.99).all()


def test_one_row_drawn_often_has_no_interval():
    """A hundred copies of one request say nothing of its spread."""
    drawn = np.zeros(100, int)
    rows = Rows(bootstrap_of(arrived(drawn)), np.arange(100), np.zeros(100, int), 1)
    for estimate in (
        rows.means(Metric(np.full(100, 3.0)))[0][0],
        quantiles(np.full(100, 3.0), [0.5], drawn)[0],
    ):
        assert (estimate.value, estimate.n) == (3.0, 100)
        assert math.isnan(estimate.low)
