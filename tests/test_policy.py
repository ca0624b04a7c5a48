"""A policy is a checked, frozen value that reads, writes, compiles and shows itself."""

from __future__ import annotations

import pickle
from pathlib import Path

import jsonschema
import numpy as np
import pydantic
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference_conditions import conditions
from tests.strategies import goals
from toolkit.errors import PolicyError
from toolkit.policy import (
    ModelStep,
    Policy,
    chain_names,
    compile_plan,
    json_schema,
    list_policies,
    load_policy,
    parse_policy,
)
from toolkit.policy.check import check
from toolkit.policy.guards import Cache
from toolkit.policy.nodes import scalar
from toolkit.policy.words import cache_in_words, goals_in_words
from toolkit.schema import ERROR_LABELS, ErrorType

EXAMPLE = (Path(__file__).parent / "example_policy.yaml").read_text(encoding="utf-8")
SCHEMA = jsonschema.Draft202012Validator(json_schema())
STEP_0 = "chains.cheap_first.steps.0"
LOG_MODELS = ("claude-3-5-sonnet-20240620", "gpt-4o-mini-2024-07-18")

GUARDED = parse_policy("""
policy: guarded
models:
  small:
    log: gpt-4o-mini-2024-07-18
    breaker: {}
    limits: {requests_per_min: 600, tokens_per_min: 90000, concurrency: 20}
    supports: [tools]
  large: {}
cache:
  kind: semantic
  stale_if_error_s: 86400
  max_entries: 5000
  key: [prompt, system]
  cost_usd: 1e-5
retry_budget: {}
shedding: {max_in_progress: 100, priority_by: tenant, limits: {free: 50}}
daily_cost_usd: 50
requires: {tools: {has_tools: {eq: true}}}
default: ask
chains:
  ask:
    steps:
      - {model: small, timeout_s: 4, retries: 1, hedge: {after_s: 2, model: large}}
      - {degrade: stale_cache}
      - {degrade: refusal, text: "Not <b>now."}
  fresh: {cache: false, steps: [{model: large}]}
""")
"""Everything that guards a policy."""


@pytest.fixture
def policy():
    """The example of a policy with everything in it."""
    return parse_policy(EXAMPLE, "example.yaml")


names = st.one_of(st.sampled_from(["a", "on", "1", "1e-3", "gpt-4.1", "null"]), st.text(min_size=1))
names = names.filter(lambda name: name != "default" and len(name) <= 200)
times = st.one_of(st.none(), st.floats(0.001, 1e6), st.integers(1, 99))
errors = st.one_of(st.none(), st.lists(st.sampled_from(ERROR_LABELS), max_size=3))
positive = st.one_of(st.floats(1e-6, 1e9), st.integers(1, 99))
counts = st.integers(1, 1_000_000)
model_guards = {
    "provider": names,
    "context_window_tokens": positive,
    "breaker": st.fixed_dictionaries(
        {},
        optional={
            "failure_rate": st.floats(0.01, 1),
            "window_s": positive,
            "min_calls": counts,
            "open_s": positive,
            "probes": counts,
            "on": st.lists(st.sampled_from(ERROR_LABELS), min_size=1, max_size=3),
        },
    ),
    "limits": st.fixed_dictionaries(
        {"concurrency": counts},
        optional={"requests_per_min": positive, "tokens_per_min": positive, "burst_s": positive},
    ),
}
policy_guards = st.fixed_dictionaries(
    {},
    optional={
        "cache": st.fixed_dictionaries(
            {},
            optional={
                "kind": st.sampled_from(["exact", "semantic"]),
                "threshold": st.floats(0.5, 1),
                "ttl_s": positive,
                "stale_if_error_s": st.floats(0, 1e9),
                "max_entries": counts,
                "key": st.lists(names, min_size=1, max_size=3),
                "scope": st.lists(names, max_size=2),
                "latency_s": st.floats(0, 1),
                "cost_usd": st.floats(0, 1),
            },
        ),
        "retry_budget": st.fixed_dictionaries(
            {}, optional={"share": st.floats(0, 1), "min_retries": st.integers(0, 9)}
        ),
        "shedding": st.fixed_dictionaries(
            {"max_in_progress": counts, "priority_by": names},
            optional={"limits": st.dictionaries(names, st.integers(0, 9), max_size=3)},
        ),
        "daily_cost_usd": positive,
        "requires": st.dictionaries(names, conditions, min_size=1, max_size=2),
    },
)


