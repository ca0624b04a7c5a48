"""The promised quality: exact where it is said to be, and held on real and simulated requests."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from tests.router_data import bfcl, dealt, mmlu, out_of_fold
from toolkit.evaluate.routers.floor import floors, highest_floors, tail
from toolkit.learn.choose import first
from toolkit.policy.router_rule import RouterRule

VALUES = np.round(np.arange(100, 49, -1) / 100, 2)


def _chosen(predicted, cost):
    """The model that each setting of min_quality asks first, (k, n)."""
    rules = [RouterRule(name="x", min_quality=float(v)) for v in VALUES]
    return np.array([first(predicted, cost, rule) for rule in rules])


def _one(accepted: int, n: int, next_n: int, confidence: float = 0.95) -> float:
    """The floor of one setting."""
    floats = (np.array([float(x)]) for x in (accepted, n, next_n))
    return float(highest_floors(*floats, confidence)[0])


@given(
    n=st.integers(1, 30),
    next_n=st.integers(1, 30),
    share=st.floats(0, 1),
    confidence=st.sampled_from([0.8, 0.95, 0.99]),
)
def test_of_one_setting_the_floor_is_exact(n, next_n, share, confidence):
    """Whatever the requests hold, a promise is broken no oftener than said: by enumeration."""
    in_all = round(share * (n + next_n))
    accepted = np.arange(max(0, in_all - next_n), min(n, in_all) + 1)
    how_often = hypergeom.pmf(accepted, n + next_n, in_all, n)
    promised = np.array([_one(c, n, next_n, confidence) for c in accepted])
    broken = (in_all - accepted) / next_n < promised - 1e-12
    assert how_often[broken].sum() <= 1 - confidence + 1e-9


@given(n=st.integers(1, 40), next_n=st.integers(1, 40), data=st.data())
def test_the_floor_is_the_highest_that_the_test_allows(n, next_n, data):
    """One more accepted answer could not be promised, as an obvious loop finds."""
    accepted = data.draw(st.integers(0, n))
    allowed = [0]
    for needed in range(1, next_n + 1):
        p = tail(*(np.array([float(x)]) for x in (accepted, n, needed, next_n)))
        if p[0] > 1 - 0.95:
            break
        allowed.append(needed)
    assert _one(accepted, n, next_n) == pytest.approx(allowed[-1] / next_n)


def test_more_requests_promise_more_and_never_more_than_was_seen():
    """At 90 % accepted the floor rises towards 0.9, both with n and with the next N."""
    sizes = [30, 300, 3_000, 30_000]
    rising = [_one(round(0.9 * n), n, n) for n in sizes]
    assert rising == sorted(rising)
    assert 0.89 < rising[-1] < 0.9
    assert _one(270, 300, 300) < _one(270, 300, 30_000) < 0.9
    assert math.isnan(_one(0, 0, 10))


def test_a_setting_promises_the_lowest_floor_up_to_it():
    """The order is from the dearest; a setting behind one that fails promises no more than it."""
    quality = np.array([[1.0, 0.0]] * 20 + [[1.0, 1.0]] * 180)
    quality[:40, 0] = 0.0
    cost = np.tile([2e-3, 1e-3], (200, 1))
    # The dearest setting asks the worse model.
    chosen = np.array([np.zeros(200, int), np.ones(200, int)])
    found = floors([1.0, 0.5], chosen, quality, cost, wanted=0.8)
    dear, cheap = found.points
    assert (dear.quality.value, cheap.quality.value) == (0.8, 0.9)
    assert dear.floor == dear.alone < 0.8 < cheap.alone
    assert cheap.floor == dear.floor
    assert found.chosen is None
    assert "No setting promises quality ≥ 0.8 on the next 200 requests" in found.words()
    assert found.at(0.7) is cheap
    upside_down = floors([0.5, 1.0], chosen[::-1], quality, cost, wanted=0.8)
    assert [p.value for p in upside_down.points] == [1.0, 0.5]


def test_words_and_json_say_what_is_promised():
    """A promise names the quality, how many requests, and the confidence."""
    rng = np.random.default_rng(0)
    quality = (rng.random((1_700, 2)) < [0.95, 0.8]).astype(float)
    chosen = np.array([np.zeros(1_700, int), np.ones(1_700, int)])
    found = floors([0.9, 0.5], chosen, quality, np.full((1_700, 2), 1e-3), wanted=0.85)
    assert found.chosen is found.points[0]
    assert found.words() == (
        "min_quality 0.9 ($1.00 per 1k) promises quality ≥ 0.85 on the next 1,700 requests like"
        " these, with 95 % confidence. Judged on 1,700 requests."
    )
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["chosen"]["value"] == 0.9
    assert told["points"][0]["floor"] == found.points[0].floor > 0.93
    nothing = floors([0.9], chosen[:1], np.full((1_700, 2), np.nan), np.full((1_700, 2), np.nan))
    assert nothing.words() == "No floor: no request has a grade."
    assert nothing.to_dict()["points"][0]["floor"] is None


def _held(quality, cost, chosen, wanted, splits, seed=0):
    """Of random splits: in how many a setting was found, and in how many it kept its promise.

    One half chooses, the other is the next requests.
    """
    n = quality.shape[0]
    rows, half = np.arange(n), n // 2
    got = np.array([quality[rows, one] for one in chosen])
    paid = np.array([cost[rows, one] for one in chosen])
    rng = np.random.default_rng(seed)
    found = kept = 0
    known: dict[int, float] = {}
    for _ in range(splits):
        order = rng.permutation(n)
        here, later = order[:half], order[half:]
        accepted = got[:, here].sum(axis=1)
        for c in set(accepted.astype(int)) - set(known):
            known[c] = _one(c, half, n - half)
        run = np.minimum.accumulate([known[int(c)] for c in accepted])
        passes = np.flatnonzero(run >= wanted)
        if len(passes):
            found += 1
            best = passes[paid[passes][:, here].mean(axis=1).argmin()]
            kept += got[best][later].mean() >= wanted
    return found, kept


@pytest.fixture(scope="module")
def real(bfcl_dir, shared_datasets):
    """Real outcomes with what routers predict of requests they have not seen."""
    data = bfcl(bfcl_dir)
    folds = dealt(data.n_requests)
    seen = {"bfcl": (data.requests, data.quality, data.cost_usd, folds)}
    table, quality, cost = mmlu(shared_datasets, 3_000)
    seen["mmlu"] = (table, quality, cost, dealt(3_000, 3))
    return {k: (q, c, _chosen(*out_of_fold(x, q, c, f))) for k, (x, q, c, f) in seen.items()}


@pytest.mark.parametrize(
    ("name", "wanted"), [("bfcl", 0.83), ("bfcl", 0.85), ("mmlu", 0.70), ("mmlu", 0.75)]
)
def test_the_floor_holds_on_the_other_half_of_real_requests(real, name, wanted):
    """In at least 95 % of 200 random splits, with the setting chosen on one half."""
    found, kept = _held(*real[name], wanted, splits=200)
    assert found >= 150
    assert 200 - (found - kept) >= 0.95 * 200


def _sequence(accepted, later, n, wanted):
    """Which of many draws (s, k) break a promise: chosen by ``accepted``, told by ``later``."""
    enough = next(c for c in range(n + 1) if _one(c, n, n) >= wanted)
    run = np.logical_and.accumulate(accepted >= enough, axis=1)
    last = np.maximum(run.sum(axis=1) - 1, 0)
    chosen = later[np.arange(len(later)), last]
    return run.any(axis=1), run.any(axis=1) & (chosen < wanted * n - 1e-9)


@pytest.mark.parametrize("alike", [0.0, 0.9])
@pytest.mark.parametrize("best", [0.87, 0.89, 0.93])
def test_the_floor_holds_where_the_truth_is_known(alike, best):
    """Of 4,000 draws of 40 settings, each worse than the one before, also where none is like it."""
    rng = np.random.default_rng(7)
    n, k, draws = 500, 40, 4_000
    truth = best - 0.1 * np.arange(k) / k

    def drawn():
        # Settings share most of their luck, or none.
        own = rng.binomial(n, truth, (draws, k))
        common = rng.binomial(n, best, (draws, 1)) - n * best
        return np.clip(np.rint((1 - alike) * own + alike * (n * truth + common)), 0, n)

    found, broken = _sequence(drawn(), drawn(), n, 0.85)
    assert broken.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)
    assert found.any()


def test_grades_between_0_and_1_hold_too():
    """With graded answers the promise is broken in no more than 5 % of 2,000 draws."""
    rng = np.random.default_rng(3)
    n, draws = 300, 2_000
    grades = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], (2, draws, n), p=[0.05, 0.05, 0.1, 0.2, 0.6])
    seen, later = grades.mean(axis=2)
    promised = highest_floors(seen * n, np.full(draws, float(n)), np.full(draws, float(n)))
    assert (later < promised).mean() <= 0.05
    assert promised.mean() > 0.75


@pytest.mark.parametrize("users", [15, 100])
def test_requests_of_users_hold_as_clusters_and_not_as_requests(users):
    """Users who are alike in what they ask: as so many requests promises break too often."""
    rng = np.random.default_rng(11)
    draws, broken, as_requests = 250, 0, 0
    for _ in range(draws):
        size = rng.geometric(0.1, (2, users))
        rate = rng.beta(0.85 * 2.3, 0.15 * 2.3, (2, users))  # correlation 0.3 within a user
        seen, later = (
            (rng.random(s.sum()) < np.repeat(r, s)).astype(float)
            for s, r in zip(size, rate, strict=True)
        )
        n = len(seen)
        grades, cost = seen[:, None], np.full((n, 1), 1e-3)
        asked = np.zeros((1, n), int)
        with_users = floors(
            [0.5], asked, grades, cost, cluster=np.repeat(np.arange(users), size[0])
        )
        broken += later.mean() < with_users.points[0].floor
        as_requests += later.mean() < _one(seen.sum(), n, n)
    assert broken / draws <= 0.06
    assert as_requests / draws > 0.12


def test_users_are_told_of():
    """Where requests cluster, the floor is lower and the words say what they are worth."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(100), 10)
    quality = (rng.random(1_000) < np.repeat(rng.beta(3, 0.5, 100), 10)).astype(float)[:, None]
    chosen, cost = np.zeros((1, 1_000), int), np.full((1_000, 1), 1e-3)
    alone = floors([0.5], chosen, quality, cost)
    together = floors([0.5], chosen, quality, cost, cluster=user)
    assert together.points[0].floor < alone.points[0].floor
    assert together.design_effect > 1.5
    assert "as those of one user are alike" in together.words()
