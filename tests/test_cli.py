"""The command line as a user meets it: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.cli.text import clean, table, to_json

ROOT = Path(__file__).parents[1]
POLICY = """
policy: careful
description: The small model, then the large one.
goals:
  quality: {min: 0.1}
  error_rate: {max: 0.9}
models:
  small: {log: tiny}
  large: {}
routes:
  - {name: sums, when: {category: {eq: sums}}, use: both}
default: strong
chains:
  both:
    steps: [{model: small, timeout_s: 4}, {model: large, timeout_s: 10}]
  strong:
    steps: [{model: large, timeout_s: 10, retries: 1}]
"""
HOSTILE = "\x1b[2J\u202eevil"
"""Clears a terminal and writes backwards, where it is printed as it is."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The working directory: a folder with policies and an imported dataset of its own."""
    tmp_path = tmp_path_factory.mktemp("lab")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("DETOUR_DB", str(tmp_path / "lab.duckdb"))
    monkeypatch.setenv("DETOUR_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("DETOUR_POLICIES", str(tmp_path / "policies"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "careful.yaml").write_text(POLICY)
    (tmp_path / "policies" / "simple.yaml").write_text(
        "policy: simple\nmodels: {large: {}}\ndefault: only\n"
        "chains: {only: {steps: [{model: large, timeout_s: 10}]}}\n"
    )
    rows = ["request_id,category,model,quality,cost_usd,latency_ms,error"]
    for i in range(40):
        category = "sums" if i % 2 else HOSTILE
        rows.append(f"r{i},{category},tiny,{i % 3 > 0:d},0.001,250,")
        if i != 7:  # never observed
            rows.append(f"r{i},{category},large,1,,{900 + i},{'api_error' if i == 8 else ''}")
    (tmp_path / "log.csv").write_text("\n".join(rows).replace("large,1,,908", "large,0,,908"))
    assert run("import", "log.csv", "--as", "mine").exit_code == 0
    yield tmp_path
    monkeypatch.undo()


def run(*arguments: str):
    """Run a command in this process."""
    return CliRunner().invoke(app, arguments)


def result_of(*arguments: str) -> dict:
    """The one JSON object that a command prints; NaN and Infinity are not JSON."""

    def refuse(constant):
        raise AssertionError(constant)

    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    found = json.loads(done.stdout, parse_constant=refuse)
    assert isinstance(found, dict)
    return found


def test_replay_prints_the_answer_first(folder):
    """The text starts with what was replayed and whether its goals are met, then the numbers."""
    done = run("replay", "--policy", "careful", "--dataset", "mine")
    assert done.exit_code == 0, done.output
    first, _, verdict = done.stdout.splitlines()[:3]
    assert first.startswith("careful on mine, 40 requests")
    assert verdict.startswith("Yes on quality and errors")
    for word in ("cost per 1k", "latency, p95", "measured", "route", "sums", "goal", "model"):
        assert word in done.stdout


def test_replay_as_json_is_the_summary(folder):
    """`--json` gives the same numbers as Python, with intervals."""
    from toolkit import load_dataset, load_policy, replay

    found = result_of("replay", "--policy", "careful", "--dataset", "mine", "--seed", "3")
    assert found == replay(load_policy("careful"), load_dataset("mine"), 3).summary().to_dict()
    low, high = found["quality_ci95"]
    assert low <= found["quality"] <= high


def test_what_was_not_measured_is_null(folder):
    """A model without a single cost has no cost per request: null and a dash, never 0."""
    assert result_of("replay", "--policy", "simple", "--dataset", "mine")["cost_usd_per_1k"] is None
    text = run("replay", "--policy", "simple", "--dataset", "mine").stdout
    line = next(line for line in text.splitlines() if line.startswith("cost per 1k"))
    assert line.split()[3] == "–"


def test_unobserved_requests_are_counted(folder):
    """The request that the log does not hold is reported, in text and in JSON."""
    assert result_of("replay", "--policy", "simple", "--dataset", "mine")["unobserved"] == 1
    assert "1 unobserved" in run("replay", "--policy", "simple", "--dataset", "mine").stdout


def test_compare_says_what_differs(folder):
    """A comparison is a sentence and a table, and in JSON the differences with intervals."""
    arguments = ("compare", "simple", "careful", "--dataset", "mine")
    found = result_of(*arguments)
    assert found["a"] == "simple"
    assert found["b"] == "careful"
    low, high = found["latency_mean_s_ci95"]
    assert low <= found["latency_mean_s"] <= high
    text = run(*arguments).stdout
    assert text.startswith("careful against simple on mine")
    assert found["verdict"].split()[0] in text


def test_check_shows_the_worst_case(folder):
    """A usable policy ends with 0 and shows how many calls and seconds each chain may take."""
    found = result_of("check", "--policy", "careful", "--dataset", "mine")
    assert found["errors"] == []
    assert found["chains"]["both"]["worst_case_attempts"] == 2
    assert found["chains"]["both"]["worst_case_s"] == 14
    assert "14 s" in run("check", "--policy", "careful", "--dataset", "mine").stdout


def test_check_of_a_broken_policy_is_json_too(folder):
    """With `--json` the problems of an unusable policy are the result, and the exit code is 2."""
    (folder / "broken.yaml").write_text(POLICY.replace("use: both", "use: bath"))
    done = run("check", "--policy", "broken.yaml", "--json")
    assert done.exit_code == 2
    assert "bath" in json.dumps(json.loads(done.stdout)["errors"])


def test_check_against_a_dataset_that_does_not_fit(folder):
    """A model that the dataset does not have is an error of the check, with exit code 2."""
    (folder / "other.yaml").write_text(POLICY.replace("log: tiny", "log: tinny"))
    done = run("check", "--policy", "other.yaml", "--dataset", "mine")
    assert done.exit_code == 2
    assert "'tiny' (did you mean this?)" in " ".join(done.output.split())


def test_datasets_and_policies_are_listed(folder):
    """The lists hold what was imported and what lies in the folder of policies."""
    mine = next(d for d in result_of("datasets")["datasets"] if d["name"] == "mine")
    assert (mine["n_requests"], mine["n_models"], mine["n_outcomes"]) == (40, 2, 79)
    assert mine["kind"] == "partial"
    names = [policy["name"] for policy in result_of("policies")["policies"]]
    assert names == ["careful", "simple"]


def test_an_empty_store_says_what_to_do(tmp_path, monkeypatch):
    """Without any dataset the list is empty, and a sentence says how to get one."""
    monkeypatch.setenv("DETOUR_DB", str(tmp_path / "lab.duckdb"))
    monkeypatch.setenv("DETOUR_BUNDLED", str(tmp_path))
    done = run("datasets", "--json")
    assert json.loads(done.stdout) == {"datasets": []}
    assert "import a log" in done.stderr


def test_import_says_what_came_in(folder):
    """An import counts requests, models and outcomes; the same file again changes nothing."""
    first = run("import", "log.csv", "--as", "again")
    assert "40 requests, 2 models, 79 outcomes" in first.stdout
    assert result_of("import", "log.csv", "--as", "again")["already_there"]


def test_an_export_comes_back_as_it_was(folder):
    """What was exported and imported again replays to the same numbers."""
    assert result_of("export", "mine", "out")["folder"] == "out"
    done = run("import", "out/outcomes.parquet", "--prompts", "out/requests.parquet", "--as", "b")
    assert done.exit_code == 0, done.output
    left = result_of("replay", "--policy", "careful", "--dataset", "mine")
    right = result_of("replay", "--policy", "careful", "--dataset", "b")
    for found in (left, right):
        del found["dataset"], found["dataset_digest"]
    assert left == right


def test_collect_asks_a_tool_and_resumes(folder):
    """Answers of a tool are graded and become a dataset; a second start has nothing left to do."""
    prompts = [
        {"request_id": f"p{i}", "category": "sums", "prompt": f"What is {i} + 2?"}
        | {"reference": str(i + 2), "grader": "number"}
        for i in range(3)
    ]
    (folder / "prompts.jsonl").write_text("\n".join(json.dumps(p) for p in prompts))
    (folder / "targets.yaml").write_text(
        "targets: {calculator: {kind: tool, tool: calculator, price: {usd_per_cpu_hour: 1}}}"
    )
    arguments = ("collect", "--prompts", "prompts.jsonl", "--targets", "targets.yaml")
    first = result_of(*arguments, "--as", "sums")
    assert (first["done"], first["total"], first["finished"]) == (3, 3, True)
    assert result_of(*arguments, "--as", "sums")["resumed"] == 3
    assert "3 of 3 outcomes, finished" in run(*arguments, "--as", "sums").stdout


def test_schema_is_json(folder):
    """The schema of policy files is one JSON document that names its parts."""
    found = json.loads(run("schema").stdout)
    assert {"models", "chains", "default"} <= set(found["properties"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "--policy", "carefull", "--dataset", "mine"], "'careful' (did you mean this?)"),
        (["replay", "--policy", "careful", "--dataset", "mein"], "'mine' (did you mean this?)"),
        (["replay", "--policy", "nowhere.yaml", "--dataset", "mine"], "nowhere.yaml"),
        (["compare", "careful", "--dataset", "mine"], "second"),
        (["import", "nowhere.csv", "--as", "x"], "nowhere.csv"),
        (["import", "log.csv", "--as", "../x"], "../x"),
        (["export", "mine", "log.csv/below"], "log.csv"),
        (["collect", "--prompts", "none", "--targets", "none", "--as", "x"], "none"),
        (["replay", "--policy", "careful"], "--dataset"),
        (["fly"], "fly"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_ends_with_a_message(folder, arguments, message):
    """What the user can mend is said on standard error, with exit code 2 and no traceback."""
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_text_of_a_log_cannot_drive_the_terminal(folder):
    """Control and direction characters of a category are printed as their escapes."""
    text = run("replay", "--policy", "careful", "--dataset", "mine").output
    assert r"\x1b[2J\u202eevil" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_terminal_without_the_characters_gets_escapes(folder):
    """A terminal that has no dash still gets its line, as a started program sees it."""
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "replay", "--policy", "simple", "--dataset", "mine"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"\u2013" in done.stdout


def test_help_is_shown_without_a_command():
    """Bare `python -m toolkit` lists the commands."""
    assert "Commands:" in run().output


def test_the_version_is_printed():
    """`--version` names the version."""
    from toolkit import __version__

    assert __version__ in run("--version").stdout


def test_clean_keeps_what_can_be_read():
    """Letters of any script stay; line ends and controls become visible."""
    assert clean("Zürich 東京 – ok") == "Zürich 東京 – ok"
    assert clean("a\nb\x00\x9b") == r"a\nb\x00\x9b"


def test_tables_line_up_with_wide_letters():
    """A letter that takes two columns counts as two."""
    lines = table(("name", "n"), [("東京", "1"), ("ab", "10")]).splitlines()
    assert lines == ["name   n", "東京   1", "ab    10"]


def test_json_has_no_nan():
    """Undefined and infinite numbers become null, wherever they stand."""
    found = json.loads(to_json({"a": float("nan"), "b": [float("inf"), {"c": 1.5}]}))
    assert found == {"a": None, "b": [None, {"c": 1.5}]}
