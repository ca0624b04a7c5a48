"""Drawing a log from complete data, and planning how much of the next one chance has to serve."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.cli.explore import explore_text
from toolkit.errors import DataError, PolicyError
from toolkit.evaluate.assumptions import SIMULATED
from toolkit.evaluate.intervals import Z
from toolkit.evaluate.offpolicy.difference import estimate_difference
from toolkit.evaluate.offpolicy.explore import explore
from toolkit.evaluate.offpolicy.sampling import logging_chances, sample_log
from toolkit.logs.dataset import Dataset
from toolkit.logs.datasets import dataset_from_frame, load_dataset
from toolkit.policy.model import Policy

MODELS = ("dear", "fair", "poor")


def made(n: int = 900, seed: int = 0, category: bool = True) -> Dataset:
    """Three models of different worth in three categories; every outcome is there."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        kind = "abc"[i % 3]
        hard = rng.random()
        for j, model in enumerate(MODELS):
            quality = float(hard < 0.9 - 0.2 * j - (0.3 if kind == "c" and j else 0.0))
            error = "server_error" if rng.random() < 0.05 else None
            rows.append(
                {
                    "request_id": f"r{i}",
                    "model": model,
                    "quality": 0.0 if error else quality,
                    "cost_usd": (3 - j) * 0.001 * (1 + hard),
                    "latency_s": 1.0 + hard,
                    "input_tokens": 100 + i % 7,
                    "error": error,
                }
                | ({"category": kind} if category else {})
            )
    return dataset_from_frame("made", pd.DataFrame(rows))


@pytest.fixture(scope="module")
def data() -> Dataset:
    """The complete dataset of these tests."""
    return made()


def policy(
    name: str = "tested", default: str = "fair", routes: tuple[dict[str, object], ...] = ()
) -> Policy:
    """A policy over single models and one chain that falls back, ``fair, then dear``."""
    chains = {model: {"steps": [{"model": model}]} for model in MODELS}
    chains["both"] = {"steps": [{"model": "fair"}, {"model": "dear"}]}
    return Policy.model_validate(
        {
            "policy": name,
            "models": {model: {} for model in MODELS},
            "routes": list(routes),
            "default": default,
            "chains": chains,
        }
    )


TO_DEAR = {"name": "hard", "when": {"category": {"eq": "c"}}, "use": "dear"}
HALVES = {
    "name": "split",
    "when": {"category": {"in": ["a", "b"]}},
    "split": [{"use": "poor", "weight": 1}, {"use": "both", "weight": 3}],
}


def test_a_log_keeps_one_outcome_of_each_request(data):
    """What was drawn is what the complete data holds, and nothing else is left."""
    log = sample_log(data, seed=4)
    assert log.kind == "logged"
    assert (log.observed.sum(axis=1) == 1).all()
    assert log.models == data.models
    for name in ("quality", "cost_usd", "latency_s", "error"):
        was, now = getattr(data, name), getattr(log, name)
        np.testing.assert_array_equal(now[log.observed], was[log.observed])
    assert np.isnan(log.quality[~log.observed]).all()
    assert (log.name, log.simulated) == ("made, logged", data.simulated)


def test_texts_stay_with_the_outcome_that_was_drawn():
    """An answer belongs to the model that gave it."""
    local = load_dataset("local")
    log = sample_log(local, seed=2)
    for row in (0, 17, 400):
        (model,) = np.array(log.models)[log.observed[row]]
        assert log.answer(row, model) == local.answer(row, model)
        assert all(log.answer(row, other) is None for other in log.models if other != model)


def test_draws_follow_the_propensities(data):
    """Every model is drawn as often as the stated probabilities say, under each rule."""
    asked = policy(routes=(TO_DEAR, HALVES))
    chances = logging_chances(data, asked, 0.2)
    kind = np.array(data.requests["category"].to_pylist())
    # by hand: a and b go to poor (1/4) and fair (3/4), c to dear; a fifth is drawn evenly
    at = {"a": (0, 0.75, 0.25), "c": (1, 0, 0)}
    for category, first in at.items():
        by_hand = 0.8 * np.array(first) + 0.2 / 3
        np.testing.assert_allclose(chances[kind == category], np.tile(by_hand, (300, 1)))
    logs = [sample_log(data, asked, 0.2, seed=s) for s in range(40)]
    for log in logs[:3]:
        stated = log.requests["propensity"].to_numpy()
        np.testing.assert_allclose(stated, chances[log.observed])
    share = np.mean([log.observed for log in logs], axis=0)
    for category in at:
        n = 40 * 300
        wanted = chances[kind == category][0]
        error = np.sqrt(wanted * (1 - wanted) / n)
        assert (np.abs(share[kind == category].mean(axis=0) - wanted) < 4 * error).all()


