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
) -> Floats:
    """Fit k models on the same input.

    Args:
        blocks: the input.
        target: (n, k); not read where the weight is 0.
        weight: (n, k), 0 where the target was not observed.
        strength: of the ridge penalty, strength / 2 · coefficients² of the scaled input; the
            intercept has none.
        link: see above.

    Returns:
        (d + 1, k) coefficients of the input as it is, the intercept last.
    """
    from scipy.linalg import solve_triangular  # type: ignore[import-untyped]
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    y = np.where(weight > 0, target, 0.0)
    n, k = y.shape
    total = max(float(weight.sum()), 1e-12)
    mean = (weight * y).sum(0) / np.maximum(weight.sum(0), 1e-12)
    bend = float((mean * (1 - mean) if link == "logit" else mean).mean()) or 1.0
    dense = [b.rows * b.scale for b in blocks if isinstance(b.rows, np.ndarray)]
    sparse = [b.rows * b.scale for b in blocks if not isinstance(b.rows, np.ndarray)]
    x = np.hstack([*dense, np.ones((n, 1))])
    # The search runs in coordinates in which the dense part's curvature is about the same in
    # every direction: ten steps instead of hundreds.
    heavy = (weight.mean(1) * bend)[:, None]
    curvature = x.T @ (x * heavy) + strength * np.eye(x.shape[1])
    root = np.linalg.cholesky(curvature + 1e-9 * np.trace(curvature) * np.eye(len(curvature)))
    thin = [
        np.sqrt(np.asarray(s.multiply(s).T @ heavy).ravel() + strength)[:, None] for s in sparse
    ]
    edges = np.cumsum([x.shape[1], *(s.shape[1] for s in sparse)])
    turned = [s.T.tocsr() for s in sparse]

    def unfolded(flat: Floats) -> list[Floats]:
        v = flat.reshape(-1, k)
        first = solve_triangular(root, v[: edges[0]], trans=1, lower=True, check_finite=False)
        rest = [v[a:b] / t for a, b, t in zip(edges[:-1], edges[1:], thin, strict=True)]
        return [first, *rest]

    def loss(flat: Floats) -> tuple[float, Floats]:
        first, *rest = unfolded(flat)
        z = x @ first
        for rows, part in zip(sparse, rest, strict=True):
            z += rows @ part
        if link == "logit":
            size = np.exp(-np.abs(z))
            fit = np.maximum(z, 0) - y * z + np.log1p(size)
            expected = np.where(z >= 0, 1 / (1 + size), size / (1 + size))
        else:
            expected = np.exp(np.minimum(z, 30.0))
            fit = expected - y * z
        residual = weight * (expected - y)
        slope = x.T @ residual
        slope[:-1] += strength * first[:-1]
        slopes = [solve_triangular(root, slope, lower=True, check_finite=False)]
        penalty = float((first[:-1] ** 2).sum())
        for rows, part, t in zip(turned, rest, thin, strict=True):
            slopes.append((rows @ residual + strength * part) / t)
            penalty += float((part**2).sum())
        value = float((weight * fit).sum()) + strength / 2 * penalty
        return value / total, np.vstack(slopes).ravel() / total

    origin = np.zeros((edges[-1], k))
    begin = np.log(np.maximum(mean, 1e-12)) if link == "log" else logit(mean)
    origin[: edges[0]] = root.T[:, -1:] * begin
    options = {"maxiter": 200, "ftol": 1e-7, "gtol": 1e-5, "maxcor": 10}
    best = minimize(loss, origin.ravel(), jac=True, method="L-BFGS-B", options=options)
    first, *rest = unfolded(best.x)
    found, at = [], 0
    for block in blocks:  # the order in which they were given, and as they are
        if isinstance(block.rows, np.ndarray):
            part, at = first[at : at + block.rows.shape[1]], at + block.rows.shape[1]
        else:
            part = rest.pop(0)
        found.append(part * block.scale)
    return np.vstack([*found, first[-1:]])


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
