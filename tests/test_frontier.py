"""Sweeps small enough to work out by hand: what is best, how sure that is, and what is said."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.small_logs import chain, log
from toolkit.engine.replay import replay, replay_traffic
from toolkit.errors import DataError, DetourError, PolicyError
from toolkit.evaluate.baselines import baselines
from toolkit.evaluate.compare import Difference, compare
from toolkit.evaluate.tradeoffs import gain, sweep
from toolkit.evaluate.tradeoffs.frontier import frontier
from toolkit.evaluate.tradeoffs.gain import held_against
from toolkit.evaluate.tradeoffs.points import AXES, ESTIMATES
from toolkit.evaluate.tradeoffs.vary import Vary
from toolkit.evaluate.verdict import told
from toolkit.policy.model import Goals, Policy
from toolkit.scenarios import Scenario
from toolkit.schema import ErrorType

SERVER = int(ErrorType.SERVER_ERROR)
LIMIT = "chains.only.steps.0.timeout_s"


@pytest.fixture(scope="module")
def three():
    """Four requests; a costs 1, b 3, c 2 dollars per 1,000, and a and c are right half the time."""
    return log(
        [[1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 1, 1]],
        [[0.001, 0.003, 0.002]],
        [[1.0, 3.0, 2.0]],
    )


@pytest.fixture(scope="module")
def noisy():
    """600 requests: a is cheap and now and then fails or is slow, b is better and dear."""
    rng = np.random.default_rng(1)
    hard = rng.random((600, 1))
    return log(
        (rng.random((600, 3)) > hard * [[1.0, 0.4, 0.7]]).astype(float),
        rng.exponential([[0.001, 0.01, 0.004]], (600, 3)),
        rng.exponential([[1.0, 2.0, 1.5]], (600, 3)),
        np.where(rng.random((600, 3)) < [[0.1, 0.02, 0.05]], SERVER, 0),
        category=[f"c{i % 3}" for i in range(600)],
    )


def alone(*models: str) -> list[Policy]:
    """One policy for each model."""
    return [Policy.single(model) for model in models]


def test_what_nothing_beats_by_hand(three):
    """The model c costs more than a and is no better; the hull of the others is a straight line."""
    f = frontier(alone("a", "b", "c"), three)
    assert [point.name for point in f.points] == ["a", "b", "c"]
    assert f.frontier == (0, 1)
    assert f.hull == (0, 1)
    (cheap, dear) = f.worth
    assert (cheap.point, cheap.from_usd, cheap.to_usd) == (0, 0, pytest.approx(2 / 50))
    assert (dear.point, dear.to_usd) == (1, math.inf)
    assert [(v.model, v.cost_usd_per_1k, v.quality) for v in f.zero_router] == [
        ("a", pytest.approx(1), 0.5), ("b", pytest.approx(3), 1),
    ]  # fmt: skip
    assert f.aiq.policies.value.value == pytest.approx(0.75)
    assert f.aiq.policies.by_max.value == pytest.approx(0.75 * 2 / 3)
    # For nothing more than a, the oracle is right always: a on two requests, c on the others.
    assert f.oracle.cost_usd_per_1k.value == pytest.approx(1.5)
    assert f.oracle.quality.value == 1
    assert f.aiq.oracle.value.value == pytest.approx((0.5 * 0.75 + 1.5) / 2)


def test_policies_that_are_the_single_models_gain_nothing_over_mixing_them(noisy):
    """The two curves are one, in every resample."""
    gain = frontier(alone("a", "b"), noisy).aiq.gain
    assert (gain.value, gain.low, gain.high) == pytest.approx((0, 0, 0), abs=1e-6)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (("cost", "quality"), (0, 1)),
        (("cost", "latency"), (0,)),
        (("quality", "latency_mean_s"), (0, 1)),
        (("errors", "cost"), (0,)),
    ],
)
def test_axes_are_chosen(three, axes, expected):
    """Lower is better but for quality; the first axis orders the result."""
    f = frontier(alone("a", "b", "c"), three, axes=axes)
    assert f.frontier == expected
    assert all(axis in AXES for axis in f.axes)


def test_every_point_has_the_estimates_of_its_summary(noisy):
    """Many policies in one product, and each alone: the same numbers and ends."""
    policy = chain("a", "b", goals={"quality": {"min": 0.6}, "latency_p95_s": {"max": 6}})
    f = frontier(policy, noisy, [Vary(LIMIT, (0.5, 1, 2, 4))], seed=3)
    assert len(f.points) == 5
    for point in f.points:
        s = replay(point.policy, noisy, 3).summary()
        assert (point.requests, point.unobserved) == (s.requests, s.unobserved)
        assert point.imputed_share == s.imputed_share
        for name in ESTIMATES:
            ours, theirs = vars(getattr(point, name)), vars(getattr(s, name))
            assert ours == pytest.approx(theirs, rel=1e-5, nan_ok=True), name
        assert [g.answer for g in point.goals] == [g.answer for g in s.goals]


def test_the_parts_of_a_sweep_change_nothing(noisy, monkeypatch):
    """Policies in memory one at a time, or all at once."""
    vary = [Vary(LIMIT, (0.5, 1, 2, 4))]
    whole = frontier(chain("a", "b"), noisy, vary).to_dict()
    monkeypatch.setattr(sweep, "MOST_VALUES", 700)
    parts = frontier(chain("a", "b"), noisy, vary).to_dict()
    assert json.dumps(parts["points"])[:200] == json.dumps(whole["points"])[:200]
    for one, other in zip(parts["points"], whole["points"], strict=True):
        assert one["quality_ci95"] == pytest.approx(other["quality_ci95"], rel=1e-5)
    assert parts["aiq"]["gain"] == pytest.approx(whole["aiq"]["gain"])
    assert parts["aiq"]["gain_ci95"] == pytest.approx(whole["aiq"]["gain_ci95"], abs=1e-5)


def test_estimates_are_over_the_rows_that_are_asked_for(noisy):
    """All requests are replayed; only some count, also in what stands beside."""
    rows = np.arange(0, 600, 3)
    f = frontier(chain("a", "b"), noisy, [Vary(LIMIT, (0.5, 2))], rows=rows)
    for point in f.points:
        one = replay(point.policy, noisy)
        assert point.requests == 200
        assert point.quality.value == pytest.approx(one.quality[rows].mean())
        assert point.latency_p95_s.value == pytest.approx(np.quantile(one.latency_s[rows], 0.95))
    assert f.singles[2].quality.value == pytest.approx(noisy.quality[rows, 2].mean())
    assert f.random_mix.quality.value == pytest.approx(noisy.quality[rows, :2].mean())
    assert (f.requests, f.n) == (600, 200)
    assert any("All 600 requests were replayed" in line for line in f.assumptions)


def test_requests_that_do_not_count_still_fill_the_cache(noisy):
    """The second half meets what the first half left there."""
    rows = np.arange(300, 600)
    policy = chain("a").with_value("cache", {"key": ["category"], "ttl_s": 1e6})
    found = frontier(policy, noisy, rows=rows).points[0]
    assert found.cost_usd_per_1k.value == pytest.approx(
        1000 * replay(policy, noisy).cost_usd[rows].mean()
    )
    assert found.cost_usd_per_1k.value < 0.1


def test_baselines_are_those_of_their_own(noisy):
    """The same estimates as without a sweep."""
    f = frontier(chain("a", "b"), noisy)
    for ours, theirs in ((f.baselines, baselines(noisy)), (f.own, baselines(noisy, ["a", "b"]))):
        assert [row.name for row in ours.rows] == [row.name for row in theirs.rows]
        for one, other in zip(ours.rows, theirs.rows, strict=True):
            for name in ("quality", "cost_usd_per_1k", "latency_mean_s", "error_rate"):
                mine, their = vars(getattr(one, name)), vars(getattr(other, name))
                assert mine == pytest.approx(their, rel=1e-5)
    assert f.used == ("a", "b")


def test_policies_that_end_alike_are_told(noisy):
    """A limit that no call reaches changes nothing."""
    f = frontier(chain("a", "b"), noisy, [Vary(LIMIT, (1, 1000, 2000))])
    assert [point.same_as for point in f.points] == [None, None, 0, 0]
    assert not {2, 3} & set(f.frontier)


GOALS = {"quality": {"min": 0.7}, "cost_usd_per_1k": {"max": 2.5}}


def test_the_cheapest_that_meets_the_goals(three):
    """By value, and by its whole interval; the closest where there is none."""
    policies = [chain("a", goals={"quality": {"min": 0.4}}), *alone("b", "c")]
    f = frontier(policies, three)
    assert [point.meets for point in f.points] == [True, True, True]
    assert f.best.name == "policy"
    assert f.surest.name == "b"
    assert "The cheapest of 3 policies that meets the goals costs $1.00" in f.verdict
    assert "Too close to its limit to be certain: quality." in f.verdict
    assert "The cheapest that does with its whole interval costs $3.00" in f.verdict
    hard = f.with_goals(Goals.model_validate(GOALS))
    assert [point.meets for point in hard.points] == [False, False, False]
    assert hard.best is None
    assert hard.closest.name == "b"  # a fifth above its limit; a is more than a quarter short
    assert hard.verdict.startswith("None of 3 policies meets all goals; the closest misses cost")
    assert "None of the single models meets them." in hard.verdict
    assert f.goals == policies[0].goals


def test_a_single_model_that_is_enough_is_named(three):
    """Whoever needs no policy is told so."""
    f = frontier(chain("b", "a", goals={"quality": {"min": 0.9}}), three)
    assert "The policy meets its goals: it costs $3.00" in f.verdict
    assert "b alone costs $3.00" in f.verdict
    other = frontier(chain("a", "c", goals={"quality": {"min": 0.9}}), three)
    assert other.verdict.startswith("The policy misses quality")
    assert "b alone costs $3.00" in other.verdict


def test_without_goals_the_verdict_says_what_is_reached(noisy):
    """No goal is made up."""
    f = frontier(chain("b", "a"), noisy, [Vary(LIMIT, (0.5, 1, 2))])
    assert f.points[0].meets is None
    assert f.verdict.startswith("policy as it stands costs $")
    assert "no goals say whether that is good enough" in f.verdict
    assert "4 policies reach from $" in f.verdict


def test_picking_the_best_of_many_is_said_to_flatter(noisy):
    """In the verdict where one was picked, and always in what it rests on."""
    hasty = chain("a", "b", goals={"quality": {"min": 0.1}}).with_value(LIMIT, 0.2)
    f = frontier(hasty, noisy, [Vary(LIMIT, (0.5, 5))])
    assert f.best.index
    assert "a search tunes on one half of the requests" in f.verdict
    assert any("a search tunes" in line for line in f.assumptions)
    assert not any("a search tunes" in line for line in frontier(chain("a"), noisy).assumptions)


def test_what_is_picked_is_held_against_the_policy_as_it_stands(noisy):
    """The paired difference of both, as a comparison finds it, and in words."""
    dear = chain("b", "a", goals={"quality": {"min": 0.1}})
    f = frontier(dear, noisy, ["chains.only.steps.0.model=a"])
    assert (f.best.index, f.cheapest.index) == (1, 1)
    c = compare(f.points[0].policy, f.points[1].policy, noisy)
    gain = f.gain(f.best)
    assert gain.requests == c.paired
    assert gain.differences["cost_usd_per_1k"].value == c.cost_usd_per_1k.value
    assert vars(gain.differences["quality"]) == pytest.approx(vars(c.quality), nan_ok=True)
    assert f"Against policy as it stands it is {told('cost_usd_per_1k', c.cost_usd_per_1k)}" in (
        f.verdict
    )
    result = f.to_dict()["gain"]
    assert (result["point"], result["against"], result["pays"]) == (1, 0, True)
    rows = np.arange(300)
    half = frontier(dear, noisy, ["chains.only.steps.0.model=a"], rows=rows).gain(f.best)
    one, other = (replay(point.policy, noisy).quality[rows] for point in f.points)
    assert half.requests == 300
    assert half.differences["quality"].value == pytest.approx((other - one).mean())


def test_the_policy_as_it_stands_is_kept_where_nothing_is_surely_gained(noisy):
    """A time limit that a few calls reach makes others cheapest by value, by chance or a trifle."""
    policy = chain("a", "b", goals={"quality": {"min": 0.1}}).with_value(LIMIT, 5.5)
    f = frontier(policy, noisy, [Vary(LIMIT, (5, 5.8, 7))])
    least = f.cheapest
    assert least.index
    assert least.cost_usd_per_1k.value < f.points[0].cost_usd_per_1k.value
    assert f.gain(least).pays is False
    assert f.best is f.points[0]
    assert f.surest is f.points[0]
    kept = "The cheapest of 4 policies that meets the goals is policy as it stands, as far as"
    assert kept in f.verdict
    # What needs no policy comes first where it costs less.
    assert f.verdict.startswith("a alone costs $0.99")
    assert f"By value alone {least.name} is cheaper" in f.verdict
    assert "not distinguishable" in f.verdict
    result = f.to_dict()
    assert (result["best"], result["cheapest"]) == (0, least.index)
    # Who asks for more than the policy gives gets the other, and is told that they are alike.
    quality = {"min": float(np.nextafter(f.points[0].quality.value, 1))}
    strict = f.with_goals(Goals.model_validate({"quality": quality}))
    assert not strict.points[0].meets
    assert strict.gains is f.gains


def difference(value: float, low: float, high: float, p: float = 0.5) -> Difference:
    """As a comparison would have it."""
    return Difference(value, low, high, 100, 1.0, 1.0, 1.0 + value, 10, p, p)


@pytest.mark.parametrize(
    ("cost", "quality", "words"),
    [
        (
            difference(-0.31, -0.35, -0.27, 0.001),
            difference(0.001, -0.004, 0.006),
            (
                "Against old it is cheaper by $0.310 per 1k [0.270, 0.350]; "
                "not distinguishable: quality +0.1 points [−0.4, +0.6]."
            ),
        ),
        (
            difference(-0.31, -0.35, -0.27, 0.001),
            difference(0.02, 0.01, 0.03, 0.001),
            (
                "Against old it is cheaper by $0.310 per 1k [0.270, 0.350] and "
                "better by 2.0 points [1.0, 3.0]."
            ),
        ),
        (
            difference(-0.01, -0.05, 0.03),
            difference(0.001, -0.004, 0.006),
            (
                "It is not distinguishable from old on 100 requests: cost −$0.0100 per 1k "
                "[−0.0500, +0.0300], quality +0.1 points [−0.4, +0.6]."
            ),
        ),
        (
            replace(difference(0, 0, 0, math.nan), changed=0),
            replace(difference(0, 0, 0, math.nan), changed=0),
            "It ends like old on all of 100 requests.",
        ),
        (
            difference(math.nan, math.nan, math.nan),
            difference(math.nan, math.nan, math.nan),
            "Neither its cost nor its quality was measured on the same requests as of old.",
        ),
    ],
)
def test_a_gain_in_words(cost, quality, words):
    """What is sure first, what is not with its interval, and what is not known."""
    none = replace(difference(0, 0, 0, math.nan), changed=0)
    found = {"cost_usd_per_1k": cost, "quality": quality}
    assert held_against(found | {"latency_mean_s": none, "error_rate": none}, 100, "old") == words


def test_a_sure_trifle_is_no_reason_to_change(three):
    """Half a percent of the cost on every request is sure, and said to be little."""
    data = log(np.ones((60, 2)), [[0.001, 0.001005]])
    policy = chain("b", goals={"quality": {"min": 0.5}}).with_value("models", {"a": {}, "b": {}})
    f = frontier(policy, data, ["chains.only.steps.0.model=a"])
    assert f.gain(f.cheapest).differences["cost_usd_per_1k"].distinguishable
    assert f.best.index == 0
    assert "less than 1 % of the cost and 0.1 points of quality: a trifle" in f.verdict


def test_moving_the_goals_replays_nothing_twice(noisy, monkeypatch):
    """What a policy gains is found once, whatever the goals are."""
    f = frontier(chain("b", "a"), noisy, ["chains.only.steps.0.model=a"])
    asked = []
    monkeypatch.setattr(
        gain, "replay_traffic", lambda *at: asked.append(at[0]) or replay_traffic(*at)
    )
    for least in (0.1, 0.2, 0.3):
        f.with_goals(Goals.model_validate({"quality": {"min": least}})).verdict  # noqa: B018
    assert len(asked) == 2


def test_worth_says_where_more_money_buys_nothing_sure(noisy):
    """Two models of the same skill: the dearer one is better by chance alone."""
    rng = np.random.default_rng(4)
    right = (rng.random((300, 3)) < [0.3, 0.6, 0.6]).astype(float)
    right[:, 2] = right[:, 1]
    right[:3, 1:] = [0, 1]
    f = frontier(alone("a", "b", "c"), log(right, [[0.001, 0.002, 0.009]]))
    assert [one.point for one in f.worth] == [0, 1, 2]
    assert [one.better for one in f.worth] == [None, True, False]
    assert [one.to_dict()["better_than_previous"] for one in f.worth] == [None, True, False]
    assert str(f.worth[0]).endswith("per 1k a point")
    assert [bool(one.doubt) for one in f.worth] == [False, False, True]


def test_the_oracles_errors_are_explained():
    """Where no answer is any good the cheapest is taken, though it is an error."""
    data = log([[0, 0], [1, 0], [0, 0]], [[0.001, 0.002]], error=[[SERVER, 0], [0, 0], [0, 0]])
    f = frontier(chain("a", "b"), data)
    assert f.oracle.error_rate.value == pytest.approx(1 / 3)
    told = "The oracle ends 33.3 % of the requests in an error: where no model's answer is better"
    assert any(line.startswith(told) for line in f.assumptions)
    assert told.replace("'", "&#x27;") in baselines(data)._repr_html_()
    sound = frontier(chain("a", "b"), log([[0, 1], [1, 0]]))
    assert not any("oracle ends" in line for line in sound.assumptions)


def test_chance_that_does_as_well_is_named(noisy):
    """A policy has to earn more than its models mixed at random for the same money."""
    wasteful = chain("b", "a").with_value("chains.only.steps.0.timeout_s", 0.05)
    f = frontier(wasteful, noisy)
    (point,) = f.points
    (cheap, _), (dear, _) = [(v.cost_usd_per_1k, v.quality) for v in f.zero_router]
    assert cheap < point.cost_usd_per_1k.value
    share = min((point.cost_usd_per_1k.value - cheap) / (dear - cheap), 1)
    qualities = [v.quality for v in f.zero_router]
    expected = qualities[0] + share * (qualities[1] - qualities[0])
    assert f.mixed(point.cost_usd_per_1k.value) == pytest.approx(expected)
    assert expected > point.quality.value
    assert f"For the same cost a and b mixed at random reach {expected:.3f}." in f.verdict
    assert math.isnan(f.mixed(cheap / 2))


def test_a_log_of_live_traffic_is_pointed_to_the_estimates():
    """There a sweep judges each policy by other requests."""
    seen = np.eye(2)[np.arange(40) % 2].astype(bool)
    f = frontier(chain("a", goals={"quality": {"min": 0.1}}), log(np.ones((40, 2)), observed=seen))
    assert f.verdict.startswith("Each request was seen under one model only")
    assert "an estimate is made for such a log" in f.verdict
    assert f.to_dict()["log"] == "logged"


def test_goals_relative_to_a_baseline_are_left_to_gates(noisy):
    """And this is said; the others are judged."""
    goals = {"quality": {"min": 0.1, "min_change": 0.0}}
    f = frontier(chain("a", "b", goals=goals), noisy)
    assert [goal.kind for goal in f.points[0].goals] == ["value"]
    assert f.points[0].meets
    assert any("a gate judges them" in line for line in f.assumptions)


def test_primary_is_the_first_model_of_each_policy(noisy):
    """Where policies begin with different models the same words strike different ones."""
    down = {"outage": {}, "models": "primary", "at_s": 0, "for_s": 1000}
    scenario = Scenario.model_validate({"scenario": "down", "faults": [down]})
    told = "each meets the faults where its own stand"
    both = frontier([chain("a", "b"), chain("b", "a")], noisy, scenario=scenario)
    assert any(told in line for line in both.assumptions)
    same = frontier(chain("a", "b"), noisy, [Vary(LIMIT, (1,))], scenario=scenario)
    assert not any(told in line for line in same.assumptions)


@pytest.mark.parametrize("rows", [[], [7]])
def test_few_requests_or_none(noisy, rows):
    """Undefined, not wrong."""
    f = frontier(chain("a", "b", goals=GOALS), noisy, rows=np.array(rows, int), pair=("b", "a"))
    assert f.n == len(rows)
    json.dumps(f.to_dict(), allow_nan=False)
    assert math.isnan(f.points[0].quality.low) or rows
    assert f.verdict


def test_an_unknown_goal_is_neither_met_nor_missed(three):
    """A log without latencies cannot tell."""
    blind = log([[1, 0], [1, 1]], 0.001, np.nan)
    f = frontier(chain("a", goals={"latency_p95_s": {"max": 3}}), blind)
    assert f.points[0].meets is None
    assert "cannot be told, for want of p95 latency (not measured)" in f.verdict
    assert f.best is None


def test_without_costs_there_is_no_curve():
    """NaN, not 0, and no frontier on an axis that nobody measured."""
    f = frontier(alone("a", "b"), log([[1, 0], [0, 1], [1, 1]], np.nan))
    assert (f.frontier, f.hull, f.zero_router, f.worth) == ((), (), (), ())
    assert math.isnan(f.aiq.policies.value.value)
    assert f.to_dict()["aiq"]["policies"]["aiq"] is None
    assert math.isnan(f.points[0].arena_score)
    assert frontier(alone("a", "b"), log([[1, 0]], np.nan), axes=("latency", "quality")).frontier


def test_unobserved_requests_are_counted_and_left_out():
    """Each policy is judged by what the log has of it, and this is said."""
    seen = np.array([[True, False], [True, True], [True, True], [False, True]])
    f = frontier(alone("a", "b"), log(np.eye(4)[:, :2], observed=seen))
    assert [point.unobserved for point in f.points] == [1, 1]
    assert f.points[0].quality.n == 3
    assert any("Up to 25.0 % of the requests were not observed" in line for line in f.assumptions)
    assert f.random_mix.quality.n == 2


def test_in_a_scenario_the_single_models_meet_the_same_faults(noisy):
    """An outage of the policy's first model is one of a, whoever asks; b alone goes on."""
    down = {"outage": {}, "models": "primary", "at_s": 0, "for_s": 1000}
    scenario = Scenario.model_validate({"scenario": "down", "faults": [down]})
    f = frontier(chain("a", "b"), noisy, scenario=scenario)
    a, b, c = f.singles
    assert a.error_rate.value == 1
    assert b.error_rate.value == pytest.approx((noisy.error[:, 1] > 0).mean())
    assert c.quality.value == pytest.approx(noisy.quality[:, 2].mean())
    expected = replay(chain("a", "b"), noisy, 0, scenario).summary()
    assert f.points[0].cost_usd_per_1k.value == pytest.approx(expected.cost_usd_per_1k.value)
    assert f.to_dict()["scenario"] == "down"
    assert any("met the faults of down too" in line for line in f.assumptions)


