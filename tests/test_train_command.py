"""The command ``train``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.learn.registry import list_routers, load_router
from toolkit.logs.datasets import load_dataset
from toolkit.policy import parse_policy

FAST = ("--models", "gemma3-few-shot,smollm2-retrieval", "--folds", "2", "--text", "none")
FAST += ("--head", "logistic")


@pytest.fixture(autouse=True)
def routers(tmp_path, monkeypatch):
    """An empty registry."""
    folder = tmp_path / "routers"
    monkeypatch.setenv("DETOUR_ROUTERS", str(folder))
    return folder


def here(*words: str) -> Result:
    """Run it within the test."""
    return CliRunner().invoke(app, ["train", *words])


def test_it_prints_one_json_object_and_keeps_the_router():
    """Results on standard output; the router is in the registry and foretells the same."""
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "train", "--dataset", "local", "--name", "easy",
         *FAST, "--quick", "--json"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["name"], found["version"], found["dataset"]) == ("easy", 1, "local")
    keys = "apgr apgr_ci95 cpt50 cpt80 aiq aiq_ci95 aiq_zero_router aiq_zero_router_ci95 aiq_gain"
    assert all(found[key] is not None for key in keys.split())
    assert found["curve"][0].keys() >= {"tradeoff_usd_per_point", "quality_ci95", "shares"}
    assert [one["model"] for one in found["calibration"]] == found["models"]
    (entry,) = list_routers()
    assert entry.reference == "easy@1"
    predicted = load_router("easy").predict(load_dataset("local").requests)
    assert predicted.shape == (1313, 2)
    assert np.isfinite(predicted).all()


def test_it_says_the_answer_first_and_how_to_use_it():
    """Verdict, curve, rivals, calibration; then the policy that the verdict speaks for."""
    done = here("--dataset", "local", "--name", "easy", *FAST)
    assert done.exit_code == 0, done.stderr
    verdict, heading = done.stdout.split("\n\n")[:2]
    assert "lookup table" in verdict or "The router" in verdict
    assert heading == "easy on local, 1,313 requests, 2 models"
    for word in ("zero router", "oracle", "Brier score", "APGR", "Out of fold: 2 folds"):
        assert word in done.stdout
    assert max(map(len, done.stdout.split("\npolicy: ")[0].splitlines())) <= 100
    lead, policy = done.stdout.split("Kept as easy@1.\n")[1].split("\n\npolicy: ")
    assert verdict.startswith("A lookup table by category is as good: use that.")
    assert lead.startswith("A policy with the rules of the lookup table, which needs no router: ")
    assert "router: {name: easy, min_quality: 0." in lead.replace("\n", " ")
    policy = parse_policy(f"policy: {policy}")
    assert policy.routes[0].when.columns.keys() == {"category"}
    assert set(policy.models) == {"gemma3-few-shot", "smollm2-retrieval"}


def test_a_router_that_pays_is_asked_by_the_policy(monkeypatch):
    """Where learning is better than the table, the policy has the router, with what it reaches."""
    monkeypatch.setattr("toolkit.evaluate.routers.words.table_instead", lambda _: None)
    done = here("--dataset", "local", "--name", "easy", *FAST, "--quick")
    lead, policy = done.stdout.split("Kept as easy@1.\n")[1].split("\n\npolicy: ")
    assert lead.startswith("A policy that asks it, with min_quality 0.")
    assert " per 1M out of fold." in lead
    assert parse_policy(f"policy: {policy}").routes[0].router.name == "easy"


def test_a_later_version_waits_to_be_promoted():
    """The name goes on to stand for the first one, and the text says how to change that."""
    words = ("--dataset", "local", "--name", "easy", *FAST, "--quick", "--columns", "category")
    asks = "router: {name: easy@2,"
    assert "Kept as easy@1." in here(*words).stdout
    second = here(*words).stdout
    assert "Kept as easy@2; easy stands for another: --promote changes that." in second
    assert asks in second.replace("\n", " ")
    assert "Kept as easy@3." in here(*words, "--promote").stdout
    assert [one.version for one in list_routers() if one.current] == [3]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--name", "../easy"), "cannot be the name of a router; got '../easy'"),
        (("--models", "gemma"), "no such model; got 'gemma'; allowed: "),
        (("--models", "calculator"), "needs two models to choose from; got calculator"),
        (("--head", "deep"), "head: got 'deep'; allowed: 'logistic'"),
        (("--text", "words"), "got 'words'; allowed: 'auto', 'embedding', 'tfidf', 'both', 'none'"),
        (("--calibration", "x"), "--calibration: there is no such way; got 'x'; allowed: 'isot"),
        (("--columns", "colour"), "no such column; got 'colour'"),
        (("--split", "weekly"), "no such split; got 'weekly'; allowed: 'auto'"),
        (("--folds", "1"), "folds: got 1; allowed: 2 to 20"),
        (("--dataset", "nowhere"), "no dataset 'nowhere'"),
    ],
)
def test_a_mistake_ends_with_2(words, message, routers):
    """In a sentence, nothing on standard output, and nothing is kept."""
    given = {"--dataset": "local", "--name": "easy"} | {words[0]: words[1]}
    done = here(*(part for pair in given.items() for part in pair), "--quick")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert not routers.exists() or not list(routers.iterdir())


@pytest.mark.parametrize("place", ["/proc/routers", "a file"])
def test_a_folder_that_cannot_be_written_is_told_before_the_training(place, tmp_path, monkeypatch):
    """Nobody waits for a router that cannot be kept."""
    if place == "a file":
        place = str(tmp_path / "file")
        (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("DETOUR_ROUTERS", place)

    def train(*_: object, **__: object) -> None:
        pytest.fail("trained for nothing")

    monkeypatch.setattr("toolkit.evaluate.routers.train.train", train)
    done = here("--dataset", "local", "--name", "easy", *FAST)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "set DETOUR_ROUTERS to a folder" in done.stderr


def test_a_column_that_tells_nothing_is_told_at_once():
    """A named column that is the same everywhere is refused before anything is learned."""
    done = here(
        "--dataset", "local", "--name", "easy", *FAST, "--columns", "prompt_chars,timestamp"
    )
    assert (done.exit_code, done.stdout) == (2, "")
    assert "columns: 'timestamp' cannot be read: holds timestamp" in done.stderr


def test_quick_or_not_a_column_of_correct_answers_is_told_of():
    """The check of columns is too dear to leave out."""
    words = ("--columns", "reference,category", "--quick", "--head", "neighbours", "--json")
    done = here("--dataset", "local", "--name", "easy", *FAST, *words)
    assert done.exit_code == 0, done.stderr
    warned = json.loads(done.stdout)["warnings"]
    assert sum(line.startswith("Column 'reference' ") for line in warned) == 2


def test_ctrl_c_leaves_nothing_behind(monkeypatch, routers):
    """However far it was, the registry is as before, and the exit code is 130."""
    from toolkit.learn import router

    def pressed(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()

    monkeypatch.setattr(router.QualityRouter, "forecast", pressed)
    done = here("--dataset", "local", "--name", "easy", *FAST, "--quick")
    assert done.exit_code == 130
    assert done.stdout == ""
    assert list_routers() == []
    assert not routers.exists() or not list(routers.iterdir())


def test_simulated_data_is_marked():
    """In the heading and in the JSON."""
    models = "gpt-4o-mini-2024-07-18,claude-3-5-sonnet-20240620"
    words = ("--dataset", "fleet", "--name", "easy", "--models", models)
    done = here(*words, "--folds", "2", "--quick")
    assert done.exit_code == 0, done.stderr
    assert "2 models  [SIMULATED DATA]" in done.stdout
    assert "The data is simulated" in done.stdout
