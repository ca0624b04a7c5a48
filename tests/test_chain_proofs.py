"""Worst cases, reach and errors of chains against closed forms worked out by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import MODELS, policies
from toolkit.errors import PolicyError
from toolkit.policy import Policy, worst_case
from toolkit.policy.check import check
from toolkit.policy.reach import unreachable_steps
from toolkit.policy.worst import most_extra_calls
from toolkit.schema import ERROR_LABELS

COSTS = {"small": 0.01, "large": 0.1, "tool": 0.001}
SORRY = {"degrade": "message", "text": "Sorry.", "latency_s": 0.1, "cost_usd": 0.002}
STALE = {"degrade": "stale_cache"}


def ask(model: str = "small", **more: Any) -> dict[str, Any]:
    """A step that asks a model for up to 4 s."""
    return {"model": model, "timeout_s": 4, **more}


def policy_of(
    *steps: dict, chain: dict | None = None, models: dict | None = None, **more
) -> Policy:
    """A policy with one chain of these steps."""
    names = {name: {} for name in COSTS}
    return Policy.model_validate(
        {
            "policy": "p",
            "models": names | (models or {}),
            "default": "main",
            "chains": {"main": {"steps": list(steps)} | (chain or {})},
            **more,
        }
    )


def proof_of(policy: Policy) -> dict[str, Any]:
    """What `check` says of the chain, as JSON."""
    return check(policy).to_dict()["chains"]["main"]


def worst(policy: Policy):
    """The worst case of the chain."""
    return worst_case(policy, "main", COSTS)


def test_hedge_doubles_calls_and_lasts_as_long_after_its_start():
    """Each attempt may be two calls; the second has its own timeout from when it starts."""
    policy = policy_of(ask(retries=1, backoff_s=0.5, hedge={"after_s": 1, "model": "large"}))
    found = worst(policy)
    assert found.attempts == (1 + 1) * 2
    assert found.seconds_unasked == pytest.approx(2 * (1 + 4) + 0.5)
    assert found.usd == pytest.approx(2 * (0.01 + 0.1))


@pytest.mark.parametrize(
    ("hedge_s", "chain", "more"),
    [
        (4, {}, {}),
        (5, {}, {}),
        (3, {"deadline_s": 3}, {}),
        (1, {}, {"retry_budget": {"share": 0, "min_retries": 0}}),
        (
            1,
            {},
            {
                "retry_budget": {"share": 0.1, "min_retries": 0},
                "shedding": {"max_in_progress": 9},
            },
        ),
    ],
)
def test_hedge_that_never_starts_counts_for_nothing(hedge_s, chain, more):
    """After the timeout or the deadline, or with a budget that grants none, no second call is."""
    policy = policy_of(ask(hedge={"after_s": hedge_s}), chain=chain, **more)
    assert worst(policy).attempts == 1
    assert worst(policy).seconds == min(4, chain.get("deadline_s", 4))
    assert worst(policy).usd == pytest.approx(0.01)


def test_hedge_without_timeout_is_bounded_by_the_deadline():
    """The deadline holds for second calls too."""
    step = {"model": "small", "hedge": {"after_s": 1}}
    assert worst(policy_of(step)).seconds == math.inf
    assert worst(policy_of(step, chain={"deadline_s": 7})).seconds == 7


@pytest.mark.parametrize(
    ("budget", "shedding", "most"),
    [
        (None, None, math.inf),
        ({}, None, math.inf),
        ({"share": 0, "min_retries": 3}, None, 3),
        ({"share": 0.2, "min_retries": 3}, {"max_in_progress": 10}, 3),
        ({"share": 0.2, "min_retries": 3}, {"max_in_progress": 24}, 4),
        (
            {"share": 0.2, "min_retries": 3},
            {"max_in_progress": 24, "priority_by": "tier", "limits": {"gold": 50}},
            10,
        ),
        ({"share": 0.2, "min_retries": 0}, {"max_in_progress": 4}, 0),
    ],
)
def test_retry_budget_bounds_extra_calls_under_way(budget, shedding, most):
    """The larger of the floor and the share of the most requests that may be in progress."""
    given_parts = {"retry_budget": budget, "shedding": shedding}
    parts = {key: value for key, value in given_parts.items() if value is not None}
    policy = policy_of(ask(retries=1), **parts)
    assert most_extra_calls(policy) == most
    found = check(policy).to_dict()["retry_budget"]
    if budget is None:
        assert found is None
    else:
        assert found["most_extra_calls"] == (most if math.isfinite(most) else None)
    assert worst(policy).attempts == (1 if most == 0 else 2)


def test_retry_after_is_unbounded_without_a_deadline():
    """A provider may ask for any wait; only a deadline, or not retrying on it, bounds that."""
    policy = policy_of(ask(retries=2, backoff_s=1))
    assert worst(policy).seconds == math.inf
    assert worst(policy).seconds_unasked == 3 * 4 + 1 + 2
    assert worst(policy).terminates
    assert worst(policy).note.startswith("15 s, and any wait that a provider asks for")
    found = proof_of(policy)
    assert found["worst_case_s"] is None
    assert found["worst_case_s_without_retry_after"] == 15
    assert any("Retry-After" in sentence for sentence in found["not_proved"])
    assert worst(policy.with_value("chains.main.deadline_s", 9)).seconds == 9
    assert worst(policy.with_value("chains.main.retry_on", ["timeout"])).seconds == 15
    assert worst(policy.with_value("chains.main.steps.0.retries", 0)).seconds == 4


def test_look_ups_take_time_and_money_even_after_the_deadline():
    """One look-up at the start, and one per stale step whatever the clock says."""
    cache = {"latency_s": 0.5, "cost_usd": 0.003, "stale_if_error_s": 60}
    policy = policy_of(ask(), STALE, ask("large"), STALE, SORRY, cache=cache)
    assert worst(policy).seconds == pytest.approx(0.5 + 4 + 0.5 + 4 + 0.5 + 0.1)
    assert worst(policy).usd == pytest.approx(3 * 0.003 + 0.01 + 0.1 + 0.002)
    late = policy.with_value("chains.main.deadline_s", 6)
    assert worst(late).seconds == pytest.approx(6 + 0.5 + 0.1)
    early = policy.with_value("chains.main.deadline_s", 4.5)
    assert worst(early).seconds == pytest.approx(4.5 + 2 * 0.5 + 0.1)
    without = policy.with_value("chains.main.cache", False)
    assert worst(without).seconds == pytest.approx(4 + 4 + 0.1)
    assert worst(without).usd == pytest.approx(0.01 + 0.1 + 0.002)


def test_cost_limit_is_passed_by_a_call_and_its_hedge():
    """Both may be under way when the limit is reached; look-ups and the message come on top."""
    cache = {"cost_usd": 0.003}
    step = ask("large", retries=5, hedge={"after_s": 1, "model": "tool"})
    policy = policy_of(step, STALE, SORRY, chain={"max_cost_usd": 0.05}, cache=cache)
    assert worst(policy).usd == pytest.approx(0.05 + 0.1 + 0.001 + 0.003 + 0.002)
    # Where all calls together cost less than that, their sum is the bound.
    few = policy.with_value("chains.main.max_cost_usd", 5)
    assert worst(few).usd == pytest.approx(6 * (0.1 + 0.001) + 2 * 0.003 + 0.002)


def test_look_up_that_costs_or_lasts_too_long_leaves_no_model():
    """No model is asked where the look-up alone uses up the money or the time."""
    dear = policy_of(ask(), SORRY, chain={"max_cost_usd": 0.01}, cache={"cost_usd": 0.01})
    assert unreachable_steps(dear, "main") == {
        0: "the look-up in the cache costs all of max_cost_usd"
    }
    assert worst(dear).attempts == 0
    assert worst(dear).usd == pytest.approx(0.01 + 0.002)
    slow = policy_of(ask(), SORRY, chain={"deadline_s": 2}, cache={"latency_s": 2})
    assert list(unreachable_steps(slow, "main")) == [0]
    assert worst(slow).seconds == pytest.approx(2.1)


BREAKER = {"models": {"small": {"breaker": {}}}}
LIMITS = {"models": {"small": {"limits": {"concurrency": 1}}}}
WINDOW = {"models": {"small": {"context_window_tokens": 10}}}
TOOLS = {"requires": {"tools": {"n": {"gt": 1}}}, "models": {"small": {"supports": []}}}
NEVER = {"fallback_on": []}


@pytest.mark.parametrize(
    ("steps", "chain", "more", "unreachable"),
    [
        ([ask(), ask("large"), SORRY], {}, {}, []),
        ([ask(), ask("large"), SORRY], NEVER, {}, [1, 2]),
        # Time or money may be used up before a retry, so that only the message is left.
        ([ask(retries=1), ask("large"), SORRY], NEVER | {"deadline_s": 9}, {}, [1]),
        ([ask(), ask("large"), SORRY], NEVER | {"deadline_s": 9}, {}, [1, 2]),
        ([ask(), ask("large"), SORRY], NEVER | {"max_cost_usd": 1}, {}, [1, 2]),
        # Who is turned away passes by the models.
        ([ask(), ask("large"), SORRY], NEVER, {"shedding": {"max_in_progress": 1}}, [1]),
        # A model that may be skipped leads on without an error.
        ([ask(), ask("large"), ask("tool"), SORRY], NEVER, BREAKER, [2, 3]),
        ([ask(), ask("large"), SORRY], NEVER, LIMITS, [2]),
        ([ask(), ask("large"), SORRY], NEVER, WINDOW, [2]),
        ([ask(), ask("large"), SORRY], NEVER, TOOLS, [2]),
        ([ask(), ask("large"), SORRY], NEVER, {"daily_cost_usd": 1}, []),
        ([ask(), STALE, ask("large")], {"cache": False}, {"cache": {}}, [1]),
        ([STALE, ask(), SORRY], NEVER, {"cache": {}}, [2]),
    ],
)
def test_which_steps_no_request_comes_to(steps, chain, more, unreachable):
    """Only an error that falls back, a skipped model or a limit leads past a step."""
    policy = policy_of(*steps, chain=chain, **more)
    assert list(unreachable_steps(policy, "main")) == unreachable
    found = proof_of(policy)["steps"]
    assert [step["step"] for step in found if not step["reachable"]] == unreachable
    assert all((step["why_unreachable"] is None) == step["reachable"] for step in found)


def test_errors_that_no_step_handles():
    """By default two errors are nobody's; after the last model every error is the end."""
    found = proof_of(policy_of(ask(retries=1), ask("large")))
    assert found["unhandled_errors"] == ["bad_request", "cancelled"]
    assert found["steps"][0]["unhandled_errors"] == ["bad_request", "cancelled"]
    assert found["steps"][1]["unhandled_errors"] == list(ERROR_LABELS)
    assert set(found["errors_after_last_step"]) == set(ERROR_LABELS) - {"bad_request", "cancelled"}
    assert found["ends_without_answer"] is True
    assert found["ends_in_errors"] == list(ERROR_LABELS)


