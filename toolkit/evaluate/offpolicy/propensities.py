"""How likely the log was to ask the model that it asked.

In this order: the policy that served the traffic is named, and its rules and shares say it
exactly; a request column ``propensity`` states it; or it is estimated, cross-fitted, and labelled
so. A log in which nothing was left to chance has no propensities: 1 would say that another model
could have been drawn, and none could.

Routers are made of rules with some chance on top. A logistic regression alone misses rules that
join conditions, and a tree alone says never; so the regression sees, beside the features, in which
leaf of a small tree a request ends. On a simulated log of three rules with 30 % chance the weights
of a model that a rule asks then average to 1.00, and to 1.75 without the leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.evaluate.offpolicy.actions import never_seen, target
from toolkit.evaluate.offpolicy.nuisance import Design
from toolkit.logs.dataset import Dataset
from toolkit.logs.propensity import PROPENSITY
from toolkit.policy.model import Policy
from toolkit.schema import REQUEST_ID

Floats = NDArray[np.float64]
Source: TypeAlias = Literal["policy", "stated", "estimated"]

CERTAIN = 1 - 1e-9
PREDICTABLE = 0.99
"""Where a tree foretells more of the log's choices than this, they are taken for rules."""
FLOOR = 1e-3
"""No estimated propensity is smaller: what was logged did happen."""
LEAVES, LEAST_IN_LEAF = 16, 50
"""Of the tree whose leaves show the rules."""
SHRINKAGE = 0.1
"""scikit-learn's C of the regression: weak evidence should not make a request heavy."""
MOST_ROWS = 50_000
"""Estimates are fitted on no more requests than this, drawn evenly."""


@dataclass(frozen=True, eq=False)
class Propensities:
    """Of the models that served the n requests."""

    source: Source
    logged: Floats
    """(n,) in (0, 1]"""
    deterministic: bool
    """nothing was left to chance"""
    chances: Floats | None = None
    """(n, m) of every model, where they are known or estimated"""


def propensities(
    dataset: Dataset, action: NDArray[np.intp], known: Design, logged_by: Policy | None = None
) -> Propensities:
    """Find the propensities of the logged actions (n,).

    Raises:
        DataError: The stated propensities are no probabilities, or ``logged_by`` could not have
            asked first what was logged.
    """
    if logged_by is not None:
        return _of_policy(dataset, action, logged_by)
    if PROPENSITY in dataset.requests.column_names:
        return _stated(dataset)
    return _estimated(action, known, dataset.n_models)


def _of_policy(dataset: Dataset, action: NDArray[np.intp], policy: Policy) -> Propensities:
    serving = target(policy, dataset, never_seen(policy, dataset))
    logged = serving.weight_on(action)
    never = np.flatnonzero(logged <= 0)
    if len(never):
        i = int(never[0])
        raise DataError(
            f"dataset {dataset.name!r}: policy {policy.policy!r} cannot have served it: on"
            f" {len(never):,} of {len(logged):,} requests the log holds the outcome of a model"
            f" that it does not ask first (request {_id(dataset, i)} was served by"
            f" {dataset.models[action[i]]!r}); allowed: the policy that served this log, a log of"
            " first calls only, or a request column 'propensity'"
        )
    certain = bool((logged >= CERTAIN).all())
    return Propensities("policy", logged, certain, serving.share())


def _stated(dataset: Dataset) -> Propensities:
    column = dataset.requests[PROPENSITY]
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise DataError(
            f"dataset {dataset.name!r}: column 'propensity' holds no numbers; got {column.type};"
            " allowed: probabilities above 0, at most 1"
        )
    logged = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(~((logged > 0) & (logged <= 1)))
    if len(wrong):
        i = int(wrong[0])
        got = "nothing" if np.isnan(logged[i]) else f"{logged[i]:g}"
        raise DataError(
            f"dataset {dataset.name!r}: column 'propensity' is the probability of the model that"
            f" served the request; got {got} for request {_id(dataset, i)} ({len(wrong):,} such);"
            " allowed: above 0, at most 1"
        )
    return Propensities("stated", logged, bool((logged >= CERTAIN).all()))


def _id(dataset: Dataset, row: int) -> str:
    return repr(dataset.requests[REQUEST_ID][row].as_py())


def _estimated(action: NDArray[np.intp], known: Design, n_models: int) -> Propensities:
    n = len(action)
    chances = np.tile(np.bincount(action, minlength=n_models) / n, (n, 1))
    certain = len(np.unique(action)) == 1
    if not certain and known.x.shape[1]:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        with threadpool_limits(1):  # products this small gain nothing from threads
            chances, foretold = _fitted(action, known, n_models)
        certain = foretold > PREDICTABLE
    logged = np.maximum(chances[np.arange(n), action], FLOOR)
    return Propensities("estimated", logged, certain, chances)


def _fitted(action: NDArray[np.intp], known: Design, n_models: int) -> tuple[Floats, float]:
    """Cross-fitted chances (n, m), and how often a tree foretells the log's choice."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.tree import DecisionTreeClassifier  # type: ignore[import-untyped]

    chances = np.zeros((len(action), n_models))
    right = 0
    for f in range(known.folds):
        test, train = np.flatnonzero(known.fold == f), np.flatnonzero(known.fold != f)
        train = train[:: -(-len(train) // MOST_ROWS)]
        seen = np.unique(action[train])
        if len(seen) == 1:
            chances[test, seen[0]] = 1.0
            right += int((action[test] == seen[0]).sum())
            continue
        x, y, at = known.x[train], action[train], known.x[test]
        if not len(test):
            continue
        rules = DecisionTreeClassifier(
            max_leaf_nodes=LEAVES, min_samples_leaf=LEAST_IN_LEAF, random_state=0
        ).fit(x, y)
        leaf, leaf_at = rules.apply(x), rules.apply(at)
        ends = np.unique(leaf)
        model = LogisticRegression(C=SHRINKAGE, max_iter=1_000)
        model.fit(np.hstack([x, leaf[:, None] == ends]), y)
        found = model.predict_proba(np.hstack([at, leaf_at[:, None] == ends]))
        chances[np.ix_(test, model.classes_)] = found
        tree = DecisionTreeClassifier(min_samples_leaf=5, random_state=0).fit(x, y)
        right += int((tree.predict(at) == action[test]).sum())
    return chances, right / len(action)
