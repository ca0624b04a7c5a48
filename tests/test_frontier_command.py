"""The command ``frontier`` as a user meets it: what it prints and writes, and how it ends."""

from __future__ import annotations

import csv
import json

import pytest
from typer.testing import CliRunner

from toolkit.cli import app

SPLIT = "split: [{use: cheap, weight: 1}, {use: dear, weight: 1}]"
POLICY = f"""
policy: "careful \\e[2J"
goals:
  quality: {{min: 0.7}}
  cost_usd_per_1k: {{max: 5}}
models: {{small: {{log: tiny}}, large: {{}}}}
routes:
  - {{name: some, when: {{category: {{eq: sums}}}}, {SPLIT}}}
default: cheap
chains:
  cheap:
    steps: [{{model: small, timeout_s: 4}}, {{model: large, timeout_s: 10}}]
  dear:
    steps: [{{model: large, timeout_s: 10}}]
"""
LIMIT = "chains.cheap.steps.0.timeout_s"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The working directory: a policy, and an imported dataset of its own."""
    tmp_path = tmp_path_factory.mktemp("lab")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("DETOUR_DB", str(tmp_path / "lab.duckdb"))
    monkeypatch.setenv("DETOUR_POLICIES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "careful.yaml").write_text(POLICY)
    rows = ["request_id,category,model,quality,cost_usd,latency_ms"]
    for i in range(60):
        category = "sums" if i % 2 else "words"
        rows.append(f"r{i},{category},tiny,{i % 3 > 0:d},0.001,{100 * i}")
        rows.append(f"r{i},{category},large,1,0.01,2000")
    (tmp_path / "log.csv").write_text("\n".join(rows))
    assert run("import", "log.csv", "--as", "mine").exit_code == 0
    yield tmp_path
    monkeypatch.undo()


def run(*arguments: str):
    """Run a command in this process."""
    return CliRunner().invoke(app, arguments)


def swept(*arguments: str):
    """Run the command on the dataset."""
    return run("frontier", "--policy", "careful", "--dataset", "mine", *arguments)


def test_the_answer_comes_first(folder):
    """A title, the verdict, the policies that nothing beats, what needs no policy."""
    done = swept("--vary", f"{LIMIT}=1,2,3")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "careful \\x1b[2J on mine, 60 requests, 4 policies"
    assert "of 4 policies meets all goals" in done.stdout or "The cheapest of 4" in done.stdout
    assert f"A = {LIMIT}" in done.stdout
    for word in ("as it stands", "random mix", "oracle", "AIQ", "a point of quality", "a search"):
        assert word in done.stdout
    assert "per 1k a point: USD per 1,000 requests" in done.stdout
    between = swept("--vary", f"{LIMIT}=1,2,3", "--pair", "tiny,large").stdout
    assert "Between tiny and large: APGR" in " ".join(between.split())


def test_as_json_there_is_one_object(folder):
    """The points with their values, and the pair that was asked for."""
    done = swept("--vary", f"{LIMIT}=1:3:3", "--pair", "small,large", "--json")
    result = json.loads(done.stdout)
    assert [point["values"][LIMIT] for point in result["points"]] == [4, 1, 2, 3]
    assert result["pair"]["weak"] == "tiny"
    assert result["pair"]["apgr_ci95"][0] < result["pair"]["apgr"] < result["pair"]["apgr_ci95"][1]
    assert all("from_usd_per_1k_per_point" in one for one in result["worth"])
    assert result["axes"] == ["cost_usd_per_1k", "quality"]


def test_places_multiply_and_axes_are_chosen(folder):
    """Each further --vary is another dimension; short names of axes will do."""
    weight = "routes.0.split.0.weight"
    done = swept(
        "--vary", f"{LIMIT}=1,2", "--vary", f"{weight}=1,3,9", "--axes", "p95,errors", "--json"
    )
    result = json.loads(done.stdout)
    assert len(result["points"]) == 7
    assert result["axes"] == ["latency_p95_s", "error_rate"]
    assert "mean latency" in swept("--vary", f"{LIMIT}=1", "--axes", "latency,quality").stdout


def test_without_places_some_are_suggested_and_told(folder):
    """What is varied is said on standard error, so that the result stays clean."""
    done = swept("--json")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith("Varied: ")
    assert len(json.loads(done.stdout)["points"]) > 10


def test_a_scenario_is_met_by_all(folder):
    """Under an outage of the first model, nothing is as cheap as before."""
    done = swept("--vary", f"{LIMIT}=1,2", "--scenario", "provider_outage", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["scenario"] == "provider_outage"


def test_every_policy_goes_into_a_table(folder):
    """Whole or not at all; no text can become a formula."""
    path = folder / "found.csv"
    done = swept("--vary", f"{LIMIT}=1,2,null", "--csv", str(path))
    assert done.exit_code == 0, done.stderr
    assert "Written:" in done.stderr
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row[LIMIT] for row in rows] == ["4", "1", "2", ""]
    assert float(rows[1]["cost_usd_per_1k"]) > float(rows[3]["cost_usd_per_1k"])
    nowhere = folder / "nowhere" / "found.csv"
    failed = swept("--vary", f"{LIMIT}=1", "--csv", str(nowhere))
    assert failed.exit_code == 2
    assert "cannot be written; got No such file" in failed.stderr
    assert not list(folder.glob("**/*.part"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vary", "rubbish"), "must say what is varied"),
        (("--vary", f"{LIMIT}=0"), f"{LIMIT} = 0: {LIMIT}: is out of range"),
        (("--vary", "chains.cheap.step=1"), "unknown key; got 'step'"),
        (("--axes", "cost"), "a trade-off needs two"),
        (("--axes", "cost,beauty"), "no such axis; got 'beauty'"),
        (("--pair", "small"), "pair: needs two models; got 'small'"),
        (("--pair", "small,huge"), "no such model; got 'huge'"),
        (("--scenario", "doomsday"), "doomsday"),
        (("--seed", "-1"), "seed: out of range; got -1"),
        (("--pair", "small,small"), "pair: needs two models; got 'tiny' twice"),
        (
            ("--vary", f"{LIMIT}=1", "--pair", "large,small"),
            "must be the better one; got 'tiny' at",
        ),
        (("--vary", "goals.quality.min=0,1"), "goals.quality.min: is read by no replay"),
    ],
)
def test_a_mistake_ends_with_a_message(folder, arguments, message):
    """Exit code 2, nothing on standard output."""
    done = swept(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""
