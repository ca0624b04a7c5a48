"""Curves of cost and quality against hand-made cases, obvious pandas and published figures."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.evaluate.curves.aiq import aiq, aiq_of_draws
from toolkit.evaluate.curves.arena import arena_score, optimality
from toolkit.evaluate.curves.hull import hull, hull_value, hull_value_of_draws, non_dominated
from toolkit.evaluate.curves.pair import apgr_interval, pair_curve, pair_points
from toolkit.evaluate.intervals import Bootstrap, bootstrap

NAN = math.nan
COSTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 3.0, NAN]),
        st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.9, 1.0, NAN]),
    ),
    max_size=12,
)


# --- what is not beaten, the hull ----------------------------------------------------------------


def test_of_equal_points_the_first_stays():
    """A point goes that another beats; of equal ones the first stands for all."""
    values = [(1, 0.5), (2, 0.5), (2, 0.7), (2, 0.7), (3, 0.6), (0.5, NAN)]
    assert non_dominated(values, ("low", "high")).tolist() == [
        *(True, False, True, False, False, False),
    ]


def test_an_axis_needs_its_direction():
    """Two axes and one direction cannot be compared."""
    with pytest.raises(ValueError, match="2 axes need as many directions, got 1"):
        non_dominated([(1, 2)], ("low",))


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=15))
def test_non_dominated_is_what_a_loop_says(points):
    """The set is that of the definition, in three dimensions."""

    def beats(one, other):
        return one[0] <= other[0] and one[1] >= other[1] and one[2] <= other[2] and one != other

    expected = [
        p not in points[:i] and not any(beats(q, p) for q in points) for i, p in enumerate(points)
    ]
    values = np.array(points, float).reshape(-1, 3)
    assert non_dominated(values, ("low", "high", "low")).tolist() == expected


def test_the_hull_begins_cheapest_ends_best_and_skips_what_mixing_beats():
    """By hand: (2, 0.5) lies under the line from (1, 0.4) to (3, 0.8); (5, 0.7) is the cut tail."""
    cost = [3, 1, 2, 5, 1, 4, 9]
    quality = [0.8, 0.4, 0.5, 0.7, 0.2, 0.8, NAN]
    assert hull(cost, quality).tolist() == [1, 0]
    assert hull([1, 2, 3], [0.25, 0.5, 0.75]).tolist() == [0, 2], "no vertex on an edge"
    assert hull([1, 2], [0.5, 0.5]).tolist() == [0]
    assert hull([], []).tolist() == hull([NAN], [1.0]).tolist() == []


def test_the_hull_has_no_value_left_of_itself_and_stays_flat_on_the_right():
    """Between its vertices it is a straight line."""
    value = hull_value([0.5, 1, 2, 3, 99], [1, 3, 2], [0.4, 0.8, 0.1])
    np.testing.assert_allclose(value, [NAN, 0.4, 0.6, 0.8, 0.8])
    assert np.isnan(hull_value([1.0], [], [])).all()


def obvious_hull_value(at: float, points: list[tuple[float, float]]) -> float:
    """The best mix of any two points whose cost is at most ``at``, by a loop over pairs."""
    known = [(c, q) for c, q in points if not (math.isnan(c) or math.isnan(q))]
    best = max((q for c, q in known if c <= at), default=NAN)
    for c, q in known:
        for d, r in known:
            if c <= at < d:
                best = max(best, q + (r - q) * (at - c) / (d - c))
    return best


@given(COSTS, st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.7, 3.0, 9.0]))
def test_the_hull_is_the_best_mix_of_two(points, at):
    """At every cost the hull is the best that mixing two points at random can have."""
    cost, quality = [c for c, _ in points], [q for _, q in points]
    expected = obvious_hull_value(at, points)
    assert float(hull_value(at, cost, quality)) == pytest.approx(expected, nan_ok=True)


@given(COSTS.filter(len), st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.7, 3.0, 9.0]), min_size=1))
def test_the_hulls_of_draws_are_the_hull_of_each(points, at):
    """The compiled version for a bootstrap agrees with the one for a figure, to rounding."""
    table = np.array([points, points[::-1]])
    found = hull_value_of_draws(at, table[..., 0], table[..., 1])
    one = hull_value(at, table[0, :, 0], table[0, :, 1])
    np.testing.assert_allclose(found, [one, one], rtol=1e-12)
    each = np.array([at, at[::-1]])
    np.testing.assert_allclose(
        hull_value_of_draws(each, table[..., 0], table[..., 1]), [one, one[::-1]], rtol=1e-12
    )


# --- AIQ ------------------------------------------------------------------------------------------


def test_aiq_by_hand_in_both_conventions():
    """A hull whose mean over 1 to 4 dollars is 0.6 has 0.45 by RouterBench's code."""
    found = aiq([1, 3, 4], [0.4, 0.7, 0.7], 1, 4)
    area = 2 * 0.55 + 0.7
    assert found.value == pytest.approx(area / 3) == pytest.approx(0.6)
    assert found.value_by_max == pytest.approx(area / 4) == pytest.approx(0.45)