@st.composite
def policies(draw):
    """Policies with names, texts and numbers that YAML finds hard."""

    def some(strategy):
        return st.lists(strategy, min_size=1, max_size=3)

    guards = draw(policy_guards)
    settings = model_guards | {"log": st.none() | names}
    if "requires" in guards:
        settings |= {"supports": st.lists(st.sampled_from(list(guards["requires"])), max_size=2)}
    model = st.fixed_dictionaries({}, optional=settings)
    models = draw(st.dictionaries(names, model, min_size=1, max_size=4))
    one_model = st.sampled_from(list(models))
    hedge = st.fixed_dictionaries({"after_s": positive}, optional={"model": one_model})
    model_step = st.fixed_dictionaries(
        {"model": one_model},
        optional={
            "timeout_s": times,
            "retries": st.integers(0, 10),
            "backoff_s": st.floats(0, 9),
            "hedge": hedge,
        },
    )
    stale = st.fixed_dictionaries(
        {"degrade": st.just("stale_cache")}, optional={"quality": st.floats(0, 1)}
    )
    degrade = st.fixed_dictionaries(
        {"degrade": st.sampled_from(["message", "refusal"]), "text": st.text(min_size=1)},
        optional={"quality": st.floats(0, 1), "latency_s": st.floats(0, 5)},
    )
    asks = model_step if "cache" not in guards else st.one_of(model_step, stale)
    steps = st.builds(
        lambda first, more, last: [first, *more, *last],
        model_step,
        st.lists(asks, max_size=2),
        st.lists(degrade, max_size=1),
    )
    chain = st.fixed_dictionaries(
        {"steps": steps},
        optional={
            "deadline_s": times,
            "retry_on": errors,
            "fallback_on": errors,
            "cache": st.booleans(),
        },
    )
    chains = draw(st.dictionaries(names, chain, min_size=1, max_size=3))
    use = st.sampled_from(list(chains))
    routes = [
        {
            "name": name,
            "when": draw(conditions),
            **draw(
                st.sampled_from(
                    [
                        {"use": draw(use)},
                        {
                            "split": [{"use": draw(use), "weight": draw(st.floats(0.1, 9))}],
                            "sticky_by": "user",
                        },
                    ]
                )
            ),
        }
        for name in draw(st.lists(names, max_size=3, unique=True))
    ]
    data = {
        "policy": draw(names),
        "description": draw(st.text()),
        "goals": draw(goals),
        "models": models,
        **guards,
        "routes": routes,
        "default": draw(use),
        "chains": chains,
    }
    try:
        return Policy.model_validate(data)
    except PolicyError:  # a rule that is never reached
        return Policy.model_validate({**data, "routes": []})


@settings(deadline=None, max_examples=50)
@given(policies())
def test_policy_reads_back_what_it_writes(policy):
    """Writing a policy as YAML and reading it gives an equal policy with an equal digest."""
    text = policy.to_yaml()
    again = parse_policy(text)
    assert again == policy
    assert hash(again) == hash(policy)
    assert again.digest == policy.digest
    assert again.to_yaml() == text
    assert list(again.models) == list(policy.models)
    SCHEMA.validate(policy.to_data())


@settings(deadline=None, max_examples=50)
@given(policies())
def test_other_readers_of_yaml_agree(policy):
    """What is written means the same to PyYAML, whose YAML 1.1 has more traps."""
    assert yaml.safe_load(policy.to_yaml()) == policy.to_data()


@settings(deadline=None, max_examples=50)
@given(policies())
def test_card_and_plan_of_any_policy(policy):
    """Every policy can be shown and compiled."""
    assert policy._repr_html_().startswith("<div")
    plan = compile_plan(policy, None)
    assert plan.chains["end"][-1] == len(plan.steps)
    assert set(plan.models["column"]) == {-1}


def test_yaml_looks_like_the_example(policy):
    """What a person wrote compactly is written compactly, without what is default."""
    expected = EXAMPLE.replace(", backoff_s: 0.5", "").replace("1.00", "1")
    expected = expected.replace('"(?i)passport|iban"', "(?i)passport|iban")
    expected = expected.replace(
        '"We could not answer right now."', "We could not answer right now."
    )
    expected = expected.replace("    steps: [{model: large", "    steps:\n      - {model: large")
    expected = expected.replace("retries: 2}]", "retries: 2}")
    assert policy.to_yaml().replace("'", "") == expected


