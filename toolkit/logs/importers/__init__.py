"""From files to the store: ``import_file``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import DataError
from toolkit.logs import store
from toolkit.logs.datasets import bundled_folders
from toolkit.logs.files import digest_of, is_simulated, open_file
from toolkit.logs.readers import read_tables

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class ImportReport:
    """What an import did."""

    name: str
    n_requests: int
    n_models: int
    n_outcomes: int
    already_there: bool
    """The same content was there under this name, so nothing changed."""
    notes: tuple[str, ...]
    """What was changed or left out on the way, in words."""


def import_file(
    path: str | Path,
    name: str,
    prompts: str | Path | None = None,
    db: str | Path | None = None,
    *,
    replace: bool = False,
) -> ImportReport:
    """Read a log in the long format into the store under ``name``.

    ``path`` is CSV, JSON lines (both also gzipped) or Parquet with request_id, model and at least
    one of quality, cost_usd, latency_s or latency_ms. ``prompts`` adds columns to the requests.
    ``db`` is the store's file, else the usual one. Raises DataError with the rows that are wrong,
    or when ``name`` has other content and ``replace`` is not set; then nothing is changed.
    """
    check_name(name)
    db = None if db is None else Path(db)
    file = open_file(path)
    prompts_file = None if prompts is None else open_file(prompts)
    sha256 = digest_of(file.path, *([] if prompts_file is None else [prompts_file.path]))
    there = next((e for e in store.entries(db) if e.name == name), None)
    if there is not None and store.is_same(there, sha256, replace=replace):
        return ImportReport(name, there.n_requests, there.n_models, there.n_outcomes, True, ())
    tables = read_tables(file, prompts_file)
    new = store.write(
        name,
        tables,
        source=file.path.name,
        sha256=sha256,
        simulated=is_simulated(file),
        replace=replace,
        path=db,
    )
    return ImportReport(
        name,
        tables.requests.num_rows,
        len(tables.models),
        tables.outcomes.num_rows,
        not new,
        tables.notes,
    )


def check_name(name: str) -> None:
    """Raise DataError when ``name`` cannot be the name of an imported dataset."""
    if not _NAME.fullmatch(name):
        raise DataError(f"name {name!r}: allowed: 1 to 64 letters, digits, '-', '_' or '.'")
    if name in bundled_folders():
        raise DataError(f"name {name!r}: a bundled dataset has it; choose another name")
