"""Regression trees of many targets at once, each row and target with a weight of its own.

One tree serves all targets, so what makes a request hard for one model tells about the others. A
node's value is drawn towards its parent's (hierarchical shrinkage, Agarwal and others 2022), so a
target that a leaf hardly saw has the value of a wider neighbourhood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.kernels import kernel
from toolkit.threads import in_threads

Floats = NDArray[np.float64]
Trees = dict[str, NDArray[Any]]
"""All trees' nodes one after the other: ``feature`` (-1 in a leaf), ``cut`` (rows up to it go
left), ``left`` (the right one is next to it), ``value`` (nodes, k); ``root`` of each tree."""

BINS = 32


@dataclass(frozen=True)
class Shape:
    """How far trees grow."""

    share: float
    """of the features, drawn at each split"""
    leaf: int
    """rows of a leaf, at least"""
    pull: float
    """rows' worth of the parent's value in a node's value"""
    deepest: int = 64
    """splits above a leaf, at most"""


class Grower:
    """What all trees on the same rows share: the features in bins."""

    def __init__(self, x: Floats) -> None:
        n, d = x.shape
        self.cuts = [_cuts(x[:, f]) for f in range(d)]
        self.bins = np.empty((d, n), np.uint8)
        for f in range(d):
            self.bins[f] = np.searchsorted(self.cuts[f], x[:, f], side="left")
        self.sizes = np.array([len(c) + 1 for c in self.cuts])
        self._ends = np.cumsum([0, *map(len, self.cuts)])
        self._every = np.concatenate([*self.cuts, [0.0]])

    def grow(self, good: Floats, w: Floats, seed: int, shape: Shape, rows: int = 0) -> Trees:
        """Grow one tree.

        Args:
            good: (n, k) weight times target, 0 where the weight is.
            w: (n, k) weights.
            seed: of the draws.
            shape: how far.
            rows: grow on so many rows drawn with replacement; 0: on all, each once.
        """
        d, n = self.bins.shape
        room = 2 * min((rows or n) // shape.leaf, 2 ** min(shape.deepest, 30)) + 3
        nodes = np.full((3, room), -1, np.int32)
        value = np.zeros((room, w.shape[1]))
        tried = max(1, round(shape.share * d))
        used = _grow(
            *(self.bins, self.sizes, good, w, tried, shape.leaf, shape.deepest, shape.pull),
            *(rows, seed, nodes, value),
        )
        feature, cut, left = nodes[:, :used]
        place = np.minimum(self._ends[feature] + cut, len(self._every) - 1)
        threshold = np.where(feature >= 0, self._every[place], 0.0)
        root = np.zeros(1, np.int64)
        parts = (root, feature, threshold, left, value[:used].astype(np.float32))
        return dict(zip(_FIELDS, parts, strict=True))


_FIELDS = ("root", "feature", "cut", "left", "value")


def together(trees: list[Trees]) -> Trees:
    """Several trees as one."""
    first = np.cumsum([0, *(len(tree["left"]) for tree in trees)])[:-1]
    moved = [
        {**tree, "root": tree["root"] + at, "left": tree["left"] + at * (tree["left"] >= 0)}
        for tree, at in zip(trees, first.astype(np.int64), strict=True)
    ]
    return {name: np.concatenate([tree[name] for tree in moved]) for name in _FIELDS}


def summed(trees: Trees, x: Floats) -> Floats:
    """The sum of all trees' values for each row, (n, k), tree by tree."""
    out = np.zeros((len(x), trees["value"].shape[1]))
    x = np.ascontiguousarray(x)
    root, *nodes = (trees[name] for name in _FIELDS)
    work: Any = _sum
    in_threads(lambda a, b: work(x[a:b], root, *nodes, out[a:b]), len(x), small=1_000)
    return out


def _cuts(x: Floats) -> Floats:
    """Between which values a feature may be cut: at most BINS - 1, each as many rows apart."""
    values = np.unique(x)
    if len(values) > BINS:
        values = np.unique(np.quantile(x, np.linspace(0, 1, BINS), method="lower"))
    return (values[:-1] + values[1:]) / 2


@kernel
def _grow(  # noqa: PLR0912, PLR0915 - a compiled loop carries its state in local variables
    bins: Any,
    sizes: Any,
    good: Any,
    w: Any,
    tried: int,
    leaf: int,
    deepest: int,
    pull: float,
    draw_rows: int,
    seed: int,
    nodes: Any,
    value: Any,
) -> int:
    np.random.seed(seed)  # noqa: NPY002 - compiled code has no other generator
    d, n = bins.shape
    k = w.shape[1]
    rows = np.arange(n)
    if draw_rows > 0:
        rows = np.empty(draw_rows, np.int64)
        for i in range(draw_rows):
            rows[i] = np.random.randint(0, n)  # noqa: NPY002
        rows.sort()
    order = np.arange(d)
    weight, total = np.empty((BINS, k)), np.empty((BINS, k))
    count = np.empty(BINS, np.int64)
    lw, ls = np.empty(k), np.empty(k)
    aw, a_s = np.empty(k), np.empty(k)
    begin, end = np.zeros(len(value), np.int64), np.zeros(len(value), np.int64)
    depth = np.zeros(len(value), np.int64)
    end[0] = len(rows)
    used = 1
    node = 0
    while node < used:
        a, b = begin[node], end[node]
        aw[:] = 0.0
        a_s[:] = 0.0
        for r in range(a, b):
            for j in range(k):
                aw[j] += w[rows[r], j]
                a_s[j] += good[rows[r], j]
        base = 0.0
        for j in range(k):
            if node == 0:
                value[0, j] = a_s[j] / aw[j] if aw[j] > 0 else 0.5
            else:
                value[node, j] = (a_s[j] + pull * value[node, j]) / (aw[j] + pull)
            if aw[j] > 0:
                base += a_s[j] * a_s[j] / aw[j]
        best, best_feature, best_bin = 1e-9, -1, -1
        if b - a >= 2 * leaf and depth[node] < deepest:
            for draw in range(tried):
                other = draw + np.random.randint(0, d - draw)  # noqa: NPY002
                order[draw], order[other] = order[other], order[draw]
                f = order[draw]
                size = sizes[f]
                if size < 2:
                    continue
                weight[:size] = 0.0
                total[:size] = 0.0
                count[:size] = 0
                for r in range(a, b):
                    i = rows[r]
                    at = bins[f, i]
                    count[at] += 1
                    for j in range(k):
                        weight[at, j] += w[i, j]
                        total[at, j] += good[i, j]
                lw[:] = 0.0
                ls[:] = 0.0
                left = 0
                for at in range(size - 1):
                    if count[at] == 0:
                        continue
                    left += count[at]
                    for j in range(k):
                        lw[j] += weight[at, j]
                        ls[j] += total[at, j]
                    if left < leaf:
                        continue
                    if b - a - left < leaf:
                        break
                    gain = -base
                    for j in range(k):
                        if lw[j] > 0:
                            gain += ls[j] * ls[j] / lw[j]
                        rest = aw[j] - lw[j]
                        if rest > 1e-12:
                            gain += (a_s[j] - ls[j]) * (a_s[j] - ls[j]) / rest
                    if gain > best:
                        best, best_feature, best_bin = gain, f, at
        if best_feature >= 0:
            left = a
            right = b - 1
            while left <= right:
                if bins[best_feature, rows[left]] <= best_bin:
                    left += 1
                else:
                    rows[left], rows[right] = rows[right], rows[left]
                    right -= 1
            nodes[0, node], nodes[1, node], nodes[2, node] = best_feature, best_bin, used
            for child in range(2):
                begin[used + child] = a if child == 0 else left
                end[used + child] = left if child == 0 else b
                depth[used + child] = depth[node] + 1
                for j in range(k):
                    value[used + child, j] = value[node, j]
            used += 2
        node += 1
    return used


@kernel
def _sum(x: Any, root: Any, feature: Any, cut: Any, left: Any, value: Any, out: Any) -> None:
    for i in range(len(x)):
        for t in range(len(root)):
            node = root[t]
            while feature[node] >= 0:
                node = left[node] + (x[i, feature[node]] > cut[node])
            for j in range(out.shape[1]):
                out[i, j] += value[node, j]
