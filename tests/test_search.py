"""The search for a policy that meets the goals, and what it says of it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from tests.small_logs import log
from toolkit.engine.replay import replay
from toolkit.errors import DataError, PolicyError
from toolkit.evaluate.search.search import Search, search
from toolkit.evaluate.verdict import told
from toolkit.logs.datasets import Dataset
from toolkit.policy import parse_policy
from toolkit.policy.model import Policy

TRIALS = 150


def world(n: int = 600, seed: int = 0, **values) -> Dataset:
    """Three models: a is cheap and good at x alone, b is good at both and dear, c is neither."""
    rng = np.random.default_rng(seed)
    category = np.where(np.arange(n) % 2, "x", "y")
    skill = np.where((category == "x")[:, None], [0.95, 0.95, 0.3], [0.3, 0.95, 0.3])
    given = {
        "quality": (rng.random((n, 3)) < skill).astype(float),
        "cost_usd": np.array([0.001, 0.010, 0.020]) * rng.uniform(0.9, 1.1, (n, 1)),
        "latency_s": rng.gamma(4, 0.25, (n, 3)),
        "category": category.tolist(),
        "digest": "d" * 64,
    }
    return log(**(given | values))


def routed(first: str = "b", then: str = "b", goals=None) -> Policy:
    """Requests of category x have a chain of their own."""
    return Policy.model_validate(
        {
            "policy": "routed",
            "goals": goals or {},
            "models": {"a": {}, "b": {}, "c": {}},
            "routes": [{"name": "of x", "when": {"category": {"eq": "x"}}, "use": "for_x"}],
            "default": "others",
            "chains": {
                "for_x": {"steps": [{"model": first}]},
                "others": {"steps": [{"model": then}]},
            },
        }
    )


GOALS = {"quality": {"min": 0.85}}


@pytest.fixture(scope="module")
def found() -> Search:
    """A search from the dear model everywhere."""
    return search(routed(goals=GOALS), world(), trials=TRIALS)


def test_the_cheapest_policy_within_the_goals_is_found(found):
    """Each kind of request goes to the cheapest model that is good at it."""
    best = found["cheapest"].policy
    assert [step.model for step in best.chains["for_x"].steps] == ["a"]
    assert [step.model for step in best.chains["others"].steps] == ["b"]
    assert found["cheapest"].changes[0][:3] == ("chains.for_x.steps.0.model", "b", "a")
    assert len(found["cheapest"].changes) == 1
    assert (found.trials, found.ending) == (TRIALS, "trials")
    assert any(
        "it ended as so many trials had been asked for" in line for line in found.assumptions
    )


def test_its_numbers_are_means_over_either_half(found):
    """Tuned and held-out quality and cost, by hand from the log and the halves."""
    data = world()
    x = np.array(data.requests["category"].to_pylist()) == "x"
    quality = np.where(x, data.quality[:, 0], data.quality[:, 1])
    cost = np.where(x, data.cost_usd[:, 0], data.cost_usd[:, 1])
    one = found["cheapest"]
    for rows, part in ((found.split.tuning, one.tuned), (found.split.held_out, one.held_out)):
        assert part.quality.value == pytest.approx(quality[rows].mean())
        assert part.cost_usd_per_1k.value == pytest.approx(1000 * cost[rows].mean())
        assert part.quality.low < part.quality.value < part.quality.high
        assert part.requests == part.quality.n == len(rows)
    gap = quality[found.split.tuning].mean() - quality[found.split.held_out].mean()
    assert one.optimism["quality"].value == pytest.approx(gap)
    assert one.optimism["quality"].low < gap < one.optimism["quality"].high


def test_it_is_compared_on_the_held_out_half_alone(found):
    """With the policy as it stands, and with the single model that was best where it was tuned."""
    data, rows = world(), found.split.held_out
    x = np.array(data.requests["category"].to_pylist())[rows] == "x"
    a, b = data.quality[rows, 0], data.quality[rows, 1]
    gain = np.where(x, a - b, 0.0)
    one = found["cheapest"]
    assert one.gain.quality.value == pytest.approx(gain.mean())
    assert one.gain.paired == len(rows)
    means = data.quality[found.split.tuning].mean(axis=0)
    assert found.single.policy.policy == "abc"[int(means.argmax())] == "b"
    assert found.single.held_out.quality.value == pytest.approx(b.mean())
    assert one.against_single.cost_usd_per_1k.distinguishable
    assert "on the held-out requests" in found.verdict
    cheaper = told("cost_usd_per_1k", one.gain.cost_usd_per_1k)
    assert f"Against routed as it stands it is {cheaper}" in found.verdict


def test_the_same_seed_finds_the_same(found):
    """Trials decide how long, and every draw is keyed."""
    again = search(routed(goals=GOALS), world(), trials=TRIALS)
    first, second = found.to_dict(), again.to_dict()
    for result in (first, second):
        result.pop("seconds")
        result["assumptions"].pop(1)
    assert first == second


def test_the_result_is_json_and_each_policy_loads_again(found):
    """Undefined is null, and what is written is a valid policy of a name of its own."""
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["candidates"][0]["kind"] == "cheapest"
    for one, shown in zip(found.candidates, data["candidates"], strict=True):
        assert parse_policy(shown["yaml"]) == one.policy
        assert one.policy.policy == f"routed-{one.kind}"
        assert one.policy.goals == routed(goals=GOALS).goals
    assert set(found.to_pandas().index.get_level_values("part")) == {"tuned", "held out"}
    assert "<script" not in found._repr_html_()


def test_goals_that_nothing_meets_are_said_so():
    """The closest is shown with its numbers."""
    hard = {"quality": {"min": 0.94}, "cost_usd_per_1k": {"max": 1.5}}
    none = search(routed(goals=hard), world(), trials=TRIALS)
    assert none.feasible == 0
    assert [one.kind for one in none.candidates] == ["closest"]
    assert none.verdict.startswith("None of ")
    assert "The closest" in none.verdict
    assert not none.candidates[0].holds


def test_without_goals_quality_may_not_fall():
    """What is searched for is then the same quality for less, and that is said."""
    free = search(routed(), world(), trials=TRIALS)
    for one in free.candidates:
        assert one.tuned.quality.value >= free.start.tuned.quality.value
    assert any("has no goals" in line for line in free.assumptions)
    assert "the cheapest that is no worse than the policy as it stands where it was" in free.verdict
    assert "Its goals on the held-out requests" not in free.verdict
    assert "Against routed as it stands it is cheaper by $" in free.verdict


def test_goals_against_a_baseline_are_against_the_policy_as_it_stands():
    """For instance: at most two points worse at half the cost."""
    goals = {"quality": {"min_change": -0.05}, "cost_usd_per_1k": {"max_ratio": 0.7}}
    some = search(routed(goals=goals), world(), trials=TRIALS)
    one = some["cheapest"]
    ratio = one.held_out.cost_usd_per_1k.value / some.start.held_out.cost_usd_per_1k.value
    kinds = {goal.kind: goal for goal in one.goals_held_out}
    assert kinds["ratio"].value == pytest.approx(ratio)
    assert kinds["ratio"].met
    assert kinds["change"].value == pytest.approx(one.gain.quality.value)
    assert f"ratio of cost per 1k {kinds['ratio'].measured}" in some.verdict


def test_what_nobody_measured_does_not_pass_for_cheap():
    """A model without a known cost is no bargain."""
    cost = np.array([[np.nan, 0.010, 0.020]])
    some = search(routed(goals=GOALS), world(cost_usd=cost), trials=TRIALS)
    for one in some.candidates:
        assert one.tuned.cost_usd_per_1k.share == 1
        assert all(step.model != "a" for c in one.policy.chains.values() for step in c.steps)


def test_where_no_cost_is_known_latency_is_the_price():
    """The search then trades quality for time."""
    latency = np.array([[0.1, 1.0, 2.0]])
    some = search(routed(goals=GOALS), world(cost_usd=np.nan, latency_s=latency), trials=TRIALS)
    assert some["cheapest"].policy.chains["for_x"].steps[0].model == "a"
    assert some.to_dict()["candidates"][0]["tuned"]["cost_usd_per_1k"] is None
    assert "held-out requests, at an unknown cost" in some.verdict
    assert "costs –" not in some.verdict


def test_luck_shows_where_nothing_can_be_gained():
    """On pure noise the best of many looks better where it was chosen, and held out does not."""
    gap, net = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        category = [f"c{i % 8}" for i in range(240)]
        noise = log((rng.random((240, 4)) < 0.5).astype(float), category=category)
        policy = Policy.model_validate(
            {
                "policy": "noise",
                "models": {name: {} for name in "abcd"},
                "routes": [
                    {"name": f"r{i}", "when": {"category": {"eq": f"c{i}"}}, "use": f"k{i}"}
                    for i in range(7)
                ],
                "default": "k7",
                "chains": {f"k{i}": {"steps": [{"model": "a"}]} for i in range(8)},
            }
        )
        one = search(policy, noise, trials=120, seed=seed).candidates[-1]
        gap.append(one.lost["quality"].value)
        net.append(one.gain.quality.value)
    assert np.mean(gap) > 0.05  # points of luck on 120 requests in 8 rules
    assert abs(np.mean(net)) < 0.04


def test_only_and_fixed_restrict_the_places():
    """By path, or by what paths begin with; an unknown one is told with what there is."""
    policy, data = routed(goals=GOALS), world()
    some = search(policy, data, trials=40, only="chains.others")
    changed = {c.path for one in some.candidates for c in one.changes}
    assert all(path.startswith("chains.others") for path in changed)
    rest = search(policy, data, trials=40, fixed=["chains.for_x.steps.0.model"])
    assert "chains.for_x.steps.0.model" not in {c.path for o in rest.candidates for c in o.changes}
    with pytest.raises(PolicyError, match=r"chains\.fast: is no place that can be tuned"):
        search(policy, data, trials=5, only=["chains.fast"])
    with pytest.raises(DataError, match="is left to be varied"):
        search(policy, data, trials=5, fixed=["chains", "routes", "default"])


def test_progress_is_told_and_may_stop_the_work():
    """Whatever it raises is raised, at once."""
    seen = []

    class StopError(Exception):
        """Raised by who no longer wants it."""

    def stop(done: int, of: int) -> None:
        seen.append((done, of))
        if done == 7:
            raise StopError

    with pytest.raises(StopError):
        search(routed(goals=GOALS), world(), trials=50, progress=stop)
    assert seen == [(i, 50) for i in range(1, 8)]


def test_an_interrupt_returns_what_was_found_so_far():
    """As Ctrl-C does on a terminal."""

    def interrupt(done: int, of: int) -> None:
        if done == 30:
            raise KeyboardInterrupt

    some = search(routed(goals=GOALS), world(), trials=500, progress=interrupt)
    assert some.ending == "interrupted"
    assert some.trials < 31
    assert some.candidates
    assert any("stopped early" in line for line in some.assumptions)


def test_a_budget_of_time_is_kept():
    """The trials end with the time."""
    some = search(routed(goals=GOALS), world(), 1.0)
    assert some.ending in {"budget", "exhausted"}
    assert some.seconds < 15  # other work on the machine included


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quality": np.full((600, 3), np.nan)}, "has no grades"),
        ({"observed": np.eye(3, dtype=bool)[np.arange(600) % 3]}, "one model's answer"),
    ],
)
def test_a_log_that_cannot_tell_is_refused(change, message):
    """Without grades, or with one model's answer to each request."""
    with pytest.raises(DataError, match=message):
        search(routed(goals=GOALS), world(**change), trials=5)


