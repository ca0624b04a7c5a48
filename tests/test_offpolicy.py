from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.offpolicy_world import POLICY, simulated, truth
from tests.small_logs import chain, log
from toolkit.engine.replay import replay
from toolkit.errors import DataError, DetourError, PolicyError
from toolkit.evaluate.offpolicy.actions import LIVE_ONLY, SAID, logged_actions, target
from toolkit.evaluate.offpolicy.difference import estimate_difference
from toolkit.evaluate.offpolicy.episodes import METRICS
from toolkit.evaluate.offpolicy.estimate import estimate
from toolkit.evaluate.offpolicy.nuisance import Outcomes, design
from toolkit.evaluate.offpolicy.sampling import sample_log
from toolkit.evaluate.offpolicy.support import SupportError
from toolkit.logs.dataset import Dataset
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType

SERVER, INVALID = int(ErrorType.SERVER_ERROR), int(ErrorType.INVALID_OUTPUT)


@pytest.fixture(scope="module")
def world() -> Dataset:
    """A log of 2,000 requests with stated propensities."""
    return simulated(1, 2_000)


def without(dataset: Dataset, *columns: str) -> Dataset:
    """The same with fewer request columns."""
    return dataclasses.replace(dataset, requests=dataset.requests.drop_columns(list(columns)))


def having(dataset: Dataset, **columns: Any) -> Dataset:
    """The same with other request columns."""
    requests = dataset.requests
    for name, values in columns.items():
        if name in requests.column_names:
            requests = requests.drop_columns([name])
        requests = requests.append_column(name, pa.array(values))
    return dataclasses.replace(dataset, requests=requests)


def values(found: dict[str, Any]) -> list[float]:
    """Quality, cost, latency, errors."""
    return [found[metric].value for metric in METRICS]


class TestActions:
    """Who is asked first."""

    def test_rules_and_splits_give_exact_chances(self, world):
        """A split is a chance, not a draw."""
        found = target(POLICY, world)
        category = np.array(world.requests["category"].to_pylist())
        share = found.share()
        assert share.sum(axis=1) == pytest.approx(np.ones(2_000))
        assert (share[category == "code"] == [1, 0, 0]).all()
        assert share[category == "math"] == pytest.approx(np.tile([0.25, 0, 0.75], (491, 1)))
        assert (share[category == "chat"] == [0, 0, 1]).all()
        assert (found.route[category == "chat"] == -1).all()

    def test_a_model_that_cannot_take_a_request_is_passed_over(self):
        """The second step comes first where the first one's context is too small."""
        data = log(np.ones((4, 2)), observed=[[1, 0], [0, 1]] * 2)
        data = having(data, input_tokens=[10.0, 500.0, 10.0, 500.0])
        policy = chain("a", "b").with_value("models.a.context_window_tokens", 100)
        assert target(policy, data).first[:, 0].tolist() == [0, 1, 0, 1]

    def test_no_model_and_a_model_of_no_log_are_told_apart(self):
        """A chain may say something at once, or ask what the log never saw."""
        data = log(np.ones((2, 2)), observed=[[1, 0], [0, 1]])
        says = {"degrade": "message", "text": "Later."}
        policy = Policy.model_validate(
            {
                "policy": "p",
                "models": {"new": {"litellm": "x/new"}, "a": {}},
                "routes": [{"name": "one", "when": {"request_id": {"eq": "r0"}}, "use": "silent"}],
                "default": "live",
                "chains": {
                    "silent": {"steps": [says]},
                    "live": {"steps": [{"model": "new"}, {"model": "a"}]},
                },
            }
        )
        found = target(policy, data)
        assert found.first.tolist() == [[SAID, LIVE_ONLY]] * 2
        assert found.share().sum() == 0

    def test_the_model_that_served_is_the_one_observed(self, world):
        """Each request of a log has one."""
        assert world.observed[np.arange(2_000), logged_actions(world)].all()

    def test_what_is_no_log_is_refused(self):
        """A complete dataset needs no estimate, several outcomes of a request allow none."""
        with pytest.raises(DataError, match="nothing has to be estimated"):
            logged_actions(log(np.ones((3, 2))))
        with pytest.raises(DataError, match=r"got 1 of 3 requests .* first is 'r2'"):
            logged_actions(log(np.ones((3, 3)), observed=[[1, 0, 0], [0, 1, 0], [1, 1, 0]]))