def test_a_hull_that_begins_late_counts_as_nothing_before_and_goes_on_flat():
    """Over 0 to 10 dollars, one point at 4 dollars of quality 0.5 has 6/10 of it."""
    assert aiq([4], [0.5], 0, 10).value == pytest.approx(0.3)
    assert aiq([4], [0.5], 5, 10).value == pytest.approx(0.5)
    assert aiq([11], [0.5], 0, 10).value == 0
    assert math.isnan(aiq([], [], 0, 10).value)
    assert math.isnan(aiq([4], [0.5], 4, 4).value)


@given(COSTS.filter(len), st.sampled_from([(0.0, 3.0), (0.3, 2.2), (1.0, 9.0)]))
def test_aiq_of_draws_is_the_aiq_of_each(points, ends):
    """The compiled version for a bootstrap agrees with the one for a figure, and with a sum."""
    table = np.array([points, points[::-1]])
    found = aiq_of_draws(table[..., 0], table[..., 1], *ends)
    one = aiq(table[0, :, 0], table[0, :, 1], *ends).value
    np.testing.assert_allclose(found, [one, one], atol=1e-12)
    at = np.linspace(*ends, 4_001)
    middle = (at[1:] + at[:-1]) / 2
    if not math.isnan(one):
        value = np.nan_to_num(hull_value(middle, table[0, :, 0], table[0, :, 1]))
        assert one == pytest.approx(value.mean(), abs=1e-3)


def test_aiq_of_draws_is_fast():
    """2,000 draws of 200 policies take well under a second."""
    rng = np.random.default_rng(0)
    cost, quality = rng.random((2, 2_000, 200))
    aiq_of_draws(cost[:2], quality[:2], 0, 1)
    start = time.perf_counter()
    aiq_of_draws(cost, quality, 0, 1)
    assert time.perf_counter() - start < 1.0


# --- a weak and a strong model --------------------------------------------------------------------


def test_a_pair_by_hand():
    """Four requests; the strong model gains on the two of the highest scores, and loses one."""
    score = [0.9, 0.8, 0.3, 0.1]
    weak, strong = [0, 0, 1, 1], [1, 1, 1, 0]
    curve = pair_curve(score, weak, strong)
    assert curve.share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve.quality.tolist() == [0.5, 0.75, 1, 1, 0.75]
    assert curve.pgr.tolist() == [0, 1, 2, 2, 1]
    assert curve.apgr == pytest.approx(0.25 * (0 / 2 + 1 + 2 + 2 + 1 / 2))
    assert (curve.cpt(0.5), curve.cpt(1.5), curve.cpt(0)) == (0.125, 0.375, 0)
    assert math.isnan(curve.cpt(2.5))
    assert curve.to_dict() == {
        "apgr": pytest.approx(1.375),
        "cpt20": pytest.approx(0.05),
        "cpt50": 0.125,
        "cpt80": pytest.approx(0.2),
        "weak_quality": 0.5,
        "strong_quality": 0.75,
        "n": 4,
    }


