"""A router is judged on what it has not seen, beside what needs no learning."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.routing_logs import by_category, by_chance, by_length, log, requests_of
from toolkit.cli.text import to_json
from toolkit.cli.train import policy_of, use_text
from toolkit.engine.replay import replay
from toolkit.errors import DataError, PolicyError
from toolkit.evaluate.curves.pair import pair_curve, pair_draws
from toolkit.evaluate.intervals import Estimate, bootstrap
from toolkit.evaluate.routers.curve import THRESHOLDS
from toolkit.evaluate.routers.doubly import stand_ins
from toolkit.evaluate.routers.duplicates import near_duplicates
from toolkit.evaluate.routers.folds import _balanced, joined, make_folds
from toolkit.evaluate.routers.measured import clipped
from toolkit.evaluate.routers.min_quality import advised_point, min_quality_rows
from toolkit.evaluate.routers.rivals import labels_of
from toolkit.evaluate.routers.rows import (
    area_rows,
    calibration_rows,
    curve_rows,
    gain_rows,
    learned_from,
    rival_rows,
    share_rows,
)
from toolkit.evaluate.routers.sentences import findings
from toolkit.evaluate.routers.steps import Steps
from toolkit.evaluate.routers.table_policy import table_point, table_policy
from toolkit.evaluate.routers.train import train
from toolkit.evaluate.routers.words import verdict
from toolkit.learn.registry import save_router
from toolkit.learn.router import QualityRouter
from toolkit.logs.datasets import dataset_from_frame


@pytest.fixture(scope="module")
def long():
    """A log in which the length decides which model is good enough."""
    return log(900, by_length, drop=("timestamp", "user"))


@pytest.fixture(scope="module")
def training(long):
    """What a router learns of it."""
    return train(long, head="logistic", details=False)


@pytest.fixture(scope="module")
def table():
    """A log in which the category decides all."""
    return train(log(900, by_category, drop=("timestamp", "user")), head="logistic", details=False)


# Folds


def test_folds_keep_together_what_belongs_together():
    """A user, and prompts that say the same, are in one fold, also by way of each other."""
    topics = ["rain in Lima", "fast sorting", "tax in Oslo", "bread dough", "the moon"]
    asked = requests_of(200)
    said = [f"{topics[i % 5]} {i // 2}" if i % 50 else "Hello  there" for i in range(200)]
    dataset = log(200, by_chance, requests=asked.assign(prompt=said))
    folds = make_folds(dataset, np.arange(200))
    frame = asked.assign(fold=folds.code, text=said)
    assert frame.groupby("user").fold.nunique().max() == 1
    assert frame.groupby("text").fold.nunique().max() == 1
    assert "requests of one user and" in folds.note
    for fold in range(folds.count):
        both = np.concatenate([folds.training(fold), folds.judged(fold)])
        assert sorted(both) == list(range(200))


def test_what_would_hold_everything_together_is_let_go():
    """Where all users ask the same, only users are held together, and the note says so."""
    asked = requests_of(200).assign(prompt=["Hi", "Bye"] * 100)
    folds = make_folds(log(200, by_chance, requests=asked), np.arange(200))
    assert asked.assign(fold=folds.code).groupby("user").fold.nunique().max() == 1
    assert "would put 100 % of the requests into one fold, so only this is" in folds.note


def test_folds_by_time_judge_the_later():
    """A block of time is judged by what came before it; the first is never judged."""
    dataset = log(100, by_chance)
    folds = make_folds(dataset, np.arange(100), "time", 5)
    when = dataset.requests["timestamp"].to_numpy()
    assert folds.count == 4
    assert np.bincount(folds.code + 1).tolist() == [20] * 5
    for fold in range(folds.count):
        assert when[folds.training(fold)].max() < when[folds.judged(fold)].min()


def test_random_folds_are_those_of_scikit_learn():
    """Published comparisons can be repeated fold by fold."""
    from sklearn.model_selection import KFold

    folds = make_folds(log(60, by_chance), np.arange(60), "random", 3, seed=5)
    splits = KFold(3, shuffle=True, random_state=5).split(np.zeros(60))
    for fold, (learned, judged) in enumerate(splits):
        assert folds.judged(fold).tolist() == judged.tolist()
        assert folds.training(fold).tolist() == learned.tolist()


@given(st.lists(st.integers(1, 30), min_size=7, max_size=60), st.integers(2, 7), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_folds_are_even(sizes, folds, seed):
    """Groups of any size are dealt out whole, so that no fold is larger than it has to be."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    code = _balanced(group, folds, seed)
    held = np.bincount(code, minlength=folds)
    assert held.max() - held.min() <= max(sizes)
    assert len(np.unique(group * folds + code)) == len(sizes)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_groups_of_two_kinds_are_joined(pairs):
    """What shares either group is together; an obvious search finds the same parts."""
    a, b = (np.unique(side, return_inverse=True)[1] for side in zip(*pairs, strict=True))
    label = list(range(len(a)))
    for i, j in itertools.product(range(len(a)), repeat=2):
        if a[i] == a[j] or b[i] == b[j]:
            label = [label[i] if one == label[j] else one for one in label]
    found = joined(a, b)
    for i, j in itertools.combinations(range(len(a)), 2):
        assert (found[i] == found[j]) == (label[i] == label[j])


