"""Simulated traffic: what eight commercial models might have done with two weeks of requests.

Nothing here was measured. The parameters (``parameters.py``) are published aggregates and stated
assumptions; the names of the models say whose aggregates were used, not whose outcomes these are.
"""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from toolkit.errors import DataError
from toolkit.logs import store
from toolkit.logs.dataset import Dataset
from toolkit.logs.files import SIMULATED
from toolkit.logs.simulate.draws import Draws
from toolkit.logs.simulate.models import MODELS
from toolkit.logs.simulate.outcomes import make_outcomes
from toolkit.logs.simulate.parameters import N_REQUESTS, SEED
from toolkit.logs.simulate.traffic import make_traffic

__all__ = ["NAME", "bundled_folder", "packed", "simulate", "write"]

NAME = "fleet"
MOST_REQUESTS = 2_000_000
MOST_SEED = 2**63 - 1


def simulate(seed: int = SEED, n_requests: int = N_REQUESTS) -> Dataset:
    """Simulate two weeks of requests and every model's outcome on each, the same on any machine.

    Raises DataError for a seed or a number of requests that is out of range.
    """
    for what, value, low, high in (
        ("seed", seed, 0, MOST_SEED),
        ("requests", n_requests, 1, MOST_REQUESTS),
    ):
        if not low <= value <= high:
            raise DataError(f"{what}: out of range; got {value}; allowed: {low} to {high}")
    draws = Draws(seed)
    traffic = make_traffic(draws, n_requests)
    return Dataset(
        name=NAME,
        requests=traffic.table,
        models=tuple(m.name for m in MODELS),
        observed=np.ones((n_requests, len(MODELS)), np.bool_),
        simulated=True,
        digest=hashlib.sha256(f"{NAME} {seed} {n_requests}".encode()).hexdigest(),
        **make_outcomes(draws, traffic),
    )


def bundled_folder() -> Path:
    """Where the bundled ``fleet`` is."""
    return Path(os.environ.get("DETOUR_BUNDLED") or store.ROOT / "data") / NAME


def packed(dataset: Dataset) -> dict[str, bytes]:
    """The two files of a dataset's folder, by name.

    The same dataset gives the same bytes: what Parquet leaves open is set here, and the version
    of PyArrow, which writes its name into the file, is pinned in ``requirements.txt``.
    """
    tables = {"requests.parquet": dataset.requests, "outcomes.parquet": dataset.to_arrow()}
    files = {}
    for name, table in tables.items():
        file = io.BytesIO()
        pq.write_table(
            table.replace_schema_metadata({SIMULATED: str(dataset.simulated).lower()}),
            file,
            version="2.6",
            data_page_version="1.0",
            row_group_size=1_000_000,
            data_page_size=1 << 20,
            dictionary_pagesize_limit=1 << 22,
            use_dictionary=True,
            compression="zstd",
            compression_level=19,
            write_statistics=False,
        )
        files[name] = file.getvalue()
    return files


def write(files: dict[str, bytes], folder: str | Path, *, replace: bool = False) -> bool:
    """Put files into ``folder``; False when the same were there already.

    Raises DataError when others are there and ``replace`` is not set, or when the folder cannot
    be written. Each file is written beside its place and moved there when both are whole.
    """
    folder = Path(folder)
    parts = {folder / name: folder / f"{name}.part" for name in files}
    try:
        there = {path.name: path.read_bytes() for path in parts if path.exists()}
        if there == files:
            return False
        if there and not replace:
            raise DataError(
                f"{folder}: {' and '.join(there)} would be overwritten; choose another folder,"
                " or replace them"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for path, part in parts.items():
            part.write_bytes(files[path.name])
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written; got {error.strerror or error}") from error
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink()
    return True
