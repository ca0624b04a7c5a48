"""What a request is expected to cost and to take with each model, before it is sent.

One Poisson regression per amount on a log scale, on the columns and on what the prompt looks like:
never negative, and over the training requests its sum is the amounts' sum. Its answer goes no
farther than twice what training saw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.linear import Block, linear

Floats = NDArray[np.float64]
Amounts = dict[str, Floats]

STRENGTH = 3.0
"""Of the ridge penalty, beside a request of average amount."""


def learn_amounts(table: Floats, amount: Floats | None, weight: Floats) -> Amounts:
    """Fit the amounts (n, m), NaN where unknown, on the features (n, c), with weights (n, m)."""
    if amount is None:
        return {"mean": np.full(weight.shape[1], np.nan)}
    known = np.isfinite(amount) & (weight > 0)
    w = np.where(known, weight, 0.0)
    y = np.where(known, np.maximum(amount, 0.0), 0.0)
    total = w.sum(0)
    mean = np.where(total > 0, (w * y).sum(0) / np.maximum(total, 1e-300), np.nan)
    unit = np.where(mean > 0, mean, 1.0)  # a model that is free, or of unknown cost, has no curve
    coefficients = np.zeros((table.shape[1] + 1, len(unit)))
    for j in np.flatnonzero(mean > 0):
        rows = known[:, j]
        coefficients[:, j] = _curve(table[rows], y[rows, j] / unit[j], w[rows, j])
    z = linear([Block(table)], coefficients)
    high = np.where(known, z, -np.inf).max(0)
    return {"mean": mean, "coefficients": coefficients, "unit": unit, "high": high + np.log(2)}


def _curve(table: Floats, y: Floats, w: Floats) -> Floats:
    """(c + 1,) coefficients of the logarithm, the intercept last; sums are kept exactly."""
    from sklearn.linear_model import PoissonRegressor  # type: ignore[import-untyped]

    model = PoissonRegressor(
        alpha=STRENGTH / w.sum(), solver="newton-cholesky", tol=1e-5, max_iter=1000
    )
    model.fit(table, y, w)
    off = np.log((w * y).sum() / (w * model.predict(table)).sum())
    return np.append(model.coef_, model.intercept_ + off)


def amounts(learnt: Amounts, table: Floats) -> Floats:
    """Expected amounts (n, m); NaN for a model of which none is known."""
    mean = learnt["mean"]
    if "coefficients" not in learnt:
        return np.tile(mean, (len(table), 1))
    z = np.minimum(linear([Block(table)], learnt["coefficients"]), learnt["high"])
    return np.where(mean > 0, learnt["unit"] * np.exp(z), np.broadcast_to(mean, z.shape))
