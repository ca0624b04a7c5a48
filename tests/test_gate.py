"""A gate passes, fails or cannot tell, as the intervals of its goals say."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_logs import chain, log
from toolkit.engine.replay import replay
from toolkit.errors import DataError, PolicyError
from toolkit.evaluate.gate import gate
from toolkit.evaluate.goals import LIMITS, WORDS, judge
from toolkit.evaluate.intervals import Estimate, bootstrap, wilson
from toolkit.evaluate.relative import change, ratio, ratio_of_means
from toolkit.policy.model import Goal, Policy
from toolkit.schema import ErrorType


def shop(n: int = 400, seed: int = 0):
    """A log in which b is a little better than a and costs half as much more."""
    rng = np.random.default_rng(seed)
    hard = rng.random((n, 1))
    quality = (hard < [[0.80, 0.85]]).astype(float)
    cost = rng.lognormal(0, 0.1, (n, 2)) * rng.lognormal(0, 0.5, (n, 1)) * [[0.001, 0.0015]]
    latency = rng.lognormal(0, 0.4, (n, 2)) * [[1.0, 1.2]]
    error = np.where(rng.random((n, 2)) < [[0.10, 0.02]], int(ErrorType.SERVER_ERROR), 0)
    return log(quality, cost, latency, error, digest=f"shop {n} {seed}")


def test_every_goal_met_with_its_interval_passes():
    """The whole interval of each goal lies within its limits."""
    goals = {"quality": {"min": 0.6, "max": 0.8}, "cost_usd_per_1k": {"max": 2}}
    found = gate(chain("a", goals=goals), shop())
    assert (found.status, found.exit_code) == ("pass", 0)
    assert [goal.answer for goal in found.results] == ["yes", "yes"]
    assert found.verdict == (
        "policy meets all of its 2 goals on 400 requests, each with its whole interval."
    )


def test_one_goal_missed_for_certain_fails():
    """One interval that lies outside is enough, whatever the others say."""
    goals = {"quality": {"min": 0.95}, "cost_usd_per_1k": {"max": 2}, "error_rate": {"max": 0.1}}
    found = gate(chain("a", goals=goals), shop())
    assert (found.status, found.exit_code) == ("fail", 1)
    assert [goal.answer for goal in found.results] == ["no", "yes", "probably"]
    assert found.verdict.startswith("policy misses 1 of its 3 goals: quality is 0.6")
    assert found.verdict.endswith("wanted at least 0.95. The data cannot tell on errors.")


@pytest.mark.parametrize("limit", [0.65, 0.72])
def test_an_interval_across_its_limit_is_undecided(limit):
    """Neither the value above the limit nor the one below it decides."""
    found = gate(chain("a", goals={"quality": {"min": limit}}), shop())
    (goal,) = found.results
    assert goal.low < limit < goal.high
    assert (found.status, found.exit_code) == ("undecided", 3)
    assert "The data cannot tell whether policy meets quality (" in found.verdict


def test_what_was_not_measured_is_undecided():
    """A goal about grades where nobody graded is neither met nor missed."""
    data = log(np.full((50, 1), np.nan))
    found = gate(chain("a", goals={"quality": {"min": 0.1}}), data)
    assert found.status == "undecided"
    assert found.rows[0][-2] == "not measured"
    assert math.isnan(found.needed(found.results[0]))


@pytest.mark.parametrize(("share", "status"), [(0.05, "pass"), (0.06, "undecided")])
def test_nothing_is_decided_on_what_nobody_observed(share, status):
    """With more than 5 % of unobserved requests the rest does not speak for them."""
    seen = np.arange(400)[:, None] >= 400 * share
    data = log(np.ones((400, 1)), observed=seen)
    goals = {"quality": {"min": 0.5}}
    found = gate(chain("a", goals=goals), data)
    assert found.status == status
    assert found.unobserved_share == pytest.approx(share)
    assert gate(chain("a", goals=goals), data, most_unobserved=0.5).status == "pass"
    if status == "undecided":
        assert "6.0 % of 400 requests are unobserved" in found.verdict


def test_without_goals_there_is_nothing_to_judge_by():
    """A policy without goals is refused, and told which there are."""
    with pytest.raises(PolicyError, match=r"goals: there is nothing .* got no goal; allowed: qual"):
        gate(chain("a"), shop())
    with pytest.raises(DataError, match="needs a dataset, or a replay"):
        gate(chain("a", goals={"quality": {"min": 0.5}}))


def test_relative_limits_need_a_baseline():
    """Without a baseline they are a mistake, which names them."""
    goals = {"quality": {"min": 0.5, "min_change": -0.01}, "cost_usd_per_1k": {"max_ratio": 1.6}}
    told = (
        r"need a baseline; got none for change of quality and ratio of cost_usd_per_1k; .*--against"
    )
    with pytest.raises(PolicyError, match=told):
        gate(chain("b", goals=goals), shop())
    with pytest.raises(PolicyError, match=told):
        gate(replay(chain("b", goals=goals), shop()))
    held = gate(chain("b", goals=goals), shop(), Policy.single("a"))
    assert [goal.answer for goal in held.results] == ["yes", "yes", "yes"]
    assert (held.status, held.against) == ("pass", "a")


def test_changes_and_ratios_agree_with_pandas():
    """Each is over the requests that both observed, in the unit of its metric."""
    data = shop()
    limits = {"max_change": 1, "max_ratio": 100}
    names = ("quality", "cost_usd_per_1k", "latency_mean_s", "latency_p95_s", "error_rate")
    found = gate(chain("b", goals=dict.fromkeys(names, limits)), data, Policy.single("a"))
    a, b = (
        pd.DataFrame(
            {
                "quality": data.quality[:, j],
                "cost_usd_per_1k": 1000 * data.cost_usd[:, j],
                "latency": data.latency_s[:, j],
                "error_rate": data.error[:, j] > 0,
            }
        )
        for j in (0, 1)
    )

    def value(frame, name):
        if name.startswith("latency"):
            column = frame.latency
            return column.quantile(0.95) if "p95" in name else column.mean()
        return frame[name].mean()

    got = {(goal.name, goal.kind): goal.value for goal in found.results}
    for name in names:
        left, right = value(a, name), value(b, name)
        assert got[name, "change"] == pytest.approx(right - left)
        assert got[name, "ratio"] == pytest.approx(right / left)
    for goal in found.results:
        assert goal.low < goal.value < goal.high
        assert goal.n == 400


def test_a_policy_is_its_own_equal():
    """Against itself nothing changes, to the last digit, and even no change at all is met."""
    none = {"min_change": 0, "max_change": 0, "max_ratio": 1}
    data = shop()
    for n in (400, 3, 1):
        found = gate(
            chain("a", "b", goals=dict.fromkeys(WORDS, none)),
            log(data.quality[:n], data.cost_usd[:n], data.latency_s[:n], data.error[:n]),
            chain("a", "b"),
        )
        for goal in found.results:
            exactly = 1 if goal.kind == "ratio" else 0
            assert (goal.value, goal.low, goal.high, goal.n) == (exactly,) * 3 + (n,)
        assert found.status == "pass"


def test_two_models_without_an_error_are_no_equals():
    """Alike on a few requests by chance: how often they fail is not known to be the same."""
    data = log(np.ones((40, 2)), np.full((40, 2), 0.001), np.full((40, 2), 0.5))
    limits = {"max_change": 0.01}
    goals = dict.fromkeys(("error_rate", "cost_usd_per_1k", "latency_p95_s"), limits)
    found = gate(chain("b", goals=goals), data, Policy.single("a"))
    assert [goal.answer for goal in found.results] == ["yes", "yes", "probably"]
    assert found.results[2].name == "error_rate"
    assert found.results[2].high > 0.01


def test_a_name_is_not_a_policy():
    """What is given in place of a policy or a dataset is told, with what is allowed."""
    policy = chain("a", goals={"quality": {"min": 0.5}})
    for wrong in ("tiered", None):
        with pytest.raises(PolicyError, match=rf"a gate needs a policy .* got '?{wrong}'?; allow"):
            gate(wrong, shop())
    with pytest.raises(PolicyError, match="comparison needs a policy or a replay; got 'base'"):
        gate(policy, shop(), "base")
    with pytest.raises(DataError, match=r"a gate needs a dataset; got 'local'; .*load_dataset"):
        gate(policy, "local")
    with pytest.raises(DataError, match=r"a gate needs a scenario; got 'outage'; .*load_scenario"):
        gate(policy, shop(), scenario="outage")


@pytest.mark.parametrize("share", [math.nan, -0.1, 1.5, "x", None])
def test_a_share_lies_between_0_and_1(share):
    """What nobody could mean is refused, with what is allowed."""
    with pytest.raises(DataError, match=f"most-unobserved: .* got {share!r}; allowed: 0 to 1"):
        gate(chain("a", goals={"quality": {"min": 0.5}}), shop(), most_unobserved=share)


def test_one_request_has_no_interval_and_says_so():
    """A percentile of one value has none, nor has a mean; in the table, the verdict, the JSON."""
    goals = {"latency_p95_s": {"max": 2}, "cost_usd_per_1k": {"max": 0.5}, "quality": {"min": 0.5}}
    found = gate(chain("a", goals=goals), log(np.ones((1, 1))))
    told = {goal.name: row[-2] for goal, row in zip(found.results, found.rows, strict=True)}
    assert told["latency_p95_s"] == "probably (one value has no interval)"
    assert told["cost_usd_per_1k"] == "probably not (one value has no interval)"
    assert told["quality"] == "probably"
    assert "wanted at most 2 s; one value has no interval)" in found.verdict
    assert "1 requests" not in found.verdict + found.to_markdown()
    reasons = {goal["name"]: goal["reason"] for goal in found.to_dict()["goals"]}
    assert reasons["latency_p95_s"] == "one value has no interval"


@pytest.mark.parametrize(
    ("name", "key", "limit", "value", "low", "high", "measured", "wanted"),
    [
        ("quality", "min", 0.3054, 0.30541, 0.28, 0.33, "0.30541 [0.28000, 0.33000]", "0.3054"),
        ("quality", "min", 0.85, 0.87, 0.8498, 0.89, "0.8700 [0.8498, 0.8900]", "0.85"),
        ("quality", "min", 0.85, 0.87, 0.86, 0.88, "0.870 [0.860, 0.880]", "0.85"),
        ("quality", "min", 0.5, 0.5, 0.4, 0.6, "0.500 [0.400, 0.600]", "0.5"),
        ("error_rate", "max", 0.05, 0.0501, 0.04, 0.06, "5.01 % [4.00, 6.00]", "5.00 %"),
        ("cost_usd_per_1k", "max", 0.5, 0.5004, 0.4, 0.6, "$0.5004 [0.4000, 0.6000]", "$0.50"),
        ("latency_p95_s", "max", 2, 2.001, 1.5, 3, "2.001 s [1.500, 3.000]", "2 s"),
        ("quality", "min_change", -0.01, -0.0104, -0.02, 0.0, "−1.04 points [−2.00, 0.00]", "1 p"),
        ("cost_usd_per_1k", "max_ratio", 0.8, 0.8004, 0.7, 0.9, "0.8004 [0.7000, 0.9000]", "0.8 "),
    ],
)
def test_so_many_digits_that_both_sides_of_a_limit_are_told_apart(
    name, key, limit, value, low, high, measured, wanted
):
    """A value, or an end of its interval, that is not the limit does not read like it."""
    kind = next(kind for kind, keys in LIMITS.items() if key in keys)
    found = judge(name, Goal(**{key: limit}), Estimate(value, low, high, 900), kind)
    assert found.measured.startswith(measured)
    assert wanted in found.wanted


@given(
    st.sampled_from(["quality", "error_rate", "cost_usd_per_1k", "latency_p95_s"]),
    st.floats(0.001, 1),
    st.floats(-1e-4, 1e-4),
)
def test_what_is_read_says_whether_a_goal_is_met(name, limit, gap):
    """The number that is shown lies on the same side of the limit that is shown as in truth."""
    value = max(limit + gap, 0.0)
    found = judge(name, Goal(max=limit), Estimate(value, value, value, 9))
    if math.isclose(value, limit, rel_tol=1e-6):
        return
    read, most = (
        float(re.search(r"[\d.]+", text).group()) for text in (found.measured, found.wanted)
    )
    assert (read <= most) == found.met


def test_replays_may_be_given():
    """A replay stands for a policy, and a baseline meets the same requests."""
    data = shop()
    policy = chain("b", goals={"quality": {"min_change": 0}, "error_rate": {"max": 0.5}})
    played = replay(policy, data, seed=3)
    found = gate(played, against=Policy.single("a"))
    assert found == gate(policy, data, Policy.single("a"), seed=3)
    assert found.seed == 3
    with pytest.raises(DataError, match="one dataset"):
        gate(played, against=replay(Policy.single("a"), shop(seed=1)))


def test_a_baseline_of_nothing_has_no_ratio():
    """Where the baseline costs nothing no multiple of it can be stated."""
    data = log(np.ones((30, 2)), cost_usd=[[0.0, 0.001]])
    goals = {"cost_usd_per_1k": {"max_ratio": 2}, "error_rate": {"max_ratio": 1}}
    found = gate(chain("b", goals=goals), data, Policy.single("a"))
    assert [goal.answer for goal in found.results] == ["unknown", "unknown"]
    assert {goal.reason for goal in found.results} == {"no multiple of the baseline's 0"}


def test_needed_counts_requests_of_the_log():
    """So many requests as are said to decide do decide, where the truth is as it seems."""
    goals = {"error_rate": {"max": 0.005}}
    found = gate(chain("a", goals=goals), log(np.ones((100, 1))))
    (goal,) = found.results
    wanted = found.needed(goal)
    assert goal.answer == "probably"
    assert 600 < wanted < 900  # none failed in 765: Wilson's interval ends at 0.005
    decided = gate(chain("a", goals=goals), log(np.ones((math.ceil(wanted), 1))))
    assert decided.status == "pass"
    assert math.isnan(decided.needed(decided.results[0]))


def test_needed_has_its_power():
    """Of many logs of the size that is said, about four in five decide."""
    at, limit = 0.10, 0.08
    quality = np.repeat([1.0, 0.0], [360, 40])[:, None]
    policy = chain("a", goals={"quality": {"min": 1 - limit}})
    found = gate(policy, log(quality))
    n = round(found.needed(found.results[0]))
    rng = np.random.default_rng(0)
    failures = rng.binomial(n, at, 4_000)
    decided = np.mean([wilson(k / n, n)[0] > limit for k in failures])
    assert decided == pytest.approx(0.8, abs=0.03)


def test_square_and_add_gives_the_published_interval():
    """Newcombe (1998): 56 of 70 against 48 of 80 differ by 0.2, from 0.0524 to 0.3339."""
    sides = [Estimate(k / n, *wilson(k / n, n), n) for k, n in ((48, 80), (56, 70))]
    found = change(*sides, correlation=0.0)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.7])
@pytest.mark.parametrize("counts", [(48, 56), (3, 56), (70, 1), (2, 0)])
def test_the_ends_of_a_ratio_are_where_the_change_just_holds_0(counts, correlation):
    """At its ends ``policy - ratio * base``, put together as a change is, touches 0."""
    base, policy = (Estimate(k / 80, *wilson(k / 80, 80), 80) for k in counts)
    found = ratio(base, policy, correlation)
    assert found.low <= found.value <= found.high
    for end, side in ((found.low, "low"), (found.high, "high")):
        if 0 < end < math.inf:
            gap = change(base.scaled(end), policy, correlation)
            assert getattr(gap, side) == pytest.approx(0, abs=1e-9)


def test_a_ratio_of_means_agrees_with_an_obvious_bootstrap():
    """Each draw of requests has its own two means, and their ratio."""
    rng = np.random.default_rng(1)
    a = rng.lognormal(0, 0.3, 300)
    b = 0.8 * a * rng.lognormal(0, 0.2, 300)
    found = ratio_of_means(a, b, np.arange(300), bootstrap(300))
    drawn = [b[i].mean() / a[i].mean() for i in rng.integers(0, 300, (4_000, 300))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.value == pytest.approx(b.mean() / a.mean())
    assert found.low == pytest.approx(low, abs=0.003)
    assert found.high == pytest.approx(high, abs=0.003)


def test_intervals_of_changes_and_ratios_cover_the_truth():
    """On simulated pairs of policies that answer half of the requests alike."""
    n, reps = 400, 200
    rng = np.random.default_rng(7)

    def pair(size):
        hard = rng.lognormal(0, 0.4, size)
        a = hard * rng.lognormal(0, 0.4, size)
        b = np.where(rng.random(size) < 0.5, a, 1.2 * hard * rng.lognormal(0, 0.4, size))
        return a, b

    from toolkit.evaluate.relative import sides

    big = pair(1_000_000)
    mean, p95 = (of(big[1]) / of(big[0]) for of in (np.mean, lambda v: np.quantile(v, 0.95)))
    gap = np.quantile(big[1], 0.95) - np.quantile(big[0], 0.95)
    boot, every = bootstrap(n), np.arange(n)
    covered = np.zeros(3)
    for _ in range(reps):
        a, b = pair(n)
        both = sides("latency_p95_s", a, b, every, boot)
        estimates = ratio_of_means(a, b, every, boot), ratio(*both), change(*both)
        covered += [
            e.low <= true <= e.high for e, true in zip(estimates, (mean, p95, gap), strict=True)
        ]
    assert (covered / reps >= 0.92).all()
    assert covered[0] / reps <= 0.99
