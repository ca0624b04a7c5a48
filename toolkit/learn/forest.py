"""Many trees, grown by scikit-learn: a random forest (Breiman 2001) and gradient boosting."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.linear import halves, logit
from toolkit.learn.trees import Trees, constant, mean_where, of_boosting, of_forest, summed

Floats = NDArray[np.float64]

TREES = 100
MOST_ROWS = 5_000
"""That a tree of a forest sees."""


def fit_forest(x: Floats, y: Floats, w: Floats, seed: int, leaf: int) -> tuple[list[Trees], Floats]:
    """Grow a forest for all models, or one for each.

    One forest serves all models where all were observed on the same requests: its leaves are
    shared, so what makes a request hard for one model tells about the others. Else there is a
    forest per model, of the requests on which it was observed.

    Args:
        x: (n, d) finite.
        y: (n, k) 0..1, read where ``w`` (n, k) is above 0.
        w: weights.
        seed: of the draws.
        leaf: rows of a leaf, at least.

    Returns:
        One forest with k values or k with one; and (n, k) for each row the mean of the trees that
        did not see it, so nothing need be fitted twice for that.
    """
    x = x.astype(np.float32)
    if (w == w[:, :1]).all():
        forest, unseen = _forest(x, y, w[:, 0], seed, leaf)
        return [forest], unseen
    each = [_forest(x, y[:, [j]], w[:, j], seed, leaf) for j in range(y.shape[1])]
    return [forest for forest, _ in each], np.hstack([unseen for _, unseen in each])


def _forest(x: Any, y: Floats, w: Floats, seed: int, leaf: int) -> tuple[Trees, Floats]:
    from sklearn.ensemble import RandomForestRegressor  # type: ignore[import-untyped]

    seen = np.flatnonzero(w > 0)
    even = bool((w[seen] == w[seen[0]]).all())
    model = RandomForestRegressor(
        TREES,
        max_features=0.1,
        min_samples_leaf=leaf,
        max_samples=min(len(seen), MOST_ROWS),
        n_jobs=-1,
        random_state=seed,
    )
    known = y[seen]
    target = known[:, 0] if y.shape[1] == 1 else known
    model.fit(x[seen], target, None if even else w[seen])
    trees = of_forest(model)
    unseen = np.ones((TREES, len(y)), bool)
    for t, drawn in enumerate(model.estimators_samples_):
        unseen[t, seen[drawn]] = False
    return trees, mean_where(trees, x, unseen, np.average(known, axis=0, weights=w[seen]))


def forest_mean(forests: list[Trees], x: Floats) -> Floats:
    """The mean of the trees' values, (n, k)."""
    x = x.astype(np.float32)
    return np.hstack([summed(forest, x) / len(forest["root"]) for forest in forests])


def fit_boosted(x: Floats, y: Floats, w: Floats, seed: int) -> list[Trees]:
    """Gradient boosted trees for each model; their sum is in log odds."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    found = []
    for j in range(y.shape[1]):
        rows, label, weight = halves(y[:, j], w[:, j])
        if label.all() or not label.any():
            found.append(constant(float(logit(label[:1].astype(np.float64))[0])))
            continue
        model = HistGradientBoostingClassifier(
            max_iter=120,
            learning_rate=0.05,
            max_leaf_nodes=12,
            min_samples_leaf=30,
            l2_regularization=5.0,
            max_features=0.3,
            early_stopping=False,
            random_state=seed,
        )
        found.append(of_boosting(model.fit(x[rows], label, weight)))
    return found


def boosted(trees: list[Trees], x: Floats) -> Floats:
    """Log odds, (n, k)."""
    return np.hstack([summed(one, x) for one in trees])
