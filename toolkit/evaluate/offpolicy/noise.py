"""How surely a log of a given kind and size would tell two policies apart.

The doubly robust difference of two policies is a mean over requests of
ψ = M(x) + D(x, a)/π_b(a|x): M is what the outcome models predict, D(x, a) how far they are wrong
about the model a that was asked, as far as the two policies differ in asking it. Given the outcome
models, ψ has the variance

    Var(M + Σ_a D) + E[Σ_a D²/π_b] − E[(Σ_a D)²],

which no simulation is needed for. Where no request was seen under two models, the two terms with
Σ_a D stand for each other: it is 0 in the mean of requests that are alike.

Tomorrow's outcome models learn from tomorrow's log, of which a cell (a category) and model gets m
requests. A mean over them, shrunken by PRIOR requests towards that of the model, errs by
(m σ² + PRIOR² b²)/(m + PRIOR)² more, where b is how far the cell lies from the model's mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.intervals import Z

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
UNSEEN = 0.01
"""More calls per request than this, by later steps, to a model that the log never asks are no
trifle that the outcome models could be trusted with."""
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
    """(n, k) expected D²"""
    blunt: Floats
    """(n, k) squared distance of the cell from the model's mean, as far as D counts it"""
    later: Floats
    """(k,) calls per request that later steps make to the model"""
    used: Floats
    """(n, k) how much of the difference rests on the model's being asked first"""

    def under(self, chances: Floats) -> Curve:
        """The variance in a log in which model j serves request i by ``chances[i, j]``."""
        counts, asked = self.used > 0, chances > 0
        unseen = self.later[~asked.any(axis=0)]
        if (counts & ~asked).any() or (unseen > UNSEEN).any():
            return Curve(np.inf, np.zeros(1), np.zeros(1), np.ones(1), 0.0)
        # A later step's model that the log never asks is left to the outcome model.
        inverse = np.divide(1.0, chances, out=np.ones(chances.shape), where=asked)
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