def test_errors_with_a_message_at_the_end():
    """A message takes what falls back; what does not still ends in an error."""
    policy = policy_of(ask(retries=1), SORRY)
    found = proof_of(policy)
    assert found["errors_after_last_step"] == []
    assert found["ends_in_errors"] == ["bad_request", "cancelled"]
    silent = policy.with_value("chains.main.fallback_on", list(ERROR_LABELS))
    assert proof_of(silent)["ends_without_answer"] is False
    assert proof_of(silent)["unhandled_errors"] == []
    last = policy.with_value("chains.main.fallback_on", ["timeout"])
    assert "server_error" in proof_of(last)["steps"][0]["errors_after_retries"]
    assert "timeout" not in proof_of(last)["ends_in_errors"]


def test_machine_may_pass_the_last_step_without_a_call():
    """Open breakers, limits, shedding, money, time and capabilities end a chain without a call."""
    models = {"small": {"breaker": {}, "limits": {"concurrency": 1}, "supports": []}}
    policy = policy_of(
        ask(),
        chain={"deadline_s": 9, "max_cost_usd": 1, "fallback_on": []},
        models=models,
        requires={"tools": {"n": {"gt": 1}}},
        shedding={"max_in_progress": 5},
    )
    wanted = {"timeout", "rate_limited", "budget", "breaker_open", "shed", "unsupported"}
    assert set(proof_of(policy)["errors_after_last_step"]) == wanted


