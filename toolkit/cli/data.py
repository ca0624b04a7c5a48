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
from toolkit.cli.text import (
    clean,
    collected_text,
    imported_text,
    preview_text,
    table,
    title,
)
from toolkit.errors import DataError


@app.command("import")
def import_command(
    path: Annotated[
        Path,
        typer.Argument(
            help="CSV, JSON or JSON lines (each also .gz), Parquet, or a folder of one."
        ),
    ],
    name: Annotated[str, typer.Option("--as", help="Name of the dataset.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be read, and write nothing.")
    ] = False,
    format: Annotated[  # noqa: A002 -- the word for it everywhere
        str | None, typer.Option(help="The format, where it is not found out right.")
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=NAME", help="Column of ours = column of the file."),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="A file with more columns of the requests.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="A file of grades, where the format has one.")
    ] = None,
    drop_prompts: Annotated[
        Path | None, typer.Option(help="A list of prompts to leave out.")
    ] = None,
    redact: Annotated[
        bool,
        typer.Option("--redact", help="Mask e-mail, phone, card, IBAN and keys in texts."),
    ] = False,
    estimate_costs: Annotated[
        bool,
        typer.Option(
            "--estimate-costs/--no-estimate-costs",
            help="Fill missing costs from list prices, marked as estimated.",
        ),
    ] = True,
    encoding: Annotated[
        str | None, typer.Option(help="Of text without a mark, when it is not UTF-8.")
    ] = None,
    rejects: Annotated[Path | None, typer.Option(help="Where rejected rows go (CSV).")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a dataset with this name.")
    ] = False,
    as_json: JsonArg = False,
) -> None:
    """Read a log of any known format into a dataset; rows that cannot be read are set aside."""
    from toolkit.logs.importers import import_file, preview

    said: Any = {
        "format": format,
        "mapping": _pairs(mapping or []),
        "scores": scores,
        "drop_prompts": drop_prompts,
        "encoding": encoding,
        "estimate_costs": estimate_costs,
    }
    if dry_run:
        seen = preview(path, prompts=prompts, **said)
        result = {**vars(seen), "rows": seen.rows.to_pylist()}
        result["rejects"] = [asdict(one) for one in seen.rejects]
        show(result, preview_text(seen), as_json=as_json)
        return
    if not name:
        raise DataError(
            "import: no name for the dataset; add --as NAME, or --dry-run to look first"
        )
    report = import_file(
        path, name, prompts, replace=replace, redact=redact, rejects_file=rejects, **said
    )
    result = asdict(report)
    if report.rejects_path is not None:
        result["rejects_path"] = str(report.rejects_path)
    show(result, imported_text(report), as_json=as_json)


def _pairs(given: list[str]) -> dict[str, str]:
    """``COLUMN=NAME`` texts as a mapping; a name may hold further equals signs."""
    wrong = [text for text in given if not all(text.partition("="))]
    if wrong:
        raise DataError(f"--map: got {wrong[0]!r}; allowed: COLUMN=NAME, such as request_id=id")
    return {column.strip(): name.strip() for column, _, name in (t.partition("=") for t in given)}


@app.command("export")
def export_command(
    dataset: Annotated[str, typer.Argument(help="A dataset's name.")],
    folder: Annotated[Path, typer.Argument(help="Where to write; made when it is not there.")],
    kind: Annotated[
        str, typer.Option("--format", help="parquet, csv (safe in spreadsheets) or jsonl.")
    ] = "parquet",
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of an earlier export.")
    ] = False,
    as_json: JsonArg = False,
) -> None:
    """Write a dataset as requests and outcomes, in files that import as they were."""
    from toolkit.logs.datasets import load_dataset
    from toolkit.logs.exporters import export

    data = load_dataset(dataset)
    written = str(export(data, folder, kind, replace=replace))
    result = {
        "dataset": data.name,
        "folder": written,
        "format": kind,
        "simulated": data.simulated,
    }
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
        ("dataset", "requests", "models", "outcomes", "kind", "source"),
        [
            (
                info.name,
                count(info.n_requests),
                count(info.n_models),
                count(info.n_outcomes),
                info.kind,
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
