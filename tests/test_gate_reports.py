"""What a gate says to CI systems: exit codes, Markdown that stays text, XML that they read."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.small_logs import chain, log
from toolkit.cli import app
from toolkit.evaluate.gate import gate
from toolkit.evaluate.gate_report import code, printable, text
from toolkit.policy.model import Policy

EVIL = "@octocat | `a` <img src=x onerror=alert(1)>\n# www.evil.example $x$ &amp; \x1b[2J\u202e"
GOALS = {"quality": {"min": 0.5, "min_change": -0.1}, "error_rate": {"max": 0.03}}
markdown_it = pytest.importorskip("markdown_it")


def read(source: str):
    """A tree of what GitHub's kind of Markdown says."""
    return markdown_it.MarkdownIt("commonmark").enable("table").parse(source)


def leaves(source: str) -> list:
    """The innermost parts of a text."""
    return [leaf for block in read(source) for leaf in block.children or [block]]


@pytest.fixture(scope="module")
def undecided():
    """A gate of a policy with an evil name, met in part."""
    policy = chain("b", name=EVIL, goals=GOALS)
    data = log(np.repeat([[0.0, 1.0], [1.0, 1.0]], 40, axis=0), simulated=True, digest="abc")
    return gate(policy, data, Policy.single("a"))


def test_markdown_has_the_answer_first_and_a_row_for_each_goal(undecided):
    """A heading with the status, then the verdict, then a table; the rest is folded."""
    assert undecided.status == "undecided"
    lines = undecided.to_markdown().split("\n")
    assert lines[0] == "### Gate: undecided"
    assert "**simulated data**" in lines[2]
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 2 + len(undecided.results) == 5
    assert len({row.count(" | ") for row in rows}) == 1
    assert rows[2].startswith("| quality | at least 0.5 | 1.00 [")
    assert rows[3].startswith("| change of quality | at most 10 points below the baseline | +50")
    kinds = [token.type for token in read("\n".join(lines))]
    assert kinds.count("table_open") == 1
    assert kinds.count("tr_open") == 1 + len(undecided.results)


def test_markdown_leaves_names_as_text(undecided):
    """Mentions, references, links, HTML and markup in a name stand in code spans."""
    source = undecided.to_markdown()
    spans = [leaf.content for leaf in leaves(source) if leaf.type == "code_inline"]
    assert printable(EVIL) in spans
    html = [leaf.content for leaf in leaves(source) if leaf.type.startswith("html")]
    assert [tag.split(">")[0] for tag in html] == ["<details", "</details"]
    plain = "".join(leaf.content for leaf in leaves(source) if leaf.type == "text")
    assert not set("@<`") & set(plain)
    assert "www" not in plain


NAMES = st.text(
    st.sampled_from("ab 1.`|@#<>*_~[](){}&;:/\\!+-=$\n\t\x00é\u202e\ud800"), max_size=25
)


@settings(deadline=None)
@given(NAMES.filter(lambda name: name.strip()))
def test_any_name_is_a_code_span(name):
    """What a reader sees in the span is the name, unprintable characters as escapes."""
    (leaf,) = [leaf for leaf in leaves(f"x {code(name)} y") if leaf.type == "code_inline"]
    assert leaf.content == printable(name)


@settings(deadline=None)
@given(st.lists(NAMES, max_size=6).map(" ".join))
def test_any_sentence_stays_a_sentence(words):
    """No sentence turns into markup, and none of its words is lost."""
    (block, *_) = [*read(text(words)), None]
    found = leaves(text(words))
    assert block is None or block.type == "paragraph_open"
    assert {leaf.type for leaf in found} <= {
        "text",
        "text_special",
        "code_inline",
        "paragraph_open",
        "paragraph_close",
    }
    shown = "".join(leaf.content for leaf in found)
    assert shown.split() == printable(words).split()


def test_junit_has_a_case_for_each_goal(undecided):
    """Cases have names that last and are distinct; what is not met is a failure, told in full."""
    root = ET.fromstring(undecided.to_junit())  # noqa: S314 - our own
    (suite,) = root
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["quality", "change of quality", "errors"]
    assert {case.get("classname") for case in cases} == {f"gate.{printable(EVIL)}"}
    failures = suite.findall("testcase/failure")
    assert [failure.get("type") for failure in failures] == ["undecided"]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    message = failures[0].get("message")
    assert message.startswith("errors: probably; 0.0 % [0.0, 4.6], wanted at most 3.0 %, n = 80")
    assert failures[0].text.startswith(message)
    # No text stands between the elements: GitLab reads nothing of a file that has some.
    assert not any((part.tail or "").strip() for part in root.iter())
    told = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert (told["status"], told["simulated"], told["against"]) == ("undecided", "true", "a")


