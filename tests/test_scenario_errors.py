"""Every broken scenario file gives its own message, and only a `ScenarioError` ever leaves."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import PolicyError, Problem
from toolkit.policy.nodes import MAX_BYTES
from toolkit.scenarios import Scenario, ScenarioError, load_scenario, parse_scenario
from toolkit.scenarios.model import KINDS

BROKEN = Path(__file__).parent / "broken_scenarios"

# What follows the file's name: ":LINE: KEY: what is wrong; got …; allowed: …".
MESSAGES = {
    "a_list": (":1: the file must be a mapping; got a list; allowed: scenario: NAME and so on"),
    "alias": (
        ":3: faults.0: anchors are not allowed; got &f; allowed: the value itself, written out"
    ),
    "both_targets": (":3: faults.0: holds models and provider; allowed: one of them"),
    "brownout_as_number": (
        ":3: faults.0.brownout: must be a mapping; got the number 5; allowed: {factor: …}"
    ),
    "brownout_without_factor": (
        ":3: faults.0.brownout.factor: is missing; allowed: a number, such as 2"
    ),
    "column_without_trace": (
        ":2: arrivals: column is that of a trace; allowed: column with trace only"
    ),
    "duplicate_key": (
        ":3: faults.0.at_s: is there twice; got first on line 3; allowed: each key once"
    ),
    "empty": (": the file is empty; allowed: a scenario: scenario, description, arrivals, faults"),
    "empty_targets": (":3: faults.0.models: is empty; allowed: at least one entry"),
    "fault_as_text": (
        ":3: faults.0: must be a mapping; got 'outage'; allowed: a fault, such as {outage: "
        "{}, models: primary, at_s: 60, for_s: 600}"
    ),
    "faults_as_mapping": (":2: faults: must be a list; got a mapping; allowed: a list"),
    "flapping_all_the_time": (
        ":3: faults.0.flapping: is down all the time; allowed: down_s below period_s, or an outage"
    ),
    "half_arrivals": (
        ":2: arrivals: does not say when requests come; allowed: per_s and for_s, or trace: "
        "FILE.csv"
    ),
    "infinite_end": (
        ":3: faults.0.for_s: must be a finite number; got the number inf; allowed: a finite number"
    ),
    "missing_name": (":1: scenario: is missing; allowed: a name for this scenario"),
    "negative_start": (":3: faults.0.at_s: is out of range; got the number -5; allowed: 0 or more"),
    "no_calls_at_all": (
        ":3: faults.0.rate_limit.requests_per_min: is out of range; got the number 0; "
        "allowed: more than 0"
    ),
    "no_kind": (
        ":3: faults.0: does not say what goes wrong; allowed: outage: {…}, flapping: {…}, "
        "withdrawn: {…}, rate_limit: {…}, overload: {…}, brownout: {…}, invalid_answers: {…},"
        " price: {…}, spike: {…}"
    ),
    "no_target": (
        ":3: faults.0: does not say whom it hits; allowed: models: [NAME], models: primary, "
        "fallback or all; or provider: NAME"
    ),
    "pattern_unknown": (
        ":2: arrivals.pattern: is none of the possible values; got 'random'; allowed: 'even' "
        "or 'poisson'"
    ),
    "seed_negative": (":2: seed: is out of range; got the number -1; allowed: 0 or more"),
    "several_problems": (
        ":2: arrivals.per_s: is out of range; got the number 0; allowed: more than 0\n"
        ":4: faults.0.outage.eror: unknown key; got 'eror'; allowed: 'error' (did you mean "
        "this?), 'latency_s'\n"
        ":5: faults.1.model: unknown key; got 'model'; allowed: 'models' (did you mean "
        "this?), 'outage', 'flapping', 'withdrawn', 'rate_limit', 'overload', 'brownout', "
        "'invalid_answers', 'price', 'spike', 'provider', 'at_s', 'for_s'"
    ),
    "share_in_percent": (
        ":3: faults.0.invalid_answers.share: is out of range; got the number 30; allowed: 1 or less"
    ),
    "spike_of_models": (
        ":3: faults.0: a spike hits no model; allowed: a spike without models and provider"
    ),
    "time_with_unit": (
        ":3: faults.0.at_s: must be a number; got '20min'; allowed: a number (without quotes "
        "or unit)"
    ),
    "trace_and_rate": (
        ":2: arrivals: a trace has its own times; allowed: trace and column without anything else"
    ),
    "two_documents": (":2: the file holds several documents; allowed: one scenario"),
    "two_kinds": (":3: faults.0: holds outage and price; allowed: an entry for each fault"),
    "unknown_error": (
        ":3: faults.0.outage.error: unknown error type; got 'timout'; allowed: 'timeout' (did"
        " you mean this?), 'rate_limited', 'server_error', 'connection', 'auth', "
        "'bad_request', 'context_window', 'content_policy', 'invalid_output', 'budget', "
        "'cancelled', 'unknown'"
    ),
    "unknown_fault": (
        ":3: faults.0.brownot: unknown key; got 'brownot'; allowed: 'brownout' (did you mean "
        "this?), 'outage', 'flapping', 'withdrawn', 'rate_limit', 'overload', "
        "'invalid_answers', 'price', 'spike', 'models', 'provider', 'at_s', 'for_s'"
    ),
    "unknown_key": (
        ":2: fault: unknown key; got 'fault'; allowed: 'faults' (did you mean this?), "
        "'scenario', 'description', 'seed', 'arrivals'"
    ),
    "unknown_key_of_arrivals": (
        ":2: arrivals.per_sec: unknown key; got 'per_sec'; allowed: 'per_s' (did you mean "
        "this?), 'for_s', 'pattern', 'trace', 'column'"
    ),
    "withdrawn_for_a_while": (
        ":3: faults.0: is for ever; allowed: withdrawn without for_s, or an outage"
    ),
}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_broken_file_gives_its_message(name):
    """Each problem is told with file, line, key, what was found and what is allowed."""
    path = BROKEN / f"{name}.yaml"
    with pytest.raises(ScenarioError) as raised:
        load_scenario(path)
    lines = str(raised.value).split("\n")
    assert all(line.startswith(f"{path}:") for line in lines)
    assert "\n".join(line.removeprefix(str(path)) for line in lines) == MESSAGES[name]


def test_messages_are_complete_and_distinct():
    """Every listed message belongs to a file, and no two files are told the same."""
    assert set(MESSAGES) == {path.stem for path in BROKEN.glob("*.yaml")}
    assert len({message.partition(":")[2] for message in MESSAGES.values()}) == len(MESSAGES)


def test_files_that_are_none(tmp_path):
    """A file that is absent, a folder, too large or no text is named, and so is a wrong name."""
    with pytest.raises(ScenarioError, match=r"gone\.yaml: there is no such file"):
        load_scenario(tmp_path / "gone.yaml")
    with pytest.raises(ScenarioError, match="is a folder, not a file"):
        load_scenario(tmp_path)
    large = tmp_path / "large.yaml"
    large.write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(ScenarioError, match="the file is too large; allowed: 1,000,000 bytes"):
        load_scenario(large)
    with pytest.raises(ScenarioError, match="the file is too large; allowed: 1,000,000 bytes"):
        parse_scenario("é" * (MAX_BYTES // 2 + 1))
    (tmp_path / "latin.yaml").write_bytes(b"scenario: \xe9")
    with pytest.raises(ScenarioError, match="not UTF-8 text; got the byte 0xe9"):
        load_scenario(tmp_path / "latin.yaml")
    with pytest.raises(
        ScenarioError, match=r"no such scenario; got 'overlod'; allowed: 'overload' \(did you"
    ):
        load_scenario("overlod")


def test_made_in_python_it_is_told_in_the_same_words():
    """Making a scenario from Python values gives the same error, without lines."""
    with pytest.raises(ScenarioError, match=r"^scenario: faults\.0: does not say whom it hits"):
        Scenario(scenario="s", faults=[{"outage": {}}])
    with pytest.raises(ScenarioError, match=r"^scenario: must be a mapping; got nothing"):
        Scenario.model_validate(None)


def test_it_is_shown_wherever_a_policy_s_problems_are_and_survives_a_copy():
    """Whoever catches a `PolicyError` gets it, with its problems, also from another process."""
    error = ScenarioError([Problem("unknown key", "faults.0", "'x'", "models", 3)], "s.yaml")
    same = copy.copy(error)  # by the same protocol as pickle
    assert isinstance(error, PolicyError)
    assert type(same) is ScenarioError
    assert str(same) == "s.yaml:3: faults.0: unknown key; got 'x'; allowed: models"


WORDS = "scenario seed arrivals faults outage price spike models all per_s for_s trace 1 -1 .nan ~"
MARKS = [": ", ", ", *"{}[]", "\n", "\n  ", "- ", "? ", "| ", "> ", "&a ", "*a", "!!str ", "<<: "]
ODD = ["'", '"', *"#%@\t\0\r\x85\u2028\ufeff\ud800é", "1e999", "9" * 5000, "---\n", "...\n"]
TOKENS = st.sampled_from([*WORDS.split(), *MARKS, *ODD])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def problems_of(make, value):
    """The problems that making a scenario is told, none when it succeeds."""
    try:
        make(value)
    except ScenarioError as error:
        return error.problems
    return None


@given(st.one_of(st.lists(TOKENS, max_size=40).map("".join), st.text(max_size=80)))
def test_any_text_gives_a_scenario_or_an_error(text):
    """No text at all makes parsing fail in another way."""
    assert problems_of(parse_scenario, text) != ()


@given(st.data())
def test_a_mutated_file_gives_a_scenario_or_an_error(data):
    """Nor does a real file with a piece replaced by something else."""
    text = (BROKEN.parents[1] / "data" / "scenarios" / "monday_morning.yaml").read_text("utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = start + data.draw(st.integers(0, 12))
    assert problems_of(parse_scenario, text[:start] + data.draw(TOKENS) + text[end:]) != ()


@given(st.sampled_from(["seed", "arrivals", "faults", "description"]), VALUES)
def test_any_value_gives_a_scenario_or_an_error(part, value):
    """Nor does any value in any part of a scenario."""
    data = load_scenario("monday_morning").to_data()
    assert problems_of(Scenario.model_validate, {**data, part: value}) != ()


@given(st.sampled_from([*KINDS, "models", "provider", "at_s", "for_s"]), VALUES)
def test_any_value_of_a_fault_gives_a_scenario_or_an_error(key, value):
    """Nor does any value in any part of a fault, whether it is made or replaced."""
    calm = load_scenario("calm")
    fault = {"outage": {}, "models": "all", key: value}
    assert problems_of(lambda f: calm.with_value("faults", [f]), fault) != ()
