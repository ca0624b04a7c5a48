"""Many differences looked at together: how sure one can still be of each.

Of twenty comparisons of equals one has an interval without 0. Holm's adjusted values bound the
chance that *any* difference is called real that is none, however they depend on each other: for the
few metrics of one comparison. Benjamini and Hochberg's bound the *share* of such calls among all
that are made: for the many slices of a column, where one wants to find something.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.intervals import Estimate, Floats, Z


def p_value(difference: Estimate) -> float:
    """How likely a difference this far from 0 is between equals; NaN without an interval.

    Two-sided, and read off the difference's own 95 % interval, as if its side towards 0 were
    normal: below 0.05 exactly where the interval leaves out 0. A difference of 0 has 1.
    """
    d = difference
    if math.isnan(d.value) or math.isnan(d.low) or math.isnan(d.high):
        return math.nan
    if d.value == 0:
        return 1.0
    # Rounding may leave an end a hair beyond the value.
    reach = max(d.value - d.low if d.value > 0 else d.high - d.value, 0.0)
    return two_sided(Z * abs(d.value) / reach) if reach else 0.0


def two_sided(z: float) -> float:
    """How likely a standard normal is at least so far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def holm(p: Sequence[float] | Floats) -> Floats:
    """Adjusted p-values by Holm (1979), (k,); what is NaN stays so and does not count.

    To call real what is at most some level keeps the chance of any false call at that level.
    """
    values, known, order = _ordered(p)
    m = len(order)
    stepped = np.maximum.accumulate(values[order] * (m - np.arange(m)))
    return _placed(known, order, stepped)


def benjamini_hochberg(p: Sequence[float] | Floats) -> Floats:
    """Adjusted p-values by Benjamini and Hochberg (1995), (k,); NaN as in :func:`holm`.

    To call real what is at most some level keeps the expected share of false calls among all calls
    at that level, for values that are independent or rise together.
    """
    values, known, order = _ordered(p)
    m = len(order)
    scaled = values[order] * m / np.arange(1, m + 1)
    stepped = np.minimum.accumulate(scaled[::-1])[::-1]
    return _placed(known, order, stepped)


def _ordered(p: Sequence[float] | Floats) -> tuple[Floats, NDArray[np.bool_], NDArray[np.intp]]:
    """The known values, where they stand, and their order from the smallest."""
    everything = np.asarray(p, np.float64)
    known = ~np.isnan(everything)
    values = everything[known]
    return values, known, np.argsort(values, kind="stable")


def _placed(known: NDArray[np.bool_], order: NDArray[np.intp], stepped: Floats) -> Floats:
    adjusted = np.full(len(known), np.nan)
    within = np.empty(len(order))
    within[order] = np.minimum(stepped, 1.0)
    adjusted[known] = within
    return adjusted
