"""Sweeps on real outcomes against pandas alone: points, what nothing beats, areas, baselines.

The expected values are computed here from the long table of outcomes, without the toolkit.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.evaluate.tradeoffs.frontier import Frontier, frontier
from toolkit.logs.datasets import dataset_from_frame, load_dataset
from toolkit.policy.model import Policy

CASES = {
    "bfcl": ("gpt-4o-mini-2024-07-18", "claude-3-5-sonnet-20240620", (200, 1400), (0.5, 8.0)),
    "local": ("smollm2-few-shot", "gemma3-few-shot", (20, 150), (0.1, 2.0)),
    "fleet": ("gpt-4o-mini-2024-07-18", "claude-3-5-sonnet-20240620", (100, 3000), (0.5, 8.0)),
}
"""Weak and strong model, range of the threshold in tokens, range of the time limit."""
THRESHOLDS, LIMITS = 6, 5


def policy(weak: str, strong: str) -> Policy:
    """Long requests to the strong model; the weak one is given up for it after a while."""
    return Policy.model_validate(
        {
            "policy": "tried",
            "goals": {"quality": {"min": 0.4}, "cost_usd_per_1k": {"max": 1.0}},
            "models": {"weak": {"log": weak}, "strong": {"log": strong}},
            "routes": [{"name": "long", "when": {"input_tokens": {"gte": 500}}, "use": "strong"}],
            "default": "cheap",
            "chains": {
                "cheap": {"steps": [{"model": "weak", "timeout_s": 5}, {"model": "strong"}]},
                "strong": {"steps": [{"model": "strong"}]},
            },
        }
    )


def by_pandas(
    outcomes: pd.DataFrame, requests: pd.DataFrame, weak: str, strong: str, at: float, limit: float
) -> pd.DataFrame:
    """What every request costs and gives under one policy."""
    first, last = (
        outcomes[outcomes.model == m].set_index("request_id").loc[requests.request_id]
        for m in (weak, strong)
    )
    tokens = requests.set_index("request_id").input_tokens
    late = first.latency_s > limit
    error = first.error.mask(late, "timeout")
    goes_on = error.notna() & ~error.isin(["bad_request", "cancelled"])
    called = pd.DataFrame(
        {
            "quality": first.quality.where(error.isna(), 0.0),
            "cost": first.cost_usd,
            "latency": first.latency_s.clip(upper=limit),
            "failed": error.notna(),
            "strong": False,
        }
    )
    second = pd.DataFrame(
        {
            "quality": last.quality.where(last.error.isna(), 0.0),
            "cost": last.cost_usd,
            "latency": last.latency_s,
            "failed": last.error.notna(),
            "strong": True,
        }
    )
    both = second.assign(cost=called.cost + second.cost, latency=called.latency + second.latency)
    table = called.where(~goes_on, both)
    return table.where(~(tokens >= at), second).astype(float)


class Case:
    """A sweep, and every policy of it by pandas."""

    def __init__(self, name: str, outcomes: pd.DataFrame, requests: pd.DataFrame, dataset) -> None:
        self.name, self.outcomes, self.requests, self.dataset = name, outcomes, requests, dataset
        self.weak, self.strong, at, limit = CASES[name]
        self.frontier: Frontier = frontier(
            policy(self.weak, self.strong),
            dataset,
            [
                f"routes.0.when.input_tokens.gte={at[0]}:{at[1]}:{THRESHOLDS}",
                f"chains.cheap.steps.0.timeout_s={limit[0]}:{limit[1]}:{LIMITS}:log",
            ],
            axes=("cost", "quality", "p95"),
            pair=("weak", "strong"),
        )
        self.tables = [
            by_pandas(outcomes, requests, self.weak, self.strong, *point.values.values())
            for point in self.frontier.points
        ]
        self.cost = np.array([1000 * table.cost.mean() for table in self.tables])
        self.quality = np.array([table.quality.mean() for table in self.tables])

    def single(self, model: str) -> pd.DataFrame:
        """The outcomes of a model by request."""
        return self.outcomes[self.outcomes.model == model].set_index("request_id")


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """A dataset, its long table and a sweep over it."""
    name = request.param
    if name != "bfcl":
        dataset = load_dataset(name)
        requests = dataset.requests.to_pandas()
        return Case(name, dataset.to_pandas(), requests, dataset)
    folder: Path = request.getfixturevalue("bfcl_dir")
    long = pd.read_csv(folder / "bfcl_long.csv.gz").assign(latency_s=lambda t: t.latency_ms / 1000)
    long["error"] = long.error.replace("api_error", "server_error")
    long["quality"] = long.quality.where(long.error.isna(), 0.0)  # two failures carry a grade
    tokens = long.groupby("request_id", sort=False).input_tokens.median().reset_index()
    columns = ["request_id", "category", "model", "quality", "cost_usd", "latency_s", "error"]
    dataset = dataset_from_frame("bfcl", long[columns], tokens)
    return Case(name, long, tokens, dataset)


def test_points_are_those_of_pandas(case):
    """Quality, cost, latency, errors and calls of the strong model, of every policy."""
    points = case.frontier.points
    assert len(points) == THRESHOLDS * LIMITS + 1
    for point, table in zip(points, case.tables, strict=True):
        assert point.quality.value == pytest.approx(table.quality.mean(), rel=1e-9)
        assert point.cost_usd_per_1k.value == pytest.approx(1000 * table.cost.mean(), rel=1e-9)
        assert point.latency_mean_s.value == pytest.approx(table.latency.mean(), rel=1e-9)
        assert point.latency_p95_s.value == pytest.approx(table.latency.quantile(0.95), rel=1e-9)
        assert point.error_rate.value == pytest.approx(table.failed.mean(), abs=1e-12)
        assert point.strong_share == pytest.approx(table.strong.mean(), abs=1e-12)
        assert (point.unobserved, point.imputed_share) == (0, 0)
        assert point.quality.low < point.quality.value < point.quality.high


def test_nothing_beats_the_frontier(case):
    """Against every other policy, one by one, on three axes."""
    p95 = [table.latency.quantile(0.95) for table in case.tables]
    rows = list(zip(case.cost, -case.quality, p95, strict=True))
    unbeaten = [
        i
        for i, mine in enumerate(rows)
        if not any(
            all(o <= m for o, m in zip(other, mine, strict=True)) and (other != mine or j < i)
            for j, other in enumerate(rows)
            if j != i
        )
    ]
    assert sorted(case.frontier.frontier) == unbeaten
    costs = [case.cost[i] for i in case.frontier.frontier]
    assert costs == sorted(costs)


def mixed(cost: np.ndarray, quality: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The best quality at each cost when two policies at most are mixed: every pair is tried."""
    best = np.full(len(at), -np.inf)
    for (c0, q0), (c1, q1) in itertools.product(zip(cost, quality, strict=True), repeat=2):
        if c0 > c1:
            continue
        share = np.clip((at - c0) / (c1 - c0), 0, 1) if c1 > c0 else np.ones(len(at))
        best = np.maximum(best, np.where(at >= c0, q0 + share * (q1 - q0), -np.inf))
    return best