def test_without_chance_the_log_is_the_policys(data):
    """Exploring nothing leaves what the policy asks first, with propensity 1."""
    log = sample_log(data, policy(default="both"), 0.0)
    assert log.observed[:, MODELS.index("fair")].all()
    assert (log.requests["propensity"].to_numpy() == 1).all()


def test_weights_say_what_chance_draws(data):
    """By name, or for each request and model."""
    log = sample_log(data, weights={"dear": 1, "poor": 3})
    assert not log.observed[:, MODELS.index("fair")].any()
    assert set(log.requests["propensity"].to_numpy()) == {0.25, 0.75}
    kind = np.array(data.requests["category"].to_pylist())
    own = np.where((kind == "c")[:, None], [1.0, 0, 0], [0, 1.0, 1.0])
    log = sample_log(data, weights=own)
    assert log.observed[kind == "c", 0].all()
    assert not log.observed[kind != "c", 0].any()


def test_a_seed_is_a_log(data):
    """The same seed gives the same log, another one another, and the digests say so."""
    one, again, other = (sample_log(data, seed=s) for s in (1, 1, 2))
    assert one.digest == again.digest != other.digest
    assert one.digest != data.digest
    np.testing.assert_array_equal(one.observed, again.observed)
    # A little more exploring changes a few requests, not all.
    small, more = (sample_log(data, policy(), e, seed=1).observed for e in (0.1, 0.12))
    assert (small != more).any(axis=1).mean() < 0.04


