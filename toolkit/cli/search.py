"""The command that looks for a better policy."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import DatasetArg, JsonArg, PolicyArg, SeedArg, app, say, show
from toolkit.cli.progress import progress_bar
from toolkit.cli.text import WIDTH, blocks, clean, notes, table, title

if TYPE_CHECKING:
    from toolkit.evaluate.search.result import Candidate, Search, Side

UNITS = {"": 1.0, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
PARTS = ("held out", "tuned")
PATHS = (
    "Vary only these places: dotted keys such as chains.main.steps.0.timeout_s, or what they begin "
    "with. May be given several times."
)


@app.command("search")
def search_command(
    policy: PolicyArg,
    dataset: DatasetArg,
    budget: Annotated[str, typer.Option(help="How long it may take: 60s, 5min, 1h.")] = "60s",
    trials: Annotated[
        int | None, typer.Option(help="Try so many instead: the same result every time.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help=PATHS)] = None,
    fixed: Annotated[list[str] | None, typer.Option(help="Leave these places alone.")] = None,
    seed: SeedArg = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write the policies that were found into this folder.")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """Look for a policy that meets the goals: tuned on one half, told on the other."""
    from toolkit.evaluate.search.search import search
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy

    budget_s = seconds_of(budget)
    if out is not None:
        _folder(out)
    one, data = load_policy(policy), load_dataset(dataset)
    with progress_bar("trials" if trials else "of the time, ‰") as progress:
        found = search(
            one, data, budget_s, trials=trials, only=only or (), fixed=fixed or (), seed=seed,
            progress=progress,
        )  # fmt: skip
    if out is not None:
        for candidate in found.candidates:
            _write(out, candidate)
    show(found.to_dict(), search_text(found), as_json=as_json)


def seconds_of(text: str) -> float:
    """Read a duration such as ``60s``, ``90``, ``5min``, ``1.5h``.

    Raises:
        DataError: It is none.
    """
    from toolkit.errors import DataError

    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(s|min|m|h|)\s*", text, re.ASCII)
    if match is None or float(match[1]) == 0:
        raise DataError(f"budget: is no time; got {text!r}; allowed: such as 60s, 5min or 1h")
    return float(match[1]) * UNITS[match[2]]


def _folder(path: Path) -> None:
    from toolkit.errors import DataError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: is no folder to write to; got {error.strerror}") from error


def _write(folder: Path, candidate: Candidate) -> None:
    """Write a policy whole or not at all, whatever its name is made of."""
    name = re.sub(r"[^\w.-]+", "_", candidate.policy.policy).strip(".") or candidate.kind
    path = folder / f"{name[:100]}.yaml"
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(candidate.policy.to_yaml(), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    say(f"Written: {path}")


def search_text(found: Search) -> str:
    """The answer first, then tuned beside held out, then the candidates and their reasons."""
    from toolkit.evaluate.tradeoffs.words import counted

    tried = counted(found.different, "policy", "policies")
    heading = f"Search from {found.policy} on {found.dataset}, {tried} tried"
    return blocks(
        title(heading, simulated=found.simulated),
        textwrap.fill(clean(found.verdict), WIDTH),
        _numbers(found),
        *(_candidate(one, found) for one in found.candidates),
        notes(found.assumptions),
    )


def _numbers(found: Search) -> str:
    """Each policy twice: on the requests that no choice has seen, and where it was tuned."""
    rows = [
        (
            f"{kind}: {side.policy.policy}" if part == PARTS[0] else "",
            found.rest if part == PARTS[0] else part,
            *_cells(side, part),
        )
        for kind, side in found.sides
        for part in PARTS
    ]
    head = ("", "part", "cost per 1k [95 %]", "quality", "p95 latency", "errors", "goals")
    return table(head, rows, words=(0, 1, 6))


def _cells(side: Side, part: str) -> tuple[str, ...]:
    from toolkit.evaluate.format import (
        percent_interval,
        quality_interval,
        seconds_interval,
        usd_interval,
    )

    unseen = part == PARTS[0]
    summary = side.held_out if unseen else side.tuned
    goals = side.goals_held_out if unseen else side.goals_tuned
    missed = [goal.label for goal in goals if not goal.met]
    return (
        usd_interval(summary.cost_usd_per_1k),
        quality_interval(summary.quality),
        seconds_interval(summary.latency_p95_s),
        percent_interval(summary.error_rate),
        "misses " + ", ".join(missed) if missed else "met",
    )


def _candidate(one: Candidate, found: Search) -> str:
    """What a policy changes, what each change does, and how much of its gain held."""
    from toolkit.evaluate.search.words import optimism
    from toolkit.evaluate.tradeoffs.vary import value_text
    from toolkit.evaluate.tradeoffs.words import counted

    changed = [
        f"{change.path}: {value_text(change.before)} → {value_text(change.after)}. {change.why}"
        for change in one.changes
    ]
    lines = [f"{found.rest.capitalize()}: {one.gain.finding} {one.against_single.finding}"]
    if changed:
        lines.insert(0, f"{optimism(one, found.rest)}.")
    name = one.policy.policy
    if changed:
        name += f" changes {counted(len(changed), 'place')}:"
    return f"{clean(name)}\n{notes([*changed, *lines])}"
