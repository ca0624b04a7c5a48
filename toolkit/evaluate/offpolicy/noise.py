"""How surely a log of a given kind and size would tell two policies apart.

The doubly robust difference of two policies is a mean over requests of
ψ = M(x) + D(x, a)/π_b(a|x): M is what the outcome model predicts,
D(x, a) how far it is wrong about the model a that was asked,
counted as far as the two policies differ in asking it. Given the outcome model, ψ has the variance

    Var(Δ(x)) + E[Σ_a D²/π_b] − E[(Σ_a D)²],    Δ = M + Σ_a D,

which no simulation is needed for. Three things in it have to be stood for:

- The outcome model is the mean of each cell (a category) and model. Σ_a D is 0 in the mean of a
  cell, so the variance is also Var(M) + E[Σ_a D²/π_b]: that needs no request under two models, and
  so can be told from a log too.
- Tomorrow's outcome model learns from tomorrow's log, of which a cell and model gets m requests.
  Shrunken by PRIOR requests towards the model's mean it errs by (m σ² + PRIOR² b²)/(m + PRIOR)²
  more, where b is how far the cell lies from the model's mean.
- After a first call that fails, a log knows no more: the rest is predicted, so it is a mean too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.intervals import Z
from toolkit.evaluate.offpolicy.branches import Branch

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

PRIOR = 5.0
"""Requests that the mean of a model weighs against those of one cell."""
LEARNT = 0.8
"""Share of the log that an outcome model learns from: four of five folds."""
POWER = 0.8
"""A log decides if it finds the difference as often as this."""
ERRORS = Z + NormalDist().inv_cdf(POWER)
"""How many standard errors a difference must have, to be found that often."""
RAREST = 10.0
"""Requests that must be expected of each model, in each cell, on which much rests."""
MATTERS = 0.005
"""A model on which less of the difference rests than this, in a cell, is not asked for."""


@dataclass(frozen=True, eq=False)
class Noise:
    """What makes the difference of two policies uncertain: n requests, k models, c cells."""

    cell: Codes
    """(n,)"""
    fixed: float
    """variance per request that stays whoever serves it"""
    error: Floats
    """(n, k) expected squared error of the cell's mean about the model, as far as it counts"""
    blunt: Floats
    """(n, k) squared distance of the cell from the model's mean, as far as it counts"""
    used: Floats
    """(n, k) how much of the difference rests on the model"""

    def under(self, chances: Floats) -> Curve:
        """The variance in a log in which model j serves request i by ``chances[i, j]``."""
        counts = self.used > 0
        if (chances[counts] <= 0).any():
            return Curve(np.inf, np.zeros(1), np.zeros(1), np.ones(1), 0.0)
        inverse = np.divide(1.0, chances, out=np.ones(chances.shape), where=counts)
        matters = self._per_cell(self.used) > MATTERS
        rarest = self._per_cell(np.where(counts, chances, 0.0))[matters]
        return Curve(
            large=self.fixed + float((self.error * inverse).sum(axis=1).mean()),
            error=self._per_cell(self.error * (inverse - 1)).ravel(),
            blunt=self._per_cell(self.blunt * (inverse - 1)).ravel(),
            seen=self._per_cell(chances).ravel(),
            rarest=float(rarest.min(initial=1.0)),
        )

    def _per_cell(self, values: Floats) -> Floats:
        """(c, k) what falls into each cell, as a mean over all requests."""
        columns = [np.bincount(self.cell, column) for column in values.T]
        return np.stack(columns, axis=1) / len(self.cell)


@dataclass(frozen=True, eq=False)
class Curve:
    """The variance of ψ by the size of the log."""

    large: float
    """of a log so large that its cells are known; infinite where a model is never asked"""
    error: Floats
    """(cells x models,)"""
    blunt: Floats
    seen: Floats
    """share of the log's requests that each cell and model gets"""
    rarest: float
    """share of them that show the rarest of the models, in a cell, on which much rests"""

    def variance(self, requests: float) -> float:
        """Of one request's ψ in a log of this many requests."""
        m = LEARNT * requests * self.seen
        learning = (m * self.error + PRIOR**2 * self.blunt) / (m + PRIOR) ** 2
        return self.large + float(learning.sum())

    def standard_error(self, requests: float) -> float:
        """Of the difference, in the metric's unit."""
        return float(np.sqrt(self.variance(requests) / requests))

    def power(self, difference: float, requests: float) -> float:
        """How often a log of this many requests finds a difference of this size."""
        error = self.standard_error(requests)
        if not error or not math.isfinite(error + difference):
            return 0.0 if math.isinf(error) else math.nan
        return NormalDist().cdf(difference / error - Z)

    def needed(self, difference: float) -> float:
        """The fewest requests that find it as often as POWER and show each model RAREST times.

        Infinite where no number does, NaN where the difference or the spread is not known.
        """
        if math.isnan(difference + self.large):
            return math.nan
        if not difference or math.isinf(self.large) or not self.rarest:
            return math.inf
        # The standard error falls with every request: halve the range of the logarithm.
        low, high = 0.0, 45.0
        while high - low > 1e-9:
            middle = (low + high) / 2
            enough = ERRORS * self.standard_error(math.exp(middle)) <= difference
            low, high = (low, middle) if enough else (middle, high)
        return float(math.ceil(round(max(math.exp(high), RAREST / self.rarest), 3)))