@settings(max_examples=30, deadline=None)
@given(
    explore=st.floats(0, 1),
    weights=st.dictionaries(st.sampled_from(MODELS), st.floats(0.001, 100), min_size=1),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_log_never_holds_what_could_not_be_drawn(explore, weights, seed):
    """Probabilities sum to 1, and each logged model had one above 0."""
    log = sample_log(DATA, policy(routes=(HALVES,)), explore, seed, weights)
    chances = logging_chances(DATA, policy(routes=(HALVES,)), explore, weights)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    stated = log.requests["propensity"].to_numpy()
    assert ((stated > 0) & (stated <= 1 + 1e-12)).all()


DATA = made(60)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"explore": 1.5}, "explore: not a share; got 1.5; allowed: 0 to 1"),
        ({"explore": float("nan")}, "explore: not a share"),
        ({"explore": "a"}, "explore: not a number; got 'a'; allowed: 0 to 1"),
        ({"explore": None}, "explore: not a number; got None"),
        ({"policy": "tiered"}, "policy: not a policy; got 'tiered'"),
        ({"explore": 0.5}, "without a policy every request is drawn by chance"),
        ({"weights": {"dare": 1}}, "no model 'dare'; allowed: 'dear'"),
        ({"weights": {"dear": -1}}, "some are negative"),
        ({"weights": {"dear": 0}}, "all of a request are 0"),
        ({"weights": np.ones((2, 3))}, r"got shape \(2, 3\); allowed: \(60, 3\)"),
        ({"seed": -1}, "seed: out of range"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    """The message says what, where, and what is allowed."""
    with pytest.raises(Exception, match=message) as raised:
        sample_log(DATA, **arguments)
    assert type(raised.value).__module__ == "toolkit.errors"
    with pytest.raises(DataError, match="dataset: not one; got None"):
        sample_log(None)  # type: ignore[arg-type]


def test_a_log_is_not_drawn_from_a_log(data):
    """What nobody observed cannot be logged; the models that are complete can."""
    with pytest.raises(DataError, match="that may be drawn and are not"):
        sample_log(sample_log(data))


def test_a_policy_that_asks_nobody_logs_nothing(data):
    """A canned answer leaves no outcome to keep."""
    silent = Policy.model_validate(
        {
            "policy": "silent",
            "models": {"dear": {}},
            "default": "said",
            "chains": {"said": {"steps": [{"degrade": "message", "text": "Later."}]}},
        }
    )
    with pytest.raises(DataError, match="asks no model of dataset 'made' on 900 of 900"):
        sample_log(data, silent, 0.1)


def obvious_spread(
    data: Dataset,
    first: np.ndarray,
    second: np.ndarray,
    chances: np.ndarray,
    outcome: np.ndarray,
    n: int,
    runs: int,
) -> tuple[float, float]:
    """Mean and spread of the doubly robust difference over many logs, one after the other.

    Policies are their probabilities (requests, models); the outcome model is the mean of category
    and model in the other four folds, with five requests of the model's mean.
    """
    kind = pd.factorize(np.array(data.requests["category"].to_pylist()))[0]
    rng = np.random.default_rng(7)
    found = []
    for _ in range(runs):
        rows = rng.integers(0, len(kind), n)
        drawn = (rng.random(n)[:, None] > chances[rows].cumsum(axis=1)[:, :-1]).sum(axis=1)
        y, p, c = outcome[rows, drawn], chances[rows, drawn], kind[rows]
        fold = rng.integers(0, 5, n)
        predicted = np.empty((n, outcome.shape[1]))
        for f in range(5):
            for j in range(outcome.shape[1]):
                train = (fold != f) & (drawn == j)
                mean = y[train].mean() if train.any() else y.mean()
                total = np.bincount(c[train], y[train], kind.max() + 1) + 5 * mean
                count = np.bincount(c[train], minlength=kind.max() + 1) + 5
                predicted[fold == f, j] = (total / count)[c[fold == f]]
        differ = (second - first)[rows]
        model = (differ * predicted).sum(axis=1)
        right = differ[np.arange(n), drawn] / p * (y - predicted[np.arange(n), drawn])
        found.append((model + right).mean())
    return float(np.mean(found)), float(np.std(found))


SINGLE_HALVES = {
    "name": "split",
    "when": {"category": {"in": ["a", "b"]}},
    "split": [{"use": "poor", "weight": 1}, {"use": "fair", "weight": 3}],
}


@pytest.mark.parametrize(
    ("metric", "n", "explored"),
    [
        ("quality", 900, 0.1),
        ("quality", 900, 1.0),
        ("quality", 3000, 0.03),
        ("cost_usd_per_1k", 900, 0.1),
        ("cost_usd_per_1k", 900, 0.4),
    ],
)
def test_the_expected_standard_error_is_the_spread_of_many_logs(data, metric, n, explored):
    """What is predicted for a log of n requests is what 300 such logs show."""
    serving = policy(routes=(TO_DEAR,))
    other = policy("other", default="poor", routes=(SINGLE_HALVES,))
    kind = np.array(data.requests["category"].to_pylist())
    first = np.where((kind == "c")[:, None], [1.0, 0, 0], [0, 1.0, 0])
    second = np.where((kind == "c")[:, None], [0, 0, 1.0], [0, 0.75, 0.25])
    outcome = data.quality if metric == "quality" else 1000 * data.cost_usd
    chances = logging_chances(data, serving, explored)
    mean, spread = obvious_spread(data, first, second, chances, outcome, n, 300)
    plan = explore((serving, other), data, requests=n, shares=[explored], metric=metric)
    assert plan.shares[0].standard_error == pytest.approx(spread, rel=0.15)
    assert plan.pairs[0].difference.value == pytest.approx(mean, abs=4 * spread / 300**0.5)


def test_the_plan_expects_what_the_estimate_then_states(data):
    """The doubly robust difference of real logs states the standard error that was planned."""
    serving, other = policy(), policy("other", default="both", routes=(TO_DEAR,))
    (planned,) = explore((serving, other), data, shares=[0.4]).shares
    stated = []
    for seed in range(12):
        log = sample_log(data, serving, 0.4, seed=seed, weights={"fair": 1, "dear": 1})
        found = estimate_difference(other, serving, log, seed=seed).differences["quality"]
        stated.append((found.high - found.low) / 2 / Z)
    assert planned.standard_error == pytest.approx(np.mean(stated), rel=0.1)


def test_a_log_plans_nearly_as_well_as_complete_data(data):
    """From what one model each was seen on, the plan is that of knowing all."""
    serving, other = policy(), policy("other", default="both", routes=(TO_DEAR,))
    known = explore((serving, other), data, requests=5000, shares=[0.05, 0.3])
    logs = [sample_log(data, serving, 0.5, seed=s) for s in range(5)]
    plans = [explore((serving, other), log, requests=5000, shares=[0.05, 0.3]) for log in logs]
    assert all(plan.predicted for plan in plans)
    assert not known.predicted
    for i in range(2):
        found = np.mean([plan.shares[i].standard_error for plan in plans])
        assert found == pytest.approx(known.shares[i].standard_error, rel=0.15)
    truth = known.pairs[0].difference.value
    inside = [p.pairs[0].difference.low < truth < p.pairs[0].difference.high for p in plans]
    assert sum(inside) >= 4


def test_a_log_of_one_policy_can_plan_for_a_stated_difference(data):
    """Where nothing was left to chance the data suggests no difference, but spreads are guessed."""
    serving, other = policy(), policy("other", default="dear")
    log = sample_log(data, serving, 0.0)
    plan = explore((serving, other), log, requests=20_000)
    assert math.isnan(plan.pairs[0].difference.value)
    assert plan.recommended is None
    assert "does not tell how far apart tested and other are" in plan.verdict
    plan = explore((serving, other), log, requests=20_000, detect=0.08)
    known = explore((serving, other), data, requests=20_000, detect=0.08)
    for guessed, share in zip(plan.shares[1:], known.shares[1:], strict=True):
        assert guessed.standard_error == pytest.approx(share.standard_error, rel=0.5)
    assert plan.recommended is not None
    assert math.isnan(plan.recommended.quality.value)
    assert "What it changes against tested alone the data does not tell." in plan.verdict


def test_the_price_is_that_of_the_requests_that_chance_serves(data):
    """A share costs its part of the way from serving to the even mix, interval and all."""
    serving, other = policy(), policy("other", default="dear")
    plan = explore((serving, other), data, shares=[0.0, 0.1, 0.2], models=["dear", "poor"])
    frame = data.to_pandas().pivot(index="request_id", columns="model", values="quality")
    change = (frame[["dear", "poor"]].mean(axis=1) - frame["fair"]).mean()
    none, tenth, fifth = plan.shares
    assert tenth.quality.value == pytest.approx(0.1 * change)
    assert fifth.quality.low == pytest.approx(2 * tenth.quality.low)
    assert (none.quality.value, none.quality.high) == (0, 0)
    frame = data.to_pandas().pivot(index="request_id", columns="model", values="cost_usd")
    change = 1000 * (frame[["dear", "poor"]].mean(axis=1) - frame["fair"]).mean()
    assert fifth.cost_usd_per_1k.value == pytest.approx(0.2 * change)


def test_the_recommended_share_is_the_smallest_that_decides(data):
    """More exploring and more requests both tell more, and the numbers agree with each other."""
    serving, other = policy(), policy("other", default="dear")
    plan = explore((serving, other), data, requests=3000, detect=0.06)
    errors = [share.standard_error for share in plan.shares]
    assert errors == sorted(errors, reverse=True)
    assert [s.decides for s in plan.shares] == sorted(s.decides for s in plan.shares)
    chosen = plan.recommended
    assert chosen is not None
    assert chosen == next(s for s in plan.shares if s.decides)
    assert chosen.power >= 0.8 or chosen.rarest < 10
    needed = int(chosen.requests_needed)
    again = [
        explore((serving, other), data, requests=n, detect=0.06, shares=[chosen.explore])
        for n in (needed, needed - needed // 50)
    ]
    assert [p.shares[0].decides for p in again] == [True, False]
    assert "Send " in plan.verdict
    few = explore((serving, other), data, requests=100, detect=0.01)
    assert few.recommended is None
    assert few.verdict.startswith("No share up to 50 % lets 100 requests tell")


def test_a_serving_split_can_be_chance_enough(data):
    """Where serving itself asks both models often, nothing has to be explored."""
    both = policy("halves", default="dear", routes=(SINGLE_HALVES,))
    plan = explore((policy("a", default="fair", routes=(TO_DEAR,)),
                    policy("b", default="poor", routes=(TO_DEAR,))), data,
                   serving=both, requests=20_000, detect=0.1)  # fmt: skip
    assert plan.recommended is not None
    assert plan.recommended.explore == 0
    assert plan.verdict.startswith("Nothing has to be explored: halves itself")


def test_without_chance_there_is_nothing_to_tell_with(data):
    """A share of 0 under a policy without splits has no standard error, now or ever."""
    plan = explore((policy(), policy("other", default="dear")), data, shares=[0.0])
    (share,) = plan.shares
    assert share.standard_error == share.requests_needed == math.inf
    assert (share.power, share.decides) == (0, False)
    written = plan.to_dict()["shares"][0]
    assert written["standard_error"] is written["requests_needed"] is None
    assert "nor would more requests" in plan.verdict


def test_the_same_policy_under_two_names_is_no_question(data):
    """What both would do alike cancels, whatever the exploring."""
    plan = explore((policy("a"), policy("b")), data)
    assert plan.pairs[0].same
    assert plan.recommended is None
    assert "end alike on every request" in plan.verdict


def test_a_fallback_that_the_log_never_shows_is_no_evidence(data):
    """Where the two differ only after a failure, the next model has to be explored all the same."""
    pair = (policy(), policy("other", default="both"))
    none, some = explore(pair, data, requests=10**6, shares=[0.0, 0.1]).shares
    assert none.standard_error == math.inf
    assert not none.decides
    assert 0 < some.standard_error < 0.01


def test_what_the_data_lacks_cannot_be_planned_with():
    """Without costs there is no plan for them; the price in quality stays."""
    frame = made(300).to_pandas().drop(columns="cost_usd")
    pair = (policy(), policy("other", default="dear"))
    bare = dataset_from_frame("bare", frame)
    plan = explore(pair, bare, metric="cost_usd_per_1k", detect=0.1)
    assert plan.verdict == "bare does not hold enough cost of these models to plan with."
    assert plan.recommended is None
    assert "cost" not in explore(pair, bare).verdict
    same_speed = explore(pair, made(300), metric="latency_mean_s")
    assert "do not differ in mean latency on made" in same_speed.verdict


def test_a_model_that_the_log_does_not_have_cannot_be_planned_for(data):
    """Nothing is known of it."""
    live = Policy.model_validate(
        {
            "policy": "live",
            "models": {"new": {"litellm": "openai/new"}},
            "default": "it",
            "chains": {"it": {"steps": [{"model": "new"}]}},
        }
    )
    with pytest.raises(DataError, match="'live': it asks models first that dataset 'made'"):
        explore((policy(), live), data)


def test_simulated_data_is_called_so(data):
    """In the notebook, the notes, and the command's title."""
    plan = explore((policy(), policy("other", default="dear")), _simulated(data), shares=[0.1])
    assert "(simulated data)" in plan._repr_html_()
    assert plan.assumptions[0] == SIMULATED
    assert explore_text(plan).splitlines()[0].endswith("900 requests  [SIMULATED DATA]")


def _simulated(data: Dataset) -> Dataset:
    return dataclasses.replace(data, simulated=True)


def test_one_request_is_one_request(data):
    """Also where it decides nothing."""
    plan = explore((policy(), policy("other", default="dear")), data, requests=1, shares=0.5)
    assert plan.title.endswith(" 1 request")
    assert plan.verdict.startswith("No share up to 50 % lets 1 request tell tested and other apart")
    assert " and 1 finds " in plan.verdict


def test_several_policies_are_each_held_against_the_first(data):
    """A share decides when it decides for the pair that takes the most requests."""
    first, near, far = policy("a"), policy("b", default="both"), policy("c", default="poor")
    plan = explore((first, near, far), data, requests=4000)
    assert [(p.policy, p.against) for p in plan.pairs] == [("b", "a"), ("c", "a")]
    alone = [explore((first, other), data, requests=4000, models=MODELS) for other in (near, far)]
    for i, share in enumerate(plan.shares):
        assert share.decides == all(p.shares[i].decides for p in alone)
        assert share.requests_needed == max(p.shares[i].requests_needed for p in alone)


def test_users_who_come_with_many_requests_tell_less():
    """Where requests come in clusters the plan takes these for the sample."""
    plain = made(900, seed=3)
    frame = plain.to_pandas()
    answers = frame[frame.model == "dear"].quality.to_numpy()
    user = np.empty(900, object)
    user[np.argsort(-answers, kind="stable")] = [f"u{i // 30}" for i in range(900)]
    requests = plain.requests.to_pandas().assign(user=user)
    grouped = dataset_from_frame("grouped", frame.drop(columns="category"), requests)
    pair = (policy(), policy("other", default="dear"))
    alone = explore(pair, plain, shares=[0.5]).shares[0].standard_error
    together = explore(pair, grouped, shares=[0.5])
    assert together.shares[0].standard_error > 1.1 * alone
    assert "Requests with the same user are taken to come together." in together.assumptions


def test_what_cannot_be_planned_is_refused(data):
    """The message says which argument, what it got, and what is allowed."""
    pair = (policy(), policy("other", default="dear"))
    for arguments, message in [
        ({"metric": "qualty"}, "metric: unknown; got 'qualty'; allowed: 'quality'"),
        ({"shares": [0.1, 1.2]}, "shares: not a share of requests; got 1.2"),
        ({"shares": []}, "shares: none to choose from"),
        ({"detect": 0.0}, "detect: no difference; got 0.0"),
        ({"requests": 0}, "requests: too few; got 0"),
        ({"models": ["dare"]}, "models: dataset 'made' has no model 'dare'"),
    ]:
        with pytest.raises(DataError, match=message):
            explore(pair, data, **arguments)
    with pytest.raises(DataError, match="policies: nothing to tell apart; got 1"):
        explore(policy(), data)
    for asked, arguments, message in [
        (None, {}, "policies: not a policy; got None"),
        ("tiered", {}, r"policies: not a policy; got 'tiered'; .* load_policy\('tiered'\)"),
        ((policy(), 3), {}, "policies: not a policy; got 3"),
        (pair, {"serving": "tiered"}, "serving: not a policy"),
        (pair, {"shares": "a"}, "shares: not a number; got 'a'"),
        (pair, {"detect": "1"}, "detect: not a number; got '1'"),
        (pair, {"requests": 10.5}, "requests: not a whole number; got 10.5"),
        (pair, {"models": "dare"}, "models: dataset 'made' has no model 'dare'"),
    ]:
        with pytest.raises(DataError, match=message):
            explore(asked, data, **arguments)
    with pytest.raises(DataError, match="dataset: not one; got 'made'"):
        explore(pair, "made")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="gpt"):
        explore(Policy.single("gpt"), data, serving=policy())


def test_progress_ends_at_the_end_and_can_stop_the_work(data):
    """Called with what is done and of how much; what it raises comes through."""
    seen = []
    pair = (policy(), policy("other", default="dear"))
    explore(pair, data, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]

    class CancelledError(Exception):
        pass

    def stop(done: int, of: int) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        explore(pair, data, progress=stop)


def test_names_are_shown_as_text(data):
    """A policy's name is nobody's markup."""
    plan = explore((policy("<b>a</b>"), policy("<i>b</i>", default="dear")), data)
    shown = plan._repr_html_()
    assert "<b>a" not in shown
    assert "&lt;b&gt;a" in shown


def test_plans_as_a_frame_and_as_json(data):
    """One row per share, and one JSON object."""
    plan = explore((policy(), policy("other", default="dear")), data, shares=[0.1, 0.2])
    frame = plan.to_pandas()
    assert list(frame.index) == [0.1, 0.2]
    assert frame.loc[0.2, "quality_change"] == plan.shares[1].quality.value
    assert json.loads(json.dumps(plan.to_dict(), allow_nan=False)) == plan.to_dict()


def test_the_command_plans():
    """`explore` gives the advice, its table, and one JSON object on demand."""
    runner = CliRunner()
    command = ["explore", "--policy", "tiered", "--against", "few_shot_only", "--dataset", "local"]
    text = runner.invoke(app, [*command, "--requests", "50000"])
    assert text.exit_code == 0, text.stderr
    assert "Send " in text.stdout
    assert "found in 80 of 100" in text.stdout
    found = runner.invoke(app, [*command, "--share", "0.2", "--detect", "1", "--json"])
    plan = json.loads(found.stdout)
    assert [s["explore"] for s in plan["shares"]] == [0.2]
    assert plan["pairs"][0]["detect"] == 0.01
    assert plan["policies"] == ["few_shot_only", "tiered"]
    assert plan["serving"] == "few_shot_only"
    assert plan["requests"] == 1313
    for detect in ("-1", "nan"):
        wrong = runner.invoke(app, [*command, f"--detect={detect}"])
        assert wrong.exit_code == 2
        assert f"--detect: no difference; got {detect}; allowed: a number above 0" in wrong.stderr
    missing = runner.invoke(app, ["explore", "--policy", "tiered", "--dataset", "local"])
    assert missing.exit_code == 2
    assert "allowed: --against or --serving" in missing.stderr
