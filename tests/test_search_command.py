"""The command ``search``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import Result
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.cli.search import seconds_of
from toolkit.errors import DataError
from toolkit.policy import load_policy


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run it as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "toolkit", "search", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_prints_one_json_object_and_writes_the_policies(tmp_path):
    """Results on standard output, notes on standard error, each policy a file that loads."""
    words = ("--policy", "tiered", "--dataset", "local", "--trials", "40", "--json")
    done = run(*words, "--out", str(tmp_path / "found"))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    names = {one["policy"] for one in result["candidates"]}
    files = {path.stem: load_policy(str(path)) for path in (tmp_path / "found").iterdir()}
    assert set(files) == names == {policy.policy for policy in files.values()}
    assert done.stderr.count("Written: ") == len(files)
    assert result["trials"] == 40
    assert result["split"]["by_time"]


def here(*words: str) -> Result:
    """Run it within the test."""
    return CliRunner().invoke(app, ["search", *words])


def test_it_says_the_answer_first():
    """Then tuned beside held out, then each change with its reason."""
    done = here("--policy", "small_first", "--dataset", "fleet", "--trials", "25")
    assert done.exit_code == 0, done.stderr
    head, verdict = done.stdout.split("\n\n")[:2]
    assert head.startswith("Search from small_first on fleet")
    assert head.endswith("[SIMULATED DATA]")
    assert "the cheapest that meets the goals" in " ".join(verdict.split())
    assert "held out" in done.stdout
    assert "tuned" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--budget", "soon"), "budget: is no time; got 'soon'; allowed: such as 60s"),
        (("--trials", "0"), "trials; got 0; allowed: 1 or more"),
        (("--only", "chains.slow"), "chains.slow: is no place that can be tuned"),
    ],
)
def test_a_mistake_ends_with_2(words, message):
    """In a sentence, and nothing on standard output."""
    done = here("--policy", "tiered", "--dataset", "local", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("90", 90), ("2min", 120), ("1.5h", 5400), ("5m", 300)]
)
def test_durations_are_read(text, seconds):
    """With the units people write."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-5s", "1d", "s", "1e3", "nan"])
def test_no_durations_are_refused(text):
    """What is no time is told."""
    with pytest.raises(DataError, match="is no time"):
        seconds_of(text)
