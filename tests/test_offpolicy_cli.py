from __future__ import annotations

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from tests.offpolicy_world import POLICY, simulated
from toolkit.cli import app
from toolkit.logs.exporters import export
from toolkit.policy.model import Policy


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two policies, and a log as the dataset ``served``."""
    folder = tmp_path_factory.mktemp("offpolicy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETOUR_BUNDLED", str(folder / "data"))
        patch.setenv("DETOUR_DB", str(folder / "lab.duckdb"))
        export(dataclasses.replace(simulated(1), name="served"), folder / "data" / "served")
        (folder / "tested.yaml").write_text(POLICY.to_yaml())
        (folder / "large.yaml").write_text(Policy.single("large").to_yaml())
        yield folder


def run(place, *arguments: str):
    """Run ``estimate`` on the log."""
    policy = str(place / "tested.yaml")
    return CliRunner().invoke(
        app, ["estimate", "--policy", policy, "--dataset", "served", *arguments]
    )


def test_estimate_prints_the_answer_first(place):
    """The title marks simulated data, then come the verdict, the table and what it rests on."""
    done = run(place)
    assert done.exit_code == 0, done.stderr
    title, _, answer, *_ = done.stdout.splitlines()
    assert title == "tested from served, 1,000 of 1,000 requests  [SIMULATED DATA]"
    assert answer.startswith("On 1,000 logged requests, tested would have had quality 0.")
    for text in ("doubly robust", "Switch-DR", "the log itself", "large alone", "route code,"):
        assert text in done.stdout
    assert "Effective sample size" in done.stdout


def test_estimate_as_json_is_one_object(place):
    """With the difference to another policy inside, where one is named."""
    done = run(place, "--against", str(place / "large.yaml"), "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["recommended"] == "dr"
    assert found["estimators"]["dr"]["quality"]["n"] > 0
    low, high = found["against"]["differences"]["cost_usd_per_1k"]["ci95"]
    assert low < high < 0
    assert found["against"]["verdict"].startswith("tested differs from large in")
    assert 0 <= found["against"]["differences"]["quality"]["p_adjusted"] <= 1
    shown = run(place, "--against", str(place / "large.yaml")).stdout
    assert "tested against large, 1,000 of 1,000 requests" in shown
    assert "p by Holm" in shown
    assert "adjusted by Holm's method" in shown


def test_a_log_that_cannot_have_been_made_so_exits_2(place):
    """What the user can mend is a message."""
    done = run(place, "--logged-by", str(place / "large.yaml"))
    assert done.exit_code == 2
    assert "cannot have served it" in done.stderr


def test_an_extrapolation_has_no_difference(place):
    """It could not tell anything."""
    done = run(place, "--against", str(place / "large.yaml"), "--extrapolate")
    assert done.exit_code == 2
    assert "--against or --extrapolate" in done.stderr
    assert "Not an estimate" in run(place, "--extrapolate").stdout
