"""Means with intervals for the judges of a router: over requests, or over users where they cluster.

The bootstrap is that of every other result (``evaluate/intervals.py``); added are weights, for logs
in which some outcomes stand for more requests than others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.design import ALIKE, worth
from toolkit.evaluate.intervals import (
    RESAMPLES,
    UNDEFINED,
    Bootstrap,
    Estimate,
    Metric,
    Rows,
    bootstrap,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]


def drawing(
    n: int, cluster: Ints | None = None, *, resamples: int = RESAMPLES, seed: int = 0
) -> Bootstrap:
    """The draws of n requests; of clusters where ``cluster`` (n,) says who belongs together."""
    if cluster is None:
        return bootstrap(n, resamples, seed)
    kept, row = np.unique(cluster, return_inverse=True)
    units = bootstrap(len(kept), resamples, seed)
    return Bootstrap(units.unit[row], units.weights, row, None, ALIKE)


def mean(
    boot: Bootstrap, values: Floats, weight: Floats | None = None, *, fraction: bool = False
) -> Estimate:
    """The mean of ``values`` (n,), NaN left out; weighted where ``weight`` (n,) says so.

    ``fraction`` says that all values lie in 0..1.
    """
    if weight is None:
        return means(boot, [values], fraction=fraction)[0]
    there = ~np.isnan(values) & (weight > 0)
    if not there.any():
        return UNDEFINED
    units = boot.weights.shape[1]
    unit, w = boot.unit[there], weight[there]
    top = np.bincount(unit, w * values[there], minlength=units).astype(np.float64)
    bottom = np.bincount(unit, w, minlength=units).astype(np.float64)
    low, high = boot.intervals(top[:, None], bottom[:, None], np.zeros(1, np.intp))
    least, most = (0.0, 1.0) if fraction else (-math.inf, math.inf)
    low, high = np.clip(low, least, most), np.clip(high, least, most)
    n = int(there.sum())
    value = float(top.sum() / bottom.sum())
    return Estimate(value, float(low[0]), float(high[0]), n, n / len(values))


def means(boot: Bootstrap, columns: Sequence[Floats], *, fraction: bool = False) -> list[Estimate]:
    """The mean of each column of (n,) values, NaN left out."""
    n = len(boot.unit)
    everything = Rows(boot, np.arange(n), np.zeros(n, np.intp), 1)
    return [found[0] for found in everything.means(*(Metric(c, fraction) for c in columns))]


def independent(boot: Bootstrap, rows: NDArray[np.bool_], values: Floats) -> float:
    """How many independent values are worth as much as ``values`` (n,) on these rows (n,) bool."""
    if boot.row is None:
        return float(rows.sum())
    return worth(values[rows], boot.row[rows], boot.alike)
