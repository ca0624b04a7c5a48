"""Many trees: a random forest (Breiman 2001) and gradient boosting (Friedman 2001)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.linear import logistic, logit
from toolkit.learn.trees import Grower, Shape, Trees, summed, together

Floats = NDArray[np.float64]

MOST_ROWS = 5_000
"""That a tree of a forest sees."""
_STEEPEST = 4.0
"""Log odds that one tree of boosting may want to move, before its rate."""


def fit_forest(x: Floats, y: Floats, w: Floats, seed: int, trees: int, shape: Shape) -> Trees:
    """Trees on rows drawn with replacement; the mean of their values is the answer.

    ``x`` (n, d) finite, ``y`` (n, k) read where ``w`` (n, k) is above 0. Each tree has draws of
    its own, so threads change nothing.
    """
    grower = Grower(x)
    good = w * np.where(w > 0, y, 0.0)
    seeds = np.random.default_rng(seed).integers(0, 2**31 - 1, trees).tolist()
    rows = min(len(x), MOST_ROWS)
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        return together(list(pool.map(lambda s: grower.grow(good, w, s, shape, rows), seeds)))


def forest_mean(forest: Trees, x: Floats) -> Floats:
    """The mean of all trees' values, (n, k)."""
    return summed(forest, x) / len(forest["root"])


def fit_boosted(
    x: Floats, y: Floats, w: Floats, seed: int, trees: int, rate: float, shape: Shape
) -> Trees:
    """Trees one after the other, each on what is still wrong (Newton steps on the log loss).

    The sum of their values is in log odds; the first one is a single leaf, the mean.
    """
    grower = Grower(x)
    y = np.where(w > 0, y, 0.0)
    mean = logit((w * y).sum(0) / np.maximum(w.sum(0), 1e-12))
    grown: list[Trees] = [
        {
            "root": np.zeros(1, np.int64),
            "feature": np.full(1, -1, np.int32),
            "cut": np.zeros(1),
            "left": np.full(1, -1, np.int32),
            "value": mean[None].astype(np.float32),
        }
    ]
    z = np.tile(mean, (len(x), 1))
    for draw in np.random.default_rng(seed).integers(0, 2**31 - 1, trees).tolist():
        p = logistic(z)
        bend = w * np.maximum(p * (1 - p), 1e-3)
        tree = grower.grow(w * (y - p), bend, draw, shape)
        step = np.clip(tree["value"], -_STEEPEST, _STEEPEST)
        tree["value"] = (rate * step).astype(np.float32)
        z += summed(tree, x)
        grown.append(tree)
    return together(grown)
