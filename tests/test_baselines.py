"""Single models, the random mix and the oracle."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings

from tests.small_logs import log
from tests.strategies import datasets
from toolkit.errors import DataError
from toolkit.evaluate.baselines import ORACLE, RANDOM, baselines
from toolkit.schema import ErrorType

NAN = math.nan


def mean(values):
    """Mean of what was measured."""
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else NAN


def best(quality, cost, latency):
    """The oracle's column for one request, spelled out."""
    graded = [j for j, q in enumerate(quality) if not math.isnan(q)]
    if not graded:
        return None

    def last(value):
        return math.inf if math.isnan(value) else value

    return min(graded, key=lambda j: (-quality[j], last(cost[j]), last(latency[j])))


@settings(max_examples=80, deadline=None)
@given(datasets())
def test_baselines_agree_with_loops(dataset):
    """Each number is a plain mean over the requests on which all models are observed."""
    found = baselines(dataset, resamples=50)
    shared = [i for i in range(dataset.n_requests) if dataset.observed[i].all()]
    assert found.n == len(shared)
    picks = {i: best(dataset.quality[i], dataset.cost_usd[i], dataset.latency_s[i]) for i in shared}
    for name, matrix, scale in (
        ("quality", dataset.quality, 1),
        ("cost_usd_per_1k", dataset.cost_usd, 1000),
        ("latency_mean_s", dataset.latency_s, 1),
        ("error_rate", (dataset.error > 0).astype(float), 1),
    ):
        for j, model in enumerate(dataset.models):
            expected = scale * mean([matrix[i, j] for i in shared])
            assert getattr(found[model], name).value == pytest.approx(expected, nan_ok=True)
        mix = scale * mean([sum(matrix[i]) / len(matrix[i]) for i in shared])
        assert getattr(found.random, name).value == pytest.approx(mix, nan_ok=True)
        ideal = scale * mean([matrix[i, picks[i]] for i in shared if picks[i] is not None])
        assert getattr(found.oracle, name).value == pytest.approx(ideal, nan_ok=True)
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_oracle_takes_the_cheapest_of_the_best():
    """Quality first, then cost; a cost that was not measured comes last."""
    found = baselines(
        log(
            [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]],
            [[0.003, 0.002, 0.001], [NAN, 0.002, 0.005], [0.003, NAN, 0.001]],
        )
    )
    assert found.oracle.quality.value == pytest.approx(2 / 3)
    assert found.oracle.cost_usd_per_1k.value == pytest.approx(1000 * (0.002 + 0.002 + 0.001) / 3)


def test_the_random_mix_costs_what_its_models_cost_on_average():
    """It is an expected value: nothing is drawn, so its quality is the models' mean."""
    rng = np.random.default_rng(0)
    data = log(rng.random((50, 3)), rng.random((50, 3)))
    found = baselines(data)
    assert found.random.quality.value == pytest.approx(data.quality.mean())
    assert found.random.cost_usd_per_1k.value == pytest.approx(1000 * data.cost_usd.mean())


def test_only_shared_requests_count():
    """All baselines are over the same requests, and their number is stated."""
    data = log([[1.0, 0.0], [0.0, 1.0]], observed=[[1, 1], [1, 0]])
    both = baselines(data)
    assert (both.requests, both.n) == (2, 1)
    assert both["a"].quality.value == 1.0
    assert baselines(data, ["a"]).n == 2
    assert "Baselines on 1 of 2 requests of small" in both._repr_html_()


def test_rows_come_in_the_order_given():
    """Singles, then the mix, then the oracle; a model named twice is there once."""
    data = log(np.ones((3, 3)), error=[[0, 0, int(ErrorType.TIMEOUT)]] * 3)
    found = baselines(data, ["c", "a", "c"])
    assert [row.name for row in found.rows] == ["c", "a", RANDOM, ORACLE]
    assert [row.kind for row in found.rows] == ["single", "single", "random", "oracle"]
    frame = found.to_pandas()
    assert frame.loc["c", "error_rate"] == 1.0
    assert frame.loc[ORACLE, "quality_low"] <= frame.loc[ORACLE, "quality"]
    with pytest.raises(KeyError, match="zzz"):
        found["zzz"]


def test_unknown_models_are_named():
    """A misspelt model is answered with the one that was meant."""
    data = log(np.ones((2, 2)))
    with pytest.raises(DataError, match="no model 'x'; allowed: 'a', 'b'"):
        baselines(data, ["x"])
    with pytest.raises(DataError, match="need a model of 'small'"):
        baselines(data, [])
