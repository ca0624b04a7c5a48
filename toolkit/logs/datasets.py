"""Datasets by name: bundled folders, the store, and frames.

A bundled dataset is a folder with ``requests.parquet`` and ``outcomes.parquet`` under ``data``, or
under the folder in ``DETOUR_BUNDLED``. No import takes the name of a bundled one.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.errors import DataError, did_you_mean
from toolkit.logs import store
from toolkit.logs.checks import REQUESTS, Rows, refuse, repeated_columns
from toolkit.logs.dataset import Dataset, dataset_from_tables
from toolkit.logs.exporters import read_folder
from toolkit.logs.files import digest_of, explained, is_simulated, open_file
from toolkit.logs.gaps import Kind, kind_of
from toolkit.logs.raw import register_frame
from toolkit.logs.tables import check
from toolkit.schema import MODEL

if TYPE_CHECKING:
    import pandas as pd

    Frame: TypeAlias = pd.DataFrame | pa.Table

__all__ = [
    "Dataset",
    "DatasetInfo",
    "dataset_from_frame",
    "list_datasets",
    "load_dataset",
    "load_folder",
]


@dataclass(frozen=True)
class DatasetInfo:
    """What a list of datasets shows of one."""

    name: str
    n_requests: int
    n_models: int
    n_outcomes: int
    simulated: bool
    bundled: bool
    kind: Kind
    source: str
    """File or folder that it was read from."""
    digest: str


def bundled_folders() -> dict[str, Path]:
    """The bundled datasets: name and folder, by name."""
    data = Path(os.environ.get("DETOUR_BUNDLED") or store.ROOT / "data")
    found = sorted(data.glob("*/outcomes.parquet")) if data.is_dir() else []
    return {f.parent.name: f.parent for f in found if (f.parent / "requests.parquet").is_file()}


def load_folder(folder: str | Path, name: str = "") -> Dataset:
    """Load a folder of requests and outcomes, as they are exported; DataError when it is wrong."""
    return read_folder(folder, name)


def load_dataset(name: str) -> Dataset:
    """Load a bundled or imported dataset; DataError names those there are."""
    bundled = bundled_folders()
    if name in bundled:
        return load_folder(bundled[name])
    if (stored := store.read(name)) is not None:
        entry, tables = stored
        return dataset_from_tables(name, tables, simulated=entry.simulated, digest=entry.sha256)
    names = [*bundled, *(e.name for e in store.entries())]
    there = f"allowed: {did_you_mean(name, names)}" if names else "there is none yet: import one"
    raise DataError(f"no dataset {name!r}; {there}")


def list_datasets() -> list[DatasetInfo]:
    """All datasets by name, the bundled ones first, and of these the real ones."""
    bundled = [_bundled_info(name, folder) for name, folder in bundled_folders().items()]
    return [
        *sorted(bundled, key=lambda info: (info.simulated, info.name)),
        *(
            DatasetInfo(
                e.name,
                e.n_requests,
                e.n_models,
                e.n_outcomes,
                simulated=e.simulated,
                bundled=False,
                kind=kind_of(e.n_requests, e.n_models, e.n_outcomes),
                source=e.source,
                digest=e.sha256,
            )
            for e in store.entries()
        ),
    ]


def _bundled_info(name: str, folder: Path) -> DatasetInfo:
    """Counts of a bundled dataset from what its files say of themselves, without reading them."""
    paths = [folder / f"{part}.parquet" for part in ("outcomes", "requests")]
    outcomes, requests = (open_file(path) for path in paths)
    with explained(requests):
        n_requests = pq.ParquetFile(requests.path).metadata.num_rows
    with explained(outcomes):
        file = pq.ParquetFile(outcomes.path)
        models = pc.count_distinct(file.read(columns=[MODEL])[MODEL]).as_py()
    n_outcomes = file.metadata.num_rows
    return DatasetInfo(
        name,
        n_requests,
        models,
        n_outcomes,
        simulated=is_simulated(outcomes),
        bundled=True,
        kind=kind_of(n_requests, models, n_outcomes),
        source=folder.name,
        digest=digest_of(*paths),
    )


def dataset_from_frame(
    name: str, outcomes: Frame, requests: Frame | None = None, *, simulated: bool = False
) -> Dataset:
    """Make a dataset of a long table, checked as a file would be.

    ``outcomes`` has request_id, model and what was measured; ``requests`` has request_id and
    any other columns. NaN in a pandas frame is not measured. Raises DataError.
    """
    rows = Rows("outcomes")
    table = _arrow(outcomes, rows)
    with duckdb.connect() as con:
        register_frame(con, table, rows)
        given = None if requests is None else _arrow(requests, REQUESTS)
        tables = check(con, table.column_names, rows, given)
    mark = hashlib.sha256("\0".join(tables.models).encode())
    for part in (tables.requests, tables.outcomes):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, part.schema) as writer:
            writer.write_table(part)
        mark.update(sink.getvalue())
    return dataset_from_tables(name, tables, simulated=simulated, digest=mark.hexdigest())


def _arrow(frame: Frame, rows: Rows) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    from pandas.api.types import is_object_dtype

    frame = frame.rename(columns=str)
    refuse(repeated_columns(list(frame.columns), rows))
    for column in frame.columns:
        if is_object_dtype(frame[column]):
            frame[column] = frame[column].map(str, na_action="ignore")
    return pa.Table.from_pandas(frame, preserve_index=False)
