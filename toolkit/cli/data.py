"""Commands about data: how it comes in, what there is, how it goes out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.app import JsonArg, app, say, show
from toolkit.cli.text import clean, collected_text, imported_text, table, title


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV, JSON lines (both also .gz) or Parquet.")],
    name: Annotated[str, typer.Option("--as", help="Name of the dataset.")],
    prompts: Annotated[
        Path | None, typer.Option(help="A file with more columns of the requests.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a dataset with this name.")
    ] = False,
    as_json: JsonArg = False,
) -> None:
    """Read a log, one row per request and model, into a dataset."""
    from toolkit.logs.importers import import_file

    report = import_file(file, name, prompts, replace=replace)
    show(asdict(report), imported_text(report), as_json=as_json)


@app.command("export")
def export_command(
    dataset: Annotated[str, typer.Argument(help="A dataset's name.")],
    folder: Annotated[Path, typer.Argument(help="Where to write; made when it is not there.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite files of an earlier export.")
    ] = False,
    as_json: JsonArg = False,
) -> None:
    """Write a dataset as requests.parquet and outcomes.parquet."""
    from toolkit.logs.datasets import load_dataset
    from toolkit.logs.exporters import export_folder

    data = load_dataset(dataset)
    written = str(export_folder(data, folder, replace=replace))
    result = {"dataset": data.name, "folder": written, "simulated": data.simulated}
    text = title(f"{data.name} is in {written}", simulated=data.simulated)
    show(result, text, as_json=as_json)


@app.command("datasets")
def datasets_command(as_json: JsonArg = False) -> None:
    """List the bundled, imported and collected datasets."""
    from toolkit.evaluate.format import count
    from toolkit.logs.datasets import list_datasets

    found = list_datasets()
    if not found:
        say("There is no dataset yet: import a log, or collect answers.")
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
        words=(0, 4, 5),
    )
    show({"datasets": [asdict(info) for info in found]}, text, as_json=as_json)


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
    """Ask models, grade their answers, log them; it resumes."""
    from toolkit.engine.provider import complete
    from toolkit.logs.collect import collect

    with progress_bar() as progress:
        report = collect(
            prompts, targets, name, complete, max_usd=max_usd, workers=workers, progress=progress
        )
    result = {**asdict(report), "path": str(report.path), "finished": report.finished}
    show(result, collected_text(report), as_json=as_json)


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
