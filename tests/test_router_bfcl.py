"""A router among six models on real outcomes with costs: function calls of BFCL.

Every expected value is made here by pandas and NumPy from the files and from what was predicted
out of fold. ``tests/bench/bench_router.py`` prints the whole curve, on several folds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.router_data import SIX, bfcl
from toolkit.evaluate.routers.train import train
from toolkit.evaluate.routers.training import Training
from toolkit.learn.choose import orders
from toolkit.logs.datasets import Dataset
from toolkit.policy.router_rule import RouterRule

SONNET = "claude-3-5-sonnet-20240620"


def wide(folder: Path, dataset: Dataset, column: str) -> pd.DataFrame:
    """One column of the file, a row per request in the dataset's order, a column per model."""
    long = pd.read_csv(folder / "bfcl_long.csv.gz")
    table = long[long.model.isin(SIX)].pivot(index="request_id", columns="model", values=column)
    return table.loc[dataset.requests["request_id"].to_pylist(), list(SIX)]


def upper(points: pd.DataFrame) -> pd.DataFrame:
    """The points (cost, quality) on the rising upper hull, by looking at every pair and third."""
    points = points.sort_values(["cost", "quality"], ascending=[True, False])
    points = points[points.quality > points.quality.cummax().shift(fill_value=-1)]
    kept: list[tuple[float, float]] = []
    for c, q in points.itertuples(index=False):
        while len(kept) > 1:
            (a, p), (b, r) = kept[-2:]
            if (r - p) * (c - a) > (q - p) * (b - a):
                break
            kept.pop()
        kept.append((c, q))
    return pd.DataFrame(kept, columns=["cost", "quality"])


def mean_height(points: pd.DataFrame, low: float, high: float) -> float:
    """The hull's mean over a fine grid of costs; flat on its right."""
    at, hull = np.linspace(low, high, 100_001), upper(points)
    return float(np.interp(at, hull.cost, hull.quality).mean())


def cost_for(points: pd.DataFrame, quality: float) -> float:
    """The least cost for a quality, two settings mixed; inf where it is not reached."""
    hull = upper(points)
    if quality > hull.quality.max():
        return float("inf")
    return float(np.interp(quality, hull.quality, hull.cost))


def with_fallback(order: Any, quality: Any, cost: Any, failed: Any) -> tuple[float, float]:
    """Quality and cost where an answer that does not parse is asked of the next model, too."""
    n = len(order)
    row, got, paid, waiting = np.arange(n), np.zeros(n), np.zeros(n), np.ones(n, bool)
    for place in range(order.shape[1]):
        asked = order[:, place]
        paid += np.where(waiting, cost[row, asked], 0)
        got = np.where(waiting, quality[row, asked], got)
        waiting &= failed[row, asked]
    return float(got.mean()), float(paid.mean() * 1000)


@pytest.fixture(scope="module")
def dataset(bfcl_dir: Path) -> Dataset:
    """1,700 requests, six models."""
    return bfcl(bfcl_dir)