def test_near_duplicates_are_chains_of_alike_prompts():
    """Prompts are together where a chain of cosines of 0.95 or more connects them."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    letters = ["".join(rng.choice(list("abcdefgh"), 12)) for _ in range(60)]
    found = near_duplicates(letters, vectors.astype(np.float32))
    alike = vectors @ vectors.T >= 0.95
    reach = np.linalg.matrix_power(alike.astype(float), 60) > 0
    assert ((found[:, None] == found) == reach).all()


def test_prompts_that_differ_in_spaces_or_case_are_duplicates():
    """Equal texts are together whatever their embeddings say; empty ones are no duplicates."""
    found = near_duplicates(["Add 1 and 2", " add  1 and 2", "", None, "Who was Kant?"])
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 4


# The curve


def test_a_point_is_what_an_obvious_loop_gives(training, long):
    """Each setting asks the best worth by the probabilities out of fold, request by request."""
    quality, cost = long.quality, long.cost_usd
    for point in training.curve.points[::6]:
        got, paid, share = [], [], np.zeros(3)
        for i in range(long.n_requests):
            p, c = training.predicted[i], training.predicted_cost[i]
            worth = [100 * p[j] * point.value - 1000 * c[j] for j in range(3)]
            j = max(range(3), key=lambda j: (worth[j], -c[j]))
            got.append(quality[i, j])
            paid.append(cost[i, j])
            share[j] += 1
        assert point.quality.value == pytest.approx(np.mean(got))
        assert point.cost_usd_per_1k.value == pytest.approx(1000 * np.mean(paid))
        assert point.shares == pytest.approx(share / long.n_requests)
        assert point.quality.low < point.quality.value < point.quality.high


def test_a_threshold_asks_the_cheapest_that_suffices(training, long):
    """``min_quality`` takes the cheapest whose probability suffices, else the likeliest."""
    point = next(p for p in training.thresholds.points if p.value == 0.8)
    got = []
    for i in range(long.n_requests):
        p, c = training.predicted[i], training.predicted_cost[i]
        enough = [j for j in range(3) if p[j] >= 0.8]
        j = (
            min(enough, key=lambda j: c[j])
            if enough
            else max(range(3), key=lambda j: (p[j], -c[j]))
        )
        got.append(long.quality[i, j])
    assert point.quality.value == pytest.approx(np.mean(got))


@pytest.mark.parametrize("rule", [{"tradeoff_usd_per_point": None}, {"min_quality": 0.8}])
def test_a_policy_with_the_routers_of_the_folds_is_the_curve(
    training, long, rule, tmp_path, monkeypatch
):
    """A replay of ``Training.policy`` gives cost and quality of the point, to the last digit."""
    monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path))
    (knob, value), curve = next(iter(rule.items())), training.curve
    if knob == "min_quality":
        curve = training.thresholds
    value = value if value is not None else curve.points[25].value
    point = next(p for p in curve.points if p.value == value)
    quality, cost = np.full(long.n_requests, np.nan), np.full(long.n_requests, np.nan)
    for fold in range(training.folds.count):
        rows = training.folds.training(fold)
        router = QualityRouter(list(training.models), head=training.settings["head"]).fit(
            long.requests.take(rows), long.quality[rows], cost_usd=long.cost_usd[rows]
        )
        save_router(router, f"fold{fold}", {})
        policy = training.policy(f"fold{fold}", **{knob: value}, fallbacks=0, abstain_above=1.0)
        played, judged = replay(policy, long), training.folds.judged(fold)
        quality[judged], cost[judged] = played.quality[judged], played.cost_usd[judged]
    assert quality.mean() == pytest.approx(point.quality.value, rel=1e-12)
    assert 1000 * cost.mean() == pytest.approx(point.cost_usd_per_1k.value, rel=1e-12)


def hull_by_force(points: list[tuple[float, float]], at: float) -> float:
    """The best quality at a cost by mixing any two points, or spending less."""
    reach = [q for c, q in points if c <= at]
    for (c, q), (d, r) in itertools.permutations(points, 2):
        if c <= at <= d and c < d:
            reach.append(q + (r - q) * (at - c) / (d - c))
    return max(reach)


def test_the_area_is_that_of_an_obvious_hull(training):
    """AIQ of router and zero router are means of the best mixes over the budgets."""
    singles = [(r.point.cost_usd_per_1k.value, r.point.quality.value) for r in training.rivals[:3]]
    own = [(p.cost_usd_per_1k.value, p.quality.value) for p in training.curve.points]
    low, high = min(c for c, _ in singles), max(c for c, _ in singles)
    assert (training.aiq.low_cost, training.aiq.high_cost) == pytest.approx((low, high))
    grid = np.linspace(low, high, 4_001)
    for points, area in ((singles, training.aiq.zero_router), (own, training.aiq.value)):
        every = [*points, min(singles)]
        height = [hull_by_force(every, at) for at in grid[:: 1 if len(every) < 9 else 40]]
        assert area.value == pytest.approx(np.trapezoid(height, dx=1 / (len(height) - 1)), abs=1e-3)
    assert training.aiq.gain.value == pytest.approx(
        training.aiq.value.value - training.aiq.zero_router.value
    )


def test_learning_pays_where_the_columns_tell(training):
    """Where the length decides, the router beats chance and the table by category, surely."""
    assert training.rival("zero").gain.low > 0.02
    assert training.rival("lookup").gain.low > 0.02
    assert training.verdict.startswith("The router is better than the best mix of single models")
    assert "better than a lookup table by category" in training.verdict
    best = training.rival("single")
    nearly = training.curve.cost_for(best.point.quality.value - 0.02)
    assert nearly < 0.75 * best.point.cost_usd_per_1k.value


def test_a_table_that_is_as_good_is_recommended(table):
    """Where the category decides all, the answer is to use a table."""
    assert table.rival("lookup").gain.low <= 0
    assert table.verdict.startswith("A lookup table by category is as good: use that.")


def test_the_table_is_shrunken_means_of_the_other_folds(table):
    """Each request is looked up in means of its category, of requests that its fold learns from."""
    from toolkit.evaluate.routers.lookup import lookup
    from toolkit.evaluate.routers.outcomes import outcomes

    found = outcomes(table.dataset)
    looked = lookup(found, table.folds, ["length", "category"], np.ones(found.quality.shape))
    frame = pd.DataFrame(
        {
            "c": found.requests["category"].to_pylist(),
            "q": found.quality[:, 0],
            "f": table.folds.code,
        }
    )
    for i in (0, 17, 400):
        rest = frame[frame.f != frame.f[i]]
        mine = rest[rest.c == frame.c[i]].q
        expected = (mine.sum() + 10 * rest.q.mean()) / (len(mine) + 10)
        assert looked.predicted[i, 0] == pytest.approx(expected)
    assert looked.column == "category"


@pytest.mark.parametrize("which", [None, 1, 4])
def test_the_table_is_a_policy_whose_replay_is_its_point(table, which):
    """Rules of the tables of the folds, replayed on these folds, cost and give what was told."""
    value, point = None, table_point(table)
    if which is not None:
        point = table.rival("lookup").points[which]
        values = [p.value for p in table.curve.points]
        value = values[labels_of(values).index(point.label)]
    quality, cost = [], []
    for fold in range(table.folds.count):
        policy = table_policy(
            table, tradeoff_usd_per_point=value, fallbacks=0, learned=table.folds.training(fold)
        )
        played, judged = replay(policy, table.dataset), table.folds.judged(fold)
        quality.append(played.quality[judged])
        cost.append(played.cost_usd[judged])
    assert np.concatenate(quality).mean() == pytest.approx(point.quality.value, rel=1e-12)
    paid = 1000 * np.concatenate(cost).mean()
    assert paid == pytest.approx(point.cost_usd_per_1k.value, rel=1e-12)


def test_the_table_as_a_policy_reads_well(table):
    """Code and math go to the large model, all else to the small one; others stand behind."""
    policy = table.lookup_policy()
    sent = {route.use: route.when.columns["category"].in_ for route in policy.routes}
    assert sent == {"large": ("code", "math"), "small": ("chat", "law")}
    assert policy.default == "middle"  # of a category never seen
    assert [step.model for step in policy.chains["small"].steps] == ["small", "large", "middle"]
    assert [step.model for step in table.lookup_policy(fallbacks=0).chains["large"].steps] == [
        "large"
    ]
    with pytest.raises(PolicyError, match="tradeoff_usd_per_point"):
        table.lookup_policy(tradeoff_usd_per_point=-1.0)


def test_what_has_no_value_is_looked_up_as_the_empty_text():
    """Rules hold for requests without a value of the column, too."""
    asked = requests_of(900).drop(columns=["timestamp", "user"])
    names = {"code": None, "math": "", "chat": "chat", "law": "law"}
    dataset = log(900, by_category, requests=asked)
    told = dataset_from_frame(
        "made up",
        dataset.to_pandas()[["request_id", "model", "quality", "cost_usd"]],
        asked.assign(category=asked.category.map(names)),
    )
    policy = train(told, head="logistic", details=False).lookup_policy(fallbacks=0)
    played = replay(policy, told)
    hard = asked.category.isin(["code", "math"]).to_numpy()
    large = told.models.index("large")
    assert (played.quality[hard] == told.quality[hard, large]).all()


def test_without_a_column_there_is_no_table(long):
    """The error says what is lacking."""
    found = train(long, columns=["length"], head="logistic", details=False)
    with pytest.raises(DataError, match="there is no column to look up"):
        found.lookup_policy()


def test_random_labels_show_no_skill():
    """Where nothing about a request matters, the router says so."""
    found = train(log(900, by_chance, drop=("timestamp", "user")), details=False)
    assert found.verdict.startswith("The router found nothing to learn here")
    assert "Do not use it; use large alone, or a rule." in found.verdict
    assert found.aiq.gain_to_best.low <= 0
    gain = found.rival("zero").gain
    word = "worse than" if gain.high < 0 else "not distinguishable from"
    assert f"it is {word} the best mix of single models (zero router)" in found.verdict
    assert ("would decide it" in found.verdict) == (gain.high >= 0)
    entry = SimpleNamespace(name="easy", reference="easy@1", current=True)
    lead, policy = policy_of(found, entry)
    assert policy is None
    assert "`router-card easy` shows all that is known" in lead
    assert "min_quality" not in use_text(found, entry)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.02, 0.05, "is not distinguishable from the best mix of single models (zero router) ("),
        (-0.05, -0.01, "is worse than the best mix of single models (zero router) ("),
    ],
)
def test_what_cannot_be_told_apart_is_not_called_worse(training, low, high, words):
    """Where the interval holds 0, nobody knows yet, and the verdict says what would decide it."""
    gain = Estimate((low + high) / 2, low, high, 900)
    rivals = tuple(replace(one, gain=gain) for one in training.rivals)
    told = verdict(replace(training, rivals=rivals))
    assert words in told
    assert "Do not use it" in told
    assert ("requests like these would decide it" in told) == (high > 0)


def test_a_rival_and_the_router_are_told_at_one_cost(training, duel):
    """Cost, both qualities and the difference of a row are of the same place."""
    for one in (*training.rivals, *duel.rivals):
        if one.kind in {"zero", "neighbours", "lookup"} and math.isnan(one.difference.value):
            continue
        told = one.router_at.value - one.quality_at.value
        assert told == pytest.approx(one.difference.value)
    for one in training.rivals:
        if one.kind == "single":
            assert one.at_usd_per_1k == one.point.cost_usd_per_1k.value
            assert one.quality_at == one.point.quality
    large = next(row for row in gain_rows(training)[1] if row[0] == "large")
    assert large[1] == training.money.usd(next(
        one.at_usd_per_1k for one in training.rivals if one.name == "large"
    ))  # fmt: skip
    assert training.to_dict()["zero_router"]["router_quality_at"] is not None


def test_a_mix_is_told_only_where_there_is_one(training):
    """Cheaper than every single model no mix can be, so that nothing is held against it."""
    least = min(one.point.cost_usd_per_1k.value for one in training.rivals if one.kind == "single")
    for p in (*training.curve.points, *training.thresholds.points):
        there = p.cost_usd_per_1k.value >= least * (1 - 1e-9)
        assert there == math.isfinite(p.zero_router) == math.isfinite(p.gain.value)


def test_the_heading_tells_who_is_only_learned_from(training):
    """A first block of time is judged by nobody."""
    assert learned_from(training) == "900 requests"
    later = replace(training, judged=np.arange(900) >= 180)
    assert learned_from(later) == "900 requests to learn from, 720 judged"


def test_thresholds_are_shown_with_the_one_that_is_advised(training, duel):
    """A few of them, each once, by rising value; without costs the curve has them already."""
    head, rows = min_quality_rows(training)
    assert head[0] == "min_quality"
    values = [float(row[0]) for row in rows]
    assert values == sorted(set(values))
    assert advised_point(training).value in values
    assert min_quality_rows(duel)[1] == []


@given(st.floats(-2, 2), st.floats(0, 1), st.floats(0, 1))
def test_no_share_is_told_below_0_or_above_1(value, down, up):
    """What an estimate from a log has beyond is cut off; inside nothing moves."""
    given_ = Estimate(value, value - down, value + up, 7)
    found = clipped(given_, 0.0, 1.0)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == 7
    if given_.low >= 0 and given_.high <= 1:
        assert found == given_
    assert math.isnan(clipped(Estimate(math.nan), 0.0, 1.0).low)


def test_the_oracle_and_the_singles_are_those_of_the_log(training, long):
    """What stands beside the router is what pandas finds in the log."""
    frame = long.to_pandas()
    for name, part in frame.groupby("model"):
        single = next(r for r in training.rivals if r.name == name)
        assert single.point.quality.value == pytest.approx(part.quality.mean())
        assert single.point.cost_usd_per_1k.value == pytest.approx(1000 * part.cost_usd.mean())
    best = frame.sort_values(["quality", "cost_usd"], ascending=[False, True]).groupby("request_id")
    oracle = training.rival("oracle").point
    assert oracle.quality.value == pytest.approx(best.quality.first().mean())
    assert oracle.cost_usd_per_1k.value == pytest.approx(1000 * best.cost_usd.first().mean())
    mix = training.rival("random").point
    assert mix.quality.value == pytest.approx(frame.quality.mean())


# Two models


@pytest.fixture(scope="module")
def duel():
    """Two models, no costs: the names say nothing about which one is strong."""
    dataset = log(
        900, by_length, models=("large", "small"), costs=False, drop=("timestamp", "user")
    )
    return train(dataset, details=False)


def test_the_data_tells_weak_from_strong(duel):
    """The strong model is the better one; where no costs are known none are told."""
    assert (duel.pair.weak, duel.pair.strong) == ("small", "large")
    assert duel.aiq is None
    assert duel.curve.points == ()
    assert np.isnan(duel.thresholds.points[0].cost_usd_per_1k.value)
    assert "$" not in duel.verdict


def test_apgr_is_that_of_every_threshold(duel):
    """APGR is the area over all thresholds, by an obvious loop over the ranked requests."""
    weak, strong = (duel.models.index(name) for name in (duel.pair.weak, duel.pair.strong))
    score = duel.predicted[:, strong] - duel.predicted[:, weak]
    low, high = duel.quality[:, weak].mean(), duel.quality[:, strong].mean()
    shares, pgr = [0.0], [0.0]
    for limit in sorted(set(score), reverse=True):
        sent = score >= limit
        reached = np.where(sent, duel.quality[:, strong], duel.quality[:, weak]).mean()
        shares.append(sent.mean())
        pgr.append((reached - low) / (high - low))
    assert duel.pair.apgr.value == pytest.approx(np.trapezoid(pgr, shares))
    assert 0.5 < duel.pair.apgr.low < duel.pair.apgr.value < duel.pair.apgr.high
    first = next(i for i, value in enumerate(pgr) if value >= 0.5)
    assert shares[first - 1] <= duel.pair.cpt50.value <= shares[first]
    assert duel.rival("random").apgr.value == pytest.approx(0.5)


def test_draws_of_the_pair_are_the_curve_of_each_resample():
    """APGR and CPT of a resample are those of the resample itself, but for steps of the scores."""
    rng = np.random.default_rng(1)
    score, weak = rng.random(80), rng.integers(0, 2, 80).astype(float)
    strong = np.maximum(weak, rng.integers(0, 2, 80))
    boot = bootstrap(80, resamples=20)
    drawn = pair_draws(score, weak, strong, boot)
    for r in range(20):
        again = np.repeat(np.arange(80), boot.weights[r].astype(int))
        curve = pair_curve(score[again], weak[again], strong[again])
        assert drawn.apgr[r] == pytest.approx(curve.apgr, abs=1e-6)
        assert drawn.cpt(0.5)[r] == pytest.approx(curve.cpt(0.5), abs=1e-6)


# One outcome per request


def test_a_log_of_one_outcome_per_request_is_estimated():
    """Where each request saw one model, figures are close to what the whole log would show."""
    whole = log(3_000, by_length, drop=("timestamp", "user"))
    rng = np.random.default_rng(3)
    hard = whole.requests["length"].to_numpy() > 500
    asked = np.where(rng.random(3_000) < np.where(hard, 0.3, 0.7), "small", "large")
    frame = whole.to_pandas()
    kept = frame.merge(
        pd.DataFrame({"request_id": whole.requests["request_id"].to_pylist(), "asked": asked})
    ).query("model == asked")
    requests = whole.requests.to_pandas()[["request_id", "category", "length"]]
    requests["propensity"] = np.where(
        asked == "small", np.where(hard, 0.3, 0.7), np.where(hard, 0.7, 0.3)
    )
    outcomes = kept[["request_id", "model", "quality", "cost_usd"]]
    found = train(dataset_from_frame("log", outcomes, requests), head="logistic", details=False)
    assert found.estimated
    assert found.rival("oracle") is None
    for name in ("small", "large"):
        single = next(r for r in found.rivals if r.name == name).point.quality
        truth = np.nanmean(whole.quality[:, whole.models.index(name)])
        assert single.low - 0.01 < truth < single.high + 0.01
    assert found.rival("zero").gain.low > 0
    assert any("doubly robust" in line for line in found.assumptions)
    # What was not asked has no cost that could be missing.
    assert not any(line.startswith("Costs are missing") for line in found.warnings)
    shares = [p.quality for one in found.rivals for p in one.points]
    shares += [p.quality for p in found.curve.points]
    assert all(0 <= e.low <= e.value <= e.high <= 1 for e in shares)


def test_stand_ins_have_the_right_mean():
    """Over all that may be asked, stand-ins average to the outcomes whatever is foretold."""
    rng = np.random.default_rng(0)
    truth, predicted = rng.random((1, 2)), rng.random((1, 2))
    chance = np.array([[0.2, 0.8]])
    mean = np.zeros((1, 2))
    for j in range(2):
        seen = np.full((1, 2), np.nan)
        seen[0, j] = truth[0, j]
        propensity = np.where(np.isnan(seen), np.nan, chance)
        mean += chance[0, j] * stand_ins(predicted, seen, propensity)
    assert mean == pytest.approx(truth)


# All of it


@pytest.fixture(scope="module")
def detailed():
    """With everything that takes longer, on a log with users and times."""
    return train(log(500, by_length), head="logistic", folds=3)


def test_details_are_found_out(detailed):
    """Slices, learning curve, importance, floor and later requests are there."""
    assert detailed.slices is not None
    assert detailed.learning is not None
    assert detailed.floor is not None
    assert detailed.later is not None
    assert detailed.importance[0].columns == ("length",)
    assert detailed.leaks == ()
    assert [one.model for one in detailed.calibration] == list(detailed.models)
    assert len(detailed.floor.points) == len(THRESHOLDS)


def test_a_later_gap_that_is_warned_of_is_not_told_again(detailed):
    """A sentence among the warnings does not stand among the findings as well."""
    assert detailed.later.words in findings(detailed)
    warned = replace(detailed, warnings=(detailed.later.words,))
    assert detailed.later.words not in findings(warned)


def test_what_a_router_would_miss_is_told_of_one_that_pays(detailed):
    """A loss is a fact where it is sure; of a router that does not pay nothing is lost."""
    told = findings(detailed)
    assert any(line.startswith("Without length: −") for line in told)
    chance = [one for one in detailed.importance if not one.sure]
    assert not any(line.startswith(f"Without {one.name}: ") for line in told for one in chance)
    flat = [replace(one, gain=Estimate(0.0, -0.1, 0.1)) for one in detailed.rivals]
    told = findings(replace(detailed, rivals=tuple(flat)))
    assert not any(line.startswith("Without ") for line in told)
    assert any("nothing is surely lost without any" in line for line in told)


def test_tables_for_people_say_money_in_one_unit(training):
    """Cheap ones per million requests, with the unit in the head; each row has every column."""
    tables = (curve_rows, share_rows, rival_rows, gain_rows, area_rows, min_quality_rows)
    for rows in (*tables, calibration_rows):
        head, lines = rows(training)
        assert lines
        assert {len(line) for line in lines} == {len(head)}
    assert rival_rows(training)[0][1] == "cost per 1k [95 %]"
    cheap = [
        replace(
            one,
            points=tuple(
                replace(p, cost_usd_per_1k=p.cost_usd_per_1k.scaled(1e-4)) for p in one.points
            ),
        )
        for one in training.rivals
    ]
    head, lines = rival_rows(replace(training, rivals=tuple(cheap)))
    assert head[1] == "cost per 1M [95 %]"
    large = next(line for line in lines if line[0] == "large")
    assert large[1].startswith("$0.20")


def test_json_says_everything_once(detailed):
    """The JSON object is plain, with nulls for what is undefined."""
    found = json.loads(to_json(detailed.to_dict()))
    assert found["n"] == 500
    assert found["apgr"] is None
    assert found["aiq_ci95"][0] < found["aiq"] < found["aiq_ci95"][1]
    assert {"tradeoff_usd_per_point", "cost_usd_per_1k_ci95", "shares"} <= set(found["curve"][0])
    for key in ("singles", "random_mix", "zero_router", "knn", "lookup", "oracle", "floor"):
        assert found[key]
    assert found["verdict"] == detailed.verdict


def test_a_notebook_shows_names_as_text(long):
    """Names of models and columns come from a log and are never markup."""
    frame = long.to_pandas().replace({"model": {"small": "<b>small</b>"}})
    requests = long.requests.to_pandas()[["request_id", "length", "category"]]
    outcomes = frame[["request_id", "model", "quality", "cost_usd"]]
    dataset = dataset_from_frame("a<i>b", outcomes, requests.rename(columns={"length": "<u>"}))
    html = train(dataset, head="logistic", details=False)._repr_html_()
    assert "<b>small" not in html
    assert "&lt;b&gt;small" in html
    assert "<i>" not in html


def test_the_same_seed_gives_the_same_training(training, long):
    """Nothing is left to chance."""
    again = train(long, head="logistic", details=False)
    assert np.array_equal(again.predicted, training.predicted)
    assert again.curve == training.curve
    assert again.verdict == training.verdict


def test_frames_have_a_row_per_setting(training, duel):
    """The curve as a frame; without costs the thresholds."""
    frame = training.to_pandas()
    assert frame.index.name == "tradeoff_usd_per_point"
    assert len(frame) == len(training.curve.points)
    assert np.allclose(frame[list(training.models)].sum(axis=1), 1)
    assert duel.to_pandas().index.name == "min_quality"


def test_saving_keeps_a_router_and_its_card(training, tmp_path, monkeypatch):
    """The card tells the figures; the router foretells the same after loading."""
    from toolkit.learn.registry import load_router

    monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path))
    entry = training.save("easy")
    assert (entry.version, entry.current) == (1, True)
    assert training.save("easy").current is False
    assert training.save("easy", promote=True).current is True
    data = entry.card.to_dict()
    assert "keeps" not in data
    assert entry.card.holds[0] == "No prompt and no answer as text."
    assert any(line.startswith("Judging an answer: ") for line in entry.card.not_for)
    assert data["dataset_digest"] == training.dataset_digest
    assert data["verdict"] == training.verdict
    assert data["models"] == list(training.models)
    requests = training.dataset.requests
    assert np.array_equal(
        load_router("easy@1").predict(requests), training.router.predict(requests)
    )


def test_steps_only_rise_and_can_be_stopped(long):
    """Progress goes up to the end; what it raises stops the work."""
    told = []
    train(
        long.select(["small", "large"]),
        head="logistic",
        details=False,
        progress=lambda *at: told.append(at),
    )
    done = [at[0] for at in told]
    assert done == sorted(done)
    assert told[-1][0] == told[-1][1]

    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(long, head="logistic", details=False, progress=stop)
    Steps(None, "folds").part("folds")(1, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": ["smal"]}, "no such model; got 'smal'; allowed: 'small'"),
        ({"models": ["small"]}, "needs two models to choose from; got small"),
        ({"folds": 1}, "folds: got 1; allowed: 2 to 20"),
        ({"split": "weekly"}, "split: there is no such split; got 'weekly'"),
        ({"split": "time"}, "has no times to split by"),
        ({"head": "deep"}, "head: got 'deep'; allowed"),
        ({"columns": ["colour"]}, "no such column; got 'colour'"),
    ],
)
def test_what_cannot_be_trained_says_why(long, given, message):
    """A mistake names what, where, got and allowed."""
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        train(long, details=False, **given)


def test_a_log_without_grades_cannot_be_learned_from():
    """Nothing says which answers were good."""
    frame = pd.DataFrame({"request_id": ["a", "b"], "model": "x", "cost_usd": 1.0})
    with pytest.raises(DataError, match="has no grades"):
        train(dataset_from_frame("bare", frame))


def test_too_many_models_are_refused():
    """A choice of 31 models is to be narrowed by a person."""
    rows = [(f"r{i}", f"m{j}", (i + j) % 2) for i in range(4) for j in range(31)]
    frame = pd.DataFrame(rows, columns=["request_id", "model", "quality"])
    with pytest.raises(DataError, match="got 31; allowed: at most 30"):
        train(dataset_from_frame("many", frame))
