"""What a scenario says, whom it hits, how it is told, and how the command line takes it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.logs.datasets import dataset_from_frame, load_dataset
from toolkit.policy import Policy, list_policies, load_policy
from toolkit.scenarios import (
    Fault,
    Scenario,
    ScenarioError,
    arrivals_in_words,
    describe,
    fault_in_words,
    json_schema,
    list_scenarios,
    load_scenario,
    parse_scenario,
)
from toolkit.scenarios import faults as codes
from toolkit.scenarios.aim import aim
from toolkit.scenarios.arrivals import traffic
from toolkit.scenarios.faults import no_faults
from toolkit.scenarios.model import KINDS
from toolkit.scenarios.words import clock, label
from toolkit.schema import ErrorType

BUNDLED = list_scenarios()
LOG = ("haiku", "mini", "opus", "raven")
POLICY = Policy.model_validate(
    {
        "policy": "p",
        "models": {
            "spare": {"log": "opus", "litellm": "anthropic/opus"},
            "small": {"log": "mini", "litellm": "openai/mini"},
            "large": {"log": "haiku", "provider": "anthropic"},
            "small again": {"log": "mini", "provider": "openai"},
            "small elsewhere": {"log": "mini", "provider": "azure"},
        },
        "default": "main",
        "chains": {
            "main": {"steps": [{"model": "small"}, {"model": "small"}, {"model": "large"}]},
            "other": {
                "steps": [
                    {"model": "spare"},
                    {"model": "small again"},
                    {"model": "small elsewhere"},
                ]
            },
        },
    }
)
SETTINGS = {
    "outage": {},
    "flapping": {"period_s": 60, "down_s": 20},
    "withdrawn": {},
    "rate_limit": {"requests_per_min": 60},
    "overload": {"concurrency": 20},
    "brownout": {"factor": 5},
    "invalid_answers": {"share": 0.3},
    "price": {"factor": 2},
    "spike": {"factor": 4},
}


def of(*faults, **values):
    """A scenario of these faults."""
    return Scenario.model_validate({"scenario": "s", "faults": faults, **values})


def hit(fault):
    """The models of POLICY that a fault hits."""
    hits = aim(of({"outage": {}, **fault}), POLICY, LOG).hits
    return {model for model, yes in zip(POLICY.models, hits[0], strict=True) if yes}


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_scenario_fits_every_policy(name):
    """It is called like its file, explains itself, and hits and ends as it says, whoever plays."""
    scenario = load_scenario(name)
    assert scenario.scenario == name
    assert scenario.description.endswith((".", "?"))
    assert scenario.duration_s
    assert all(fault.at_s < scenario.duration_s for fault in scenario.faults)
    for policy in map(load_policy, list_policies()):
        faults = aim(scenario, policy, [policy.log_name(model) for model in policy.models])
        assert faults.hits.any(axis=1).all()
        assert faults.hits.shape == (len(faults.kind), len(policy.models))


@pytest.mark.parametrize("name", BUNDLED)
def test_a_scenario_can_be_written_and_read_again(name):
    """The file that is written means the same, is as short as a person's, and fits the schema."""
    scenario = load_scenario(name)
    text = scenario.to_yaml()
    assert parse_scenario(text) == scenario
    assert len(text.splitlines()) == 3 + bool(scenario.faults) + len(scenario.faults)
    jsonschema.Draft202012Validator(json_schema()).validate(scenario.to_data())


def test_the_schema_takes_targets_as_text_and_refuses_unknown_keys():
    """An editor that knows the schema accepts what the reader accepts."""
    schema = jsonschema.Draft202012Validator(json_schema())
    data = {"scenario": "s", "faults": [{"outage": {}, "models": "primary"}]}
    assert schema.is_valid(data)
    assert not schema.is_valid({**data, "fault": []})
    assert of(data["faults"][0]) == of({"outage": {}, "models": ["primary"]})