def test_schema_accepts_the_example_and_refuses_mistakes():
    """The JSON Schema for editors takes a good file and finds the usual mistakes."""
    SCHEMA.check_schema(SCHEMA.schema)
    assert SCHEMA.is_valid(yaml.safe_load(EXAMPLE))
    for name in list_policies():
        assert SCHEMA.is_valid(load_policy(name).to_data())
    for old, new in [
        ("timeout_s: 4", "timeout: 4"),
        ("retries: 1", "retries: 11"),
        ("quality: {min: 0.85}", "quality: {min: 85}"),
        ("lt: 400", "less: 400"),
        ("default: strong_only", ""),
    ]:
        assert not SCHEMA.is_valid(yaml.safe_load(EXAMPLE.replace(old, new)))


def test_policy_is_frozen(policy):
    """Nothing in a policy can be set."""
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        policy.default = "cheap_first"
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        policy.chains["cheap_first"].deadline_s = 3


def test_policy_is_its_own_key(policy):
    """Equal policies are one key, pickle keeps equality, and any change makes another."""
    same = parse_policy("# a comment\n" + EXAMPLE.replace("max: 4}", "max: 4.0}"))
    other = policy.with_value("goals.latency_p95_s.max", 5)
    assert {policy: 1}[same] == 1
    assert same.model_dump_json() == policy.model_dump_json()
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301
    assert other != policy
    assert other.digest != policy.digest
    assert policy != "tiered"


SECOND = "routes.0.when.all.0.category.in.1"


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        (f"{STEP_0}.timeout_s", 2, lambda p: p.chains["cheap_first"].steps[0].timeout_s),
        ("chains.strong_only.deadline_s", 7, lambda p: p.chains["strong_only"].deadline_s),
        (SECOND, "x", lambda p: p.routes[0].when.all[0].columns["category"].in_[1]),
        ("routes.2.split.1.weight", 50, lambda p: p.routes[2].split[1].weight),
        ("goals.latency_mean_s.max", 3, lambda p: p.goals.latency_mean_s.max),
        ("goals.quality", None, lambda p: p.goals.quality),
        ("description", "", lambda p: p.description),
        ("models.small.log", "gpt-4.1", lambda p: p.log_name("small")),
    ],
)
def test_with_value_replaces_one_value(policy, path, value, read):
    """A new policy has the value; the old one is as it was."""
    before = policy.to_yaml()
    assert read(policy.with_value(path, value)) == value
    assert policy.to_yaml() == before


def test_with_value_takes_parts_and_dotted_names(policy):
    """A part may be replaced by a part, and names in a path may hold dots."""
    step = ModelStep(model="small", timeout_s=1)
    assert policy.with_value("chains.strong_only.steps", [step]).chains["strong_only"].steps == (
        step,
    )
    single = Policy.single("gpt-4.1")
    assert single.with_value("chains.gpt-4.1.steps.0.timeout_s", 3).to_data()["chains"] == {
        "gpt-4.1": {"steps": [{"model": "gpt-4.1", "timeout_s": 3}]}
    }


def test_with_value_on_goals_that_are_not_set():
    """The first goal of a policy can be set by its path."""
    assert Policy.single("m").with_value("goals.quality.min", 0.9).goals.quality.min == 0.9


