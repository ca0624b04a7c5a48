"""A table of averages by one column: the simplest way to learn, and often enough.

Each category gets every model's mean quality and cost, shrunken towards the mean of all requests by
``PRIOR`` requests, so that a category of two says little. The table that judges a request is made
of the requests that its fold's router has learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.evaluate.clusters import CLUSTERS
from toolkit.evaluate.intervals import Floats
from toolkit.evaluate.routers.folds import Folds
from toolkit.logs.dataset import Dataset
from toolkit.schema import CATEGORY

PRIOR = 10.0
MOST = 50
"""A column with more different values is no table that somebody would keep."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """What the table of one column says, out of fold."""

    column: str
    predicted: Floats
    """(n, m) quality"""
    predicted_cost: Floats
    """(n, m) USD"""


def lookup(
    dataset: Dataset,
    rows: NDArray[np.intp],
    folds: Folds,
    quality: Floats,
    cost_usd: Floats,
    weight: Floats,
    columns: Sequence[str] | None = None,
) -> Lookup | None:
    """The table by ``category``, else by the column of ``columns`` that foretells quality best.

    ``quality``, ``cost_usd`` and ``weight`` are (n, m). None where there is nothing to look up.
    """
    names = columns_of(dataset, columns)
    tables = []
    for name in names:
        code = _codes(dataset.requests[name].take(pa.array(rows)))
        if not 1 < int(code.max(initial=0)) + 1 <= MOST:
            continue
        predicted = _tables(code, folds, quality, weight)
        error = np.nanmean((predicted - quality) ** 2)
        cost = _tables(code, folds, cost_usd, np.ones_like(cost_usd))
        tables.append((name != CATEGORY, error, Lookup(name, predicted, cost)))
    return min(tables, key=lambda one: one[:2])[2] if tables else None


def columns_of(dataset: Dataset, columns: Sequence[str] | None) -> list[str]:
    """The columns with few values, of those that a router may read (None: any but users)."""
    found = []
    for name in dataset.requests.column_names if columns is None else columns:
        column = dataset.requests[name]
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        few = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        few |= pa.types.is_boolean(kind) or pa.types.is_integer(kind)
        if few and name not in CLUSTERS and pc.count_distinct(column).as_py() <= MOST:
            found.append(name)
    return found


def _codes(column: pa.ChunkedArray) -> NDArray[np.intp]:
    text = pc.fill_null(pc.cast(column, pa.string()), "").combine_chunks()
    return np.asarray(pc.dictionary_encode(text).indices.to_numpy(), np.intp)


def _tables(code: NDArray[np.intp], folds: Folds, values: Floats, weight: Floats) -> Floats:
    """Shrunken means (n, m) of the category of each request, from what its fold may learn from."""
    k, m = int(code.max()) + 1, values.shape[1]
    out = np.full(values.shape, np.nan)
    for fold in range(folds.count):
        learned, judged = folds.training(fold), folds.judged(fold)
        there = ~np.isnan(values[learned])
        w = np.where(there, weight[learned], 0.0)
        worth = np.where(there, values[learned], 0.0) * w
        cell = code[learned][:, None] * m + np.arange(m)
        top = np.bincount(cell.ravel(), worth.ravel(), minlength=k * m).reshape(k, m)
        bottom = np.bincount(cell.ravel(), w.ravel(), minlength=k * m).reshape(k, m)
        total = bottom.sum(axis=0)
        overall = np.divide(top.sum(axis=0), total, out=np.full(m, np.nan), where=total > 0)
        out[judged] = ((top + PRIOR * overall) / (bottom + PRIOR))[code[judged]]
    return out
