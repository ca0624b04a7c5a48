"""Outcome models: what each model would do on each request, learned from those that it served.

One linear model of all models' outcomes says how requests differ, and each model departs from it
as far as its own outcomes say (both are ridge regressions). A prediction never comes from a model
that saw the request or, where requests belong together, one of the same user: that is what keeps
the doubly robust estimate's interval honest (cross-fitting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.engine.keys import Purpose, text_keys, uniforms
from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.offpolicy.sampling import PROPENSITY
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
    """By a hash of the request's id, or of the first of those that it belongs to."""
    ids = text_keys(dataset.requests[REQUEST_ID])
    together = clusters(dataset)
    if together is not None:
        _, first = np.unique(together.code, return_index=True)
        ids = ids[first][together.code]
    mark = text_keys(pa.array(["folds"]))[0]
    u = uniforms(np.full(len(ids), seed, np.uint64), ids, mark, Purpose.SPLIT)
    return np.asarray((u * folds).astype(np.intp))


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
        known = ~np.isnan(y).any(axis=1)
        out = np.full(y.shape, np.nan)
        for f in range(self.design.folds):
            test, train = fold == f, np.flatnonzero(known & (fold != f))
            if not len(train):
                continue
            out[test] = _fitted(x[train], y[train], self.action[train], action, x[test])
        return out


def _alike(missing: NDArray[np.bool_]) -> list[list[int]]:
    """The columns that miss the same rows, together."""
    groups: dict[bytes, list[int]] = {}
    for j, column in enumerate(missing.T):
        groups.setdefault(column.tobytes(), []).append(j)
    return list(groups.values())


def _fitted(x: Floats, y: Floats, a: NDArray[np.intp], action: int, at: Floats) -> Floats:
    """Predictions (t, p) at ``at`` (t, d) for one action, from rows x (r, d), y (r, p), a (r,)."""
    # Within each action, so that what the others have in common is not what sets them apart.
    within_x, within_y = _centred(x, a), _centred(y, a)
    common = _ridge(within_x, within_y)
    own = a == action
    left = y - x @ common
    if not own.any():
        return np.asarray(at @ common + left.mean(axis=0))
    x, left = x[own], left[own]
    centre, level = x.mean(axis=0), left.mean(axis=0)
    return np.asarray(at @ common + level + (at - centre) @ _ridge(x - centre, left - level))


def _centred(values: Floats, a: NDArray[np.intp]) -> Floats:
    count = np.maximum(np.bincount(a), 1)
    means = np.column_stack([np.bincount(a, column) / count for column in values.T])
    return np.asarray(values - means[a]) if values.shape[1] else values


def _ridge(x: Floats, y: Floats) -> Floats:
    gram = x.T @ x + RIDGE * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(gram, x.T @ y))