def test_rows_of_a_log_that_a_scenario_draws_from(noisy):
    """A row counts with all its repeats."""
    scenario = Scenario.model_validate(
        {"scenario": "more", "arrivals": {"per_s": 10, "for_s": 200}}
    )
    f = frontier(chain("a"), noisy, rows=np.arange(300), scenario=scenario)
    drawn = replay(chain("a"), noisy, 0, scenario)
    half = drawn.arrivals.row < 300
    assert f.n == half.sum()
    assert f.points[0].quality.value == pytest.approx(drawn.quality[half].mean())


def test_a_pair_names_models_of_the_policy_or_the_log(three):
    """A cascade that asks both recovers the gap at its share of strong calls."""
    half = log([[1, 1], [0, 1], [0, 1], [1, 1]], error=[[0, 0], [SERVER, 0], [SERVER, 0], [0, 0]])
    policy = Policy.model_validate(chain("a", "b").to_data() | {"models": {"a": {}, "b": {}}})
    f = frontier(policy, half, pair=("a", "b"))
    assert f.points[0].strong_share == 0.5
    assert f.pair.pgr == (1,)
    assert (f.pair.apgr.value, f.pair.cpt50) == (pytest.approx(0.75), pytest.approx(0.25))
    assert math.isnan(frontier(policy, half).points[0].strong_share)