def test_limits_against_a_baseline_in_words():
    """A change says which way it may go, and how far."""
    goals = {
        "quality": {"min": 0.85, "min_change": -0.01},
        "cost_usd_per_1k": {"max_ratio": 0.8, "max_change": -0.05},
        "latency_p95_s": {"min_change": 0.5, "max_change": 2},
        "error_rate": {"max_change": 0},
        "degraded_rate": {"min_change": 0},
    }
    policy = Policy.single("m").with_value("goals", goals)
    assert goals_in_words(policy.goals) == [
        "quality: at least 0.85 and at most 0.01 below the baseline",
        "cost_usd_per_1k: at least 0.05 below the baseline and at most 0.8 times the baseline",
        "latency_p95_s: at least 0.5 above the baseline and at most 2 above the baseline",
        "error_rate: not above the baseline",
        "degraded_rate: not below the baseline",
    ]
    assert policy.to_yaml().split("\n")[1:4] == [
        "goals:",
        "  quality: {min: 0.85, min_change: -0.01}",
        "  cost_usd_per_1k: {max_change: -0.05, max_ratio: 0.8}",
    ]
    assert "at most 0.01 below the baseline" in policy._repr_html_()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "chains.cheap.steps.0",
            2,
            r"chains has no such part; got 'cheap'; allowed: 'cheap_",
        ),
        ("chains.cheap_first.steps.3.timeout_s", 2, r"no such part; got '3'; allowed: 0 to 2"),
        ("chains.cheap_first.steps.x", 2, r"steps has no such part; got 'x'"),
        (f"{STEP_0}.timeout", 2, r"unknown key; got 'timeout'; allowed: 'timeout_s' \(did you mea"),
        (f"{STEP_0}.timeout_s", -2, r"out of range; got the number -2; allowed: more than 0"),
        ("goals.qualty.min", 1, r"goals\.qualty: unknown key; got 'qualty'; allowed: 'quality'"),
        ("policy.name", "x", r"policy has no parts; got 'tiered'"),
        ("default", "cheap", r"default: unknown chain; got 'cheap'; allowed: 'cheap_first' \(did"),
        ("default", None, r"default: must be text; got nothing"),
        ("rules.0.use", "x", r"the policy has no such part; got 'rules'; allowed: 'routes' \(did"),
        ("", 1, r"unknown key; got ''"),
    ],
)
def test_with_value_refuses_what_does_not_fit(policy, path, value, message):
    """A wrong path or value is told with what is allowed there."""
    with pytest.raises(PolicyError, match=message):
        policy.with_value(path, value)


def test_plan_of_the_example(policy):
    """Chains and steps lie one after the other; limits that are not set are infinite."""
    plan = compile_plan(policy, LOG_MODELS)
    assert chain_names(policy) == ("cheap_first", "strong_only")
    assert plan.chains["start"].tolist() == [0, 3]
    assert plan.chains["end"].tolist() == [3, 4]
    assert plan.chains["deadline_s"].tolist() == [20, np.inf]
    assert plan.chains["max_cost_usd"].tolist() == [0.02, np.inf]
    assert plan.steps["model"].tolist() == [0, 1, -1, 1]
    assert plan.steps["log"].tolist() == [0, 1, 0, 0]
    assert plan.steps["timeout_s"].tolist() == [4, 10, np.inf, 10]
    assert plan.steps["retries"].tolist() == [1, 0, 0, 2]
    assert plan.steps["backoff_s"].tolist() == [0.5, 0.5, 0, 0.5]
    assert plan.models["column"].tolist() == [1, 0]
    assert not plan.stateful
    assert not plan.filtered
    assert compile_plan(GUARDED, ["gpt-4o-mini-2024-07-18", "large"]).stateful


def test_plan_of_errors_and_degrade_steps():
    """Default and written error lists become bits; a degrade step keeps what it states."""
    plan = compile_plan(
        parse_policy("""
policy: p
models: {m: {bill_timeouts: none}}
default: a
chains:
  a: {steps: [{model: m}, {degrade: message, text: Hm., quality: 0.2, cost_usd: 1, latency_s: 2}]}
  b: {retry_on: [], fallback_on: [unknown, timeout], steps: [{model: m}]}
"""),
        ["m"],
    )

    def errors(bits):
        return {e for e in ErrorType if bits >> e & 1}

    transient = {
        ErrorType.TIMEOUT,
        ErrorType.RATE_LIMITED,
        ErrorType.SERVER_ERROR,
        ErrorType.CONNECTION,
    }
    never = {ErrorType.NONE, ErrorType.BAD_REQUEST, ErrorType.CANCELLED}
    assert errors(plan.chains[0]["retry_on"]) == transient
    assert (
        errors(plan.chains[0]["fallback_on"])
        == {e for e in ErrorType if e.label in ERROR_LABELS} - never
    )
    assert errors(plan.chains[1]["retry_on"]) == set()
    assert errors(plan.chains[1]["fallback_on"]) == {ErrorType.UNKNOWN, ErrorType.TIMEOUT}
    assert (plan.steps[1]["quality"], plan.steps[1]["cost_usd"], plan.steps[1]["latency_s"]) == (
        0.2,
        1,
        2,
    )
    assert plan.models["bill_timeouts"].tolist() == [2]


