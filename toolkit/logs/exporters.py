"""From a dataset to files that :func:`toolkit.logs.datasets.load_folder` reads back exactly."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import DataError
from toolkit.logs.dataset import Dataset
from toolkit.logs.files import SIMULATED


def export_folder(dataset: Dataset, folder: str | Path, *, replace: bool = False) -> Path:
    """Write ``requests.parquet`` and ``outcomes.parquet`` (long format) into ``folder``.

    Returns the folder. Both files say whether the outcomes were simulated. Raises DataError when
    the files are there and ``replace`` is not set, or the folder cannot be written.
    """
    folder = Path(folder)
    parts = {"requests.parquet": dataset.requests, "outcomes.parquet": dataset.to_arrow()}
    there = [name for name in parts if (folder / name).exists()]
    if there and not replace:
        raise DataError(
            f"{folder}: {' and '.join(there)} would be overwritten; choose another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in parts.items():
            _write(table, folder / name, simulated=dataset.simulated)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written; got {error.strerror or error}") from error
    return folder


def _write(table: pa.Table, path: Path, *, simulated: bool) -> None:
    """Write beside the place and move there, so that a reader never sees half a file."""
    marked = table.replace_schema_metadata({SIMULATED: str(simulated).lower()})
    new = path.with_suffix(".part")
    pq.write_table(marked, new, compression="zstd")
    new.replace(path)