def test_the_interval_of_apgr_is_that_of_resampled_requests(noisy):
    """By hand: requests are drawn again, and the curve with its two ends is made anew."""
    data = log(noisy.quality[:, :2], error=noisy.error[:, :2], latency_s=noisy.latency_s[:, :2])
    f = frontier(chain("a", "b"), data, [Vary(LIMIT, (0.5, 1, 2))], pair=("a", "b"))
    replays = [replay(point.policy, data) for point in f.points]
    last = [np.asarray(one.attempts > 1) for one in replays]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, 600, 600)
        weak, strong = data.quality[rows].mean(axis=0)
        at = [(0, weak), (1, strong)]
        at += [(s[rows].mean(), r.quality[rows].mean()) for s, r in zip(last, replays, strict=True)]
        share, quality = np.array(sorted(at)).T
        drawn.append(np.trapezoid((quality - weak) / (strong - weak), share))
    apgr = f.pair.apgr
    assert (apgr.low, apgr.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.06)
    assert apgr.low < apgr.value < apgr.high
    assert f.pair.to_dict()["apgr_ci95"] == [apgr.low, apgr.high]


def test_apgr_is_left_out_where_it_has_no_meaning(noisy):
    """A policy that asks a third model, and a gap that may be none; why is told."""
    pair = frontier(chain("a", "c", "b"), noisy, pair=("a", "b")).pair
    assert math.isnan(pair.apgr.value)
    assert math.isnan(pair.cpt50)
    assert pair.to_dict()["pgr"] == [None]
    assert "the policies ask other models too, on up to" in pair.to_dict()["reason"]
    both = frontier([chain("a", "b"), chain("a", "c")], noisy, pair=("a", "b")).pair
    assert both.reason.startswith("1 of 2 policies ask other models too")
    assert math.isnan(both.apgr.value)
    assert not math.isnan(both.pgr[0])
    close = log(np.eye(40)[:, :2] + np.eye(40)[:, [2, 3]] + np.eye(40)[:, [5, 4]] * [[0, 1]])
    unsure = frontier(chain("a", "b"), close, pair=("a", "b")).pair
    assert not math.isnan(unsure.apgr.value)
    assert math.isnan(unsure.apgr.low)
    assert "is not sure enough for an interval" in unsure.reason


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("b", "b"), "pair: needs two models; got 'b' twice"),
        (("b", "a"), r"the strong model must be the better one; got 'a' at quality .* and 'b' at"),
        ("ab-", "pair: needs a weak and a strong model; got 'ab-'"),
    ],
)
def test_a_pair_is_two_models_of_which_one_is_better(noisy, pair, message):
    """Anything else has no gap to recover."""
    with pytest.raises(DataError, match=message):
        frontier(chain("a", "b"), noisy, pair=pair)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"axes": ("cost",)}, DataError, "axes: a trade-off needs two; got cost"),
        ({"axes": ("cost", "speed")}, DataError, "no such axis; got 'speed'"),
        ({"axes": ("cost", "cost_usd_per_1k")}, DataError, "a trade-off needs two"),
        ({"pair": ("a", "z")}, DataError, "pair: there is no such model; got 'z'"),
        ({"rows": np.array([4])}, DataError, "rows: there is no such request; got 4"),
        ({"vary": ["chains.nope.steps=1"]}, PolicyError, "chains.nope"),
        ({"vary": ["rubbish"]}, PolicyError, "must say what is varied"),
        ({"vary": "rubbish"}, PolicyError, "must say what is varied"),
        ({"vary": 5}, DataError, "vary: cannot be read; got 5; allowed: a Vary or a text such as"),
        ({"vary": [LIMIT, 5]}, DataError, "vary: cannot be read; got 5"),
        ({"axes": 5}, DataError, "axes: cannot be read; got 5"),
        ({"axes": "cost"}, DataError, "a trade-off needs two; got cost"),
        ({"rows": np.array([0.5])}, DataError, "rows: are row numbers"),
        ({"seed": -1}, DetourError, "seed: out of range; got -1"),
        ({"vary": "goals.quality.min=0,1"}, PolicyError, r"goals\.quality\.min: is read by no rep"),
        ({"vary": "description=a,b"}, PolicyError, "allowed: places in models, cache"),
    ],
)
def test_mistakes_are_told(three, options, error, message):
    """What, where, what was given and what there is."""
    with pytest.raises(error, match=message):
        frontier(chain("a", "b"), three, **options)