def area(cost: np.ndarray, quality: np.ndarray, low: float, high: float) -> float:
    """The mean of the best mix over many costs."""
    at = np.linspace(low, high, 20_001)
    return float(np.trapezoid(mixed(cost, quality, at), at) / (high - low))


def test_the_hull_and_its_area_are_those_of_the_best_mixes(case):
    """AIQ by both conventions, over the stated range, beside the zero router and the oracle."""
    f = case.frontier
    hull = list(f.hull)
    at = np.linspace(case.cost.min(), case.cost.max(), 1_001)
    through = np.interp(at, case.cost[hull], case.quality[hull])
    assert through == pytest.approx(mixed(case.cost, case.quality, at), abs=1e-9)
    singles = [case.single(m) for m in (case.weak, case.strong)]
    cost = np.array([1000 * table.cost_usd.mean() for table in singles])
    quality = np.array([table.quality.mean() for table in singles])
    low, high = max(case.cost.min(), cost.min()), max(case.cost.max(), cost.max())
    assert (f.aiq.low_cost, f.aiq.high_cost) == pytest.approx((low, high))
    ours = area(case.cost, case.quality, low, high)
    chance = area(cost, quality, low, high)
    assert f.aiq.policies.value.value == pytest.approx(ours, abs=1e-5)
    assert f.aiq.zero_router.value.value == pytest.approx(chance, abs=1e-5)
    assert f.aiq.gain.value == pytest.approx(ours - chance, abs=1e-5)
    assert f.aiq.gain.low < f.aiq.gain.value < f.aiq.gain.high
    by_max = ours * (high - low) / high
    assert f.aiq.policies.by_max.value == pytest.approx(by_max, abs=1e-5)
    oracle_cost, oracle_quality = oracle(case, [case.weak, case.strong])
    ideal = area(np.append(cost, oracle_cost), np.append(quality, oracle_quality), low, high)
    assert f.aiq.oracle.value.value == pytest.approx(ideal, abs=1e-5)