def test_scenarios_are_found_by_name_in_a_folder_of_one_s_own(tmp_path, monkeypatch):
    """DETOUR_SCENARIOS names it, and a trace is looked for beside the file."""
    monkeypatch.setenv("DETOUR_SCENARIOS", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("scenario: mine\narrivals: {trace: times.csv}\n")
    (tmp_path / "times.csv").write_text("at_s\n0\n2\n")
    assert list_scenarios() == ["mine"]
    for scenario in (load_scenario("mine"), load_scenario(tmp_path / "mine.yaml")):
        assert scenario.arrivals.trace == str(tmp_path / "times.csv")
        assert traffic(scenario, load_dataset("local")).arrival_s.tolist() == [0, 2]


def test_values_are_replaced_by_their_place():
    """A slider makes a new scenario; parts that are left out are made, and wrong ones explained."""
    outage = load_scenario("provider_outage")
    changed = outage.with_value("faults.0.for_s", 60).with_value("arrivals.per_s", 2)
    assert (changed.faults[0].end_s, changed.arrivals.per_s) == (1260, 2)
    assert changed.with_value("faults.0.for_s", None).faults[0].end_s == float("inf")
    assert changed.with_value("arrivals", None).arrivals is None
    assert changed.with_value("seed", 3).seed == 3
    assert changed.faults != outage.faults
    with pytest.raises(ScenarioError, match=r"faults has no such part; got '1'; allowed: 0 to 0"):
        outage.with_value("faults.1.for_s", 60)
    with pytest.raises(ScenarioError, match=r"faults\.0\.at_s has no parts; got the number 1200"):
        outage.with_value("faults.0.at_s.x", 60)
    with pytest.raises(ScenarioError, match=r"faults\.0\.outage\.latncy_s: unknown key"):
        outage.with_value("faults.0.outage.latncy_s", 60)
    with pytest.raises(ScenarioError, match="faults: must be a list; got a mapping"):
        load_scenario("calm").with_value("faults.0", {})


# --- targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "models"),
    [
        ({"models": "primary"}, {"small", "small again"}),
        ({"models": ["primary", "fallback"]}, {"small", "small again", "large"}),
        ({"models": "fallback"}, {"large"}),
        ({"models": "all"}, set(POLICY.models)),
        ({"models": ["small elsewhere"]}, {"small elsewhere"}),
        ({"models": ["mini"]}, {"small", "small again", "small elsewhere"}),
        ({"models": ["raven"]}, set()),
        ({"provider": "anthropic"}, {"spare", "large"}),
        ({"provider": "azure"}, {"small elsewhere"}),
        ({"provider": "primary"}, {"small", "small again"}),
    ],
)
def test_a_fault_hits_whom_it_names(fault, models):
    """By the policy's name with its twins, by a word, by the log's name, or by the provider."""
    assert hit(fault) == models


def test_the_policy_s_own_names_come_before_the_words():
    """Who calls a model `fallback` means that one."""
    policy = Policy.model_validate(
        {
            "policy": "p",
            "models": {"fallback": {"log": "a"}, "primary": {"log": "b"}},
            "default": "main",
            "chains": {"main": {"steps": [{"model": "fallback"}, {"model": "primary"}]}},
        }
    )
    faults = aim(of({"outage": {}, "models": "fallback"}), policy, ["a", "b"])
    assert faults.hits.tolist() == [[True, False]]


def test_a_policy_with_one_model_has_no_fallback_to_hit():
    """A scenario about the fallback is then one in which nothing happens."""
    policy = Policy.single("mini")
    assert not aim(of({"outage": {}, "models": "fallback"}), policy, LOG).hits.any()
    assert aim(of({"outage": {}, "provider": "primary"}), policy, LOG).hits.all()


def test_names_that_nobody_has_are_all_told():
    """Neither in the policy nor in the log, and a provider of no model."""
    scenario = of(
        {"outage": {}, "models": ["smal", "mini"]},
        {"spike": {"factor": 2}},
        {"outage": {}, "provider": "opnai"},
    )
    with pytest.raises(ScenarioError) as raised:
        aim(scenario, POLICY, LOG)
    first, second = str(raised.value).split("\n")
    assert first.startswith(
        "s: faults.0.models.0: unknown model; got 'smal'; allowed: 'small' (did"
    )
    assert "'haiku'" in first
    assert second == (
        "s: faults.2.provider: no model of the policy is run by this provider; got 'opnai';"
        " allowed: 'openai' (did you mean this?), 'anthropic', 'azure', 'primary'"
    )