def test_several_policies_are_taken_as_they_are(three):
    """Values are varied in one policy."""
    with pytest.raises(DetourError, match="varied in one policy"):
        frontier(alone("a", "b"), three, ["default=a,b"])
    with pytest.raises(DetourError, match="needs a policy"):
        frontier([], three)
    with pytest.raises(PolicyError, match="no such model"):
        frontier(alone("a", "z"), three)
    for wrong in ("a", None, ["a"]):
        with pytest.raises(PolicyError, match="a sweep needs a policy; got"):
            frontier(wrong, three)
    with pytest.raises(DataError, match="a sweep needs a dataset; got 'three'; allowed: what load"):
        frontier(chain("a"), "three")


def test_one_place_and_one_text_of_axes_will_do(three):
    """A bare text is not read letter by letter."""
    f = frontier(chain("a", "b"), three, f"{LIMIT}=1,2", axes="cost, p95", rows=[0, 1])
    assert (len(f.points), f.axes, f.n) == (3, ("cost_usd_per_1k", "latency_p95_s"), 2)
    assert len(frontier(chain("a", "b"), three, Vary(LIMIT, (1, 2))).points) == 3


def test_a_policy_of_models_that_no_log_has_cannot_be_judged(three):
    """Models for live calls only have no outcomes here."""
    live = chain("z").with_value("models.z.litellm", "openai/z")
    with pytest.raises(DataError, match="no model of the policy is in the log; got 'z'"):
        frontier(live, three)


