"""How far outcome models are wrong about two policies: what ``noise`` is computed from.

A log holds the first call of a chain. What follows a call that failed is predicted, and where the
log holds a call to the model of a later step, that corrects the prediction, as far as the chain
comes so far. So each chain brings one error for its first model and one for each later one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.groups import groups
from toolkit.evaluate.offpolicy.branches import Branch
from toolkit.evaluate.offpolicy.noise import PRIOR, Noise
from toolkit.evaluate.offpolicy.nuisance import Outcomes, design
from toolkit.schema import CATEGORY

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Term:
    """What a logged call to some model tells of a chain on n requests."""

    column: Codes
    """(n,) that model's column of the log; negative: none is asked, and all is known"""
    value: Floats
    """(n,) NaN: not in the log"""
    weight: Floats
    """(n,) how much of the difference rests on it"""
    begins: bool
    """the call is the chain's first"""

    def same(self, other: Term) -> bool:
        """Whether the two tell the same, so that their weights add."""
        return (
            self.begins == other.begins
            and np.array_equal(self.column, other.column)
            and np.array_equal(self.value, other.value, equal_nan=True)
        )


def noise(
    dataset: Dataset, a: tuple[Branch, ...], b: tuple[Branch, ...], metric: int, arms: Codes
) -> Noise:
    """What makes the difference of B minus A in one metric uncertain.

    ``metric`` is a column of a branch's values, ``arms`` (k,) are the columns of the log's models
    that may serve. Requests on which a chain was not observed or not measured count as the others
    of their category.
    """
    n = dataset.n_requests
    cell = np.zeros(n, np.intp)
    if CATEGORY in dataset.requests.column_names:
        cell = groups(dataset, CATEGORY).code
    signed = [(branch, -branch.share) for branch in a] + [(branch, branch.share) for branch in b]
    every = [term for branch, share in signed for term in _terms(branch, share, metric, cell)]
    later = np.zeros(dataset.n_models)
    for term in every:
        if not term.begins:
            later[term.column[0]] += np.abs(term.weight).mean()
    terms = _merged(every)
    column, value, weight = (
        np.stack([getattr(term, name) for term in terms], axis=1)
        for name in ("column", "value", "weight")
    )
    begins = np.array([term.begins for term in terms])
    value = _filled(value)
    outcomes = Outcomes(design(dataset), np.zeros(n, np.intp), 1)
    mean = np.where(column < 0, value, outcomes.predict(value, 0))
    gap = value - mean
    blunt_gap = np.stack([_cell_means(cell, v) - _mean(v) for v in value.T], axis=1)
    error, blunt, used = (np.zeros((n, len(arms))) for _ in range(3))
    for k, arm in enumerate(arms):
        here = np.where(column == arm, weight, 0.0)
        used[:, k] = np.abs(here[:, begins]).sum(axis=1)
        blunt[:, k] = (here * blunt_gap).sum(axis=1) ** 2
        error[:, k] = _squares(cell, here, gap, column == arm)
    model = (weight * mean)[:, begins].sum(axis=1)
    both = (weight * np.nan_to_num(gap)).sum(axis=1)
    together = clusters(dataset)
    unit = None if together is None else together.code
    # Under one model only, nobody knows how the errors about two models go together.
    seen_alike = not np.isnan(gap[weight != 0]).any()
    fixed = _variance(model, unit)
    if seen_alike:
        fixed = _variance(model + both, unit) - float((both**2).mean())
    return Noise(cell, fixed, error, blunt, later[arms], used)


def _terms(branch: Branch, share: Floats, metric: int, cell: Codes) -> Iterator[Term]:
    """What calls to its first and to its later models tell of a chain."""
    shown = _shown(branch.values[:, metric], branch.went_on, cell)
    yield Term(branch.first, shown, share, begins=True)
    for later in branch.later:
        column = np.full(len(cell), later.column)
        shown = _shown(later.values[:, metric], later.went_on, cell)
        yield Term(column, shown, share * _cell_means(cell, later.reached), begins=False)


def _shown(value: Floats, went_on: NDArray[np.bool_], cell: Codes) -> Floats:
    """(n,) as the first call would show it: what follows is the mean of such requests."""
    if not went_on.any():
        return value
    return np.where(went_on, _cell_means(cell, np.where(went_on, value, np.nan)), value)


def _merged(terms: Sequence[Term]) -> list[Term]:
    """Each different term once, so that what two policies share cancels."""
    kept: list[Term] = []
    for term in terms:
        for i, other in enumerate(kept):
            if term.same(other):
                weight = other.weight + term.weight
                kept[i] = Term(term.column, term.value, weight, term.begins)
                break
        else:
            kept.append(term)
    return kept


def _filled(value: Floats) -> Floats:
    """(n, t) where nothing was seen of a term, it is taken to be as uneven as the others."""
    unseen = np.isnan(value).all(axis=0)
    if not unseen.any() or unseen.all():
        return value
    count = (~np.isnan(value)).sum(axis=1)
    seen = np.full(len(value), np.nan)
    np.divide(np.nansum(value, axis=1), count, out=seen, where=count > 0)
    return np.where(unseen, seen[:, None], value)


def _mean(values: Floats) -> float:
    known = ~np.isnan(values)
    return float(values[known].mean()) if known.any() else float("nan")


def _cell_means(cell: Codes, values: Floats) -> Floats:
    """(n,) the mean of each request's cell over what is known, shrunken towards that of all."""
    known = ~np.isnan(values)
    size = int(cell.max(initial=0)) + 1
    count = np.bincount(cell[known], minlength=size)
    total = np.bincount(cell[known], values[known], size)
    return np.asarray(((total + PRIOR * _mean(values)) / (count + PRIOR))[cell])


def _squares(cell: Codes, weight: Floats, gap: Floats, here: NDArray[np.bool_]) -> Floats:
    """(n,) expected square of Σ_t weight · gap over the terms (n, t) that rest on one model.

    Where every gap is known it is the square itself, else from how the gaps of the cell's known
    requests go together.
    """
    if not np.isnan(gap[weight != 0]).any():
        return np.asarray((weight * np.nan_to_num(gap)).sum(axis=1) ** 2)
    known = (here & ~np.isnan(gap)).any(axis=1)
    filled = np.where(here, np.nan_to_num(gap), 0.0)
    expected = np.zeros(len(cell))
    for i in np.flatnonzero(weight.any(axis=0)):
        for j in np.flatnonzero(weight.any(axis=0)):
            product = np.where(known, filled[:, i] * filled[:, j], np.nan)
            expected += weight[:, i] * weight[:, j] * _cell_means(cell, product)
    return expected


def _variance(values: Floats, unit: Codes | None) -> float:
    """Variance of one value; where values come in units, n times that of their mean."""
    around = values - values.mean()
    if unit is None:
        return float((around**2).mean())
    return float((np.bincount(unit, around) ** 2).sum() / len(values))