def test_one_provider_behind_several_steps():
    """Stated providers and LiteLLM's prefixes are the same word; unknown ones are not guessed."""
    models = {
        "small": {"litellm": "openai/gpt-4o-mini"},
        "large": {"provider": "openai"},
        "tool": {"litellm": "anthropic/claude"},
    }
    steps = (ask(), ask("tool"), ask("large"), SORRY)
    found = check(policy_of(*steps, models=models))
    assert found.to_dict()["chains"]["main"]["shared_providers"] == [
        {"provider": "openai", "models": ["small", "large"], "steps": [0, 2]}
    ]
    assert "one outage of its provider takes steps 0 and 2" in str(found.risks[0])
    unknown = proof_of(policy_of(*steps))
    assert unknown["shared_providers"] == []
    assert any("'small', 'tool', 'large' is not" in one for one in unknown["not_proved"])
    same = proof_of(policy_of(ask(), ask("small"), SORRY))
    assert same["shared_providers"] == [{"provider": None, "models": ["small"], "steps": [0, 1]}]


def test_amplification_is_the_number_of_calls_when_all_fail():
    """Each step adds (1 + retries) × (1 + hedge); the first model may be asked again later."""
    policy = policy_of(
        ask(retries=2),
        ask("large", retries=1, hedge={"after_s": 1, "model": "small"}),
        ask("tool"),
    )
    found = proof_of(policy)
    assert found["amplification"] == found["worst_case_attempts"] == 3 + 4 + 1
    assert found["first_failure_amplification"] == 3 + 2
    assert [step["worst_case_attempts"] for step in found["steps"]] == [3, 4, 1]