def test_progress_is_told_and_can_stop_it(three):
    """Every policy and every single model is a step."""
    told = []
    frontier(chain("a"), three, [Vary(LIMIT, (1, 2))], progress=lambda *at: told.append(at))
    assert told == [(i, 6) for i in range(1, 7)]

    class StopError(Exception):
        pass

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise StopError(of)

    with pytest.raises(StopError, match="6"):
        frontier(chain("a"), three, [Vary(LIMIT, (1, 2))], progress=stop)


def test_the_dict_is_json_and_complete(noisy):
    """The agreed keys, no NaN, and indices that fit."""
    f = frontier(chain("a", "b"), noisy, [Vary(LIMIT, (0.5, 1, None))], pair=("a", "b"))
    result = f.to_dict()
    json.dumps(result, allow_nan=False)
    assert {
        "policy", "dataset", "dataset_digest", "policy_digest", "simulated", "seed", "requests",
        "axes", "points", "frontier", "hull", "singles", "zero_router", "random_mix", "oracle",
        "aiq", "pair", "worth", "assumptions",
    } <= set(result)  # fmt: skip
    for i, point in enumerate(result["points"]):
        assert point["index"] == i
        assert point["on_frontier"] == (i in result["frontier"])
        assert point["on_hull"] == (i in result["hull"])
        assert point["values"] == {LIMIT: f.points[i].values[LIMIT]}
        assert point["policy_digest"] == f.points[i].policy.digest
        assert {"mean", "p50", "p95", "p99"} == set(point["latency_s"])
    assert [one["models"] for one in result["zero_router"]] == [["a"], ["b"]]


def test_the_table_has_a_row_for_each_policy(noisy):
    """What was varied, the estimates and their ends."""
    f = frontier(chain("a", "b"), noisy, [Vary(LIMIT, (0.5, 1))])
    table = f.to_pandas()
    assert list(table.index) == [0, 1, 2]
    assert list(table[LIMIT])[1:] == [0.5, 1]
    assert (table.quality_low < table.quality).all()
    assert list(table.index[table.on_frontier]) == sorted(f.frontier)


def test_the_same_seed_gives_the_same_sweep(noisy):
    """To the last digit."""
    both = [frontier(chain("a", "b"), noisy, [Vary(LIMIT, (0.5, 1))], seed=5) for _ in range(2)]
    assert json.dumps(both[0].to_dict()) == json.dumps(both[1].to_dict())


def test_in_a_notebook_names_are_escaped(three):
    """A policy's name is text."""
    shown = frontier(chain("a", name="<b>x"), three)._repr_html_()
    assert "&lt;b&gt;x" in shown
    assert "<b>" not in shown
