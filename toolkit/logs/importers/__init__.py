"""From files to the store: ``import_file`` and, writing nothing, ``preview``."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from toolkit.errors import DataError
from toolkit.logs import store
from toolkit.logs.dataset import dataset_from_tables
from toolkit.logs.datasets import bundled_folders
from toolkit.logs.exporters import is_export, read_folder
from toolkit.logs.files import digest_of, gather, is_simulated
from toolkit.logs.gaps import first_rows, shape_of
from toolkit.logs.importers.reading import Choices, Reading, read, refuse_pickles
from toolkit.logs.importers.registry import FORMATS
from toolkit.logs.importers.rejects import Reject, rejects, write_rejects
from toolkit.logs.importers.report import ImportReport, Preview
from toolkit.logs.tables import Tables

__all__ = ["FORMATS", "ImportReport", "Preview", "Reject", "check_name", "import_file", "preview"]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
EXPORTED = "detour"
"""Format of a folder that Detour exported."""
SHOWN = 20
"""So many rows and rejects a preview shows."""


def preview(
    path: str | Path,
    *,
    prompts: str | Path | None = None,
    format: str | None = None,  # noqa: A002 -- the word for it everywhere
    mapping: Mapping[str, str] | None = None,
    scores: str | Path | None = None,
    drop_prompts: str | Path | None = None,
    encoding: str | None = None,
    estimate_costs: bool = True,
) -> Preview:
    """Read a log as :func:`import_file` would, and say what it would do. Writes nothing."""
    choices = Choices(
        prompts, format, mapping or {}, scores, drop_prompts, encoding, False, estimate_costs
    )
    with _reading(path, choices) as done:
        kind, gaps = shape_of(done.tables)
        head = dataset_from_tables("preview", first_rows(done.tables, SHOWN))
        return Preview(
            format=done.format.name,
            title=done.format.title,
            alternatives=tuple(one.name for one in done.fitting if one is not done.format),
            columns=done.source.columns.names,
            mapping=done.sources,
            n_rows=done.n_rows,
            n_stored=done.sifted.n_stored,
            n_rejected=done.n_rejected,
            n_left_out=done.sifted.n_left_out,
            n_requests=done.tables.requests.num_rows,
            n_models=len(done.tables.models),
            n_outcomes=done.tables.outcomes.num_rows,
            kind=kind,
            rows=head.to_arrow(),
            rejects=tuple(rejects(done.source, SHOWN))[:SHOWN],
            notes=done.tables.notes,
            gaps=gaps,
        )


def import_file(
    path: str | Path,
    name: str,
    prompts: str | Path | None = None,
    db: str | Path | None = None,
    *,
    replace: bool = False,
    format: str | None = None,  # noqa: A002 -- the word for it everywhere
    mapping: Mapping[str, str] | None = None,
    scores: str | Path | None = None,
    drop_prompts: str | Path | None = None,
    encoding: str | None = None,
    redact: bool = False,
    estimate_costs: bool = True,
    rejects_file: str | Path | None = None,
) -> ImportReport:
    """Read a log into the store under ``name``; its format is found out when none is given.

    ``path`` is a file (CSV, JSON or JSON lines, also gzipped; Parquet), a folder of them, or a
    folder that was exported, which comes back exactly as it was.
    ``prompts`` adds columns to the requests, ``scores`` is a second file of grades where a format
    has one, ``drop_prompts`` lists prompts to leave out, ``mapping`` says which column of the file
    is which of ours. ``redact`` masks personal data and keys in texts; ``estimate_costs`` fills
    missing costs from list prices, marked as estimated. ``db`` is the store's file, else the usual
    one.

    Rows that cannot be read go, with line and reason, to ``rejects_file`` (CSV; by default
    ``rejects/NAME.csv`` beside the store). Raises DataError when nothing can be read, or when
    ``name`` has other content and ``replace`` is not set; then nothing is changed.
    """
    check_name(name)
    db = store.store_path() if db is None else Path(db)
    if is_export(path):
        return _import_export(Path(path), name, db, replace=replace)
    choices = Choices(
        prompts, format, mapping or {}, scores, drop_prompts, encoding, redact, estimate_costs
    )
    refuse_pickles(Path(path))
    sha256 = _digest(path, choices)
    there = next((e for e in store.entries(db) if e.name == name), None)
    if there is not None and store.is_same(there, sha256, replace=replace):
        return ImportReport(
            name, there.n_requests, there.n_models, there.n_outcomes, True, (), there.format
        )
    with _reading(path, choices) as done:
        kind, gaps = shape_of(done.tables)
        target = Path(rejects_file or db.parent / "rejects" / f"{name}.csv")
        if done.n_rejected:
            write_rejects(rejects(done.source), target)
        new = store.write(
            name,
            done.tables,
            source=Path(path).name,
            sha256=sha256,
            simulated=all(is_simulated(file) for file in done.source.files),
            replace=replace,
            path=db,
            format=done.format.name,
            notes=done.tables.notes,
        )
        return ImportReport(
            name=name,
            n_requests=done.tables.requests.num_rows,
            n_models=len(done.tables.models),
            n_outcomes=done.tables.outcomes.num_rows,
            already_there=not new,
            notes=done.tables.notes,
            format=done.format.name,
            n_rows=done.n_rows,
            n_stored=done.sifted.n_stored,
            n_rejected=done.n_rejected,
            n_left_out=done.sifted.n_left_out,
            rejects_path=target if done.n_rejected else None,
            kind=kind,
            gaps=gaps,
        )


def _import_export(folder: Path, name: str, db: Path, *, replace: bool) -> ImportReport:
    """Keep a dataset that was exported, exactly as it was."""
    data = read_folder(folder, name)
    tables = Tables(data.requests, data.models, data.outcomes_table())
    new = store.write(
        name,
        tables,
        source=folder.name,
        sha256=data.digest,
        simulated=data.simulated,
        replace=replace,
        path=db,
        format=EXPORTED,
    )
    n = data.n_outcomes
    return ImportReport(
        name=name,
        n_requests=data.n_requests,
        n_models=data.n_models,
        n_outcomes=n,
        already_there=not new,
        notes=(),
        format=EXPORTED,
        n_rows=n,
        n_stored=n,
        kind=data.kind,
        gaps=data.gaps,
    )


@contextmanager
def _reading(path: str | Path, choices: Choices) -> Iterator[Reading]:
    with (
        tempfile.TemporaryDirectory(prefix="detour-") as folder,
        read(path, choices, Path(folder)) as done,
    ):
        yield done


def _digest(path: str | Path, choices: Choices) -> str:
    """SHA-256 of all files and of the choices that change what is read from them."""
    files = [file.path for file in gather(path)]
    files += [Path(one) for one in (choices.prompts, choices.scores, choices.drop_prompts) if one]
    for one in files:
        if not one.is_file():
            raise DataError(f"{one}: no such file")
    content = digest_of(*files)
    said = {k: v for k, v in asdict(choices).items() if v != getattr(Choices(), k)}
    said = {k: v if isinstance(v, str | bool | dict) else bool(v) for k, v in said.items()}
    said.pop("prompts", None)
    if not said:
        return content
    return hashlib.sha256(f"{content} {json.dumps(said, sort_keys=True)}".encode()).hexdigest()


def check_name(name: str) -> None:
    """Raise DataError when ``name`` cannot be the name of an imported dataset."""
    if not _NAME.fullmatch(name):
        raise DataError(f"name {name!r}: allowed: 1 to 64 letters, digits, '-', '_' or '.'")
    if name in bundled_folders():
        raise DataError(f"name {name!r}: a bundled dataset has it; choose another name")