def noise(
    a: tuple[Branch, ...],
    b: tuple[Branch, ...],
    metric: int,
    cell: Codes,
    arms: Codes,
    unit: Codes | None = None,
) -> Noise:
    """What makes the difference of B minus A in one metric uncertain.

    ``metric`` is a column of a branch's values, ``arms`` (k,) are the columns of the log's models
    that may serve, ``unit`` (n,) says which requests belong together. Requests on which a chain was
    not observed or not measured count as the others of their cell.
    """
    signed = [(branch, -branch.share) for branch in a] + [(branch, branch.share) for branch in b]
    value, weight, first = _distinct(signed, metric, cell)
    n = len(cell)
    mean = np.stack([_cell_means(cell, column) for column in value.T], axis=1)
    overall = np.array([_mean(column) for column in value.T])
    gap = value - mean
    model = (weight * mean).sum(axis=1)
    error, blunt, used = (np.zeros((n, len(arms))) for _ in range(3))
    for k, arm in enumerate(arms):
        here = np.where(first == arm, weight, 0.0)
        used[:, k] = np.abs(here).sum(axis=1)
        blunt[:, k] = (here * (mean - overall)).sum(axis=1) ** 2
        error[:, k] = _squares(cell, here, gap, first == arm)
    both = (weight * np.nan_to_num(gap)).sum(axis=1)
    # Under one model only, nobody knows how the errors about two models go together.
    seen_alike = not np.isnan(gap[weight != 0]).any()
    fixed = (
        _variance(model + both, unit) - (both**2).mean() if seen_alike else _variance(model, unit)
    )
    return Noise(cell, float(fixed), error, blunt, used)


def _distinct(
    signed: list[tuple[Branch, Floats]], metric: int, cell: Codes
) -> tuple[Floats, Floats, Codes]:
    """(n, c) what the chains give as a log would show it, their weights, and their first models.

    Chains that are the same in both policies are one, so that what they share cancels.
    """
    values: list[Floats] = []
    weights: list[Floats] = []
    firsts: list[Codes] = []
    for branch, weight in signed:
        value = branch.values[:, metric].copy()
        # What follows a failed first call is predicted: the mean of such requests of the cell.
        value[branch.went_on] = _cell_means(cell, np.where(branch.went_on, value, np.nan))[
            branch.went_on
        ]
        for i, (known, first) in enumerate(zip(values, firsts, strict=True)):
            if np.array_equal(first, branch.first) and np.array_equal(known, value, equal_nan=True):
                weights[i] = weights[i] + weight
                break
        else:
            values.append(value)
            weights.append(weight)
            firsts.append(branch.first)
    return np.stack(values, 1), np.stack(weights, 1), np.stack(firsts, 1)


def _mean(values: Floats) -> float:
    known = ~np.isnan(values)
    return float(values[known].mean()) if known.any() else float("nan")


def _cell_means(cell: Codes, values: Floats) -> Floats:
    """(n,) the mean of each request's cell over what is known, else that of all cells."""
    known = ~np.isnan(values)
    size = int(cell.max(initial=0)) + 1
    count = np.bincount(cell[known], minlength=size)
    total = np.bincount(cell[known], values[known], size)
    means = np.divide(total, count, out=np.full(size, _mean(values)), where=count > 0)
    return np.asarray(means[cell])


def _squares(cell: Codes, weight: Floats, gap: Floats, here: NDArray[np.bool_]) -> Floats:
    """(n,) expected square of Σ_c weight · gap over the chains (n, c) that begin with one model.

    Where every gap is known it is the square itself, else from how the gaps of the cell's known
    requests go together.
    """
    if not np.isnan(gap[weight != 0]).any():
        return np.asarray((weight * np.nan_to_num(gap)).sum(axis=1) ** 2)
    known = (here & ~np.isnan(gap)).any(axis=1)
    if not known.any():
        return np.full(len(cell), np.nan)
    filled = np.where(here, np.nan_to_num(gap), 0.0)
    expected = np.zeros(len(cell))
    for i in range(gap.shape[1]):
        for j in range(gap.shape[1]):
            product = np.where(known, filled[:, i] * filled[:, j], np.nan)
            expected += weight[:, i] * weight[:, j] * _cell_means(cell, product)
    return expected


def _variance(values: Floats, unit: Codes | None) -> float:
    """Variance of one value; of a mean over units times n, where values come in units."""
    around = values - values.mean()
    if unit is None:
        return float((around**2).mean())
    return float((np.bincount(unit, around) ** 2).sum() / len(values))
