"""Two policies on the same requests."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tests.small_logs import chain, log
from toolkit.cli.comparison_text import comparison_text
from toolkit.engine.replay import replay
from toolkit.errors import DataError, PolicyError
from toolkit.evaluate.compare import METRICS, compare
from toolkit.evaluate.differences import LEVEL, Difference, Paired, needed, together
from toolkit.evaluate.discoveries import p_value
from toolkit.evaluate.intervals import Bootstrap, Estimate, bootstrap
from toolkit.evaluate.verdict import about
from toolkit.policy.model import Policy
from toolkit.scenarios.model import Scenario
from toolkit.schema import ErrorType

A, B = Policy.single("a"), Policy.single("b")
SERVER = int(ErrorType.SERVER_ERROR)


@pytest.fixture(scope="module")
def two_models():
    """400 requests: b is cheaper and faster, of about the same quality, and fails less often."""
    rng = np.random.default_rng(0)
    hard = rng.random((400, 1))
    return log(
        (rng.random((400, 2)) > hard).astype(float),
        np.hstack([hard, 0.7 * hard]) / 100,
        rng.exponential([[2.0, 1.0]], (400, 2)),
        np.where(rng.random((400, 2)) < [[0.15, 0.02]], SERVER, 0),
    )


def test_differences_are_means_of_paired_differences(two_models):
    """B minus A on each request, then the mean; and the means of both beside it."""
    found = compare(A, B, two_models)
    d = two_models
    for difference, matrix in (
        (found.quality, d.quality),
        (found.cost_usd_per_1k, 1000 * d.cost_usd),
        (found.latency_mean_s, d.latency_s),
        (found.error_rate, (d.error > 0).astype(float)),
    ):
        each = [b - a for a, b in matrix]
        assert difference.value == pytest.approx(sum(each) / len(each))
        assert (difference.a, difference.b) == pytest.approx(tuple(matrix.mean(axis=0)))
        assert (difference.n, difference.share) == (400, 1)
        half = 1.96 * np.std(each) / math.sqrt(400)
        assert difference.high - difference.low == pytest.approx(2 * half, rel=0.1)


def test_pairing_narrows_the_interval(two_models):
    """Cost varies with the request, and most of that cancels."""
    cost = 1000 * two_models.cost_usd
    apart = 2 * 1.96 * math.sqrt(cost.var(axis=0).sum() / 400)
    paired = compare(A, B, two_models).cost_usd_per_1k
    assert paired.high - paired.low < 0.5 * apart


def test_swapping_the_sides_turns_the_signs(two_models):
    """What A gains B loses: the same resamples serve both ways."""
    ab, ba = compare(A, B, two_models), compare(B, A, two_models)
    for name in METRICS:
        there, back = getattr(ab, name), getattr(ba, name)
        assert there.value == pytest.approx(-back.value)
        assert (there.low, there.high) == pytest.approx((-back.high, -back.low), rel=1e-4)
    assert list(ab.winners) == list(ba.losers)


def test_winners_and_losers_are_the_requests_that_differ():
    """Largest change first; equal or ungraded requests are neither."""
    quality = [[0.0, 0.5], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [np.nan, 1.0]]
    found = compare(A, B, log(quality))
    assert list(found.winners) == [2, 0]
    assert list(found.losers) == [1]
    assert found.quality.n == 4
    assert found.quality.share == 0.8


def test_only_requests_observed_under_both_count():
    """A request that one policy has no outcome for says nothing of the difference."""
    found = compare(A, B, log([[0.0, 1.0]] * 4, observed=[[1, 1], [1, 0], [0, 1], [1, 1]]))
    assert (found.requests, found.paired) == (4, 2)
    assert found.quality.value == 1.0
    nothing = compare(A, B, log([[0.0, 1.0]] * 2, observed=[[1, 0], [0, 1]]))
    assert nothing.paired == 0
    assert math.isnan(nothing.quality.value)
    assert nothing.verdict == "b and a have no observed request in common: nothing can be said."
    json.dumps(nothing.to_dict(), allow_nan=False)


def test_the_verdict_names_what_differs_and_what_does_not(two_models):
    """Cheaper and faster are stated with their size, the rest as not distinguishable."""
    verdict = compare(A, B, two_models).verdict
    assert verdict.startswith("b is cheaper than a by $")
    assert " per 1k [" in verdict
    assert "faster by" in verdict
    assert "less often in error by" in verdict
    assert verdict.endswith("not distinguishable on 400 requests; about 2,100 would decide it.")
    noise = log((np.random.default_rng(1).random((60, 2)) < 0.5).astype(float), latency_s=np.nan)
    verdict = compare(A, B, noise).verdict
    assert verdict.startswith(
        "b is not distinguishable from a on 60 requests: quality differs by +16.7 points ["
    )
    assert verdict.endswith(
        "; about 160 would decide it; cost is the same; error rate is the same. "
        "Not measured under both: latency."
    )


def test_a_policy_ends_like_itself():
    """There is nothing to distinguish, and the verdict says so."""
    found = compare(A, A, log(np.ones((30, 2))))
    assert found.identical
    assert found.verdict == "a ends like a on all of 30 requests."


def test_the_same_outcomes_have_no_difference(two_models):
    """Its interval is 0 alone, as a whole and in each group, whatever the model is called."""
    alias = {"policy": "alias", "models": {"other": {"log": "a"}}, "default": "one"}
    alias["chains"] = {"one": {"steps": [{"model": "other"}]}}
    data = log(two_models.quality, two_models.cost_usd, category=["x"] * 300 + ["y"] * 100)
    for b in (A, Policy.model_validate(alias)):
        found = compare(A, b, data, by=["category"])
        for one in (found, *found.by("category").parts):
            for name in METRICS:
                d = getattr(one, name)
                assert (d.value, d.low, d.high) == (0, 0, 0)
        assert [row[-1] for row in found.rows] == ["same"] * 4
        assert found.footnotes == ()
    (request,) = compare(A, A, log(np.ones((1, 1)))).rows[:1]
    assert request[3] == "$0.00 per 1k [0.00, 0.00]"


def test_two_models_that_are_alike_may_differ_elsewhere():
    """Neither failed, but others may: the interval stays, and a note says what it is for."""
    found = compare(A, B, log(np.ones((50, 2)), [[0.001, 0.002]]))
    assert found.error_rate.low < 0 < found.error_rate.high
    assert found.rows[3][-1] == "same"
    (note,) = found.footnotes
    assert note.startswith("same: on each of these requests.")
    assert note in found._repr_html_()


def test_an_interval_without_0_that_is_no_difference_is_marked():
    """With the p-value that counts, and a note under the table that says why."""
    rng = np.random.default_rng(11)
    noise = rng.exponential(1.0, (200, 2))
    # Moved so that its interval just leaves out 0.
    for shift in np.arange(0.0, 0.6, 0.01):
        quality = (rng.random((200, 2)) < 0.5).astype(float)
        found = compare(A, B, log(quality, latency_s=noise + np.array([0.6, 0.6 + shift])))
        d = found.latency_mean_s
        if d.low > 0 and not d.distinguishable:
            break
    else:
        pytest.fail("no such difference")
    cell = found.rows[2][-1]
    assert re.fullmatch(r"not surely \(p 0\.\d+\)", cell)
    assert float(cell[14:-1]) > LEVEL
    (note,) = (one for one in found.footnotes if one.startswith("p: "))
    assert "with the two looked at together; below 0.025 is a difference." in note
    assert note in found._repr_html_().replace("&#x27;", "'")
    assert note.split(";")[0] in comparison_text(found)


def test_names_are_not_policies(two_models):
    """The message says what was given and what gives a policy, or a dataset."""
    for wrong in ("tiered", None, 5):
        with pytest.raises(PolicyError, match=f"needs a policy or a replay; got '?{wrong}'?;"):
            compare(A, wrong, two_models)
    with pytest.raises(DataError, match="comparison needs a dataset; got 'local'; allowed: what l"):
        compare(A, B, "local")


def test_one_request_is_one_request():
    """No plural of one."""
    text = comparison_text(compare(A, B, log([[0.0, 1.0]])))
    assert "1 of 1 request observed under both" in text
    assert "Quality rises on 1 request and falls on 0." in text
    assert "1 requests" not in text
    assert "have no interval" in text
    assert "on the only request" in compare(A, A, log([[0.0, 1.0]])).verdict


def test_two_gains_do_not_make_a_difference():
    """With few requests that differ the interval is as wide as they are few."""
    quality = np.ones((1000, 2))
    quality[:4, 0] = 0
    four = compare(A, B, log(quality)).quality
    assert four.low < 0 < four.high
    assert not four.distinguishable
    quality[:12, 0] = 0
    assert compare(A, B, log(quality)).quality.distinguishable


def test_three_of_three_is_what_coins_do():
    """However large and alike, so few gains are no proof; enough of them are."""
    three = compare(A, B, log([[0.0, 1.0]] * 3, [[0.001, 0.002]]))
    assert not any(getattr(three, name).distinguishable for name in METRICS)
    assert "about 8 would decide on cost, 8 on quality" in three.verdict
    assert compare(A, B, log([[0.0, 1.0]] * 8, [[0.001, 0.002]])).quality.distinguishable


SEEDS = 200


def equals(kind, n, seed):
    """Two sides of ``SEEDS`` x ``n`` requests on which a and b are equals, and who asked."""
    rng = np.random.default_rng([20, n, seed])
    size = SEEDS * n
    shape = (2, size)
    quality = (rng.random(shape) < 0.7).astype(float)
    cost = rng.lognormal(0, 1.5 if kind == "skewed" else 0.5, shape)
    latency = rng.exponential(1.0, shape)
    error = (rng.random(shape) < 0.05).astype(float)
    user = rng.integers(0, max(n // 10, 20), size)
    if kind == "rarely apart":
        same = rng.random(size) < 0.95
        for values in (quality, cost, latency, error):
            values[1, same] = values[0, same]
    if kind == "by user":
        # Each user is served by one of two very different models, in turn for a and for b.
        swap = rng.random((SEEDS, n))[np.repeat(np.arange(SEEDS), n), user] < 0.5
        quality[1] *= rng.random(size) < 0.6
        cost[1] *= 8
        for values in (quality, cost, latency, error):
            values[:, swap] = values[::-1, swap]
    return dict(zip(METRICS, (quality, cost, latency, error), strict=True)), user


@pytest.mark.parametrize("n", [30, 300])
@pytest.mark.parametrize("kind", ["plain", "skewed", "rarely apart", "by user"])
def test_equals_are_rarely_called_different(kind, n):
    """Of 200 pairs of equals at most 5 % are said to differ, on any of the four metrics."""
    values, user = equals(kind, n, 1)
    boot, request = bootstrap(n), np.tile(np.arange(n), SEEDS)
    if kind == "by user":
        draws = bootstrap(int(user.max()) + 1).weights
        boot, request = Bootstrap(user, draws, user, "user"), np.arange(len(user))
    a, b = ({m: v[side] for m, v in values.items()} for side in (0, 1))
    found = Paired(request, a, b, boot).differences(np.repeat(np.arange(SEEDS), n), SEEDS)
    judged = [together(one, n) for one in found]
    called = sum(any(d.distinguishable for d in one.values()) for one in judged)
    assert called <= 0.05 * SEEDS


def test_a_policy_with_other_draws_is_its_equal():
    """Replays of one split with different seeds are told apart in at most 5 % of 200 pairs."""
    rng = np.random.default_rng(3)
    data = log(
        (rng.random((150, 2)) < [[0.9, 0.4]]).astype(float),
        rng.lognormal(0, 1, (150, 2)) * [[0.01, 0.001]],
        rng.exponential([[3.0, 1.0]], (150, 2)),
        np.where(rng.random((150, 2)) < 0.05, SERVER, 0),
    )
    split = Policy.model_validate(
        {
            "policy": "split",
            "models": {"a": {}, "b": {}},
            "routes": [
                {
                    "name": "all",
                    "when": {"request_id": {"exists": True}},
                    "split": [{"use": "one", "weight": 50}, {"use": "other", "weight": 50}],
                }
            ],
            "default": "one",
            "chains": {"one": {"steps": [{"model": "a"}]}, "other": {"steps": [{"model": "b"}]}},
        }
    )
    called = 0
    for seed in range(SEEDS):
        found = compare(replay(split, data, 2 * seed), replay(split, data, 2 * seed + 1))
        apart = any(getattr(found, name).distinguishable for name in METRICS)
        assert apart == ("not distinguishable from" not in found.verdict)
        called += apart
    assert called <= 0.05 * SEEDS


def test_a_difference_is_judged_with_the_others():
    """One interval of four without 0 is no discovery, a clear one is."""
    plain = {"value": 1.0, "n": 100, "changed": 50}
    close = Difference(**plain, low=0.1, high=1.9, p=p_value(Estimate(1.0, 0.1, 1.9, 100)))
    clear = Difference(**plain, low=0.8, high=1.2, p=p_value(Estimate(1.0, 0.8, 1.2, 100)))
    same = Difference(0.0, 0.0, 0.0, 100, p=1.0)
    judged = together({"q": close, "c": clear, "l": close, "e": same}, 100)
    assert close.p < 0.05
    assert [name for name, d in judged.items() if d.distinguishable] == ["c"]
    assert judged["q"].p_adjusted == pytest.approx(2 * close.p)
    assert math.isnan(judged["c"].needed)
    assert math.isnan(judged["e"].needed)
    assert judged["q"].needed > 100


def test_as_many_requests_as_needed_decide_in_four_of_five_cases():
    """The number stated has the power that it promises."""
    d = Difference(0.1, -0.1, 0.3, 100, changed=90)
    n = needed(d, 100, 0.05)
    assert n == pytest.approx(100 * ((1.96 + 0.8416) / 0.98) ** 2, rel=1e-3)
    spread = 0.2 / 1.96 * math.sqrt(100)
    rng = np.random.default_rng(4)
    z = rng.normal(0.1, spread / math.sqrt(n), 4000) / (spread / math.sqrt(n))
    assert np.mean(z > 1.96) == pytest.approx(0.8, abs=0.02)
    assert math.isnan(needed(Difference(0.0, -1, 1, 9), 9))


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        (8_730.2, "about 9,000"),
        (17_301, "about 18,000"),
        (31.0, "about 40"),
        (99_999_999, "more than 10,000,000"),
    ],
)
def test_numbers_of_requests_are_rounded_upwards(requests, words):
    """Two digits below 3, one above."""
    assert about(requests) == words


def test_slices_find_where_the_change_is():
    """The groups that differ are named with what they gain, the others are not."""
    rng = np.random.default_rng(5)
    quality = np.repeat((rng.random((900, 1)) < 0.7).astype(float), 2, axis=1)
    quality[:100, 1] = 0
    quality[100:200, 1] = 1
    topics = ["code"] * 100 + ["math"] * 100 + ["text"] * 700
    data = log(quality, [[0.002, 0.001]], category=topics)
    found = compare(A, B, data, by=["category"])
    (parts,) = found.slices
    assert found.by("category").to_dict() == parts.to_dict()
    assert compare(A, B, data, by="category").slices[0].to_dict() == parts.to_dict()
    assert [(group, m) for group, m, _ in parts.found if m == "quality"] == [
        ("code", "quality"),
        ("math", "quality"),
    ]
    frame = data.quality[:, 1] - data.quality[:, 0]
    for part in parts.parts:
        mine = frame[[t == part.name for t in topics]]
        assert part.requests == part.quality.n == len(mine)
        assert part.quality.value == pytest.approx(mine.mean())
    assert parts.verdict.startswith("By category, b is, of 3 groups, cheaper in 3 (most in ")
    assert "worse in 1 (code, by" in parts.verdict
    assert "better in 1 (math, by" in parts.verdict
    assert len(parts.to_pandas()) == 12
    json.dumps(found.to_dict(), allow_nan=False)
    assert "cheaper in 3 (most in" in found._repr_html_()


def test_slices_of_equals_find_hardly_anything():
    """Of twenty groups of noise, four metrics each, 5 % of runs at most find one."""
    called = 0
    for seed in range(40):
        rng = np.random.default_rng([6, seed])
        groups = [f"g{i}" for i in rng.integers(0, 20, 600)]
        data = log(
            (rng.random((600, 2)) < 0.6).astype(float),
            rng.exponential(0.001, (600, 2)),
            rng.exponential(1.0, (600, 2)),
            category=groups,
        )
        called += bool(compare(A, B, data).by("category").found)
    assert called <= 4


def test_a_column_that_is_not_there_is_refused(two_models):
    """The message names the columns that are."""
    with pytest.raises(DataError, match="no column 'topic'"):
        compare(A, B, two_models, by=["topic"])


def test_examples_are_the_largest_changes_with_their_traces():
    """Winners, then losers, each as it went under both policies."""
    data = log([[0.0, 0.5], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], category=["x", "y", None, "z"])
    first, second, third = compare(A, B, data).examples(2)
    assert (first.request, second.request, third.request) == (2, 0, 1)
    assert (first.request_id, first.category) == ("r2", None)
    assert (third.quality_a, third.quality_b) == (1.0, 0.0)
    assert "a answered" in third.trace_a.words
    assert "b answered" in third.trace_b.words
    json.dumps(first.to_dict(), allow_nan=False)
    assert len(compare(A, B, data).examples(1)) == 2


def test_requests_of_one_user_count_together():
    """A difference that rests on one user is not seen, and the comparison says why."""
    quality = np.ones((400, 2))
    quality[:40, 1] = 0
    data = log(quality)
    alone = compare(A, B, data)
    assert alone.clustered_by is None
    assert alone.quality.distinguishable
    names = pa.array([f"u{i // 40}" for i in range(400)])
    object.__setattr__(data, "requests", data.requests.append_column("user", names))
    joined = compare(A, B, replace(data))
    assert joined.clustered_by == "user"
    assert not joined.quality.distinguishable
    assert any("the 10 clusters of requests by user" in line for line in joined.assumptions)
    assert joined.to_dict()["clustered_by"] == "user"


def test_replays_under_different_scenarios_are_refused():
    """The message names both; one scenario for both is fine, also for policies."""
    data = log(np.ones((50, 2)), digest="x")
    calm = replay(A, data)
    outage = Scenario.model_validate(
        {"scenario": "down", "faults": [{"outage": {}, "models": ["a"], "at_s": 0, "for_s": 9}]}
    )
    down = replay(B, data, scenario=outage)
    with pytest.raises(DataError, match=r"'a' under no scenario and one of 'b' under .*'down'"):
        compare(calm, down)
    found = compare(A, B, data, scenario=outage)
    assert found.scenario == "down"
    assert found.error_rate.value < 0
    assert any("the scenario down" in line for line in found.assumptions)


def test_arrivals_drawn_with_other_seeds_are_refused():
    """Two draws of the log are not the same requests, even under one scenario."""
    data = log(np.ones((50, 2)), digest="x")
    busy = Scenario.model_validate({"scenario": "busy", "arrivals": {"per_s": 5, "for_s": 20}})
    with pytest.raises(DataError, match="drawn with seed 1 and with seed 2"):
        compare(replay(A, data, 1, busy), replay(B, data, 2, busy))


def test_replays_of_different_data_are_refused():
    """A difference between two logs is not one between policies."""
    one, other = log([[1.0, 1.0]], digest="x"), log([[1.0, 0.0]], digest="y")
    with pytest.raises(DataError, match="needs one dataset; got a replay on 'small'"):
        compare(replay(A, one), replay(B, other))
    same = log([[1.0, 1.0]], digest="x")
    assert compare(replay(A, one), replay(B, same)).paired == 1


def test_policies_need_a_dataset():
    """Two policies alone cannot be compared; a replay brings its dataset."""
    with pytest.raises(DataError, match="compared on a dataset"):
        compare(A, B)
    assert compare(replay(A, log([[1.0, 1.0]])), B).b == "b"


def test_the_json_and_the_table(two_models):
    """Values, intervals, both sides and the verdict; names escaped."""
    found = compare(A, chain("b", name="<b>"), two_models)
    values = found.to_dict()
    json.dumps(values, allow_nan=False)
    assert values["quality_b"] - values["quality_a"] == pytest.approx(values["quality"])
    assert values["latency_mean_s_ci95"][0] < values["latency_mean_s"]
    assert values["verdict"] == found.verdict
    assert values["winners"] == len(found.winners)
    page = found._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