@settings(deadline=None, max_examples=30)
@given(st.text(min_size=1, max_size=30))
def test_junit_is_xml_whatever_the_name(name):
    """Characters that XML does not have are written as escapes."""
    found = gate(chain("a", name=name, goals={"quality": {"min": 0.1}}), log(np.ones((5, 1))))
    assert ET.fromstring(found.to_junit().encode()).tag == "testsuites"  # noqa: S314


POLICY = """
policy: {name}
goals: {{quality: {{min: {least}}}, cost_usd_per_1k: {{max_ratio: 1}}}}
models: {{{model}: {{}}}}
default: only
chains: {{only: {{steps: [{{model: {model}}}]}}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory with policies and a dataset of 60 requests."""
    path = tmp_path_factory.mktemp("lab")
    patch = pytest.MonkeyPatch()
    patch.setenv("DETOUR_DB", str(path / "lab.duckdb"))
    patch.setenv("DETOUR_POLICIES", str(path / "policies"))
    patch.chdir(path)
    (path / "policies").mkdir()
    for name, model, least in [
        ("base", "dear", 0.5),
        ("good", "cheap", 0.5),
        ("bad", "cheap", 0.99),
        ("open", "cheap", 0.84),
    ]:
        file = path / "policies" / f"{name}.yaml"
        file.write_text(POLICY.format(name=name, model=model, least=least))
    rows = ["request_id,model,quality,cost_usd,latency_ms"]
    rows += [f"r{i},cheap,{i % 6 > 0:d},0.001,100\nr{i},dear,1,0.002,100" for i in range(60)]
    (path / "log.csv").write_text("\n".join(rows))
    assert run("import", "log.csv", "--as", "mine").exit_code == 0
    yield path
    patch.undo()


def run(*arguments: str):
    """Run a command in this process."""
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("policy", "status", "exit_code"), [("good", "pass", 0), ("bad", "fail", 1), ("open", "und", 3)]
)
def test_exit_codes(folder, policy, status, exit_code):
    """The exit code is the answer, and the first line says it."""
    done = run("gate", "--policy", policy, "--dataset", "mine", "--against", "base")
    assert done.exit_code == exit_code
    assert done.stdout.startswith(f"Gate: {status}")
    assert done.stderr == ""
    made = run("gate", "--policy", policy, "--dataset", "mine", "--against", "base", "--json")
    found = json.loads(made.stdout)
    assert (made.exit_code, found["exit_code"]) == (exit_code, exit_code)
    assert found["goals"][1]["limit"] == "max_ratio 1"
    assert found["goals"][1]["value"] == 0.5


def test_without_the_baseline_it_asks_for_one(folder):
    """A limit against a baseline that is not named is a mistake, not an answer."""
    done = run("gate", "--policy", "good", "--dataset", "mine", "--markdown", "-")
    assert done.exit_code == 2
    assert done.stderr.startswith("policy: goals: limits on a change or a ratio need a baseline;")
    assert "--against" in done.stderr
    assert done.stdout == ""


def test_reports_go_to_files_or_to_standard_output(folder):
    """Both files appear, what is printed stays; with - the report alone is printed."""
    options = ("gate", "--policy", "good", "--dataset", "mine", "--against", "base")
    (folder / "old.md").write_text("old")
    done = run(*options, "--markdown", "old.md", "--junit", "gate.xml")
    assert done.exit_code == 0
    assert (folder / "old.md").read_text().startswith("### Gate: pass\n")
    assert ET.parse(folder / "gate.xml").getroot()[0].get("failures") == "0"  # noqa: S314
    assert done.stdout.startswith("Gate: pass.")
    assert done.stderr == "Written: old.md\nWritten: gate.xml\n"
    piped = run(*options, "--markdown", "-")
    assert piped.stdout == (folder / "old.md").read_text()
    assert ET.fromstring(run(*options, "--junit", "-").stdout.encode()).tag == "testsuites"  # noqa: S314


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--markdown", "-", "--json"), "standard output holds one thing"),
        (("--markdown", "-", "--junit", "-"), "standard output holds one thing"),
        (
            ("--markdown", "whole.md", "--junit", "nowhere/gate.xml", "--against", "base"),
            "nowhere/gate.xml: cannot be written; got No such file or directory\n",
        ),
        (("--junit", "policies", "--against", "base"), "policies: cannot be written; got"),
        (("--against", "nobody"), "no such policy"),
        (("--most-unobserved", "2"), "most-unobserved: must be a share of the requests; got 2.0;"),
        (
            ("--most-unobserved", "nan"),
            "most-unobserved: must be a share of the requests; got nan;",
        ),
    ],
)
def test_mistakes_end_with_2_and_leave_nothing_behind(folder, options, message):
    """2 is no answer of a gate; of two reports none is written where one cannot be."""
    before = {path.name for path in folder.iterdir()}
    done = run("gate", "--policy", "good", "--dataset", "mine", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert {path.name for path in folder.iterdir()} == before