def test_equal_scores_move_together():
    """A score that tells nothing gives the straight line of a random router."""
    curve = pair_curve([1, 1, 1, 1], [0, 0, 1, 0], [1, 1, 1, 0])
    assert curve.share.tolist() == [0, 1]
    assert curve.apgr == pytest.approx(0.5)


def test_without_a_gap_nothing_is_recovered():
    """Two models of the same quality have no gap, and requests that nobody graded leave none."""
    curve = pair_curve([1, 2], [0, 1], [1, 0])
    assert math.isnan(curve.apgr)
    assert math.isnan(curve.cpt(0.5))
    assert curve.to_dict()["cpt50"] is None
    empty = pair_curve([NAN, 1], [0, NAN], [1, 0])
    assert (empty.n, empty.to_dict()["apgr"]) == (0, None)


def test_cpt_is_read_at_the_first_crossing():
    """In a zigzag the target is first met at 30 %; interpolating over quality says 43.3 %."""
    share = [0, 0.2, 0.3, 0.4, 0.6, 1]
    quality = [0, 0.3, 0.5, 0.45, 0.75, 1]
    assert pair_points(share, quality, 0, 1).cpt(0.5) == pytest.approx(0.3)
    assert np.interp(0.5, quality, share) == pytest.approx(0.433, abs=5e-4)


def test_of_policies_with_one_share_the_best_counts():
    """Policies of a sweep come in any order; the two models alone are the ends."""
    curve = pair_points([0.5, 0.25, 0.5, NAN, 0.1], [0.7, 0.6, 0.8, 0.9, NAN], 0.5, 0.9)
    assert curve.share.tolist() == [0, 0.25, 0.5, 1]
    assert curve.quality.tolist() == [0.5, 0.6, 0.8, 0.9]
    assert curve.n == 3


@pytest.fixture(scope="module")
def mmlu(shared_datasets: Path) -> pd.DataFrame:
    """RouteLLM's 14,037 prompts: ``weak`` and ``strong`` right or wrong, read by pandas alone."""
    folder = shared_datasets / "routellm_mmlu"
    drops = pd.read_json(folder / "contaminated_prompts.jsonl", lines=True)["eval_prompt"]
    frame = pd.concat(pd.read_csv(f) for f in sorted((folder / "responses").glob("*.csv")))
    frame.columns = ["prompt", "weak", "strong"]
    frame = frame[~frame.prompt.isin(drops)].reset_index(drop=True)
    assert len(frame) == 14_037
    return frame.astype({"weak": float, "strong": float})


def by_pandas(frame: pd.DataFrame, score: np.ndarray) -> pd.DataFrame:
    """Share and quality after each distinct score, one mean of a column at a time."""
    ranked = frame.assign(score=score).sort_values("score", ascending=False, kind="stable")
    gained = (ranked.strong - ranked.weak).groupby(ranked.score).sum().sort_index(ascending=False)
    sent = ranked.groupby("score").size().sort_index(ascending=False)
    curve = pd.DataFrame(
        {
            "share": sent.cumsum() / len(frame),
            "quality": frame.weak.mean() + gained.cumsum() / len(frame),
        }
    )
    return pd.concat([pd.DataFrame({"share": [0.0], "quality": [frame.weak.mean()]}), curve])