def two_routes(**more) -> Policy:
    """Tools for a model that can, long prompts for one that takes them, and the rest."""
    return Policy.model_validate(
        {
            "policy": "p",
            "models": {
                "small": {"supports": [], "context_window_tokens": 100},
                "large": {"supports": ["tools"]},
            },
            "requires": {"tools": {"tools": {"exists": True}}},
            "routes": [
                {"name": "tools", "when": {"tools": {"eq": "a"}}, "use": "both"},
                {"name": "long", "when": {"input_tokens": {"gt": 100}}, "use": "both"},
                {
                    "name": "half",
                    "when": {"input_tokens": {"gt": 50}},
                    "split": [{"use": "both", "weight": 1}, {"use": "one", "weight": 1}],
                },
            ],
            "default": "one",
            "chains": {
                "both": {"steps": [ask(), ask("large"), SORRY]},
                "one": {"steps": [ask(), SORRY]},
            },
        }
        | more
    )


def test_routes_lead_to_the_worst_of_their_chains():
    """A rule's requests may be known to skip a step; the others take the worst chain."""
    found = check(two_routes(), None, COSTS).to_dict()["routes"]
    assert list(found) == ["tools", "long", "half", "default"]
    assert found["tools"]["worst_case_attempts"] == 1
    assert found["tools"]["worst_case_s"] == pytest.approx(4.1)
    assert found["tools"]["worst_case_usd"] == pytest.approx(0.102)
    assert found["tools"]["skipped_steps"] == [
        {
            "chain": "both",
            "step": 0,
            "why": "all requests that come here need 'tools', which it does not support",
        }
    ]
    assert "longer than its 100 tokens" in found["long"]["skipped_steps"][0]["why"]
    assert found["half"]["chains"] == ["both", "one"]
    assert found["half"]["worst_case_attempts"] == 2
    assert found["half"]["skipped_steps"] == []
    assert found["default"]["chains"] == ["one"]
    assert found["default"]["worst_case_attempts"] == 1