@pytest.fixture(scope="module")
def outcomes(bfcl_dir: Path, dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Quality, cost per 1,000 requests and error, from the file."""
    found = {name: wide(bfcl_dir, dataset, name) for name in ("quality", "cost_usd", "error")}
    return found | {"cost": found["cost_usd"] * 1000}


@pytest.fixture(scope="module")
def training(dataset: Dataset) -> Training:
    """What is learned by default, with folds as others publish them."""
    return train(dataset, models=list(SIX), split="random", details=False)


@pytest.fixture(scope="module")
def points(training: Training, outcomes: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Cost and quality at every trade-off t, by pandas: the most of 100 · P · t − 1000 · c."""
    predicted, expected = training.predicted, training.predicted_cost
    rows = []
    for point in training.curve.points:
        value = pd.DataFrame(100 * predicted * point.value - 1000 * expected, columns=list(SIX))
        asked = value.idxmax(axis=1)
        if point.value == 0:
            asked = pd.DataFrame(expected, columns=list(SIX)).idxmin(axis=1)
        at = np.arange(len(asked)), [SIX.index(name) for name in asked]
        rows.append(
            (outcomes["cost"].to_numpy()[at].mean(), outcomes["quality"].to_numpy()[at].mean())
        )
    return pd.DataFrame(rows, columns=["cost", "quality"])


def test_single_models_and_oracle_are_those_of_the_file(training, outcomes):
    """Their qualities and costs, and that of the best answer of each request."""
    singles = {r.name: r.point for r in training.rivals if r.kind == "single"}
    for model in SIX:
        assert singles[model].quality.value == pytest.approx(outcomes["quality"][model].mean())
        assert singles[model].cost_usd_per_1k.value == pytest.approx(outcomes["cost"][model].mean())
    assert singles[SONNET].quality.value == pytest.approx(0.9053, abs=5e-5)
    oracle = training.rival("oracle").point
    assert oracle.quality.value == pytest.approx(outcomes["quality"].max(axis=1).mean())
    assert oracle.quality.value == pytest.approx(0.9518, abs=5e-5)


def test_the_curve_is_what_pandas_makes_of_the_predictions(training, points):
    """Every point: the models chosen, their cost and quality."""
    for point, own in zip(training.curve.points, points.itertuples(), strict=True):
        assert point.cost_usd_per_1k.value == pytest.approx(own.cost)
        assert point.quality.value == pytest.approx(own.quality)
        assert sum(point.shares) == pytest.approx(1)


def test_the_area_over_the_zero_router_agrees_with_numpy(training, points, outcomes):
    """AIQ between the cheapest and the dearest model, of the router and of random mixes."""
    alone = pd.DataFrame(
        {"cost": outcomes["cost"].mean(), "quality": outcomes["quality"].mean()}
    ).reset_index(drop=True)
    low, high = alone.cost.min(), alone.cost.max()
    cheapest = alone[alone.cost == low]
    mine = mean_height(pd.concat([points, cheapest]), low, high)
    zero = mean_height(alone, low, high)
    assert training.aiq.value.value == pytest.approx(mine, abs=1e-5)
    assert training.aiq.zero_router.value == pytest.approx(zero, abs=1e-5)
    assert training.aiq.gain.value == pytest.approx(mine - zero, abs=1e-5)


def test_qualities_cost_less_than_a_mix_of_single_models(training, points, outcomes):
    """0.88 and 0.89 for less than the zero router asks, which needs $1.18 for 0.89."""
    alone = pd.DataFrame({"cost": outcomes["cost"].mean(), "quality": outcomes["quality"].mean()})
    assert cost_for(alone, 0.89) == pytest.approx(1.18, abs=0.01)
    assert cost_for(points, 0.88) < 0.1  # 0.096 here
    assert cost_for(points, 0.89) < 0.51  # 0.500
    assert cost_for(points, 0.905) < 1.80  # 1.777; the best single model: 0.9053 at $2.205
    assert training.curve.cost_for(0.89) == pytest.approx(cost_for(points, 0.89))


def test_the_curve_lies_above_the_zero_router(training, points, outcomes):
    """At every cost from the cheapest to the best single model, neighbouring settings mixed."""
    alone = pd.DataFrame({"cost": outcomes["cost"].mean(), "quality": outcomes["quality"].mean()})
    zero, mine = upper(alone), upper(points)
    at = np.linspace(0.0836, 2.205, 500)
    gap = np.interp(at, mine.cost, mine.quality) - np.interp(at, zero.cost, zero.quality)
    assert gap.min() > 0
    assert training.aiq.gain_to_best.low > 0  # 0.0079 [0.0028, 0.0115] here


def test_a_fallback_on_answers_that_do_not_parse_adds_quality(training, outcomes, dataset):
    """Without the category ``relevance``, where not to answer is right, and does not parse."""
    fair = np.array(dataset.requests["category"].to_pylist()) != "relevance"
    assert fair.sum() == 1_460
    failed = (outcomes["error"] == "invalid_output").to_numpy()
    quality, cost = outcomes["quality"].to_numpy()[fair], outcomes["cost_usd"].to_numpy()[fair]
    rule = RouterRule(name="r", tradeoff_usd_per_point=1.0)
    order = orders(training.predicted[fair], training.predicted_cost[fair], rule)
    alone = with_fallback(order[:, :1], quality, cost, failed[fair])
    both = with_fallback(order[:, :3], quality, cost, failed[fair])
    assert both[0] > alone[0]
    assert both[1] > alone[1]
    assert both[0] < quality.max(axis=1).mean()