@pytest.mark.parametrize("thresholds", ["exact", "routellm"])
def test_a_random_router_on_mmlu_has_the_published_figures(mmlu, thresholds):
    """RouteLLM's table: APGR 0.500, CPT50 50.07 %, CPT80 79.93 %; here over twenty routers."""
    rng = np.random.default_rng(0)
    scores = [rng.random(len(mmlu)) for _ in range(20)]
    curves = [pair_curve(score, mmlu.weak, mmlu.strong, thresholds) for score in scores]
    read = np.array([(c.apgr, c.cpt(0.5), c.cpt(0.8)) for c in curves])
    np.testing.assert_allclose(read.mean(axis=0), [0.5, 0.5007, 0.7993], atol=0.01)
    assert np.abs(read - [0.5, 0.5007, 0.7993]).max() < 0.05, "one router wavers by chance"
    assert (round(curves[0].weak, 4), round(curves[0].strong, 4)) == (0.6809, 0.8059)


def test_eleven_quantiles_are_the_thresholds_of_routellm(mmlu):
    """The highest sends one request to the strong model; the curve also begins with none."""
    score = np.random.default_rng(0).random(len(mmlu))
    share = pair_curve(score, mmlu.weak, mmlu.strong, "routellm").share
    assert (len(share), share[0], share[1], share[-1]) == (12, 0, 1 / len(mmlu), 1)
    assert np.allclose(share[1:], np.linspace(0, 1, 11), atol=1e-3)


def test_the_curve_on_mmlu_is_that_of_pandas(mmlu):
    """Every point, with scores that often tie; and APGR and CPT read off it by hand."""
    rng = np.random.default_rng(1)
    score = np.round(rng.random(len(mmlu)) + 0.3 * (mmlu.strong - mmlu.weak), 3).to_numpy()
    curve, expected = pair_curve(score, mmlu.weak, mmlu.strong), by_pandas(mmlu, score)
    np.testing.assert_allclose(curve.share, expected.share)
    np.testing.assert_allclose(curve.quality, expected.quality)
    pgr = (expected.quality - mmlu.weak.mean()) / (mmlu.strong.mean() - mmlu.weak.mean())
    assert curve.apgr == pytest.approx(np.trapezoid(pgr, expected.share))
    first = int(np.argmax(pgr >= 0.8))
    assert expected.share.iloc[first - 1] <= curve.cpt(0.8) <= expected.share.iloc[first]


def test_perfect_foresight_recovers_more_than_the_gap(mmlu):
    """The ranking by what the strong model adds is not clipped at 1."""
    curve = pair_curve(mmlu.strong - mmlu.weak, mmlu.weak, mmlu.strong)
    assert curve.apgr > 1
    assert curve.quality.max() == pytest.approx((mmlu[["weak", "strong"]].max(axis=1)).mean())


def test_the_interval_of_apgr_is_that_of_a_bootstrap_by_hand(mmlu):
    """Drawing requests and computing the curve anew each time gives the same spread."""
    part = mmlu.sample(1_500, random_state=0).reset_index(drop=True)
    rng = np.random.default_rng(2)
    score = rng.random(len(part)) + 0.2 * (part.strong - part.weak).to_numpy()
    found = apgr_interval(score, part.weak, part.strong)
    draws = []
    for _ in range(400):
        i = rng.integers(0, len(part), len(part))
        draws.append(pair_curve(score[i], part.weak[i], part.strong[i]).apgr)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.value == pair_curve(score, part.weak, part.strong).apgr
    assert found.high - found.low == pytest.approx(high - low, rel=0.15)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))
    assert (found.n, found.share) == (1_500, 1.0)


def test_the_interval_of_apgr_takes_large_logs(mmlu):
    """All 14,037 prompts, in groups, take seconds; a quarter of them is half as sure."""
    score = np.random.default_rng(0).random(len(mmlu))
    start = time.perf_counter()
    whole = apgr_interval(score, mmlu.weak, mmlu.strong)
    assert time.perf_counter() - start < 3
    part = apgr_interval(score[::4], mmlu.weak[::4], mmlu.strong[::4])
    assert whole.low < 0.5 < whole.high
    assert (part.high - part.low) / (whole.high - whole.low) == pytest.approx(2, rel=0.25)