OUTCOMES = {
    "steady": [0, 0],
    "first fails": [SERVER, 0],
    "first unreadable": [INVALID, 0],
    "both fail": [SERVER, SERVER],
}
CHAINS: dict[str, dict[str, Any]] = {
    "fallback": {},
    "no fallback": {"fallback_on": ["timeout"]},
    "retries": {"retries": 2, "backoff_s": 0.0},
    "retried unreadable": {"retries": 1, "backoff_s": 0.0, "retry_on": ["invalid_output"]},
    "timeout": {"timeout_s": 1.5},
    "timeout and retry": {"timeout_s": 1.5, "retries": 1, "backoff_s": 0.0},
    "deadline": {"timeout_s": 1.5, "retries": 1, "backoff_s": 0.0, "deadline_s": 3.5},
    "short deadline": {"deadline_s": 0.5},
    "cost limit": {"max_cost_usd": 0.001},
    "message": {"say": True, "timeout_s": 1.5},
    "billed for nothing": {"timeout_s": 1.5, "bill": "none"},
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("rules", CHAINS)
def test_a_chain_earns_what_a_replay_of_all_outcomes_says(outcome, rules):
    """Where every model always does the same, the log of one call holds the whole chain."""
    rule = dict(CHAINS[rules])
    step = {k: rule.pop(k) for k in ("timeout_s", "retries", "backoff_s") if k in rule}
    says = [{"degrade": "message", "text": "Later.", "quality": 0.3}] * rule.pop("say", False)
    policy = Policy.model_validate(
        {
            "policy": "p",
            "models": {"a": {"bill_timeouts": rule.pop("bill", "full")}, "b": {}},
            "default": "main",
            "chains": {"main": {"steps": [{"model": "a", **step}, {"model": "b"}, *says], **rule}},
        }
    )
    data = log(
        np.tile([0.9, 0.6], (200, 1)), [0.001, 0.004], [2.0, 1.0], np.array(OUTCOMES[outcome])
    )
    true = replay(policy, data)
    found = estimate(policy, sample_log(data, seed=1)).best
    assert values(found) == pytest.approx(
        [
            true.quality.mean(),
            1000 * true.cost_usd.mean(),
            true.latency_s.mean(),
            float(np.mean(true.status == 2)),
        ],
        abs=1e-6,
    )


def _told(world: Dataset) -> int:
    """A request that went where the policy sends it."""
    share = target(POLICY, world).weight_on(logged_actions(world))
    return int(np.flatnonzero(share == 1)[0])


class TestEstimate:
    """The whole, on a world that is known."""

    def test_every_estimator_is_near_the_truth(self, world):
        """Propensities and outcome models are right, so all agree."""
        found = estimate(POLICY, world)
        for name in ("ips", "snips", "dm", "dr", "switch_dr"):
            assert values(found.estimators[name]) == pytest.approx(
                truth() * [1, 1000, 1, 1], rel=0.12
            ), name
        assert found.recommended == "dr"
        for metric, true in zip(METRICS, truth() * [1, 1000, 1, 1], strict=True):
            assert found.best[metric].low < true < found.best[metric].high
        assert 0 < found.effective_sample_size < found.n == 2_000
        assert found.weights.mean.value == pytest.approx(1, abs=0.1)
        assert found.propensities == "stated"
        assert not found.deterministic

    def test_models_alone_and_the_log_stand_beside(self, world):
        """What was logged is a plain mean, and each model has its own estimate."""
        found = estimate(POLICY, world)
        at = np.arange(2_000), logged_actions(world)
        assert found.logged["quality"].value == pytest.approx(world.quality[at].mean())
        assert found.logged["cost_usd_per_1k"].value == pytest.approx(
            1000 * world.cost_usd[at].mean()
        )
        assert set(found.singles) == {"large", "medium", "small"}
        assert found.singles["large"]["quality"].value > found.singles["small"]["quality"].value

    def test_the_same_seed_gives_the_same_numbers(self, world):
        """Folds come from the ids, so nothing is left to chance."""
        one, two = (estimate(POLICY, world, seed=3).to_dict() for _ in range(2))
        assert one == two

    def test_nothing_is_drawn_from_the_request_itself(self, world):
        """A prediction does not change with the outcome of its own request."""
        action = logged_actions(world)
        known = design(world)
        y = world.quality[np.arange(2_000), action][:, None]
        changed = y.copy()
        changed[7] = 100.0
        before, after = (Outcomes(known, action, 3).predict(v, 0) for v in (y, changed))
        same = known.fold == known.fold[7]
        assert (before[same] == after[same]).all()
        assert (before[~same] != after[~same]).any()

    def test_requests_of_one_user_share_a_fold(self, world):
        """Else a model would have seen the user before."""
        user = np.arange(2_000) // 10
        fold = design(having(world, user=[f"u{i}" for i in user])).fold
        assert (fold == fold[10 * user]).all()
        assert len(np.unique(fold)) == 5

    def test_two_users_are_in_two_folds(self, world):
        """However their names hash: else nobody would be left to learn from."""
        for other in range(8):
            fold = design(having(world, user=["one", f"other {other}"] * 1_000)).fold
            assert len(np.unique(fold)) == 2
        found = estimate(POLICY, having(world, user=["one", "other"] * 1_000))
        assert not math.isnan(found.best["quality"].value)
        assert found.clustered_by == "user"

    def test_predictions_equal_ridge_regressions_of_sklearn(self, world):
        """The common slopes, then what sets a model apart, each fitted the usual way."""
        from sklearn.linear_model import Ridge

        action, known = logged_actions(world), design(world)
        y = world.latency_s[np.arange(2_000), action]
        ours = Outcomes(known, action, 3).predict(y[:, None], 1)[:, 0]
        train = known.fold != 0
        x, a, left = known.x[train], action[train], y[train].copy()
        mean = lambda v: np.array([v[a == j].mean(axis=0) for j in range(3)])[a]  # noqa: E731
        common = Ridge(alpha=10.0, fit_intercept=False).fit(x - mean(x), left - mean(left))
        own = Ridge(alpha=10.0).fit(x[a == 1], (left - x @ common.coef_)[a == 1])
        at = known.x[~train]
        assert ours[~train] == pytest.approx(at @ common.coef_ + own.predict(at))

    def test_grades_that_are_missing_at_random_change_little(self, world):
        """The graded answers of a model stand for those that are not; failures are all known."""
        rng = np.random.default_rng(0)
        blank = (rng.random(world.quality.shape) < 0.6) & (world.error == 0)
        data = dataclasses.replace(world, quality=np.where(blank, np.nan, world.quality))
        found, full = estimate(POLICY, data).best, estimate(POLICY, world).best
        assert found["quality"].value == pytest.approx(full["quality"].value, abs=0.06)
        assert found["quality"].n < 0.6 * full["quality"].n
        width = [e["quality"].high - e["quality"].low for e in (found, full)]
        assert width[0] > width[1]
        assert found["latency_mean_s"] == full["latency_mean_s"]

    def test_what_a_model_never_had_measured_is_undefined(self, world):
        """A model without a cost has none, and not the others'."""
        cost = world.cost_usd.copy()
        cost[:, 0] = np.nan
        found = estimate(POLICY, dataclasses.replace(world, cost_usd=cost))
        assert math.isnan(found.best["cost_usd_per_1k"].value)
        assert not math.isnan(found.best["quality"].value)
        assert any("never measured it for large" in line for line in found.assumptions)
        assert found.to_dict()["estimators"]["dr"]["cost_usd_per_1k"]["value"] is None

    def test_wrong_propensities_come_first(self, world):
        """Weights that do not average to 1 give them away."""
        wrong = 0.6 * np.asarray(world.requests["propensity"])
        found = estimate(POLICY, having(world, propensity=wrong))
        assert any("the propensities are wrong" in line for line in found.assumptions)
        assert found.verdict.startswith("The propensities are wrong, and what follows rests on")
        assert found.to_dict()["weights"]["doubtful"]
        gap = estimate_difference(
            POLICY, Policy.single("small"), having(world, propensity=wrong)
        ).verdict
        assert gap.startswith("The propensities are wrong")
        right = estimate(POLICY, world)
        assert not any("are wrong" in line for line in right.assumptions)
        assert not right.weights.doubtful

    @pytest.mark.parametrize("wrong", ["tiny", "one tiny", "a third", "nearly 1"])
    def test_impossible_propensities_give_no_headline(self, world, wrong):
        """Where the weights average to what no log could show, there is no number."""
        right = np.asarray(world.requests["propensity"])
        stated = {
            "tiny": np.full(2_000, 1e-12),
            "one tiny": np.where(np.arange(2_000) == _told(world), 1e-12, right),
            "a third": right / 3,
            "nearly 1": np.full(2_000, 0.9999),
        }[wrong]
        data = having(world, propensity=stated)
        with pytest.raises(DataError, match=r"propensities that it states are wrong.*is due"):
            estimate(POLICY, data)
        with pytest.raises(DataError, match=r"propensities that it states are wrong.*is due"):
            estimate_difference(POLICY, Policy.single("small"), data)

    def test_the_bias_of_switch_dr_is_told_where_it_has_one(self, world):
        """It leaves the heavy requests to the outcome models, outside of its interval."""
        found = estimate(POLICY, world, tau=3)
        above = found.weights.share_above_tau
        assert 0 < above < 0.5
        assert any("Switch-DR leaves the" in line for line in found.assumptions)
        found = estimate(POLICY, world, tau=1e6)
        assert found.weights.share_above_tau == 0
        assert found.estimators["switch_dr"] == found.estimators["dr"]
        assert not any("Switch-DR" in line for line in found.assumptions)

    def test_goals_are_judged_where_they_can_be(self, world):
        """A percentile cannot be told from weighted means."""
        goals = {"quality": {"min": 0.2}, "latency_p95_s": {"max": 9}}
        policy = Policy.model_validate({**POLICY.to_data(), "goals": goals})
        assert [g.answer for g in estimate(policy, world).goals] == ["yes", "unknown"]

    def test_what_requests_share_is_said_to_be_left_out(self, world):
        """A breaker needs the whole traffic, which one call of each request is not."""
        policy = POLICY.with_value("retry_budget", {"share": 0.1})
        said = estimate(policy, world).assumptions
        assert any("the retry budget is left out" in line for line in said)

    def test_an_answer_written_in_advance_is_known(self, world):
        """A route that asks no model is no gap in the overlap."""
        data = POLICY.to_data()
        data["chains"]["strong"] = {
            "steps": [{"degrade": "message", "text": "Later.", "quality": 0.25}]
        }
        found = estimate(Policy.model_validate(data), world)
        assert found.weights.expected < 1
        assert all(
            found.estimators[name]["quality"].value
            == pytest.approx(found.best["quality"].value, abs=0.05)
            for name in ("snips", "dm", "ips")
        )

    def test_progress_is_told_and_may_stop_the_work(self, world):
        """The last call says that all is done; an error comes through."""
        told = []
        estimate(POLICY, world, progress=lambda done, of: told.append((done, of)))
        assert told[0] == (0, 4)
        assert told[-1] == (4, 4)

        def stop(done: int, of: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            estimate(POLICY, world, progress=stop)

    def test_wrong_arguments_are_refused(self, world):
        """Each says what is allowed."""
        with pytest.raises(DetourError, match="tau"):
            estimate(POLICY, world, tau=0)
        with pytest.raises(DetourError, match="folds"):
            estimate(POLICY, world, folds=1)
        with pytest.raises(DetourError, match="one of them"):
            estimate(POLICY, world, where_supported=True, extrapolate=True)
        with pytest.raises(PolicyError, match="no such model"):
            estimate(Policy.single("huge"), world)
        with pytest.raises(DetourError, match="seed"):
            estimate(POLICY, world, seed=-1)

    def test_what_is_no_policy_or_dataset_is_refused(self, world):
        """A name is not loaded, but the message says how."""
        name: Any = "tested"
        with pytest.raises(DataError, match=r"policy: not a policy; got 'tested'.*load_policy"):
            estimate(name, world)
        with pytest.raises(DataError, match="policy: not a policy; got None; allowed: a Policy"):
            estimate(None, world)  # type: ignore[arg-type]
        with pytest.raises(DataError, match=r"dataset: not one; got 'tested'.*load_dataset"):
            estimate(POLICY, name)
        with pytest.raises(DataError, match="logged_by: not a policy"):
            estimate(POLICY, world, logged_by=name)
        with pytest.raises(DataError, match="against: not a policy"):
            estimate_difference(POLICY, name, world)


class TestPropensities:
    """Where they come from."""

    def test_the_policy_that_served_states_them_exactly(self):
        """Naming it gives what the column said."""
        data = log(np.random.default_rng(0).random((600, 2)).round())
        policy = Policy.model_validate(
            {
                "policy": "served",
                "models": {"a": {}, "b": {}},
                "routes": [
                    {
                        "name": "all",
                        "when": {"input_tokens": {"gt": 0}},
                        "split": [{"use": "a", "weight": 1}, {"use": "b", "weight": 4}],
                    }
                ],
                "default": "a",
                "chains": {m: {"steps": [{"model": m}]} for m in "ab"},
            }
        )
        served = sample_log(data, policy, explore=0.0, seed=1)
        stated = estimate(Policy.single("a"), served)
        named = estimate(Policy.single("a"), without(served, "propensity"), logged_by=policy)
        assert (stated.propensities, named.propensities) == ("stated", "policy")
        assert values(named.best) == pytest.approx(values(stated.best))

    def test_a_policy_that_cannot_have_served_is_refused(self, world):
        """The log holds what it never asks."""
        with pytest.raises(DataError, match="'large' cannot have served it"):
            estimate(POLICY, world, logged_by=Policy.single("large"))

    def test_without_any_they_are_estimated_and_said_to_be(self, world):
        """From the columns that decided, they come out about right."""
        found = estimate(POLICY, without(world, "propensity"))
        assert found.propensities == "estimated"
        assert any("Propensities are estimated" in line for line in found.assumptions)
        for metric, true in zip(METRICS, truth() * [1, 1000, 1, 1], strict=True):
            assert found.best[metric].value == pytest.approx(true, rel=0.15)

    @pytest.mark.parametrize(
        ("column", "match"),
        [
            ([0.0], "got 0 for request"),
            ([1.5], "got 1.5 for request"),
            ([None], "got nothing for request"),
            (["0.5"], "holds no numbers"),
        ],
    )
    def test_what_is_no_probability_is_refused(self, world, column, match):
        """The message names the first request."""
        rest: list[Any] = ["0.5"] * 1_999 if isinstance(column[0], str) else [0.5] * 1_999
        with pytest.raises(DataError, match=match):
            estimate(POLICY, having(world, propensity=column + rest))


@pytest.fixture(scope="module")
def gap(world) -> Dataset:
    """The log without the large model on code."""
    category = np.array(world.requests["category"].to_pylist())
    keep = np.flatnonzero((category != "code") | (logged_actions(world) != 0))
    names = ("observed", "quality", "cost_usd", "latency_s", "input_tokens", "output_tokens")
    parts = {name: getattr(world, name)[keep] for name in (*names, "error")}
    return dataclasses.replace(world, requests=world.requests.take(pa.array(keep)), **parts)


class TestSupport:
    """Where the log cannot speak."""

    def test_a_gap_is_refused_by_name(self, gap):
        """The slice, its size, the model, and what can be done."""
        with pytest.raises(SupportError, match=r"(?s)route code, category code .*'large'.*explore"):
            estimate(POLICY, gap)

    def test_the_rest_can_be_estimated(self, gap):
        """The result says which share of the requests it is about."""
        found = estimate(POLICY, gap, where_supported=True)
        category = np.array(gap.requests["category"].to_pylist())
        assert found.n == int((category != "code").sum()) < found.requests
        lacking = [one for one in found.overlap if not one.supported]
        assert [one.slice for one in lacking] == ["route code, category code"]
        assert lacking[0].lacking == ("large",)
        assert "that the log can speak for" in found.verdict
        assert any("are left out" in line for line in found.assumptions)

    def test_an_extrapolation_claims_nothing(self, gap):
        """The direct method alone, without an interval, and called what it is."""
        found = estimate(POLICY, gap, extrapolate=True)
        assert set(found.estimators) == {"dm"}
        assert all(math.isnan(e.low) and math.isnan(e.high) for e in found.best.values())
        assert found.verdict.startswith("Not an estimate but an extrapolation")

    def test_a_model_of_no_log_has_no_support(self, world):
        """What is live only was never seen."""
        policy = Policy.model_validate(
            {
                "policy": "p",
                "models": {"new": {"litellm": "x/new"}},
                "default": "main",
                "chains": {"main": {"steps": [{"model": "new"}]}},
            }
        )
        with pytest.raises(SupportError, match="a model that the log does not have"):
            estimate(policy, world)
        found = estimate(policy, world, extrapolate=True)
        assert math.isnan(found.best["quality"].value)

    def test_a_gap_that_hardly_matters_is_told_and_no_reason_to_refuse(self, world):
        """Three requests of two thousand cannot turn the answer."""
        category = np.array(world.requests["category"].to_pylist(), object)
        category[np.flatnonzero((logged_actions(world) != 0) & (category == "code"))[:3]] = "rare"
        data = POLICY.to_data()
        data["routes"].append(
            {"name": "rare", "when": {"category": {"eq": "rare"}}, "use": "strong"}
        )
        found = estimate(Policy.model_validate(data), having(world, category=category.tolist()))
        assert found.n == found.requests
        assert any("hardly overlaps" in line for line in found.assumptions)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Every outcome of 600 requests in three categories."""
    rng = np.random.default_rng(4)
    return log(rng.random((600, 2)).round(), rng.random((600, 2)), category=["x", "y", "z"] * 200)


@pytest.fixture(scope="module")
def rules() -> Policy:
    """Category x to a, all else to b."""
    return Policy.model_validate(
        {
            "policy": "rules",
            "models": {"a": {}, "b": {}},
            "routes": [{"name": "x", "when": {"category": {"eq": "x"}}, "use": "a"}],
            "default": "b",
            "chains": {m: {"steps": [{"model": m}]} for m in "ab"},
        }
    )


class TestNoChance:
    """A log in which nothing was left to chance."""

    @pytest.mark.parametrize("how", ["stated", "policy", "estimated"])
    def test_it_is_refused_however_it_is_known(self, data, rules, how):
        """A propensity of one is none, whether it is stated, follows from a policy, or shows."""
        served = sample_log(data, rules, explore=0.0)
        if how != "stated":
            served = without(served, "propensity")
        by = rules if how == "policy" else None
        with pytest.raises(SupportError, match=r"nothing was left to chance.*400 of 600"):
            estimate(Policy.single("b"), served, logged_by=by)
        found = estimate(Policy.single("b"), served, logged_by=by, where_supported=True)
        assert found.deterministic
        assert (found.n, found.recommended) == (400, "matched")
        matched = np.array(data.requests["category"].to_pylist()) != "x"
        assert values(found.best)[:2] == pytest.approx(
            [data.quality[matched, 1].mean(), 1000 * data.cost_usd[matched, 1].mean()]
        )
        assert found.best["quality"].low < found.best["quality"].value
        assert found.matched_share == pytest.approx(2 / 3)
        assert not {one.category for one in found.overlap if one.supported} & {"x"}

    def test_the_policy_that_made_it_is_its_plain_mean(self, data, rules):
        """Where the policy sends everything where it went, nothing is left out."""
        served = sample_log(data, rules, explore=0.0)
        found = estimate(rules, served)
        assert found.n == found.requests
        assert found.best["quality"].value == pytest.approx(found.logged["quality"].value)

    def test_a_log_of_one_model_is_one_too(self, data):
        """There is no other model that it could speak for."""
        served = without(sample_log(data, Policy.single("a"), explore=0.0), "propensity")
        with pytest.raises(SupportError, match="0 of 600"):
            estimate(Policy.single("b"), served)
        with pytest.raises(SupportError, match="0 of 600"):
            estimate(Policy.single("b"), served, where_supported=True)

    def test_a_log_that_names_one_model_is_no_complete_dataset(self, rules):
        """For a policy that asks others, too, it is a log in which nothing was left to chance."""
        category = ["x", "y", "z"] * 100
        data = log(np.random.default_rng(0).random((300, 1)).round(), category=category)
        with pytest.raises(SupportError, match=r"'a' served every request.*may also ask 'b'.*100"):
            estimate(rules, data)
        found = estimate(rules, data, where_supported=True)
        assert (found.n, found.recommended) == (100, "matched")
        x = np.array(category) == "x"
        assert found.best["quality"].value == pytest.approx(data.quality[x, 0].mean())
        assert found.assumptions[0].startswith("One model served every request of the log")
        with pytest.raises(SupportError, match="'a' served every request"):
            estimate_difference(Policy.single("a"), rules, data)
        with pytest.raises(DataError, match="nothing has to be estimated"):
            estimate(Policy.single("a"), data)

    def test_one_request_is_one_request(self, rules):
        """Also where there is no more."""
        data = log([[1.0]], category=["x"])
        text = estimate(rules, data).verdict
        assert text.startswith("On 1 logged request, rules would")


class TestDifference:
    """Two policies from one log."""

    def test_a_policy_does_not_differ_from_itself(self, world):
        """Every difference is exactly 0."""
        found = estimate_difference(POLICY, POLICY, world)
        assert values(found.differences) == [0, 0, 0, 0]
        assert "nothing that can be told" in found.verdict
        assert {d.changed for d in found.differences.values()} == {0}
        assert [row[-1] for row in found.rows] == ["same"] * 4

    def test_it_is_the_difference_of_the_estimates_and_surer(self, world):
        """What both have in common cancels."""
        other = Policy.model_validate({**POLICY.to_data(), "policy": "other", "routes": []})
        gap = estimate_difference(POLICY, other, world).differences
        one, two = estimate(POLICY, world).best, estimate(other, world).best
        for metric in METRICS:
            assert gap[metric].value == pytest.approx(one[metric].value - two[metric].value)
        width = {name: e["cost_usd_per_1k"].high - e["cost_usd_per_1k"].low for name, e in
                 (("gap", gap), ("one", one), ("two", two))}  # fmt: skip
        assert width["gap"] < math.hypot(width["one"], width["two"])
        assert gap["cost_usd_per_1k"].low > 0

    def test_it_is_judged_with_the_others(self, world):
        """Holm's p-value decides, and stands beside the difference's own."""
        found = estimate_difference(POLICY, Policy.single("small"), world)
        for d in found.differences.values():
            assert d.p <= d.p_adjusted <= min(4 * d.p, 1)
            assert (d.p < 0.05) == (d.low > 0 or d.high < 0)
            assert d.distinguishable == (d.p_adjusted < 0.025)
            assert d.value == pytest.approx(d.b - d.a)
        made = found.to_dict()["differences"]["cost_usd_per_1k"]
        assert {"p", "p_adjusted", "distinguishable"} <= set(made)
        assert any("Holm" in line for line in found.notes)

    def test_it_says_of_which_requests_it_is(self, gap):
        """The share of the traffic, the categories, and what the requests are worth."""
        found = estimate_difference(POLICY, Policy.single("small"), gap, where_supported=True)
        category = np.array(gap.requests["category"].to_pylist())
        assert found.n == int((category != "code").sum())
        assert {one.category: one.n for one in found.covered}["code"] == 0
        assert "all of " in found.verdict
        assert "none of code)" in found.verdict
        assert 0 < found.effective_sample_size < found.n
        assert any("the effective sample size" in line for line in found.notes)
        assert found.to_dict()["covered_share"] == found.n / found.requests

    def test_what_was_not_measured_is_told(self, world):
        """And is no difference."""
        cost = world.cost_usd.copy()
        cost[:, 0] = np.nan
        data = dataclasses.replace(world, cost_usd=cost)
        found = estimate_difference(POLICY, Policy.single("small"), data)
        assert math.isnan(found.differences["cost_usd_per_1k"].value)
        assert found.verdict.endswith("Not measured under both: cost per 1k.")

    def test_both_need_support(self, world):
        """The log must be able to speak for either."""
        category = ["x"] * 2_000
        data = having(world, category=category, propensity=[1.0] * 2_000)
        with pytest.raises(SupportError):
            estimate_difference(Policy.single("large"), Policy.single("small"), data)


class TestShown:
    """How a result shows itself."""

    def test_as_json(self, world):
        """Every key that programs read, and nothing that JSON does not have."""
        made = json.loads(json.dumps(estimate(POLICY, world).to_dict(), allow_nan=False))
        keys = """policy dataset n matched_share estimators recommended effective_sample_size
            weights overlap propensities deterministic extrapolated_share assumptions"""
        assert set(keys.split()) <= set(made)
        assert set(made["estimators"]["dr"]["quality"]) == {"value", "ci95", "n"}
        assert {"mean", "max", "share_below_1pct"} <= set(made["weights"])
        assert {"slice", "requests", "target_share", "supported"} <= set(made["overlap"][0])

    def test_names_are_text_in_a_notebook(self, world):
        """A policy may be called what it likes."""
        name = "<img src=x onerror=alert(1)>"
        policy = Policy.model_validate({**POLICY.to_data(), "policy": name})
        shown = estimate(policy, world)._repr_html_()
        assert name not in shown
        assert "&lt;img" in shown
        assert "simulated data" in shown

    def test_the_answer_comes_first_and_says_what_was_logged(self, world):
        """One sentence with the numbers, one with what they stand beside."""
        text = estimate(POLICY, world).verdict
        assert text.startswith("On 2,000 logged requests, tested would have had quality 0.")
        assert "What was logged had quality" in text

    def test_as_a_table(self, world):
        """One row per estimator and metric."""
        frame = estimate(POLICY, world).to_pandas()
        assert frame.shape[0] == 20
        assert frame.loc[("dr", "quality"), "low"] < frame.loc[("dr", "quality"), "value"]
