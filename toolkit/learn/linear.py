"""Linear models of many targets at once, fitted to fractions and with weights per value.

Two links: *logit* (logistic regression; the target is a probability, or 0..1) and *log* (the
target is an amount that is never negative, and sums of predictions match sums of targets).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.product import product, sparse_product

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Block:
    """Some columns of the input: ``rows`` (n, d) dense or SciPy CSR, read ``scale`` times."""

    rows: Any
    scale: float = 1.0


def fit_linear(
    blocks: list[Block],
    target: Floats,
    weight: Floats,
    strength: float,
    *,
    link: Literal["logit", "log"] = "logit",
    start: Floats | None = None,
) -> Floats:
    """Fit k models on the same input.

    Args:
        blocks: the input.
        target: (n, k); not read where the weight is 0.
        weight: (n, k), 0 where the target was not observed.
        strength: of the ridge penalty, strength / 2 · coefficients² of the scaled input; the
            intercept has none.
        link: see above.
        start: coefficients to begin with, from a fit on the same columns.

    Returns:
        (d + 1, k) coefficients of the input as it is, the intercept last.
    """
    from scipy.optimize import minimize

    y = np.where(weight > 0, target, 0.0)
    k = y.shape[1]
    scales = np.concatenate([np.full(b.rows.shape[1], b.scale) for b in blocks])
    edges = np.cumsum([0, *(b.rows.shape[1] for b in blocks)])
    spans = list(zip(blocks, edges[:-1], edges[1:], strict=True))
    total = max(float(weight.sum()), 1e-12)

    def loss(flat: Floats) -> tuple[float, Floats]:
        coefficients = flat.reshape(-1, k)
        z = np.repeat(coefficients[-1:], len(y), axis=0)
        for block, a, b in spans:
            z += block.rows @ (coefficients[a:b] * block.scale)
        if link == "logit":
            size = np.exp(-np.abs(z))
            fit = np.maximum(z, 0) - y * z + np.log1p(size)
            expected = np.where(z >= 0, 1 / (1 + size), size / (1 + size))
        else:
            expected = np.exp(np.minimum(z, 30.0))
            fit = expected - y * z
        residual = weight * (expected - y)
        slope = np.empty_like(coefficients)
        for block, a, b in spans:
            slope[a:b] = (block.rows.T @ residual) * block.scale
        slope[:-1] += strength * coefficients[:-1]
        slope[-1] = residual.sum(0)
        penalty = strength / 2 * float((coefficients[:-1] ** 2).sum())
        return (float((weight * fit).sum()) + penalty) / total, slope.ravel() / total

    first = np.zeros((edges[-1] + 1, k))
    if start is not None:
        first[:-1], first[-1] = start[:-1] / scales[:, None], start[-1]
    else:
        mean = (weight * y).sum(0) / np.maximum(weight.sum(0), 1e-12)
        first[-1] = _link(mean, link)
    options = {"maxiter": 300, "ftol": 1e-9, "gtol": 1e-6, "maxcor": 20}
    best = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    found = best.x.reshape(-1, k)
    found[:-1] *= scales[:, None]
    return found


def linear(blocks: list[Block], coefficients: Floats) -> Floats:
    """(n, k) of the input times its coefficients, each row by itself; the scales are in them."""
    out = np.zeros((blocks[0].rows.shape[0], coefficients.shape[1])) + coefficients[-1]
    at = 0
    for block in blocks:
        part = coefficients[at : at + block.rows.shape[1]]
        dense = isinstance(block.rows, np.ndarray)
        out += product(block.rows, part) if dense else sparse_product(block.rows, part)
        at += len(part)
    return out


def _link(mean: Floats, link: str) -> Floats:
    if link == "log":
        return np.log(np.maximum(mean, 1e-12))
    return logit(mean)


def logit(p: Floats, edge: float = 1e-3) -> Floats:
    """Log odds; probabilities nearer to 0 and 1 than ``edge`` count as that."""
    inner = np.clip(p, edge, 1 - edge)
    return np.log(inner / (1 - inner))


def logistic(z: Floats) -> Floats:
    """Probabilities of log odds."""
    size = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + size), size / (1 + size))