def test_requests_that_come_together_make_apgr_less_sure(mmlu):
    """Requests four times over are no more evidence, once they are drawn together."""
    part = mmlu.sample(800, random_state=1)
    score = np.random.default_rng(3).random(len(part))
    four = [np.tile(column, 4) for column in (score, part.weak, part.strong)]
    once, apart = apgr_interval(score, part.weak, part.strong), apgr_interval(*four)
    drawn = bootstrap(len(part))
    unit = np.tile(np.arange(len(part)), 4)
    together = apgr_interval(*four, boot=Bootstrap(unit, drawn.weights))
    assert apart.value == pytest.approx(once.value) == together.value
    assert (once.high - once.low) / (apart.high - apart.low) == pytest.approx(2, rel=0.2)
    assert (together.low, together.high) == (
        pytest.approx(once.low, abs=2e-3),
        pytest.approx(once.high, abs=2e-3),
    )


def test_the_hull_of_single_models_on_bfcl(bfcl_dir):
    """The zero router of the leaderboard's 49 priced models: none lies above, all else below."""
    frame = pd.read_csv(bfcl_dir / "bfcl_long.csv.gz")
    quality = frame.quality.where(frame.error != "api_error", 0.0)
    each = (
        frame.assign(quality=quality)
        .groupby("model")
        .agg(
            cost=("cost_usd", lambda c: 1000 * c.mean() if c.notna().all() else NAN),
            quality=("quality", "mean"),
        )
    )
    vertices = each.iloc[hull(each.cost, each.quality)]
    known = each.dropna()
    assert vertices.cost.iloc[0] == known.cost.min()
    assert vertices.quality.iloc[-1] == known.quality.max()
    slopes = vertices.quality.diff().iloc[1:] / vertices.cost.diff().iloc[1:]
    assert (slopes > 0).all()
    assert (slopes.diff().dropna() < 0).all()
    above = known.quality - hull_value(known.cost, each.cost, each.quality)
    assert above.max() < 1e-12


# --- RouterArena ----------------------------------------------------------------------------------


def test_the_arena_score_by_hand():
    """Halfway down the logarithm of the prices, 1.1 · 0.8 · 0.5 / (0.1 · 0.8 + 0.5)."""
    halfway = math.sqrt(200 * 0.0044)
    assert arena_score(0.8, halfway) == pytest.approx(0.44 / 0.58)
    assert arena_score(0.8, [200, 500]).tolist() == [0, 0]
    assert arena_score(1.0, [0.0044, 0.0]) == pytest.approx([1, 1])
    assert arena_score([0, 0, NAN], [200, 1, 1]) == pytest.approx([0, 0, NAN], nan_ok=True)
    assert math.isnan(arena_score(0.5, NAN))


def test_how_near_the_answers_were_to_the_cheapest_right_one():
    """Five requests by hand: the cheapest right, a dearer right, wrong, unsolvable, unknown."""
    model_quality = [[1, 1], [1, 1], [0, 1], [0, 0], [1, 1]]
    model_cost = [[1, 2], [1, 4], [1, 2], [1, 2], [1, 2]]
    found = optimality([1, 1, 0, 0, NAN], [1, 4, 1, 1, 1], model_quality, model_cost)
    assert (found.requests, found.solvable) == (4, 3)
    assert found.selection == pytest.approx(1 / 3)
    assert found.cost_of_sums == pytest.approx((1 + 1) / (1 + 4))
    assert found.cost_of_ratios == pytest.approx((1 / 1 + 1 / 4) / 2)
    assert found.accuracy_of_solvable == pytest.approx(2 / 3)
    assert found.accuracy_of_all == pytest.approx(2 / 4)
    nobody = optimality([0.0], [1.0], [[0.0]], [[1.0]])
    assert math.isnan(nobody.selection)
    assert nobody.accuracy_of_all == 0
