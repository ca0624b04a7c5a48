"""The figures of the Data page, and the intervals that they show."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app_home import NASTY, shop
from toolkit.evaluate.intervals import Metric, Rows, bootstrap, wilson
from toolkit.evaluate.moments import category_means, mean_of, model_means, overall_means, share_of
from toolkit.figures.coverage import coverage_figure, measured_figure
from toolkit.figures.distributions import days_figure, errors_figure, sizes_figure, spread_figure
from toolkit.figures.heatmap import quality_figure
from toolkit.logs import profile as look
from toolkit.logs.datasets import dataset_from_frame


def part(data, function, *arguments):
    """One part of the profile of a dataset."""
    with look.opened(data) as source:
        return function(source, *arguments)


def figures(data):
    """Every figure of the page, by name."""
    facts, cover = part(data, look.model_facts), part(data, look.coverage)
    found = part(data, look.groups)
    order = tuple(range(len(data.models)))
    yield "measured", measured_figure(facts, order)
    for what in look.WHAT:
        yield f"coverage {what}", coverage_figure(cover, what, order)
    for measure in look.MEASURES[1:]:
        yield measure, spread_figure(part(data, look.spread, measure), order)
    yield "errors", errors_figure(facts, order)
    for group in found:
        yield group.column, sizes_figure([str(n) for n in group.names], group.requests)
    for group in found[:1]:
        quality = part(data, look.category_quality, group)
        yield "quality", quality_figure(quality, order, facts.failures_count)
    period = part(data, look.period)
    yield "days", days_figure(period.days, period.requests)


def test_no_name_acts_in_a_figure():
    """Models, categories and tenants of any kind stay text: no tag, no TeX, wherever they stand."""
    outcomes, requests = shop((f"a {NASTY}", f"b {NASTY}", "c"), (NASTY, "plain"))
    requests["tenant"] = NASTY
    for name, figure in figures(dataset_from_frame("odd", outcomes, requests)):
        drawn = json.loads(figure.to_json())
        drawn["layout"].pop("template")
        text = json.dumps(drawn)
        assert "<script" not in text, name
        assert "$x$" not in text, name


@pytest.mark.parametrize("drop", [(), ("quality",), ("cost_usd", "latency_s", "output_tokens")])
def test_figures_draw_whatever_is_there(drop):
    """Missing measures, one request, one model: every figure is made, and undefined stays so."""
    outcomes, requests = shop(drop=drop)
    for frame in (outcomes, outcomes.iloc[:1]):
        ids = set(frame["request_id"])
        data = dataset_from_frame("some", frame, requests[requests["request_id"].isin(ids)])
        for name, figure in figures(data):
            assert figure.layout.height > 0, name


def test_a_cell_without_a_grade_is_grey_not_zero():
    """What nobody graded has no value in the heatmap and a value in the grey layer."""
    outcomes = pd.DataFrame(
        {"request_id": ["r0", "r1"], "model": ["a", "b"], "quality": [1.0, 0.0]}
    )
    requests = pd.DataFrame({"request_id": ["r0", "r1"], "category": ["x", "y"]})
    data = dataset_from_frame("holes", outcomes, requests)
    grey, shown = dict(figures(data))["quality"].data
    np.testing.assert_array_equal(np.isnan(shown.z.astype(float)), [[False, True], [True, False]])
    np.testing.assert_array_equal(np.isnan(grey.z.astype(float)), [[True, False], [False, True]])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(0, 20))
def test_the_mean_of_sums_is_the_mean_of_values(values, missing):
    """Mean, n and share are those of the values; the interval holds the mean and stays in 0..1."""
    n = len(values)
    e = mean_of(n, sum(values), sum(v * v for v in values), n + missing)
    assert e.value == pytest.approx(np.mean(values))
    assert (e.n, e.share) == (n, n / (n + missing))
    assert 0 <= e.low <= e.value + 1e-12
    assert e.value - 1e-12 <= e.high <= 1


@pytest.mark.parametrize("n", [60, 400])
def test_the_interval_from_sums_is_nearly_the_bootstraps(n):
    """From n, Σx and Σx² alone, the ends are within a twentieth of the bootstrap's width."""
    values = np.random.default_rng(1).beta(2, 2, n)
    rows = Rows(bootstrap(n), np.arange(n), np.zeros(n, int), 1)
    ((truth,),) = rows.means(Metric(values, fraction=True))
    e = mean_of(n, values.sum(), (values**2).sum(), n)
    width = truth.high - truth.low
    assert e.low == pytest.approx(truth.low, abs=width / 20)
    assert e.high == pytest.approx(truth.high, abs=width / 20)


def test_few_failures_get_the_wilson_interval():
    """Near the ends a mean is not surer than its count allows; nothing measured is undefined."""
    e = mean_of(300, 300, 300, 300)
    assert (e.low, e.high) == wilson(1.0, 300)
    assert np.isnan(mean_of(0, 0, 0, 5).value)
    assert np.isnan(mean_of(0, 0, 0, 5).low)
    assert (share_of(3, 10).low, share_of(3, 10).high) == wilson(0.3, 10)
    assert np.isnan(share_of(0, 0).value)


def test_means_by_model_and_category_are_those_of_the_rows():
    """The same numbers as pandas on the long table, failures as 0."""
    data = dataset_from_frame("shop", *shop())
    long = data.to_pandas()
    facts = part(data, look.model_facts)
    expected = long.groupby("model")["quality"].mean()
    assert [e.value for e in model_means(facts)] == pytest.approx(expected.tolist())
    assert overall_means(facts)[0].value == pytest.approx(long["quality"].mean())
    assert overall_means(facts)[1].value == pytest.approx(long["cost_usd"].mean())
    found = part(data, look.category_quality, part(data, look.groups)[0])
    cells = long.groupby(["model", "category"])["quality"].mean()
    for model, means in zip(data.models, category_means(found, range(3), True), strict=True):
        for category, e in zip(found.categories, means, strict=True):
            assert e.value == pytest.approx(cells[model, category])
