"""From a dataset to files that :func:`read_folder` reads back exactly.

Three formats: Parquet for programs, CSV for spreadsheets, JSON lines for everything else. All have
``requests`` and ``outcomes`` (the long format, a row per request and model). CSV and JSON lines
carry no types, so ``dataset.json`` beside them does.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.dataset import Dataset
from toolkit.logs.exporters.about import ABOUT, MODELS, PARTS, About, Layout, write_about
from toolkit.logs.exporters.columns import csv_columns, json_columns
from toolkit.logs.exporters.reading import read_folder
from toolkit.logs.exporters.text import write_csv, write_lines
from toolkit.logs.files import SIMULATED

__all__ = ["FORMATS", "export", "is_export", "read_folder"]

FORMATS = ("parquet", "csv", "jsonl")


def export(
    dataset: Dataset,
    folder: str | Path,
    format: str = "parquet",  # noqa: A002 -- the option's name, as users know it
    *,
    replace: bool = False,
) -> Path:
    """Write ``dataset`` into ``folder`` and return the folder.

    With ``replace``, an earlier export in any format goes, so that a folder holds one dataset.
    Raises DataError when one is there and ``replace`` is not set, when the folder cannot be
    written, or when a column has a type that the format cannot give back.
    """
    if format not in FORMATS:
        raise DataError(
            f"format: not known; got {format!r}; allowed: {did_you_mean(format, FORMATS)}"
        )
    folder = Path(folder)
    ours = [f"{part}.{kind}" for kind in FORMATS for part in PARTS] + [ABOUT]
    there = [name for name in ours if (folder / name).exists()]
    if there and not replace:
        raise DataError(
            f"{folder}: {' and '.join(there)} would be overwritten; choose another folder"
        )
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(dataset, folder, format, written)
        for part in written:
            part.replace(part.with_suffix(""))
        for name in set(there) - {part.stem for part in written}:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written; got {error.strerror or error}") from error
    finally:
        for part in written:
            part.unlink(missing_ok=True)
    return folder


def is_export(folder: str | Path) -> bool:
    """Whether a folder holds requests and outcomes as they are exported."""
    folder = Path(folder)
    return any(
        all((folder / f"{part}.{kind}").is_file() for part in PARTS)
        and (kind == "parquet" or (folder / ABOUT).is_file())
        for kind in FORMATS
    )


def _write(dataset: Dataset, folder: Path, kind: str, written: list[Path]) -> None:
    """Write beside the place, so that a reader never sees half a file; list what was begun."""

    def beside(name: str) -> Path:
        written.append(folder / f"{name}.part")
        return written[-1]

    layouts = {}
    for part, table in zip(PARTS, (dataset.requests, dataset.to_arrow()), strict=True):
        path = beside(f"{part}.{kind}")
        if kind == "parquet":
            pq.write_table(
                _marked(table, dataset), path, compression="zstd", write_page_checksum=True
            )
            continue
        to_columns, write = (
            (csv_columns, write_csv) if kind == "csv" else (json_columns, write_lines)
        )
        columns = to_columns(table, f"{part}.{kind}")
        write(columns, path)
        layouts[part] = Layout(table.schema.remove_metadata(), columns.schema)
    if layouts:
        about = About(kind, dataset.simulated, dataset.models, layouts)
        write_about(about, beside(ABOUT))


def _marked(table: pa.Table, dataset: Dataset) -> pa.Table:
    marks = {SIMULATED: str(dataset.simulated).lower(), MODELS: json.dumps(dataset.models)}
    return table.replace_schema_metadata(marks)