def test_step_that_every_route_skips_is_unreachable():
    """A step is reached as long as one route leads requests there that its model takes."""
    policy = two_routes()
    assert check(policy).to_dict()["chains"]["both"]["steps"][0]["reachable"]
    routes = policy.to_data()["routes"][:2]
    found = check(two_routes(routes=routes)).to_dict()["chains"]["both"]
    assert not found["steps"][0]["reachable"]
    assert found["worst_case_attempts"] == 1


def test_capability_that_no_step_has():
    """A chain is told of requests that it cannot serve, unless a rule takes them before."""
    assert check(two_routes()).to_dict()["chains"]["one"]["unsupported"] == ["tools"]
    routes = [{"name": "tools", "when": {"tools": {"exists": True}}, "use": "both"}]
    assert check(two_routes(routes=routes)).to_dict()["chains"]["one"]["unsupported"] == []


@pytest.mark.parametrize(
    ("steps", "more", "warning"),
    [
        (
            [ask(hedge={"after_s": 4}), SORRY],
            {"retry_budget": {}},
            (
                "chains.main.steps.0.hedge.after_s: no second call is ever sent: the first is "
                "given up by then; got 4 s; allowed: less than 4 s (timeout_s)"
            ),
        ),
        (
            [ask(), STALE, SORRY],
            {"cache": {}},
            (
                "chains.main.steps.1: finds only what others stored since the request came; got "
                "cache.stale_if_error_s 0; allowed: cache: {stale_if_error_s: 86400}, for example"
            ),
        ),
        (
            [ask(retries=1), SORRY],
            {"retry_budget": {"share": 0, "min_retries": 0}},
            (
                "retry_budget: lets no retry and no second call through, though steps have them; "
                "allowed: min_retries 1 or more"
            ),
        ),
        (
            [ask(), SORRY],
            {"requires": {"tools": {"n": {"gt": 1}}}},
            (
                "requires: has no effect: no model says what it supports, so each supports "
                "everything; allowed: models with supports"
            ),
        ),
        (
            [ask(), SORRY],
            TOOLS | {"requires": {"tools": {"n": {"gt": 1, "lt": 1}}}},
            "requires.tools: no request can need this: its tests contradict each other",
        ),
        (
            [ask(), SORRY],
            {
                "models": {
                    "small": {
                        "limits": {"requests_per_min": 60, "burst_s": 2},
                        "breaker": {"window_s": 10, "min_calls": 17},
                    }
                }
            },
            # 2 at once, and 1 a second while the window of 10 s and a call of 4 s last.
            (
                "models.small.breaker.min_calls: the breaker never opens: the limits let fewer "
                "calls into its window; got 17 calls, and at most 16 in 10 s; allowed: 16 or less"
            ),
        ),
    ],
)
def test_parts_without_effect_are_warned_of(steps, more, warning):
    """What cannot do what it was written for is told, with what would."""
    policy = policy_of(*steps, **more)
    found = [str(one) for one in check(policy).warnings if "no step asks" not in str(one)]
    assert found == [warning]


def test_breaker_that_can_open_is_not_warned_of():
    """As many calls as the limits let through are enough."""
    model = {"limits": {"requests_per_min": 60, "burst_s": 2}}
    model["breaker"] = {"window_s": 10, "min_calls": 16}
    assert not [one for one in check(policy_of(ask(), models={"small": model})).warnings
                if "breaker" in one.where]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "more", "risks"),
    [
        ([ask(), SORRY], {}, []),
        ([ask(), ask("large"), ask("tool"), SORRY], {}, []),
        ([ask()], {}, ["can end without an answer"]),
        ([ask(retries=2), SORRY], {}, ["when all fails, each request makes up to 3 calls"]),
        ([ask(retries=2), SORRY], {"retry_budget": {}}, []),
        ([ask(retries=2), SORRY], BREAKER, []),
        ([ask(hedge={"after_s": 1}), SORRY], {}, ["second calls double the load"]),
        ([ask(hedge={"after_s": 1}), SORRY], {"retry_budget": {}}, []),
        ([ask(), SORRY], TOOLS, ["no step can take requests that need 'tools'"]),
    ],
)
def test_what_a_bad_day_would_find_weak(steps, more, risks):
    """Risks are told apart from mistakes, and only where nothing guards against them."""
    found = [one.what for one in check(policy_of(*steps, **more)).risks]
    assert len(found) == len(risks)
    assert all(one.startswith(start) for one, start in zip(found, risks, strict=True))


