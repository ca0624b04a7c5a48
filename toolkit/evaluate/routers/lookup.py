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

from toolkit.evaluate.intervals import Floats
from toolkit.evaluate.routers.folds import Folds
from toolkit.evaluate.routers.outcomes import Outcomes
from toolkit.schema import CATEGORY

PRIOR = 10.0
MOST = 200
"""A column with more different values is no table that somebody would keep."""
FEWEST = 10
"""Nor is one whose values stand in fewer requests than this on average."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """What the table of one column says, out of fold."""

    column: str
    predicted: Floats
    """(n, m) quality"""
    predicted_cost: Floats
    """(n, m) USD"""


def lookup(found: Outcomes, folds: Folds, columns: Sequence[str], weight: Floats) -> Lookup | None:
    """The table by ``category``, else by the column of ``columns`` that foretells quality best.

    ``weight`` (n, m) is that of each outcome. None where there is nothing to look up.
    """
    tables = []
    for name in columns_of(found.requests, columns):
        code = codes(found.requests[name])
        predicted = _tables(code, folds, found.quality, weight)
        error = float(np.nanmean((predicted - found.quality) ** 2))
        cost = _tables(code, folds, found.cost_usd, weight)
        tables.append((name != CATEGORY, error, Lookup(name, predicted, cost)))
    return min(tables, key=lambda one: one[:2])[2] if tables else None


def columns_of(requests: pa.Table, columns: Sequence[str]) -> list[str]:
    """Those of the columns that have few values, but more than one."""
    found = []
    for name in columns:
        column = requests[name]
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        some = pa.types.is_floating(kind) or pa.types.is_nested(kind)
        most = min(MOST, len(column) // FEWEST)
        if not some and 1 < pc.count_distinct(column, mode="all").as_py() <= most:
            found.append(name)
    return found


def codes(column: pa.ChunkedArray) -> NDArray[np.intp]:
    """The value of each request (n,), from 0; no value is as the empty text."""
    text = pc.fill_null(pc.cast(column, pa.string()), "").combine_chunks()
    return np.asarray(pc.dictionary_encode(text).indices.to_numpy(), np.intp)


def _tables(code: NDArray[np.intp], folds: Folds, values: Floats, weight: Floats) -> Floats:
    """Shrunken means (n, m) of the category of each request, from what its fold may learn from."""
    out = np.full(values.shape, np.nan)
    for fold in range(folds.count):
        learned, judged = folds.training(fold), folds.judged(fold)
        table = shrunken(code[learned], values[learned], weight[learned], int(code.max()) + 1)
        out[judged] = table[code[judged]]
    return out


def shrunken(code: NDArray[np.intp], values: Floats, weight: Floats, kinds: int = 0) -> Floats:
    """Means (k + 1, m) of values (n, m) by ``code`` (n,), shrunken; the last row is that of all.

    ``weight`` is (n, m); ``kinds`` is k, where more are known than stand in ``code``.
    """
    k, m = max(int(code.max(initial=-1)) + 1, kinds), values.shape[1]
    there = ~np.isnan(values)
    w = np.where(there, weight, 0.0)
    worth = np.where(there, values, 0.0) * w
    cell = code[:, None] * m + np.arange(m)
    top = np.bincount(cell.ravel(), worth.ravel(), minlength=k * m).reshape(k, m)
    bottom = np.bincount(cell.ravel(), w.ravel(), minlength=k * m).reshape(k, m)
    total = bottom.sum(axis=0)
    overall = np.divide(top.sum(axis=0), total, out=np.full(m, np.nan), where=total > 0)
    return np.vstack([(top + PRIOR * overall) / (bottom + PRIOR), overall])