def test_plan_needs_the_models_in_the_log(policy):
    """A name that the log does not have is an error, unless the model is for live calls only."""
    with pytest.raises(
        PolicyError, match=r"models\.small\.log: the dataset has no such model; got 'gpt"
    ):
        compile_plan(policy, ["claude-3-5-sonnet-20240620", "gpt-4o-mini"])
    live = policy.with_value("models.small.log", None)
    assert compile_plan(live, LOG_MODELS).models["column"].tolist() == [-1, 0]


def test_single_model_policy():
    """It asks its model once without limits."""
    policy = Policy.single("claude-3.5")
    assert policy.policy == "claude-3.5"
    assert compile_plan(policy, ["a", "claude-3.5"]).models["column"].tolist() == [1]
    assert policy.chains["claude-3.5"].steps == (ModelStep(model="claude-3.5"),)


def test_shares_of_a_split(policy):
    """Weights become shares of 1."""
    assert policy.routes[2].shares == (("cheap_first", 0.9), ("strong_only", 0.1))
    assert policy.routes[0].shares == (("cheap_first", 1.0),)


def test_card_is_readable_and_escaped(policy):
    """The table shows rules and chains in words and never lets text act as HTML."""
    html = policy._repr_html_()
    assert "category is one of &#x27;simple&#x27;, &#x27;relevance&#x27;" in html
    assert "90 % cheap_first, 10 % strong_only, by user" in html
    assert "small (up to 4 s, 1 retry) → large (up to 10 s) → say “We could not" in html
    assert "quality: at least 0.85; cost_usd_per_1k: at most 1" in html
    attack = "<img src=x onerror=alert(1)>"
    for path in ("policy", "description", "routes.0.name", "routes.0.when.all.0.category.in.0"):
        assert "<img" not in policy.with_value(path, attack)._repr_html_()


def test_the_card_tells_what_guards_the_policy(policy):
    """Breakers, limits, budgets, the cache and steps of every kind are told in words, escaped."""
    html = GUARDED._repr_html_()
    for words in (
        "small (up to 4 s, 1 retry, a second call to large after 2 s) → an older answer",
        "answer from the cache → refuse with “Not &lt;b&gt;now.”",
        "paused for 30 s once 50 % of at least 10 calls in 1 min fail",
        "at most 600 requests and 90,000 tokens a minute, 20 calls at a time",
        "retries and second calls for at most 20 % of the requests in progress, and 3 in any case",
        "while 100 requests are in progress (tenant: 50 for free)",
        "no model is asked once $50 are spent on a day (UTC)",
        "requests at least 0.9 alike get the same answer for 1 h, up to 1 d longer",
        "only models that can do it, where has_tools is true",
        "without the cache",
    ):
        assert words in html
    assert "protection" not in policy._repr_html_()
    assert cache_in_words(Cache(key=("system", "prompt"), ttl_s=90)) == (
        "requests of the same system and prompt get the same answer for 90 s"
    )


def test_long_parts_have_a_line_for_each_entry():
    """A model with much to it is written over several lines; a rule or a step stays one."""
    lines = GUARDED.to_yaml().splitlines()
    assert "    limits: {requests_per_min: 600, tokens_per_min: 90000, concurrency: 20}" in lines
    assert "  tools: {has_tools: {eq: true}}" in lines
    assert "  cost_usd: 0.00001" in lines
    assert max(map(len, lines)) < 120
    assert parse_policy(GUARDED.to_yaml()) == GUARDED


def test_bundled_policies_are_without_findings():
    """Every bundled policy is named after its file, explains itself and gives no warning."""
    assert len(list_policies()) >= 4
    for name in list_policies():
        policy = load_policy(name)
        assert policy.policy == name
        assert len(policy.description) > 20
        assert policy.goals.to_data()
        assert check(policy).warnings == ()


def test_policies_from_another_folder(tmp_path, monkeypatch):
    """The folder of named policies can be set, and a path is always taken as a path."""
    (tmp_path / "mine.yaml").write_text(EXAMPLE, encoding="utf-8-sig")
    monkeypatch.setenv("DETOUR_POLICIES", str(tmp_path))
    assert list_policies() == ["mine"]
    assert load_policy("mine") == load_policy(tmp_path / "mine.yaml")
    assert load_policy(Path(tmp_path, "mine.yaml")).policy == "tiered"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, text) for text in ("on", "yes", "010", "12:30", "1_000", "2024-01-01")),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("-7", -7),
        ("true", True),
        ("~", None),
    ],
)
def test_scalars_are_read_as_json_would(text, value):
    """What YAML 1.1 turns into something else stays text; only plain numbers are numbers."""
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)
