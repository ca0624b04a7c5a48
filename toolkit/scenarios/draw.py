"""Rows of a log drawn anew, with replacement, as a dataset of their own."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.logs.dataset import Dataset
from toolkit.schema import REQUEST_ID

MOST_CELLS = 40_000_000
"""Most requests × models of a draw: each takes about 50 bytes."""
KEPT = 4
"""Draws that are kept for each log, the latest used, so that comparisons share one."""

_MATRICES = (
    "observed",
    "quality",
    "cost_usd",
    "latency_s",
    "input_tokens",
    "output_tokens",
    "error",
)
_Draw = tuple[NDArray[np.int64], Dataset]
_drawn: WeakKeyDictionary[Dataset, dict[tuple[int, ...], _Draw]] = WeakKeyDictionary()


def drawn_rows(dataset: Dataset, n: int, *seeds: int) -> _Draw:
    """Return which ``n`` rows of the log are drawn, each as likely as any other, and the dataset.

    The same arguments give the same object, as long as it is among the latest.

    Raises:
        DataError: The log has no requests.
    """
    if not dataset.n_requests:
        raise DataError(f"dataset {dataset.name!r} has no requests that could arrive")
    key = (n, *seeds)
    kept = _drawn.setdefault(dataset, {})
    found = kept.pop(key, None)
    if found is None:
        rng = np.random.default_rng([*(seed % 2**64 for seed in seeds), 1])
        rows = rng.integers(dataset.n_requests, size=n)
        found = rows, _take(dataset, rows, repr(key))
    kept[key] = found
    while len(kept) > KEPT:
        kept.pop(next(iter(kept)), None)
    return found


def _take(dataset: Dataset, rows: NDArray[np.int64], draw: str) -> Dataset:
    requests = dataset.requests.take(rows)
    matrices: dict[str, Any] = {
        name: np.take(getattr(dataset, name), rows, axis=0) for name in _MATRICES
    }
    # The number of the arrival ends every id, so two are never the same.
    number = pc.cast(pa.array(np.arange(len(rows))), pa.string())
    ids = pc.binary_join_element_wise(requests[REQUEST_ID].combine_chunks(), number, "#")
    at = requests.column_names.index(REQUEST_ID)
    digest = dataset.digest and hashlib.sha256(f"{dataset.digest} {draw}".encode()).hexdigest()
    return dataclasses.replace(
        dataset,
        requests=requests.set_column(at, REQUEST_ID, ids),
        **matrices,
        digest=digest,
        answers=None if dataset.answers is None else _answers(dataset.answers, rows),
    )


def _answers(answers: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """The answers to the drawn requests, sorted by their new numbers."""
    of = answers["request_ix"].to_numpy()
    first, end = np.searchsorted(of, rows), np.searchsorted(of, rows, side="right")
    count = end - first
    new = np.repeat(np.arange(len(rows), dtype=np.int32), count)
    begin = np.cumsum(count) - count
    taken = answers.take(np.arange(len(new)) - np.repeat(begin - first, count))
    return taken.set_column(0, "request_ix", pa.array(new))
