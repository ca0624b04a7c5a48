"""The command ``gate``."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import DatasetArg, JsonArg, PolicyArg, SeedArg, app, say, show
from toolkit.cli.scenarios import ScenarioArg, scenario_of
from toolkit.cli.text import WIDTH, blocks, clean, notes, table, title
from toolkit.errors import DataError

if TYPE_CHECKING:
    from toolkit.evaluate.gate import Gate

STDOUT = "-"


@app.command("gate")
def gate_command(
    policy: PolicyArg,
    dataset: DatasetArg,
    against: Annotated[
        str | None, typer.Option(help="A policy file or name: the baseline of relative limits.")
    ] = None,
    scenario: ScenarioArg = None,
    seed: SeedArg = 0,
    most_unobserved: Annotated[
        float,
        typer.Option(help="Share of unobserved requests, 0 to 1, up to which it decides."),
    ] = 0.05,
    markdown: Annotated[
        str | None, typer.Option(help="Write a report in Markdown to this file, or to - (stdout).")
    ] = None,
    junit: Annotated[
        str | None, typer.Option(help="Write JUnit XML to this file, or to - (stdout).")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """Exit with 0 if a policy meets its goals, 1 if it misses one, 3 if the data cannot tell."""
    from toolkit.evaluate.gate import gate
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy

    if (markdown == STDOUT) + (junit == STDOUT) + as_json > 1:
        raise DataError(
            "gate: standard output holds one thing; got several of --markdown -, --junit - and "
            "--json: write the others to files"
        )
    found = gate(
        load_policy(policy),
        load_dataset(dataset),
        None if against is None else load_policy(against),
        scenario=scenario_of(scenario, None),
        seed=seed,
        most_unobserved=most_unobserved,
    )
    reports = {markdown: found.to_markdown(), junit: found.to_junit()}
    _write({Path(to): text for to, text in reports.items() if to not in {None, STDOUT}})
    if STDOUT in reports:
        typer.echo(reports[STDOUT], nl=False)
    else:
        show(found.to_dict(), gate_text(found), as_json=as_json)
    raise typer.Exit(found.exit_code)


def gate_text(found: Gate) -> str:
    """The answer first, then the goals, then what it rests on."""
    from toolkit.evaluate.gate import HEAD

    return blocks(
        title(f"Gate: {found.status}. {found.subject}", simulated=found.simulated),
        textwrap.fill(clean(found.verdict), WIDTH),
        table(HEAD, found.rows, words=(0, 1, 4)),
        notes(found.assumptions),
    )


def _write(reports: dict[Path, str]) -> None:
    """Write the files, all of them whole or none at all."""
    parts: list[tuple[Path, Path]] = []
    asked = None
    try:
        for path, text in reports.items():
            asked = path
            target = path.resolve()  # what a link leads to, not the link, is replaced
            if target.exists() and not target.is_file():
                target.write_text(text, encoding="utf-8")  # such as /dev/stderr; a folder refuses
                continue
            part = target.with_name(f".{target.name}.{os.getpid()}.part")
            parts.append((part, target))
            part.write_text(text, encoding="utf-8")
        for part, target in parts:
            asked = target
            part.replace(target)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{asked}: cannot be written; got {reason}") from error
    finally:
        for part, _ in parts:
            part.unlink(missing_ok=True)
    for path in reports:
        say(f"Written: {path}")
