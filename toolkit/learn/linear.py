"""Logistic regressions, one per model, on the same requests; fitted by scikit-learn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.product import product, sparse_product

Floats = NDArray[np.float64]

_LITTLE = 2_000_000
"""Numbers of an input that are not worth keeping sparse."""
_MUCH = 200_000
"""Numbers of an input from which on each model has a thread."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some columns of the input: ``rows`` (n, d) dense or SciPy CSR, read ``scale`` times."""

    rows: Any
    scale: float = 1.0


def fit_linear(blocks: list[Block], target: Floats, weight: Floats, strength: float) -> Floats:
    """Fit k models on the same input.

    Args:
        blocks: the input.
        target: (n, k) fractions 0..1; not read where the weight is 0.
        weight: (n, k), 0 where the target was not observed.
        strength: of the ridge penalty, strength / 2 · coefficients² of the scaled input; the
            intercept has none.

    Returns:
        (d + 1, k) coefficients of the input as it is, the intercept last.
    """
    from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    width = sum(block.rows.shape[1] for block in blocks)
    dense = all(isinstance(block.rows, np.ndarray) for block in blocks)
    if dense or width * len(target) < _LITTLE:
        x: Any = np.hstack([_dense(block.rows) * block.scale for block in blocks])
    else:
        x = hstack([csr_matrix(block.rows * block.scale) for block in blocks]).tocsr()
    scale = np.concatenate([np.full(block.rows.shape[1], block.scale) for block in blocks])

    def fit(j: int) -> Floats:
        rows, label, w = halves(target[:, j], weight[:, j])
        if label.all() or not label.any():
            return np.append(np.zeros(x.shape[1]), logit(label[:1].astype(np.float64)))
        model = LogisticRegression(C=1 / strength, tol=1e-4, max_iter=1000)
        model.fit(x[rows], label, w)
        return np.append(model.coef_[0] * scale, model.intercept_)

    each = range(target.shape[1])
    if x.size < _MUCH:  # threads would mostly wait for the interpreter's lock
        return np.stack([fit(j) for j in each], axis=1)
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        return np.stack(list(pool.map(fit, each)), axis=1)


def _dense(rows: Any) -> Floats:
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def halves(y: Floats, w: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_], Floats]:
    """Fractions as labels: a grade of 0.3 is three tenths of a success and seven of a failure.

    ``y`` and ``w`` (n,) -> rows, their labels and weights; rows of weight 0 are left out.
    """
    good, bad = np.flatnonzero((w > 0) & (y > 0)), np.flatnonzero((w > 0) & (y < 1))
    label = np.repeat([True, False], [len(good), len(bad)])
    weight = np.concatenate([(w * y)[good], (w * (1 - y))[bad]])
    return np.concatenate([good, bad]), label, weight


def linear(blocks: list[Block], coefficients: Floats) -> Floats:
    """(n, k) of the input times its coefficients, each row by itself; the scales are in them."""
    out: Floats = np.zeros((blocks[0].rows.shape[0], coefficients.shape[1])) + coefficients[-1]
    at = 0
    for block in blocks:
        part = coefficients[at : at + block.rows.shape[1]]
        dense = isinstance(block.rows, np.ndarray)
        out += product(block.rows, part) if dense else sparse_product(block.rows, part)
        at += len(part)
    return out


def logit(p: Floats, edge: float = 1e-3) -> Floats:
    """Log odds; probabilities nearer to 0 and 1 than ``edge`` count as that."""
    inner = np.clip(p, edge, 1 - edge)
    return np.log(inner / (1 - inner))


def logistic(z: Floats) -> Floats:
    """Probabilities of log odds."""
    size = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1 / (1 + size), size / (1 + size)))
