"""What a search is made of: the halves, the places, the space, a part of a replay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_logs import log
from toolkit.engine.replay import replay
from toolkit.errors import PolicyError
from toolkit.evaluate.search.part import part, rows_of
from toolkit.evaluate.search.space import space
from toolkit.evaluate.search.split import split
from toolkit.evaluate.search.suggested import some_requests
from toolkit.evaluate.search.tunables import Tunable, suggested, tunables
from toolkit.evaluate.tradeoffs.vary import variants
from toolkit.logs.datasets import Dataset, load_dataset
from toolkit.policy import list_policies, load_policy
from toolkit.policy.model import Policy
from toolkit.scenarios.arrivals import traffic

BUNDLED = [(name, "fleet" if name == "small_first" else "local") for name in list_policies()]
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


def requests(n: int, **columns) -> Dataset:
    """A log of two models whose requests have these columns."""
    data = log(np.ones((n, 2)))
    table = data.requests
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    return replace(data, requests=table)


def times(order) -> list[datetime]:
    """One moment for each number."""
    return [NOON + timedelta(seconds=float(i)) for i in order]


categories = st.lists(st.sampled_from("abcde"), min_size=40, max_size=120)


@given(categories, st.integers(0, 5))
def test_halves_share_nothing_and_have_the_same_mix(category, seed):
    """Every request is in one half; no category is more than one request off."""
    data = requests(len(category), category=category)
    halves = split(traffic(None, data), seed)
    assert sorted([*halves.tuning, *halves.held_out]) == list(range(len(category)))
    assert abs(len(halves.tuning) - len(halves.held_out)) <= len(set(category))
    for name in set(category):
        of = np.array(category) == name
        assert abs(of[halves.tuning].sum() - of[halves.held_out].sum()) <= 1
    assert not halves.by_time


@given(st.permutations(range(60)))
def test_the_earlier_tune_and_the_later_report(order):
    """In each category, whatever the order of the rows."""
    category = ["ab"[i % 2] for i in range(60)]
    halves = split(traffic(None, requests(60, category=category, timestamp=times(order))))
    when, kind = np.array(order), np.array(category)
    for name in "ab":
        tuning, held = (when[rows][kind[rows] == name] for rows in (halves.tuning, halves.held_out))
        assert tuning.max() < held.min()
    assert halves.by_time
    assert "the earlier tune, the later report" in halves.words


@given(st.lists(st.integers(0, 50), min_size=120, max_size=200), st.booleans())
def test_what_belongs_together_stays_on_one_side(users, timed):
    """A user whose requests tuned reports nothing."""
    users = [*range(50), *users]  # enough of them to halve
    columns = {"user": [f"u{i}" for i in users]}
    if timed:
        columns["timestamp"] = times(np.random.default_rng(0).permutation(len(users)))
    halves = split(traffic(None, requests(len(users), **columns)))
    owner = np.array(users)
    assert not set(owner[halves.tuning]) & set(owner[halves.held_out])
    assert halves.clustered_by == "user"
    # As even as whole users allow.
    assert abs(len(halves.tuning) - len(halves.held_out)) <= np.bincount(owner).max()


def test_another_seed_draws_other_halves_only_without_timestamps():
    """Time leaves nothing to chance."""
    plain, timed = requests(100), requests(100, timestamp=times(range(100)))
    drawn = [split(traffic(None, plain), seed).tuning.tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    turned = replace(plain, requests=plain.requests.take(np.arange(100)[::-1]))
    again = split(traffic(None, turned), 0).tuning
    assert sorted(99 - again) == drawn[0]  # the order of the rows decides nothing
    fixed = [split(traffic(None, timed), seed).tuning.tolist() for seed in (0, 1)]
    assert fixed[0] == fixed[1] == list(range(50))


@pytest.mark.parametrize(("name", "dataset"), BUNDLED)
def test_every_place_takes_every_value_it_offers(name, dataset):
    """Each alone makes a valid policy, and the current value lies within the range."""
    policy = load_policy(name)
    places = tunables(policy, load_dataset(dataset))
    assert len({place.path for place in places}) == len(places) > 0
    for place in places:
        assert place.words
        if place.kind == "choice":
            assert place.current in place.choices
            assert len(set(place.choices)) == len(place.choices) > 1
        else:
            assert place.low < place.high
            assert place.current is None or place.low <= place.current <= place.high
        for value in place.values(3):
            policy.with_value(place.path, value)


@pytest.mark.parametrize(("name", "dataset"), BUNDLED)
def test_what_is_suggested_can_be_swept(name, dataset):
    """At most three places, some dozens of policies, all of them valid."""
    policy, data = load_policy(name), load_dataset(dataset)
    places = suggested(policy, data)
    assert 1 <= len(places) <= 3
    found = variants(policy, places)
    assert 20 <= len(found) <= 130
    for one in (found[1], found[-1]):
        replay(one.policy, some_requests(data))


def split_policy() -> Policy:
    """Long prompts go to b, others by chance; limits of every kind."""
    return Policy.model_validate(
        {
            "policy": "limits",
            "models": {"a": {"breaker": {}}, "b": {}},
            "cache": {"kind": "semantic", "threshold": 0.95},
            "routes": [
                {
                    "name": "long",
                    "when": {"any": [{"tokens": {"gt": 50}}, {"not": {"score": {"lte": 0.5}}}]},
                    "use": "strong",
                },
                {
                    "name": "some",
                    "when": {"tokens": {"gte": 1}},
                    "split": [{"use": "cheap", "weight": 90}, {"use": "strong", "weight": 10}],
                },
            ],
            "default": "cheap",
            "chains": {
                "cheap": {
                    "deadline_s": 9,
                    "steps": [
                        {"model": "a", "timeout_s": 2, "retries": 1, "hedge": {"after_s": 1}},
                        {"model": "b"},
                    ],
                },
                "strong": {"steps": [{"model": "b"}]},
            },
        }
    )


def places_by_path() -> dict[str, Tunable]:
    """Those of `split_policy` on a log with its columns."""
    rng = np.random.default_rng(1)
    data = log(np.ones((200, 2)), latency_s=rng.gamma(2, 1, (200, 2)))
    table = data.requests.append_column("tokens", pa.array(np.arange(200)))
    table = table.append_column("score", pa.array(rng.random(200)))
    found = tunables(split_policy(), replace(data, requests=table))
    return {place.path: place for place in found}


def test_thresholds_move_between_the_quantiles_of_their_column():
    """Also inside any and not; whole numbers stay whole."""
    places = places_by_path()
    tokens = places["routes.0.when.any.0.tokens.gt"]
    assert (tokens.kind, tokens.low, tokens.high, tokens.current) == ("integer", 1, 198, 50)
    score = places["routes.0.when.any.1.not.score.lte"]
    assert score.kind == "number"
    assert 0 < score.low < 0.05
    assert 0.95 < score.high < 1


def test_every_kind_of_limit_is_a_place():
    """Weights, timeouts, deadlines, retries, waits, hedges, errors, cache and breakers."""
    paths = set(places_by_path())
    chain = "chains.cheap"
    assert {
        "routes.0.use",
        "routes.1.split.0.weight",
        "default",
        f"{chain}.deadline_s",
        f"{chain}.max_cost_usd",
        f"{chain}.fallback_on",
        f"{chain}.cache",
        f"{chain}.steps.0.model",
        f"{chain}.steps.0.timeout_s",
        f"{chain}.steps.0.retries",
        f"{chain}.steps.0.backoff_s",
        f"{chain}.steps.0.hedge.after_s",
        "cache.threshold",
        "cache.ttl_s",
        "models.a.breaker.failure_rate",
    } <= paths
    weight = places_by_path()["routes.1.split.0.weight"]
    shares = [w / (w + 10) for w in (weight.low, weight.high)]
    assert shares == pytest.approx([0.01, 0.99], abs=1e-3)


def test_parameters_and_changes_are_two_sides_of_one_thing():
    """The policy as it stands has no changes, and changes come back as they were."""
    policy, data = load_policy("small_first"), load_dataset("fleet")
    here = space(policy, data)
    assert here.changes(here.params({})) == {}
    rng = np.random.default_rng(0)
    for _ in range(50):
        wanted = here.changes(here.params(here.neighbour(rng)))
        again = here.changes(here.params(wanted))
        assert again.keys() == wanted.keys()
        for path, value in wanted.items():
            number = isinstance(value, float)
            assert again[path] == (pytest.approx(value, rel=0.01) if number else value)
        try:
            here.with_changes(wanted)
        except PolicyError:
            continue


def test_a_part_of_a_replay_is_judged_as_a_replay():
    """Its numbers, attempts and calls are those of its requests in the whole."""
    policy, data = load_policy("guarded"), load_dataset("local")
    whole = replay(policy, data)
    rows = np.flatnonzero(np.arange(data.n_requests) % 3 == 0)
    mine = part(whole, rows, rows_of(data, rows, "a third"))
    assert (mine.status == whole.status[rows]).all()
    attempts = whole.attempt_table.to_pandas()
    kept = attempts[attempts.request_ix.isin(rows)]
    found = mine.attempt_table.to_pandas()
    assert (rows[found.request_ix] == kept.request_ix.to_numpy()).all()
    assert np.allclose(found.latency_s, kept.latency_s, equal_nan=True)
    s = mine.summary()
    assert s.requests == len(rows)
    assert s.quality.value == pytest.approx(np.nanmean(whole.quality[rows]))
    assert sum(model.calls for model in s.by_model.values()) == len(kept)
    assert s.dataset == "a third"
    assert s.dataset_digest not in {"", data.digest}


def test_answers_go_with_their_requests():
    """The texts of a part are those of its rows."""
    data = load_dataset("local")
    rows = np.arange(5, data.n_requests, 7)
    some = rows_of(data, rows, "some")
    for i in (0, 3, len(rows) - 1):
        for model in data.models[:3]:
            assert some.answer(i, model) == data.answer(int(rows[i]), model)


def test_the_search_reads_the_example_policy_of_the_tests():
    """Requests where an unreadable answer says nothing have a chain of their own."""
    policy = load_policy(str(Path(__file__).with_name("bfcl_routes.yaml")))
    assert policy.chains["abstain"].fallback_on == ("timeout", "server_error")
