"""Trees that scikit-learn grew, as plain arrays, and the walk through them.

scikit-learn's own prediction takes milliseconds for one request, and a file of its objects could
run code. So what was grown is copied into arrays, once, and a compiled loop walks them row by row:
a request's answer is scikit-learn's, and the same alone and in a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.kernels import kernel
from toolkit.threads import in_threads

Floats = NDArray[np.float64]
Trees = dict[str, NDArray[Any]]
"""All trees' nodes one after the other: ``feature`` (-1 in a leaf), ``cut`` (rows up to it go
``left``, others ``right``), ``value`` (nodes, k); ``root`` of each tree."""

_FIELDS = ("root", "feature", "cut", "left", "right", "value")


def of_forest(forest: Any) -> Trees:
    """A fitted random forest's trees; the mean of their values is what it predicts.

    It reads float32: give :func:`summed` the features as such.
    """
    trees = []
    for grown in forest.estimators_:
        tree = grown.tree_
        parts = (tree.feature, tree.threshold, tree.children_left, tree.children_right)
        trees.append(_tree(*parts, tree.value[:, :, 0]))
    return _together(trees)


def of_boosting(model: Any) -> Trees:
    """A fitted HistGradientBoostingClassifier's, of two classes and numbers that are never missing.

    The sum of their values is its decision function; the first tree is where it starts from. Its
    nodes are private to scikit-learn; a test holds this to the decision function.
    """
    start = np.asarray(model._baseline_prediction, np.float64).reshape(1, 1)
    none = np.full(1, -1)
    trees = [_tree(none, np.zeros(1), none, none, start)]
    for (grown,) in model._predictors:
        nodes = grown.nodes
        inner = nodes["is_leaf"] == 0
        left, right = (np.where(inner, nodes[x].astype(np.int64), -1) for x in ("left", "right"))
        parts = (nodes["feature_idx"], nodes["num_threshold"], left, right)
        trees.append(_tree(*parts, nodes["value"][:, None]))
    return _together(trees)


def constant(value: float) -> Trees:
    """One tree that is one leaf."""
    none = np.full(1, -1)
    return _tree(none, np.zeros(1), none, none, np.full((1, 1), value))


def _tree(feature: Any, cut: Any, left: Any, right: Any, value: Any) -> Trees:
    leaf = np.asarray(left) < 0
    parts = (
        np.zeros(1, np.int64),
        np.where(leaf, -1, feature).astype(np.int32),
        np.where(leaf, 0.0, cut),
        np.asarray(left, np.int32),
        np.asarray(right, np.int32),
        np.asarray(value, np.float64),
    )
    return dict(zip(_FIELDS, parts, strict=True))


def _together(trees: list[Trees]) -> Trees:
    first = np.cumsum([0, *(len(tree["left"]) for tree in trees)])[:-1]
    for tree, at in zip(trees, first.tolist(), strict=True):
        tree["root"] += at
        for side in ("left", "right"):
            tree[side] += np.where(tree["feature"] >= 0, at, 0).astype(np.int32)
    return {name: np.concatenate([tree[name] for tree in trees]) for name in _FIELDS}


def summed(trees: Trees, x: NDArray[Any]) -> Floats:
    """The sum of all trees' values for each row of x (n, d) -> (n, k), tree by tree."""
    out = np.zeros((len(x), trees["value"].shape[1]))
    x = np.ascontiguousarray(x)
    root, *nodes = (trees[name] for name in _FIELDS)
    work: Any = _sum
    in_threads(lambda a, b: work(x[a:b], root, *nodes, out[a:b]), len(x), small=1_000)
    return out


def mean_where(trees: Trees, x: NDArray[Any], asked: NDArray[np.bool_], none: Floats) -> Floats:
    """The mean of the values of those trees that are ``asked`` (trees, n) of a row -> (n, k).

    ``none`` (k,) stands where none is.
    """
    out = np.zeros((len(x), trees["value"].shape[1]))
    work: Any = _sum_where
    work(np.ascontiguousarray(x), *(trees[name] for name in _FIELDS), asked, out)
    count = asked.sum(0)[:, None]
    return np.where(count > 0, out / np.maximum(count, 1), none)


@kernel
def _sum(
    x: Any, root: Any, feature: Any, cut: Any, left: Any, right: Any, value: Any, out: Any
) -> None:
    for i in range(len(x)):
        for t in range(len(root)):
            node = root[t]
            while feature[node] >= 0:
                node = left[node] if x[i, feature[node]] <= cut[node] else right[node]
            for j in range(out.shape[1]):
                out[i, j] += value[node, j]


@kernel
def _sum_where(
    x: Any,
    root: Any,
    feature: Any,
    cut: Any,
    left: Any,
    right: Any,
    value: Any,
    asked: Any,
    out: Any,
) -> None:
    for t in range(len(root)):
        for i in range(len(x)):
            if asked[t, i]:
                node = root[t]
                while feature[node] >= 0:
                    node = left[node] if x[i, feature[node]] <= cut[node] else right[node]
                for j in range(out.shape[1]):
                    out[i, j] += value[node, j]