def test_wrong_budgets_are_refused():
    """With what is allowed."""
    with pytest.raises(DataError, match="more than 0"):
        search(routed(), world(), 0)
    with pytest.raises(DataError, match="1 or more"):
        search(routed(), world(), trials=0)
    with pytest.raises(DataError, match="too few to tune"):
        search(routed(), world(20), trials=5)
    with pytest.raises(DataError, match="trials; got '5'; allowed: 1 or more"):
        search(routed(), world(), trials="5")
    with pytest.raises(DataError, match="got '60s' s; allowed: more than 0"):
        search(routed(), world(), "60s")


def test_what_is_no_policy_or_no_dataset_is_told():
    """With what gives one."""
    with pytest.raises(
        PolicyError, match="a search needs a policy; got 'tiered'; allowed: what lo"
    ):
        search("tiered", world(), trials=5)
    with pytest.raises(DataError, match="a search needs a dataset; got None"):
        search(routed(), None, trials=5)
    with pytest.raises(DataError, match="places: cannot be read; got 5; allowed: dotted keys"):
        search(routed(), world(), trials=5, only=5)


def test_chains_told_not_to_go_on_after_an_error_get_no_such_requests():
    """Where invalid_output says nothing, no requests are sent to where it leads on."""
    from toolkit.evaluate.search.tunables import tunables

    data = routed().to_data()
    data["chains"]["for_x"] |= {
        "fallback_on": ["timeout"],
        "steps": [{"model": "b"}, {"model": "a"}],
    }
    data["chains"]["others"]["steps"] = [{"model": "a"}, {"model": "b"}]
    policy = Policy.model_validate(data)
    places = {place.path: place for place in tunables(policy, world())}
    assert "routes.0.use" not in places
    assert "chains.for_x.fallback_on" not in places
    assert "chains.others.fallback_on" in places
    assert places["default"].choices == ("for_x", "others")