def test_each_kind_of_fault_has_its_numbers():
    """The arrays say what the file says, in its order and without spikes."""
    inf, nan = np.inf, np.nan
    scenario = of(
        {"outage": {"error": "timeout", "latency_s": 30}, "models": "all", "at_s": 5, "for_s": 10},
        {"flapping": {"period_s": 60, "down_s": 20}, "models": "all"},
        {"spike": {"factor": 2}},
        {"withdrawn": {}, "models": "all", "at_s": 7},
        {"rate_limit": {"requests_per_min": 60, "retry_after_s": 9}, "models": "all"},
        {"rate_limit": {"requests_per_min": 6, "latency_s": 0}, "models": "all"},
        {"overload": {"concurrency": 20}, "models": "all"},
        {"brownout": {"factor": 5}, "models": "all"},
        {"invalid_answers": {"share": 0.3}, "models": "all"},
        {"invalid_answers": {"share": 0.2, "kind": "wrong"}, "models": "all"},
        {"price": {"factor": 0}, "models": "all"},
        seed=11,
    )
    found = aim(scenario, Policy.single("mini"), LOG)
    assert found.seed == 11
    assert found.kind.tolist() == [
        *(codes.OUTAGE, codes.OUTAGE, codes.OUTAGE, codes.RATE_LIMIT, codes.RATE_LIMIT),
        *(codes.OVERLOAD, codes.BROWNOUT, codes.INVALID, codes.WRONG, codes.PRICE),
    ]
    rows = pd.DataFrame(found._asdict() | {"hits": found.hits[:, 0]}).drop(columns=["kind", "seed"])
    expected = pd.DataFrame(
        [
            (True, 5.0, 15.0, nan, 30.0, nan, inf, inf, ErrorType.TIMEOUT),
            (True, 0.0, inf, nan, 0.3, nan, 60.0, 20.0, ErrorType.CONNECTION),
            (True, 7.0, inf, nan, 0.1, nan, inf, inf, ErrorType.AUTH),
            (True, 0.0, inf, 60.0, 0.05, 9.0, inf, inf, ErrorType.RATE_LIMITED),
            (True, 0.0, inf, 6.0, 0.0, nan, inf, inf, ErrorType.RATE_LIMITED),
            (True, 0.0, inf, 20.0, 0.0, nan, inf, inf, 0),
            (True, 0.0, inf, 5.0, 0.0, nan, inf, inf, 0),
            (True, 0.0, inf, 0.3, 0.0, nan, inf, inf, ErrorType.INVALID_OUTPUT),
            (True, 0.0, inf, 0.2, 0.0, nan, inf, inf, 0),
            (True, 0.0, inf, 0.0, 0.0, nan, inf, inf, 0),
        ],
        columns=rows.columns,
    )
    pd.testing.assert_frame_equal(rows, expected, check_dtype=False)


def test_every_array_has_the_type_that_compiled_code_expects():
    """With faults and without, so that nothing is compiled twice."""
    some = aim(of({"overload": {"concurrency": 2}, "models": "all"}), POLICY, LOG)
    none = aim(of({"spike": {"factor": 2}}), POLICY, LOG)
    for empty in (none, aim(None, POLICY, LOG), no_faults(5)):
        assert empty.hits.shape == (0, 5)
        for a, b in zip(some[:-1], empty[:-1], strict=True):
            assert (a.dtype, a.ndim) == (b.dtype, b.ndim)
            assert b.flags.c_contiguous


