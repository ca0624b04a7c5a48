"""Outcome models: what each model would do on each request, learned from those that it served.

One linear model of all models' outcomes says how requests differ, and each model departs from it
as far as its own outcomes say (both are ridge regressions). A prediction never comes from a model
that saw the request or, where requests belong together, one of the same user: that is what keeps
the doubly robust estimate's interval honest (cross-fitting).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.engine.keys import Purpose, text_keys, uniforms
from toolkit.evaluate.clusters import clusters
from toolkit.logs.propensity import PROPENSITY
from toolkit.schema import PROMPT, REQUEST_ID

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

Floats = NDArray[np.float64]

FOLDS = 5
RIDGE = 10.0
"""Penalty on standardised features: as strong as ten requests that say there is no effect."""
MOST_LEVELS = 50
"""A column of words with more different values than this is no feature."""
FEWEST = 10
"""A word that stands on fewer requests than this is like any other rare one."""


@dataclass(frozen=True, eq=False)
class Design:
    """What is known of the n requests before a model is asked, as d numbers each."""

    x: Floats
    """(n, d) mean 0 and standard deviation 1"""
    names: tuple[str, ...]
    """(d,) ``column`` or ``column = value``"""
    fold: NDArray[np.intp]
    """(n,) from 0; requests that belong together share one"""
    folds: int


def design(dataset: Dataset, folds: int = FOLDS, seed: int = 0) -> Design:
    """The columns of the requests as features, and the folds of the cross-fitting.

    Words of few kinds become one column for each, counts their logarithm, a prompt its length;
    what is missing is taken for the mean, and marked.
    """
    requests = dataset.requests
    named: dict[str, Floats] = {}
    for column in requests.column_names:
        if column not in {REQUEST_ID, PROPENSITY}:
            named |= _features(column, requests[column])
    shown = {name: x for name, x in named.items() if x.std() > 0}
    x = np.empty((requests.num_rows, len(shown)))
    for j, values in enumerate(shown.values()):
        x[:, j] = (values - values.mean()) / values.std()
    return Design(x, tuple(shown), _folds(dataset, folds, seed), folds)


def _folds(dataset: Dataset, folds: int, seed: int) -> NDArray[np.intp]:
    """In the order of a hash of the ids, dealt out evenly; those that belong together as one."""
    ids = text_keys(dataset.requests[REQUEST_ID])
    together = clusters(dataset)
    code = np.arange(len(ids))
    if together is not None:
        _, first, code = np.unique(together.code, return_index=True, return_inverse=True)
        ids = ids[first]
    mark = text_keys(pa.array(["folds"]))[0]
    u = uniforms(np.full(len(ids), seed, np.uint64), ids, mark, Purpose.SPLIT)
    rank = np.empty(len(ids), np.intp)
    rank[np.argsort(u, kind="stable")] = np.arange(len(ids))
    return np.asarray((rank % folds)[code])


def _features(name: str, column: pa.ChunkedArray) -> dict[str, Floats]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = pc.cast(column, pa.string())
        if name == PROMPT:
            length = pc.fill_null(pc.cast(pc.utf8_length(text), pa.float64()), 0.0)
            return {"prompt length": np.log1p(length.to_numpy(zero_copy_only=False))}
        return _words(name, text)
    if pa.types.is_temporal(kind):
        try:
            column = pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return {}
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return {}
    values = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return _numbers(name, np.array(values, np.float64))


def _words(name: str, text: pa.ChunkedArray) -> dict[str, Floats]:
    coded = pc.dictionary_encode(pc.fill_null(text, "")).unify_dictionaries().combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0) if coded.num_chunks else pa.array([""]).dictionary_encode()
    levels = coded.dictionary.to_pylist()
    if not 1 < len(levels) <= MOST_LEVELS:
        return {}
    code = coded.indices.to_numpy(zero_copy_only=False)
    count = np.bincount(code, minlength=len(levels))
    kept = [i for i in np.argsort(-count, kind="stable")[1:] if count[i] >= FEWEST]
    return {f"{name} = {levels[i]}": (code == i).astype(np.float64) for i in kept}


def _numbers(name: str, values: Floats) -> dict[str, Floats]:
    known = np.isfinite(values)
    if not known.any():
        return {}
    if values[known].min() >= 0:
        values = np.log1p(values)
    out = {name: np.where(known, values, values[known].mean())}
    return out if known.all() else out | {f"{name} missing": (~known).astype(np.float64)}


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Cross-fitted regressions of what the logged models did on what was known before."""

    design: Design
    action: NDArray[np.intp]
    """(n,) the model that served each request"""
    n_actions: int
    _squares: dict[bytes, Floats] = field(default_factory=dict)
    """sums of products of the features, by which requests were measured"""

    def predict(self, y: Floats, action: int) -> Floats:
        """(n, p) expectation of ``y`` (n, p) for every request, were it served by ``action``.

        ``y`` holds what happened under the model that served the request, NaN where it was not
        measured. An action that was never measured is taken for one like the others.
        """
        out = np.empty(y.shape)
        for columns in _alike(np.isnan(y)):
            out[:, columns] = self._predict(y[:, columns], action)
        return out

    def _predict(self, y: Floats, action: int) -> Floats:
        """The same where the columns of ``y`` are NaN in the same rows."""
        x, fold = self.design.x, self.design.fold
        sums = self._sums(y)
        out = np.full(y.shape, np.nan)
        for f in range(self.design.folds):
            train = sums.without(f)
            if train.count.any():
                slope, level = train.fitted(action)
                out[fold == f] = level + np.einsum("nd,dp->np", x[fold == f], slope)
        return out

    def _sums(self, y: Floats) -> _Sums:
        """Sums over the measured requests of each fold and action.

        All regressions follow from them, and no product is so large that a library spreads it
        over threads, which costs more than it saves.
        """
        known = ~np.isnan(y).any(axis=1)
        shape = self.design.folds, self.n_actions
        cell = np.where(known, self.design.fold * shape[1] + self.action, shape[0] * shape[1])
        order = np.argsort(cell, kind="stable")
        edges = np.searchsorted(cell[order], np.arange(shape[0] * shape[1] + 1))
        parts = [order[a:b] for a, b in pairwise(edges)]
        x = self.design.x
        key = known.tobytes()
        if key not in self._squares:
            squares = np.array([x[part].T @ x[part] for part in parts])
            self._squares[key] = squares.reshape(*shape, *squares.shape[1:])
        return _Sums(
            count=np.diff(edges).reshape(shape).astype(np.float64),
            x=np.array([x[part].sum(axis=0) for part in parts]).reshape(*shape, -1),
            y=np.array([y[part].sum(axis=0) for part in parts]).reshape(*shape, -1),
            xx=self._squares[key],
            xy=np.array([x[part].T @ y[part] for part in parts]).reshape(
                *shape, x.shape[1], y.shape[1]
            ),
        )


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over requests, for each fold and action, or for each action."""

    count: Floats
    """(…, m)"""
    x: Floats
    """(…, m, d)"""
    y: Floats
    """(…, m, p)"""
    xx: Floats
    """(…, m, d, d)"""
    xy: Floats
    """(…, m, d, p)"""

    def without(self, fold: int) -> _Sums:
        """The sums over all folds but one."""
        parts = (self.count, self.x, self.y, self.xx, self.xy)
        return _Sums(*(np.delete(part, fold, axis=0).sum(axis=0) for part in parts))

    def fitted(self, action: int) -> tuple[Floats, Floats]:
        """Slopes (d, p) and level (p,) of one action."""
        count = np.maximum(self.count, 1)[:, None]
        x, y = self.x / count, self.y / count
        # Within each action, so that what the others have in common is not what sets them apart.
        xx = self.xx - np.einsum("md,me->mde", self.x, x)
        xy = self.xy - np.einsum("md,mp->mdp", self.x, y)
        common = _ridge(xx.sum(axis=0), xy.sum(axis=0))
        if action < 0 or not self.count[action]:
            total = self.count.sum()
            return common, self.y.sum(axis=0) / total - self.x.sum(axis=0) / total @ common
        own = _ridge(xx[action], xy[action] - xx[action] @ common)
        slope = common + own
        return slope, y[action] - x[action] @ slope


def _alike(missing: NDArray[np.bool_]) -> list[list[int]]:
    """The columns that miss the same rows, together."""
    groups: dict[bytes, list[int]] = {}
    for j, column in enumerate(missing.T):
        groups.setdefault(column.tobytes(), []).append(j)
    return list(groups.values())


def _ridge(xx: Floats, xy: Floats) -> Floats:
    return np.asarray(np.linalg.solve(xx + RIDGE * np.eye(len(xx)), xy))
