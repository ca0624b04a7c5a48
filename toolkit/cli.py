"""The command line, ``python -m toolkit``.

Results go to standard output, everything else (progress, notes, errors) to standard error. With
``--json`` a command that succeeds prints exactly one JSON object. What a user can mend ends in a
message and exit code 2, never in a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from toolkit import __version__
from toolkit.errors import DetourError, PolicyError
from toolkit.terminal import (
    check_text,
    clean,
    collected_text,
    comparison_text,
    summary_text,
    table,
    to_json,
)

MISTAKE = 2
"""Exit code for what the user can mend; a wrong option ends with the same."""


class Commands(TyperGroup):
    """The one place where an expected error becomes a message."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except DetourError as error:
            message = str(error)
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.filename is None:
                raise
            message = f"{error.filename}: {error.strerror}"
        say(message)
        raise typer.Exit(MISTAKE)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Detour: a flight simulator for LLM routing and fallbacks.",
)

PolicyArg = Annotated[str, typer.Option(help="A policy file, or the name of a bundled policy.")]
DatasetArg = Annotated[str, typer.Option(help="A dataset's name, as `datasets` lists them.")]
SeedArg = Annotated[int, typer.Option(help="Seed of splits, jitter, imputed attempts, intervals.")]
JsonArg = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def say(message: str) -> None:
    """Write lines for people to standard error."""
    for line in message.splitlines():
        typer.echo(clean(line), err=True)


def show(result: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Write the result to standard output."""
    typer.echo(to_json(result) if as_json else text)


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int, float, str], None]]:
    """A bar on standard error, moved by calls with (done, total, US dollars spent, target)."""
    from tqdm import tqdm

    bar: Any = None

    def move(done: int, total: int, spent_usd: float, target: str) -> None:
        nonlocal bar
        if bar is None:
            often_s = 0.1 if sys.stderr.isatty() else 10
            bar = tqdm(total=total, initial=done - 1, unit="call", mininterval=often_s)
        bar.set_postfix_str(f"${spent_usd:.4f} {clean(target)}", refresh=False)
        bar.update(done - bar.n)

    try:
        yield move
    finally:
        if bar is not None:
            bar.close()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"detour {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Detour: a flight simulator for LLM routing and fallbacks."""


@app.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    import json

    from toolkit.policy import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("policies")
def policies_command(as_json: JsonArg = False) -> None:
    """List the bundled policies."""
    from toolkit.policy import list_policies, load_policy

    rows = []
    for name in list_policies():
        try:
            rows.append({"name": name, "description": load_policy(name).description})
        except PolicyError as error:
            rows.append({"name": name, "description": f"cannot be used: {error}"})
    text = table(("policy", ""), [(row["name"], row["description"]) for row in rows])
    show({"policies": rows}, text, as_json=as_json)


@app.command("datasets")
def datasets_command(as_json: JsonArg = False) -> None:
    """List the datasets: bundled ones and those imported or collected here."""
    from toolkit.evaluate.format import count
    from toolkit.logs.datasets import list_datasets

    found = list_datasets()
    text = table(
        ("dataset", "requests", "models", "outcomes", "complete", "source"),
        [
            (
                info.name,
                count(info.n_requests),
                count(info.n_models),
                count(info.n_outcomes),
                "yes" if info.complete else "no",
                info.source + (" [SIMULATED]" if info.simulated else ""),
            )
            for info in found
        ],
    )
    show({"datasets": [asdict(info) for info in found]}, text, as_json=as_json)


@app.command("replay")
def replay_command(
    policy: PolicyArg,
    dataset: DatasetArg,
    seed: SeedArg = 0,
    as_json: JsonArg = False,
) -> None:
    """Play a policy against a dataset: cost, latency, errors, quality, goals."""
    from toolkit.engine.replay import replay
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy

    summary = replay(load_policy(policy), load_dataset(dataset), seed).summary()
    show(summary.to_dict(), summary_text(summary), as_json=as_json)


@app.command("compare")
def compare_command(
    first: Annotated[str, typer.Argument(help="A policy file or name: the baseline.")],
    second: Annotated[str, typer.Argument(help="A policy file or name: the change.")],
    dataset: DatasetArg,
    seed: SeedArg = 0,
    as_json: JsonArg = False,
) -> None:
    """Hold one policy against another on the same requests: paired differences."""
    from toolkit.engine.replay import replay
    from toolkit.evaluate.compare import compare
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy

    policies = load_policy(first), load_policy(second)
    data = load_dataset(dataset)
    comparison = compare(replay(policies[0], data, seed), replay(policies[1], data, seed))
    show(comparison.to_dict(), comparison_text(comparison), as_json=as_json)


@app.command("check")
def check_command(
    policy: PolicyArg,
    dataset: Annotated[
        str | None, typer.Option(help="Check against this dataset's columns, models and costs.")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """Find what is wrong with a policy, and the worst that each chain can do."""
    import numpy as np

    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy
    from toolkit.policy.check import Check, check

    requests = max_cost = None
    if dataset is not None:
        data = load_dataset(dataset)
        requests = data.requests
        dearest = np.fmax.reduce(data.cost_usd, axis=0, initial=np.nan)
        max_cost = dict(zip(data.models, dearest.tolist(), strict=True))
    try:
        result = check(load_policy(policy), requests, max_cost)
    except PolicyError as error:
        if not as_json:
            raise
        result = Check(error.problems, (), {})
    show(result.to_dict(), check_text(result, policy), as_json=as_json)
    if result.errors:
        raise typer.Exit(MISTAKE)


@app.command("collect")
def collect_command(
    prompts: Annotated[Path, typer.Option(help="Prompts with the answers they are graded by.")],
    targets: Annotated[Path, typer.Option(help="The models and tools to ask.")],
    name: Annotated[str, typer.Option("--as", help="Name of the run and of its dataset.")],
    max_usd: Annotated[
        float | None, typer.Option(min=0, help="Stop once this much is spent, in US dollars.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Calls at a time.")] = 1,
    as_json: JsonArg = False,
) -> None:
    """Ask models, grade and log their answers; started again, it goes on."""
    from toolkit.engine.provider import complete
    from toolkit.logs.collect import collect

    with progress_bar() as progress:
        report = collect(
            prompts, targets, name, complete, max_usd=max_usd, workers=workers, progress=progress
        )
    result = {**asdict(report), "path": str(report.path), "finished": report.finished}
    show(result, collected_text(report), as_json=as_json)


def main() -> None:
    """Run the command line."""
    # A terminal that cannot show a character gets its escape, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
    app(prog_name="python -m toolkit")
