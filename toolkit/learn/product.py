"""Products of features and weights whose every row depends on that row alone.

A dense product of a linear algebra library adds up in an order that depends on how many rows
there are, so one request alone would get another last digit than in a batch. Here each row is
added up column by column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.kernels import kernel
from toolkit.threads import in_threads

Floats = NDArray[np.float64]


def product(rows: NDArray[Any], weights: Floats) -> Floats:
    """``rows`` (n, d) of float32 or float64 times ``weights`` (d, k) -> (n, k)."""
    out = np.zeros((len(rows), weights.shape[1]))
    rows, weights = np.ascontiguousarray(rows), np.ascontiguousarray(weights)
    in_threads(lambda a, b: _dense(rows[a:b], weights, out[a:b]), len(rows))
    return out


def sparse_product(rows: Any, weights: Floats) -> Floats:
    """``rows`` (n, d), a SciPy CSR matrix, times ``weights`` (d, k) -> (n, k).

    SciPy adds up row by row in the order in which the values stand.
    """
    return np.asarray(rows @ weights)


@kernel
def _dense(rows: Any, weights: Any, out: Any) -> None:
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            x = np.float64(rows[i, j])
            if x != 0.0:
                for c in range(weights.shape[1]):
                    out[i, c] += x * weights[j, c]
