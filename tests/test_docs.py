"""What the documentation says is so: commands, snippets, outputs and public names."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import toolkit
from toolkit.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(m[1], m[2]) for m in FENCE.finditer(README)]
SHOWN = re.findall(r"^\| `([a-z-]+)", README.partition("\n## From Python")[0], re.MULTILINE)
COMMANDS = sorted(get_command(app).commands)


@pytest.fixture
def reader(tmp_path):
    """Runs a command as a reader would: in an empty folder, with an empty store."""
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "PYTHONIOENCODING": "utf-8",
        "DETOUR_DB": str(tmp_path / "lab.duckdb"),
        "DETOUR_RUNS": str(tmp_path / "runs"),
        "DETOUR_ROUTERS": str(tmp_path / "routers"),
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_shell_snippets_of_the_readme_run(reader):
    """Every `sh` block runs, in order, and prints what the `text` block after it shows."""
    for (language, code), (following, shown) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if language == "sh":
            printed = reader("sh", "-eu", "-c", code)
            if following == "text":
                assert printed.strip() == shown.strip()


def test_python_snippets_of_the_readme_run(reader):
    """The `python` blocks run one after another, as in a notebook."""
    snippets = [code for language, code in BLOCKS if language == "python"]
    assert snippets
    reader(sys.executable, "-c", "\n".join(snippets))


def test_readme_shows_only_kinds_of_blocks_that_are_checked():
    """No snippet escapes: `console` is a make target, `yaml` a policy, `yml` a part of a file."""
    kinds = {"sh", "text", "python", "console", "yaml", "yml"}
    assert {language for language, _ in BLOCKS} <= kinds


def test_parts_of_files_in_the_readme_can_be_read():
    """Goals are goals, and the steps of a workflow are a list of steps."""
    from toolkit import Policy

    parts = [yaml.safe_load(code) for language, code in BLOCKS if language == "yml"]
    goals, steps = parts
    assert Policy.single("any").with_value("goals", goals["goals"]).goals.quality
    assert all({"uses", "run"} & step.keys() for step in steps)


def test_policy_of_the_readme_is_one():
    """The policy file in the README can be loaded."""
    from toolkit import parse_policy

    policies = [code for language, code in BLOCKS if language == "yaml"]
    assert policies
    for text in policies:
        parse_policy(text)


def test_make_targets_of_the_readme_exist():
    """Each `make` command in the README is a target, and each target that users need is there."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    shown = set(re.findall(r"\bmake ([a-z]+)\b", README))
    assert (
        {"run", "test", "bench", "lint"}
        <= shown
        <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    )


def test_files_of_the_readme_exist():
    """Links and pictures of the README lead to files that are there."""
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_documented(command):
    """Every command stands in the README's table and explains itself and each of its options."""
    assert SHOWN.count(command) == 1
    found = get_command(app).commands[command]
    assert found.help
    for option in found.params:
        assert option.help, f"{command}: {option.name} has no help"


def test_no_other_command_is_documented():
    """The README's table lists no command that does not exist."""
    assert set(SHOWN) <= set(COMMANDS)


@pytest.mark.parametrize("name", toolkit.__all__)
def test_each_public_name_explains_itself(name):
    """A public name can be imported and has a docstring of its own."""
    assert inspect.getdoc(getattr(toolkit, name))


def test_public_names_are_sorted_and_known_to_editors():
    """`__all__` is sorted, and what is loaded when used is also what type checkers read."""
    assert toolkit.__all__ == sorted(toolkit.__all__)
    assert set(toolkit.__all__) <= set(dir(toolkit))
    tree = ast.parse((ROOT / "toolkit" / "__init__.py").read_text("utf-8"))
    typed = {
        (node.module, alias.name)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {(module, name) for module, names in toolkit._HOMES.items() for name in names}


def test_an_unknown_public_name_is_an_attribute_error():
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError, match="module 'toolkit' has no attribute 'replai'"):
        _ = toolkit.replai


def test_changelog_names_the_version():
    """The version of the code is the one that the changelog describes."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## [{toolkit.__version__}]" in changelog or "## [Unreleased]" in changelog
