"""The application that the commands join: its options, its output, its way to fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from toolkit import __version__
from toolkit.cli.interrupts import interruptible
from toolkit.cli.text import clean, to_json
from toolkit.errors import DetourError

MISTAKE = 2
"""Exit code for what the user can mend; a wrong option ends with the same."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class Commands(TyperGroup):
    """The one place where an expected error becomes a message."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            with interruptible():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            say("Interrupted.")
            raise typer.Exit(INTERRUPTED) from error
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