def test_optuna_is_as_talkative_afterwards_as_before():
    """The search keeps it quiet for itself alone."""
    import optuna

    before = optuna.logging.get_verbosity()
    search(routed(goals=GOALS), world(), trials=120)
    assert optuna.logging.get_verbosity() == before


def test_hostile_names_stay_text():
    """In HTML and in what is written."""
    name = "<script>alert(1)</script>"
    policy = routed(goals=GOALS).with_value("policy", name)
    some = search(policy, world(), trials=40)
    assert "<script>" not in some._repr_html_()
    assert some.candidates[0].policy.policy.startswith(name)


def test_stateful_policies_meet_the_whole_traffic():
    """A cache is filled by all requests; only what is read off is of one half."""
    data = world()
    prompts = pa.array([f"q{i // 4}" for i in range(600)])
    requests = data.requests.append_column("prompt", prompts)
    from dataclasses import replace

    data = replace(data, requests=requests)
    policy = routed(goals=GOALS).with_value("cache", {"kind": "exact", "key": ["prompt"]})
    some = search(policy, data, trials=60)
    whole = replay(policy, data)
    assert some.start.held_out.cache_hit_rate == pytest.approx(
        whole.cached[some.split.held_out].mean()
    )
    assert some.start.held_out.cost_usd_per_1k.value == pytest.approx(
        1000 * whole.cost_usd[some.split.held_out].mean()
    )
