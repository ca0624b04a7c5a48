"""The command that fetches public datasets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.app import JsonArg, app, show
from toolkit.cli.text import blocks, clean


@app.command("fetch")
def fetch_command(
    name: Annotated[str, typer.Argument(help="routellm or routerbench.")],
    to: Annotated[
        Path | None, typer.Option(help="Where to; by default a folder of its name in data/fetched.")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """Fetch a public dataset from its home; it resumes."""
    from toolkit.logs.fetch import fetch

    with _bar() as progress:
        report = fetch(name, to, progress)
    there = f", {report.n_there} of them there already" if report.n_there else ""
    text = blocks(
        clean(
            f"{report.name} is in {report.folder}: {report.n_files} files{there},"
            f" {report.n_bytes / 1e6:,.1f} MB, every checksum right. Licence: {report.licence}."
        ),
        "\n".join(clean(line) for line in ("Next:", *report.next_step.splitlines())),
    )
    show(asdict(report), text, as_json=as_json)


@contextmanager
def _bar() -> Iterator[Callable[[int, int, str], None]]:
    """A bar of bytes on standard error."""
    from tqdm import tqdm

    bar: Any = None

    def move(here: int, total: int, file: str) -> None:
        nonlocal bar
        if bar is None:
            often_s = 0.1 if sys.stderr.isatty() else 10
            bar = tqdm(total=total, initial=here, unit="B", unit_scale=True, mininterval=often_s)
        bar.set_postfix_str(clean(file.rpartition("/")[2]), refresh=False)
        bar.update(here - bar.n)

    try:
        yield move
    finally:
        if bar is not None:
            bar.close()