def test_bundled_scenarios_aim_at_real_models(bfcl_dir):
    """Also for a log that no bundled policy is made for."""
    frame = pd.read_csv(bfcl_dir / "bfcl_long.csv.gz", usecols=["request_id", "model", "quality"])
    bfcl = dataset_from_frame("bfcl", frame)
    policy = Policy.model_validate(
        {
            "policy": "p",
            "models": {"gpt-4o-mini-2024-07-18": {}, "claude-3-haiku-20240307": {}},
            "default": "main",
            "chains": {
                "main": {
                    "steps": [
                        {"model": "gpt-4o-mini-2024-07-18"},
                        {"model": "claude-3-haiku-20240307"},
                    ]
                }
            },
        }
    )
    for name in BUNDLED:
        faults = aim(load_scenario(name), policy, bfcl.models)
        assert faults.hits[:, 0].all()
    pair = of({"outage": {}, "models": ["claude-3-opus-20240229", "gpt-4o-mini-2024-07-18"]})
    assert aim(pair, policy, bfcl.models).hits.tolist() == [[True, False]]
    with pytest.raises(ScenarioError, match=r"got 'gpt-5'; allowed: 'gpt-4"):
        aim(of({"outage": {}, "models": ["gpt-5"]}), policy, bfcl.models)


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "sentence", "short"),
    [
        (
            {"outage": {}, "models": "gpt-4o-mini", "at_s": 1200, "for_s": 1200},
            "From 20:00 to 40:00, gpt-4o-mini answers nothing (server_error).",
            "outage of gpt-4o-mini",
        ),
        (
            {"outage": {"error": "timeout"}, "models": ["a", "b", "fallback"]},
            "All the time, a, b and the second model answer nothing (timeout).",
            "outage of a, b and the second model",
        ),
        (
            {"flapping": {"period_s": 60, "down_s": 20}, "models": "a", "at_s": 3600},
            "From 1:00:00 on, a answers nothing for 20 of every 60 seconds (connection).",
            "a flapping",
        ),
        (
            {"withdrawn": {}, "provider": "openai"},
            "All the time, every model of openai is no longer offered (auth).",
            "every model of openai withdrawn",
        ),
        (
            {"rate_limit": {"requests_per_min": 60}, "models": "all"},
            "All the time, every model takes only 60 calls a minute.",
            "rate limit of every model",
        ),
        (
            {"overload": {"concurrency": 8}, "models": ["a", "b"]},
            "All the time, a and b get slower when more than 8 calls are under way.",
            "overload of a and b",
        ),
        (
            {"brownout": {"factor": 2.5}, "provider": "primary"},
            "All the time, every model of the first model's provider takes 2.5 times as long.",
            "brownout × 2.5 of every model of the first model's provider",
        ),
        (
            {"invalid_answers": {"share": 0.3}, "models": "a"},
            "All the time, a answers 30 % of calls with what cannot be used.",
            "invalid answers of a",
        ),
        (
            {"invalid_answers": {"share": 0.05, "kind": "wrong"}, "models": "a"},
            "All the time, a answers 5 % of calls wrongly.",
            "wrong answers of a",
        ),
        (
            {"price": {"factor": 2}, "models": ["a", "b"]},
            "All the time, a and b cost 2 times as much.",
            "price × 2 of a and b",
        ),
        (
            {"spike": {"factor": 4}, "at_s": 0.5, "for_s": 59.5},
            "From 0:00.5 to 1:00, there are 4 times as many requests a second.",
            "spike × 4",
        ),
    ],
)
def test_each_fault_is_told_in_a_sentence_and_in_few_words(fault, sentence, short):
    """One plain sentence for a reader, and a label for a figure."""
    assert fault_in_words(Fault(**fault)) == sentence
    assert label(Fault(**fault)) == short


def test_every_kind_of_fault_has_words():
    """None of the kinds is forgotten, and each is described in its turn."""
    faults = [
        {kind: made} if kind == "spike" else {kind: made, "models": "all"}
        for kind, made in SETTINGS.items()
    ]
    assert set(SETTINGS) == set(KINDS)
    scenario = of(*faults, arrivals={"per_s": 1, "for_s": 90})
    sentences = describe(scenario)
    assert len(set(sentences)) == len(KINDS) + 1
    assert sentences[0] == "Requests drawn from the log arrive evenly, 1 a second, for 1:30."


def test_arrivals_are_told_in_a_sentence():
    """The log's own, stated ones, and those of a trace."""
    assert arrivals_in_words(None) == "Each request of the log arrives once, at its own time."
    trace = of(arrivals={"trace": "folder/azure.csv"})
    assert describe(trace) == ["Requests drawn from the log arrive at the times in azure.csv."]


