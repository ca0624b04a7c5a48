"""A gate for other programs: GitHub's Markdown for people, JUnit's XML for CI systems.

Names are untrusted. In Markdown, a word that could be read as markup, a mention, a reference or a
link stands in a code span, where GitHub and GitLab look for none of these.

In JUnit's XML each goal is a test case. What the data cannot tell is a *failure* of the type
``undecided``: the command does not succeed then either, GitLab and Jenkins show skipped tests as
nothing to look at, and an *error* would say that the gate itself broke. The whole message stands in
the failure's text, as GitLab shows nothing else; Jenkins and GitHub's actions show the attribute.
The name of a case does not hold its limit, so that CI systems know it again when the limit moves.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # only written, never read
from collections.abc import Iterable
from typing import TYPE_CHECKING

from toolkit.evaluate.format import counted, percent

if TYPE_CHECKING:
    from toolkit.evaluate.gate import Gate
    from toolkit.evaluate.goals import GoalResult

_NUMBER = re.compile(r"[\[(]?[+−-]?\$?\d[\d.,]*%?[\])]?[,.;:)]*")
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#@|~!&^/=$]|^[+-]|www\.|\w\.[^\W\d]|:\w+:", re.IGNORECASE)


def markdown(gate: Gate) -> str:
    """The answer, a table of the goals, and what it rests on, folded."""
    from toolkit.evaluate.gate import HEAD

    facts = [
        counted(gate.requests, "request"),
        f"{percent(gate.unobserved_share)} unobserved",
        f"{percent(gate.imputed_share)} resting on an imputed attempt",
    ]
    if gate.simulated:
        facts.append("**simulated data**")
    digests = [f"policy {code(gate.policy_digest[:12])}"]
    if gate.against_digest:
        digests.append(f"baseline {code(gate.against_digest[:12])}")
    if gate.dataset_digest:
        digests.append(f"dataset {code(gate.dataset_digest[:12])}")
    where = f"{code(gate.policy)} on {code(gate.dataset)}"
    where += f" against {code(gate.against)}" if gate.against else ""
    where += f" in the scenario {code(gate.scenario)}" if gate.scenario else ""
    lines = [
        f"### Gate: {gate.status}",
        "",
        f"{where}: {', '.join(facts)}.",
        "",
        text(gate.verdict),
        "",
        _row(HEAD),
        "| :-- | :-- | --: | --: | :-- | --: |",
        *(_row(row) for row in gate.rows),
        "",
        "<details><summary>What this rests on</summary>",
        "",
        *(f"- {text(line)}" for line in gate.assumptions),
        f"- Seed {gate.seed}; {', '.join(digests)}.",
        "",
        "</details>",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    # The cells are our own words and numbers; only the names of fields hold a character of markup.
    return f"| {' | '.join(cell.replace('_', chr(92) + '_') for cell in cells)} |"


def text(words: str) -> str:
    """A sentence in Markdown that reads as it stands."""
    first, *rest = printable(words).split() or [""]
    # A number with a dot begins a list, where it begins a line.
    start = code(first) if re.fullmatch(r"\d+[.)]", first) else _word(first)
    return " ".join([start, *map(_word, rest)])


def _word(word: str) -> str:
    if _NUMBER.fullmatch(word) or not _MARKUP.search(word):
        return word
    name = word.lstrip("(“").rstrip(")”.,;:?")
    before, after = word.split(name, 1)
    return f"{before}{code(name)}{after}"


def code(name: str) -> str:
    """A name as a code span, in a paragraph: nothing in it is read as anything else."""
    name = printable(name)
    longest = max((len(run) for run in re.findall("`+", name)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if not name.strip() or {name[0], name[-1]} & {"`", " "} else ""
    return f"{fence}{pad}{name}{pad}{fence}"


def printable(words: str) -> str:
    """On one line, every unprintable character as its escape: XML cannot hold most of them."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)


def junit(gate: Gate) -> str:
    """One suite with a case for each goal, as Jenkins, GitLab and GitHub's actions read it."""
    all_open = gate.hidden or bool(gate.seen)
    failed = [goal for goal in gate.results if all_open or goal.answer != "yes"]
    counts = {"tests": str(len(gate.results)), "failures": str(len(failed)), "errors": "0"}
    root = ET.Element("testsuites", {"name": "gate", **counts, "time": "0"})
    name = printable(gate.subject)
    suite = ET.SubElement(root, "testsuite", {"name": name, **counts, "skipped": "0", "time": "0"})
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(gate):
        ET.SubElement(properties, "property", {"name": key, "value": printable(value)})
    for goal in gate.results:
        # GitHub's actions look for the file to point at by the last part: that of the policy.
        place = {"classname": f"gate.{printable(gate.policy)}", "name": goal.label, "time": "0"}
        case = ET.SubElement(suite, "testcase", place)
        message = printable(_message(gate, goal))
        if goal in failed:
            kind = "missed" if goal.answer == "no" and not gate.hidden else "undecided"
            found = ET.SubElement(case, "failure", {"type": kind, "message": message})
            found.text = f"{message}\n{name}"
        else:
            ET.SubElement(case, "system-out").text = message
    ET.indent(root)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{ET.tostring(root, encoding='unicode')}\n"


def _properties(gate: Gate) -> list[tuple[str, str]]:
    found = [
        ("status", gate.status),
        ("policy", gate.policy),
        ("policy_digest", gate.policy_digest),
        ("dataset", gate.dataset),
        ("dataset_digest", gate.dataset_digest),
        ("against", gate.against or ""),
        ("scenario", gate.scenario or ""),
        ("seed", str(gate.seed)),
        ("requests", str(gate.requests)),
        ("simulated", str(gate.simulated).lower()),
        ("seen_by_routers", " ".join(gate.seen)),
    ]
    return [(key, value) for key, value in found if value]


def _message(gate: Gate, goal: GoalResult) -> str:
    _, wanted, measured, n, answer, more = gate.rows[gate.results.index(goal)]
    rest = f"; {more} requests would decide it" if more != "–" else ""
    return f"{goal.label}: {answer}; {measured}, wanted {wanted}, n = {n}{rest}"
