"""Every broken policy file gives its own message, and nothing but a `PolicyError` ever leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import PolicyError
from toolkit.policy import Policy, load_policy, parse_policy
from toolkit.policy.nodes import MAX_BYTES

BROKEN = Path(__file__).parent / "broken_policies"

# What follows the file's name: ":LINE: KEY: what is wrong; got …; allowed: …".
MESSAGES = {
    "a_list": ":1: the file must be a mapping; got a list; allowed: policy: NAME and so on",
    "alias_bomb": ":1: a: anchors are not allowed; got &a; allowed: the value itself, written out",
    "anchor_and_alias": (
        ":3: models.small: anchors are not allowed; got &m; allowed: the value itself, written out"
    ),
    "bad_regex": (
        ":6: routes.0.when.prompt.matches: is not a regular expression (missing ): (unclosed); "
        "got '(unclosed'; allowed: RE2 syntax (no look-around, no back-references)"
    ),
    "breaker_as_word": (
        ":3: models.small.breaker: must be a mapping; got 'on'; allowed: a mapping of keys to "
        "values ({} takes the defaults)"
    ),
    "breaker_on_nothing": ":3: models.small.breaker.on: is empty; allowed: at least one entry",
    "breaker_on_unknown_error": (
        ":3: models.small.breaker.on.0: unknown error type; got 'timeuot'; allowed: 'timeout' "
        "(did you mean this?), 'rate_limited', 'server_error', 'connection', 'auth', "
        "'bad_request', 'context_window', 'content_policy', 'invalid_output', 'budget', "
        "'cancelled', 'unknown'"
    ),
    "breaker_without_probes": (
        ":3: models.small.breaker.probes: is out of range; got the number 0; allowed: 1 or more"
    ),
    "cache_as_true": (
        ":6: cache: must be a mapping; got true; allowed: a mapping of keys to values ({} "
        "takes the defaults)"
    ),
    "cache_key_empty": ":6: cache.key: is empty; allowed: at least one entry",
    "cache_of_no_entries": (
        ":6: cache.max_entries: is out of range; got the number 0; allowed: 1 or more"
    ),
    "chain_cache_yes": (
        ":8: chains.main.cache: must be true or false; got 'yes'; allowed: true, false (yes, "
        "no, on and off are text)"
    ),
    "compare_with_nothing": (
        ":6: routes.0.when.user.eq: needs a value; got nothing; allowed: a value, or leave the "
        "key out (exists: false asks for a missing value)"
    ),
    "concurrency_zero": (
        ":3: models.small.limits.concurrency: is out of range; got the number 0; allowed: 1 or more"
    ),
    "context_window_negative": (
        ":3: models.small.context_window_tokens: is out of range; got the number -1; allowed: "
        "more than 0"
    ),
    "control_character": ":1: the file is not YAML: control characters are not allowed",
    "cost_not_a_number": (
        ":8: chains.main.max_cost_usd: must be a finite number; got the number nan; allowed: a "
        "finite number"
    ),
    "daily_cost_in_words": (
        ":6: daily_cost_usd: must be a number; got '5 USD'; allowed: a number (without quotes "
        "or unit)"
    ),
    "daily_cost_zero": (
        ":6: daily_cost_usd: is out of range; got the number 0; allowed: more than 0"
    ),
    "deep_nesting": ":2: the file is nested too deeply; allowed: 50 levels",
    "degrade_without_text": (
        ":10: chains.main.steps.1.text: is missing; allowed: the message to answer with"
    ),
    "duplicate_key": ":6: policy: is there twice; got first on line 1; allowed: each key once",
    "duplicate_route_name": (
        ":7: routes.1.name: is the name of routes.0 too; got 'a'; allowed: a name for each route"
    ),
    "empty": ": the file is empty; allowed: a policy: policy, models, default, chains",
    "empty_all": ":6: routes.0.when.all: is empty; allowed: at least one entry",
    "empty_condition": (
        ":6: routes.0.when: needs at least one test; allowed: {column: {operator: value}}, "
        "all, any, not"
    ),
    "empty_steps": ":8: chains.main.steps: is empty; allowed: at least one entry",
    "exists_yes": (
        ":6: routes.0.when.user.exists: must be true or false; got 'yes'; allowed: true, false "
        "(yes, no, on and off are text)"
    ),
    "failure_rate_above_one": (
        ":3: models.small.breaker.failure_rate: is out of range; got the number 1.5; allowed: "
        "1 or less"
    ),
    "failure_rate_zero": (
        ":3: models.small.breaker.failure_rate: is out of range; got the number 0; allowed: "
        "more than 0"
    ),
    "goal_as_number": (
        ":5: goals.quality: must be a mapping; got the number 0.9; allowed: a mapping of keys "
        "to values"
    ),
    "goal_min_above_max": (
        ":5: goals.latency_p95_s: no value can reach it; got a mapping; allowed: min not above max"
    ),
    "goal_out_of_range": (
        ":5: goals.quality.min: is out of range; got the number 85; allowed: 1 or less"
    ),
    "goal_change_as_percent": (
        ":5: goals.error_rate.max_change: is out of range; got the number 5; allowed: 1 or less"
    ),
    "goal_changes_crossed": (
        ":5: goals.quality: no value can reach it; got a mapping; allowed: min_change not above "
        "max_change"
    ),
    "goal_ratio_zero": (
        ":5: goals.cost_usd_per_1k.max_ratio: is out of range; got the number 0; allowed: more "
        "than 0"
    ),
    "goal_without_limit": (
        ":5: goals.quality: needs a limit; allowed: min, max, min_change, max_change, max_ratio"
    ),
    "half_a_call": (
        ":3: models.small.breaker.min_calls: must be a whole number; got the number 2.5; "
        "allowed: a whole number"
    ),
    "half_a_retry": (
        ":9: chains.main.steps.0.retries: must be a whole number; got the number 1.5; allowed: "
        "a whole number"
    ),
    "hedge_as_number": (
        ":9: chains.main.steps.0.hedge: must be a mapping; got the number 1; allowed: a "
        "mapping of keys to values"
    ),
    "hedge_at_once": (
        ":9: chains.main.steps.0.hedge.after_s: is out of range; got the number 0; allowed: "
        "more than 0"
    ),
    "hedge_unknown_model": (
        ":9: chains.main.steps.0.hedge.model: unknown model; got 'larg'; allowed: 'large' (did "
        "you mean this?), 'small'"
    ),
    "hedge_without_after": (
        ":9: chains.main.steps.0.hedge.after_s: is missing; allowed: a number of seconds, less "
        "than the timeout"
    ),
    "infinite_timeout": (
        ":9: chains.main.steps.0.timeout_s: must be a finite number; got the number inf; "
        "allowed: a finite number"
    ),
    "limits_without_limit": (
        ":3: models.small.limits: needs a limit; allowed: requests_per_min, tokens_per_min, "
        "concurrency"
    ),
    "missing_chains": ":1: chains: is missing; allowed: {NAME: {steps: [{model: NAME}]}}",
    "missing_default": ":1: default: is missing; allowed: the name of a chain",
    "mixed_values": (
        ":6: routes.0.when.user.in: mixes kinds of values, and a column holds one kind; got a "
        "list; allowed: only text, only numbers or only true/false; quotes make a value text"
    ),
    "model_without_settings": (
        ":3: models.small: must be a mapping; got nothing; allowed: a mapping of keys to "
        "values ({} takes the defaults)"
    ),
    "negative_min_retries": (
        ":6: retry_budget.min_retries: is out of range; got the number -1; allowed: 0 or more"
    ),
    "negative_timeout": (
        ":9: chains.main.steps.0.timeout_s: is out of range; got the number -4; allowed: more "
        "than 0"
    ),
    "neither_use_nor_split": (
        ":6: routes.0: a route must lead somewhere; got no use, no split, no router;"
        " allowed: one of them"
    ),
    "not_utf8": ":1: the file is not UTF-8 text; got the byte 0xe9; allowed: UTF-8",
    "not_yaml": (
        ":11: the file is not YAML: while parsing a flow mapping, did not find expected ',' or '}'"
    ),
    "number_as_key": (
        ":3: models.1: a key must be text; got the number 1; allowed: text (in quotes)"
    ),
    "number_as_name": (
        ":1: policy: must be text; got the number 2024; allowed: text (in quotes, a number or "
        "true/false is text)"
    ),
    "number_operator_with_text": (
        ":6: routes.0.when.input_tokens.lt: must be a number; got '400'; allowed: a number "
        "(without quotes or unit)"
    ),
    "only_stale": (
        ":9: chains.main.steps: nothing fills the cache that it looks into; got stale_cache "
        "alone; allowed: a model step before it"
    ),
    "python_tag": (
        ":1: policy: tags are not allowed; got !!python/object/apply:os.system; allowed: the "
        "value itself, written out"
    ),
    "refusal_with_empty_text": (
        ":10: chains.main.steps.1.text: is empty; allowed: at least one character"
    ),
    "refusal_without_text": (
        ":11: chains.main.steps.2.text: is missing; allowed: the message to answer with"
    ),
    "regex_with_lookahead": (
        ":6: routes.0.when.prompt.matches: is not a regular expression (invalid perl operator: "
        "(?=); got '(?=x)'; allowed: RE2 syntax (no look-around, no back-references)"
    ),
    "requires_bad_operator": (
        ":6: requires.tools.tools.is: unknown key; got 'is'; allowed: 'eq', 'ne', 'in', "
        "'not_in', 'lt', 'lte', 'gt', 'gte', 'matches', 'contains', 'exists'"
    ),
    "requires_without_test": (
        ":6: requires.tools: needs at least one test; allowed: {column: {operator: value}}, "
        "all, any, not"
    ),
    "route_named_default": (
        ":6: routes.0.name: is the name of the route for requests that no rule matches; got "
        "'default'; allowed: another name"
    ),
    "rule_contradicts_itself": (
        ":6: routes.0.when: rule 'never' can never match: its tests contradict each other"
    ),
    "rule_covered_by_earlier": (
        ":7: routes.1.when: rule 'short facts' is never reached: 'all short' takes all its "
        "requests before; allowed: a narrower rule before a wider one"
    ),
    "several_problems": (
        ":5: default: unknown chain; got 'mane'; allowed: 'main' (did you mean this?)\n"
        ":9: chains.main.steps.0.timeout_s: is out of range; got the number -1; allowed: more "
        "than 0\n"
        ":9: chains.main.steps.0.retry: unknown key; got 'retry'; allowed: 'retries' (did you "
        "mean this?), 'model', 'timeout_s', 'backoff_s', 'hedge'\n"
        ":10: chains.main.steps.1.model: unknown model; got 'huge'; allowed: 'small', 'large'"
    ),
    "share_as_percent": (
        ":6: retry_budget.share: is out of range; got the number 20; allowed: 1 or less"
    ),
    "shedding_limit_as_text": (
        ":6: shedding.limits.gold: must be a whole number; got 'many'; allowed: a whole number "
        "(without quotes or unit)"
    ),
    "shedding_limits_without_column": (
        ":6: shedding.priority_by: does not say which column the limits are for; allowed: a column"
    ),
    "shedding_without_limit": (
        ":6: shedding.max_in_progress: is missing; allowed: a whole number of requests"
    ),
    "stale_after_message": (
        ":12: chains.main.steps.2: is never reached: step 1 always answers; got a step after a "
        "degrade step; allowed: a degrade step only at the end"
    ),
    "stale_with_text": (
        ":11: chains.main.steps.1.text: unknown key; got 'text'; allowed: 'degrade', 'quality'"
    ),
    "stale_without_cache": (
        ":10: chains.main.steps.1.degrade: there is no cache to look into; got 'stale_cache'; "
        "allowed: a policy with cache, such as cache: {stale_if_error_s: 86400}"
    ),
    "step_after_degrade": (
        ":11: chains.main.steps.2: is never reached: step 1 always answers; got a step after a "
        "degrade step; allowed: a degrade step only at the end"
    ),
    "steps_as_mapping": ":8: chains.main.steps: must be a list; got a mapping; allowed: a list",
    "sticky_without_split": (
        ":6: routes.0.sticky_by: has no effect without split; allowed: a route with split"
    ),
    "supports_as_word": ":3: models.small.supports: must be a list; got 'tools'; allowed: a list",
    "supports_unknown_name": (
        ":3: models.small.supports: nothing requires this; got 'tool'; allowed: 'tools' (did "
        "you mean this?)"
    ),
    "supports_without_requires": (
        ":3: models.small.supports: nothing requires this; got 'tools'; allowed: no names, as "
        "the policy has no requires"
    ),
    "tab_indent": (
        ":3: the file is not YAML: while scanning for the next token, found character that "
        "cannot start any token"
    ),
    "threshold_too_low": (
        ":6: cache.threshold: is out of range; got the number 0.3; allowed: 0.5 or more"
    ),
    "timeout_with_unit": (
        ":9: chains.main.steps.0.timeout_s: must be a number; got '4s'; allowed: a number "
        "(without quotes or unit)"
    ),
    "too_many_retries": (
        ":9: chains.main.steps.0.retries: is out of range; got the number 11; allowed: 10 or less"
    ),
    "too_many_steps": ":8: chains.main.steps: is too long; got a list; allowed: at most 30 entries",
    "true_as_name": (
        ":1: policy: must be text; got true; allowed: text (in quotes, a number or true/false "
        "is text)"
    ),
    "two_documents": ":11: the file holds several documents; allowed: one policy",
    "unknown_billing": (
        ":3: models.small.bill_timeouts: is none of the possible values; got 'half'; allowed: "
        "'full', 'input_only' or 'none'"
    ),
    "unknown_cache_kind": (
        ":6: cache.kind: is none of the possible values; got 'similar'; allowed: 'exact' or "
        "'semantic'"
    ),
    "unknown_chain_in_route": (
        ":6: routes.0.use: unknown chain; got 'mani'; allowed: 'main' (did you mean this?)"
    ),
    "unknown_chain_in_split": (
        ":6: routes.0.split.1.use: unknown chain; got 'beta'; allowed: 'main'"
    ),
    "unknown_default_chain": (
        ":5: default: unknown chain; got 'mian'; allowed: 'main' (did you mean this?)"
    ),
    "unknown_degrade": (
        ":10: chains.main.steps.1.degrade: is none of the possible values; got 'cache'; "
        "allowed: 'stale_cache', 'message', 'refusal'"
    ),
    "unknown_error_type": (
        ":8: chains.main.retry_on.1: unknown error type; got 'rate_limit'; allowed: "
        "'rate_limited' (did you mean this?), 'timeout', 'server_error', 'connection', 'auth', "
        "'bad_request', 'context_window', 'content_policy', 'invalid_output', 'budget', "
        "'cancelled', 'unknown'"
    ),
    "unknown_goal": (
        ":5: goals.latency_p95: unknown key; got 'latency_p95'; allowed: 'latency_p95_s' (did "
        "you mean this?), 'quality', 'cost_usd_per_1k', 'latency_mean_s', 'latency_p50_s', "
        "'latency_p99_s', 'error_rate', 'fallback_rate', 'degraded_rate'"
    ),
    "unknown_key_breaker": (
        ":3: models.small.breaker.failure_rte: unknown key; got 'failure_rte'; allowed: "
        "'failure_rate' (did you mean this?), 'window_s', 'min_calls', 'open_s', 'probes', 'on'"
    ),
    "unknown_key_cache": (
        ":6: cache.ttl: unknown key; got 'ttl'; allowed: 'ttl_s' (did you mean this?), 'kind', "
        "'threshold', 'stale_if_error_s', 'max_entries', 'key', 'scope', 'latency_s', "
        "'cost_usd'"
    ),
    "unknown_key_hedge": (
        ":9: chains.main.steps.0.hedge.after_s: is missing; allowed: a number of seconds, less "
        "than the timeout\n"
        ":9: chains.main.steps.0.hedge.after: unknown key; got 'after'; allowed: 'after_s' "
        "(did you mean this?), 'model'"
    ),
    "unknown_key_limits": (
        ":3: models.small.limits.rpm: unknown key; got 'rpm'; allowed: 'requests_per_min', "
        "'tokens_per_min', 'burst_s', 'concurrency'"
    ),
    "unknown_key_retry_budget": (
        ":6: retry_budget.min: unknown key; got 'min'; allowed: 'share', 'min_retries'"
    ),
    "unknown_key_step": (
        ":9: chains.main.steps.0.timeout: unknown key; got 'timeout'; allowed: 'timeout_s' "
        "(did you mean this?), 'model', 'retries', 'backoff_s', 'hedge'"
    ),
    "unknown_key_top": (
        ":6: route: unknown key; got 'route'; allowed: 'routes' (did you mean this?), "
        "'policy', 'description', 'goals', 'models', 'cache', 'retry_budget', 'shedding', "
        "'daily_cost_usd', 'requires', 'default', 'chains'"
    ),
    "unknown_model": (
        ":10: chains.main.steps.1.model: unknown model; got 'larg'; allowed: 'large' (did you "
        "mean this?), 'small'"
    ),
    "unknown_operator": (
        ":6: routes.0.when.input_tokens.less: unknown key; got 'less'; allowed: 'exists' (did "
        "you mean this?), 'eq', 'ne', 'in', 'not_in', 'lt', 'lte', 'gt', 'gte', 'matches', "
        "'contains'"
    ),
    "use_and_split": (
        ":6: routes.0: a route leads to one place; got use and split; allowed: one of them"
    ),
    "value_without_operator": (
        ":6: routes.0.when.category: must be a mapping; got 'facts'; allowed: a mapping of "
        "keys to values, such as {eq: VALUE}, with the operators eq, ne, in, not_in, lt, lte, "
        "gt, gte, matches, contains, exists"
    ),
    "weight_not_positive": (
        ":6: routes.0.split.0.weight: is out of range; got the number 0; allowed: more than 0"
    ),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in BROKEN.glob("*.yaml")))
def test_broken_file_gives_its_message(name):
    """Each problem is told with file, line, key, what was found and what is allowed."""
    path = BROKEN / f"{name}.yaml"
    with pytest.raises(PolicyError) as raised:
        load_policy(path)
    lines = str(raised.value).split("\n")
    assert all(line.startswith(f"{path}:") for line in lines)
    assert "\n".join(line.removeprefix(str(path)) for line in lines) == MESSAGES[name]


def test_messages_are_complete_and_distinct():
    """Every listed message belongs to a file, and no two files are told the same."""
    assert set(MESSAGES) == {path.stem for path in BROKEN.glob("*.yaml")}
    assert len({message.partition(":")[2] for message in MESSAGES.values()}) == len(MESSAGES)


def test_file_too_large(tmp_path):
    """A file of more than 1 MB is refused before it is read as YAML."""
    path = tmp_path / "large.yaml"
    path.write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(PolicyError, match="the file is too large; allowed: 1,000,000 bytes"):
        load_policy(path)
    with pytest.raises(PolicyError, match="the file is too large; allowed: 1,000,000 bytes"):
        parse_policy("é" * (MAX_BYTES // 2 + 1))


def test_absent_file_and_folder(tmp_path):
    """A path that leads nowhere, or to a folder, is named."""
    with pytest.raises(PolicyError, match=r"gone\.yaml: there is no such file"):
        load_policy(tmp_path / "gone.yaml")
    with pytest.raises(PolicyError, match="is a folder, not a file"):
        load_policy(tmp_path)
    with pytest.raises(PolicyError, match=r"there is no such file|cannot be read"):
        load_policy("a\0b.yaml")


def test_unknown_name():
    """A name that is no bundled policy is told with the most similar one first."""
    with pytest.raises(
        PolicyError, match=r"no such policy; got 'teird'; allowed: 'tiered' \(did you mean this\?\)"
    ):
        load_policy("teird")


def test_model_made_in_python_is_told_in_the_same_words():
    """Making a policy from Python values gives the same `PolicyError`, without lines."""
    with pytest.raises(PolicyError, match=r"^policy: chains\.main\.steps\.0\.model: unknown model"):
        Policy(
            policy="p",
            models={"small": {}},
            default="main",
            chains={"main": {"steps": [{"model": "smal"}]}},
        )
    with pytest.raises(PolicyError, match=r"^policy: must be a mapping; got nothing"):
        Policy.model_validate(None)


def test_very_deep_python_values():
    """A condition that nests without end is an error, not a crash."""
    when: dict = {"user": {"eq": "x"}}
    for _ in range(400):
        when = {"not": when}
    policy = Policy.single("small")
    route = {"name": "deep", "when": when, "use": "small"}
    with pytest.raises(PolicyError, match="is nested too deeply"):
        policy.with_value("routes", [route])


WORDS = "policy models chains default steps routes when small main all 1 -1 .nan yes null ~ 0x1"
MARKS = [": ", ", ", *"{}[]", "\n", "\n  ", "- ", "? ", "| ", "> ", "&a ", "*a", "!!str ", "<<: "]
ODD = ["'", '"', *"#%@\t\0\r\x85\u2028\ufeff\ud800é", "1e999", "9" * 5000, "---\n", "...\n"]
TOKENS = st.sampled_from([*WORDS.split(), *MARKS, *ODD])


def problems_of(make, value):
    """The problems that making a policy is told, none when it succeeds."""
    try:
        make(value)
    except PolicyError as error:
        return error.problems
    return None


@given(st.one_of(st.lists(TOKENS, max_size=40).map("".join), st.text(max_size=80)))
def test_any_text_gives_a_policy_or_a_policy_error(text):
    """No text at all makes parsing fail in another way."""
    assert problems_of(parse_policy, text) != ()


@given(st.data())
def test_mutated_file_gives_a_policy_or_a_policy_error(data):
    """Nor does a real file with a piece replaced by something else."""
    text = (BROKEN.parents[1] / "data" / "policies" / "tiered.yaml").read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = start + data.draw(st.integers(0, 12))
    assert problems_of(parse_policy, text[:start] + data.draw(TOKENS) + text[end:]) != ()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.sampled_from(["policy", "models", "routes", "default", "chains", "goals"]), VALUES)
def test_any_value_gives_a_policy_or_a_policy_error(part, value):
    """Nor does any value in any part of a policy."""
    data = load_policy("tiered").to_data()
    assert problems_of(Policy.model_validate, {**data, part: value}) != ()