@given(st.floats(0, 1e6))
def test_a_time_on_the_clock_is_the_time(seconds):
    """Reading the clock again gives the seconds, to a hundredth."""
    read = 0.0
    for part in clock(seconds).split(":"):
        read = 60 * read + float(part)
    assert read == pytest.approx(seconds, abs=0.006)


# --- command line --------------------------------------------------------------------------------


def run(*arguments: str):
    """Run a command in this process."""
    return CliRunner().invoke(app, arguments)


def test_the_command_line_lists_scenarios(tmp_path, monkeypatch):
    """Each with what happens in it; one that cannot be used does not hide the others."""
    rows = json.loads(run("scenarios", "--json").stdout)["scenarios"]
    assert [row["name"] for row in rows] == BUNDLED
    outage = rows[BUNDLED.index("provider_outage")]
    assert outage["duration_s"] == 3600
    assert outage["faults"] == describe(load_scenario("provider_outage"))[1:]
    monkeypatch.setenv("DETOUR_SCENARIOS", str(tmp_path))
    (tmp_path / "good.yaml").write_text("scenario: good\ndescription: Fine.\n")
    (tmp_path / "bad.yaml").write_text("scenario: bad\nfault: []\n")
    listed = run("scenarios")
    assert listed.exit_code == 0
    assert "cannot be used: bad:2: fault: unknown key" in listed.stdout
    assert "Fine." in listed.stdout


def test_the_command_line_tells_what_happens_in_one_or_what_is_wrong_with_it():
    """A name or a file; an error is a message and exit code 2."""
    told = run("scenarios", "monday_morning").stdout
    assert "- From 10:00 to 50:00, there are 2 times as many requests a second." in told
    wrong = run("scenarios", str(Path(__file__).parent / "broken_scenarios" / "no_kind.yaml"))
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "faults.0: does not say what goes wrong" in wrong.stderr


def test_the_command_line_replays_under_a_scenario(tmp_path):
    """The result names it; arrivals of a trace take the place of the scenario's or the log's."""
    trace = tmp_path / "times.csv"
    trace.write_text("timestamp\n" + "\n".join(str(i / 4) for i in range(400)))
    replayed = ("replay", "--policy", "tiered", "--dataset", "local", "--json")
    result = json.loads(run(*replayed, "--scenario", "everything_down").stdout)
    assert result["scenario"]["name"] == "everything_down"
    assert 17_000 < result["requests"] < 19_000
    result = json.loads(
        run(*replayed, "--scenario", "everything_down", "--arrivals", str(trace)).stdout
    )
    assert result["requests"] == 400
    assert result["scenario"]["faults"] == describe(load_scenario("everything_down"))[1:]
    result = json.loads(run(*replayed, "--arrivals", str(trace)).stdout)
    assert (result["requests"], result["scenario"]["name"]) == (400, "times")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scenario", "calmm"), "there is no such scenario; got 'calmm'; allowed: 'calm'"),
        (("--arrivals", "gone.csv"), "gone.csv: there is no such trace"),
    ],
)
def test_what_cannot_be_replayed_is_a_message(options, message):
    """Exit code 2 and one line, as for policies."""
    done = run("replay", "--policy", "tiered", "--dataset", "local", *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_command_line_prints_the_schema_of_scenarios():
    """For editors, beside that of policies."""
    assert json.loads(run("schema", "scenario").stdout) == json_schema()
    assert json.loads(run("schema").stdout)["title"] == "Policy"


def test_the_readme_of_scenarios_tells_every_setting_and_default():
    """Its example is a scenario, and its table has each kind with its settings."""
    text = (Path(__file__).parents[1] / "data" / "scenarios" / "README.md").read_text("utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    assert len(parse_scenario(example).faults) == 2
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    assert set(rows) == set(KINDS)
    for kind, made in KINDS.items():
        for name, field in made.model_fields.items():
            default = "" if field.is_required() or field.default is None else f" ({field.default}"
            assert f"`{name}`{default}" in rows[kind], kind
