"""The command `check` says what is proved, and what is not, to people and to programs."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from toolkit.cli import app

POLICY = """
policy: shop
models:
  small: {litellm: openai/small, supports: []}
  large: {litellm: openai/large}
requires: {tools: {tools: {eq: true}}}
routes:
  - {name: tools, when: {tools: {eq: true}}, use: careful}
default: plain
chains:
  careful:
    steps:
      - {model: small, timeout_s: 2}
      - {model: large, timeout_s: 4, retries: 2, backoff_s: 1}
      - {degrade: message, text: Sorry.}
  plain:
    deadline_s: 9
    steps: [{model: small, timeout_s: 3, retries: 1}]
"""


@pytest.fixture
def policy(tmp_path):
    """The path of a policy with a bit of everything."""
    path = tmp_path / "shop.yaml"
    path.write_text(POLICY)
    return str(path)


def run(*arguments: str) -> str:
    """What the command prints."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_text_has_worst_cases_routes_risks_and_what_is_not_proved(policy):
    """A table for chains, one for routes, and sentences about the rest."""
    text = run("check", "--policy", policy)
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines() if line}
    assert lines["careful"][1:6] == ["3", "15", "s", "+", "Retry-After"]
    assert lines["plain"][1:4] == ["2", "9", "s"]
    assert lines["tools"][1] == "3"
    flat = " ".join(text.split())
    assert "risk: chains.plain: can end without an answer" in flat
    assert "tools: step 0 of careful is skipped: all requests that come here need 'tools'" in flat
    assert "careful: How long a provider asks to wait before a retry (Retry-After)" in flat
    assert "Not proved: - " in flat
    assert "- What a request costs: no dataset was given." in flat


def test_json_has_the_same(policy):
    """`chains.<name>` and `routes.<name>` hold the bounds; what has no bound is null."""
    found = json.loads(run("check", "--policy", policy, "--json"))
    assert list(found) == ["errors", "warnings", "risks", "chains", "routes", "retry_budget"]
    careful = found["chains"]["careful"]
    assert careful["worst_case_attempts"] == careful["amplification"] == 3
    assert careful["worst_case_s"] is None
    assert careful["worst_case_s_without_retry_after"] == 15
    assert found["chains"]["plain"]["worst_case_s"] == 9
    assert list(found["routes"]) == ["tools", "default"]
    assert found["routes"]["tools"]["chains"] == ["careful"]