def test_what_is_not_proved_is_said():
    """Each assumption has its sentence, and goes away with what it rests on."""
    policy = policy_of(
        {"model": "small", "retries": 1},
        models={"small": {"context_window_tokens": 10, "provider": "x"}},
        cache={"kind": "semantic"},
        retry_budget={"share": 0.2, "min_retries": 3},
        daily_cost_usd=5,
    )
    starts = ("How long a call of 'small'", "What a request costs: no dataset", "That a similar",
              "How many extra calls", "That a day costs", "That a prompt fits")  # fmt: skip
    found = proof_of(policy)["not_proved"]
    assert len(found) == len(starts)
    assert all(one.startswith(start) for one, start in zip(found, starts, strict=True))
    plain = policy_of(ask(), chain={"deadline_s": 5})
    assert check(plain, None, COSTS).to_dict()["chains"]["main"]["not_proved"] == [
        "That no call costs more than the dearest in the log: prompts and prices may grow."
    ]


def test_columns_of_all_parts_must_exist():
    """Columns that the cache, shedding and requirements name are looked for, most like first."""
    policy = policy_of(
        ask(),
        cache={"key": ["promt", "user"], "scope": ["tennant"]},
        shedding={"max_in_progress": 3, "priority_by": "teir", "limits": {"gold": 5}},
        requires={"tools": {"tool": {"exists": True}}, "long": {"user": {"eq": "nobody"}}},
    )
    names = ["prompt", "user", "tenant", "tier", "tools"]
    requests = pa.table({name: ["x"] for name in names})
    found = check(policy, requests)
    assert [(one.where, one.allowed.partition(" ")[0]) for one in found.errors] == [
        ("shedding.priority_by", "'tier'"),
        ("cache.key.0", "'prompt'"),
        ("cache.scope.0", "'tenant'"),
        ("requires.tools.tool", "'tools'"),
    ]
    assert "requirement 'tools' asks for a column" in str(PolicyError(found.errors))
    idle = policy.with_value("shedding.priority_by", "tier")
    assert "shedding.limits.gold: no request has this tier; got 'gold'; allowed: 'x'" in map(
        str, check(idle, requests).warnings
    )
    right = policy_of(ask(), requires={"long": {"user": {"eq": "nobody"}}})
    assert "requires.long: no request needs 'long'" in map(str, check(right, requests).warnings)


def test_cache_needs_prompts_unless_it_names_other_columns():
    """Without prompts only an exact cache with a key of its own can be used."""
    requests = pa.table({"user": ["x"]})

    def wheres(cache):
        return [one.where for one in check(policy_of(ask(), cache=cache), requests).errors]

    assert wheres({}) == ["cache.key"]
    assert wheres({"key": ["user"]}) == []
    assert wheres({"kind": "semantic", "key": ["user"]}) == ["cache.key"]


@given(st.data())
def test_check_is_json_and_the_same_again(data):
    """Whatever the policy, the findings are plain JSON, and a second check finds the same."""
    try:
        policy = data.draw(policies(MODELS))
    except PolicyError:
        return
    found = check(policy, None, dict.fromkeys(MODELS, 1.0)).to_dict()
    text = json.dumps(found, allow_nan=False)
    again = check(Policy.model_validate(policy.to_data()), None, dict.fromkeys(MODELS, 1.0))
    assert json.dumps(again.to_dict(), allow_nan=False) == text
    for name, chain in found["chains"].items():
        assert chain["amplification"] == sum(s["worst_case_attempts"] for s in chain["steps"])
        assert (chain["worst_case_s"] is None) <= (policy.chains[name].deadline_s is None)
        assert chain["ends_without_answer"] == bool(chain["ends_in_errors"])
    for route in found["routes"].values():
        reached = [found["chains"][name] for name in route["chains"]]
        assert route["worst_case_attempts"] <= max(c["worst_case_attempts"] for c in reached)