def oracle(case: Case, models: list[str]) -> tuple[float, float]:
    """Cost per 1,000 requests and quality of the best answers, the cheapest of the best."""
    rows = case.outcomes[case.outcomes.model.isin(models)]
    order = ["request_id", "quality", "cost_usd", "latency_s"]
    ranked = rows.sort_values(order, ascending=[True, False, True, True])
    best = ranked.drop_duplicates("request_id")
    return 1000 * best.cost_usd.mean(), best.quality.mean()


def test_baselines_are_those_of_pandas(case):
    """Every single model of the log, the zero router, the random mix and both oracles."""
    f = case.frontier
    means = case.outcomes.groupby("model")[["quality", "cost_usd", "latency_s"]].mean()
    assert {point.name for point in f.singles} == set(means.index)
    for point in f.singles:
        row = means.loc[point.name]
        assert point.quality.value == pytest.approx(row.quality, nan_ok=True)
        assert point.cost_usd_per_1k.value == pytest.approx(1000 * row.cost_usd, nan_ok=True)
        assert point.latency_mean_s.value == pytest.approx(row.latency_s, nan_ok=True)
    assert f.used == (case.weak, case.strong)
    two = means.loc[[case.weak, case.strong]]
    assert f.random_mix.quality.value == pytest.approx(two.quality.mean())
    assert f.random_mix.cost_usd_per_1k.value == pytest.approx(1000 * two.cost_usd.mean())
    for ours, models in ((f.oracle, list(f.used)), (f.oracle_all, list(means.index))):
        cost, quality = oracle(case, models)
        assert ours.quality.value == pytest.approx(quality)
        assert ours.cost_usd_per_1k.value == pytest.approx(cost)


def test_the_zero_router_is_the_best_mix_of_single_models(case):
    """Of all models of the log, and of those of the policy."""
    means = case.outcomes.groupby("model")[["cost_usd", "quality"]].mean().dropna()
    for vertices, names in (
        (case.frontier.zero_router_all, list(means.index)),
        (case.frontier.zero_router, [case.weak, case.strong]),
    ):
        cost, quality = 1000 * means.cost_usd[names].values, means.quality[names].values
        corners = np.array([(v.cost_usd_per_1k, v.quality) for v in vertices])
        at = np.linspace(cost.min(), cost.max(), 501)
        assert np.interp(at, *corners.T) == pytest.approx(mixed(cost, quality, at), abs=1e-9)


def test_the_best_policy_by_what_a_point_is_worth(case):
    """At any price of a point of quality, no policy leaves more than the one that is named."""
    for one in case.frontier.worth:
        price = one.from_usd + 0.001 if np.isinf(one.to_usd) else (one.from_usd + one.to_usd) / 2
        left = price * 100 * case.quality - case.cost
        assert left[one.point] == pytest.approx(left.max())


def test_the_pair_is_read_off_the_points(case):
    """PGR of each policy; the least share of strong calls that recovers half of the gap."""
    pair = case.frontier.pair
    assert (pair.weak, pair.strong) == (case.weak, case.strong)
    weak, strong = (case.single(m).quality.mean() for m in (case.weak, case.strong))
    assert pair.pgr == pytest.approx((case.quality - weak) / (strong - weak))
    at = pd.DataFrame(
        {
            "share": [0.0, *(table.strong.mean() for table in case.tables), 1.0],
            "pgr": [0.0, *pair.pgr, 1.0],
        }
    )
    curve = at.groupby("share").pgr.max()
    steps = zip(curve.index, curve.index[1:], curve, curve.iloc[1:], strict=False)
    crossing = next(
        s0 + (0.5 - p0) / (p1 - p0) * (s1 - s0) for s0, s1, p0, p1 in steps if p1 >= 0.5
    )
    assert pair.cpt50 == pytest.approx(crossing)
    assert pair.apgr.low < pair.apgr.value < pair.apgr.high
    assert pair.apgr.value == pytest.approx(np.trapezoid(curve, curve.index))
