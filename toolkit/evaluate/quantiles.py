"""95 % intervals of quantiles, read off the order statistics.

Resampling moves a quantile along the order statistics by a binomial number of ranks, so its
interval is found there at once, without drawing anything. Values of one cluster, or that repeat one
row of a log, count for fewer, for as many independent ones as would spread the share below the
quantile so (Woodruff 1952).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from toolkit.evaluate.design import worth
from toolkit.evaluate.intervals import LEVELS, Estimate, Floats, Ints


def quantiles(
    values: Floats, probabilities: Sequence[float], row: Ints | None = None
) -> list[Estimate]:
    """Sample quantiles (interpolated linearly) of the measured among ``values``, (r,).

    The interval runs between the order statistics at the 2.5 % and 97.5 % points of the binomial
    number of values below the quantile, interpolated as well: whole ranks would hold the truth in
    96 to 98 % of cases. Where the sample is too small to hold the upper one (99 % of fewer than
    some 370 values), the largest value stands in for it, as it would in a bootstrap: the truth may
    then lie above. ``row`` (r,) says which values belong together.
    """
    measured = ~np.isnan(values)
    n = int(measured.sum())
    if not n:
        return [Estimate(math.nan, share=0.0 if len(values) else math.nan) for _ in probabilities]
    ordered, share = np.sort(values[measured]), n / len(values)
    found = []
    for p in probabilities:
        value = _at(ordered, p * (n - 1))
        low = high = math.nan
        free = float(n)
        if row is not None:
            free = worth((values[measured] <= value).astype(np.float64), row[measured])
        if free > 1.5:
            # Ranks among so many values, as ranks among all.
            few = round(free)
            low, high = (_at(ordered, rank * (n - 1) / (few - 1)) for rank in _ranks(few, p))
            low, high = min(low, value), max(high, value)
        found.append(Estimate(value, low, high, n, share))
    return found


def _at(ordered: Floats, rank: float) -> float:
    """The value at a rank from 0, interpolated linearly."""
    below = int(rank)
    start = float(ordered[below])
    return start + (rank - below) * (float(ordered[min(below + 1, len(ordered) - 1)]) - start)


@functools.lru_cache(maxsize=256)
def _ranks(n: int, p: float) -> tuple[float, float]:
    """Ranks (from 0) between which a quantile lies with 95 %, as far as there are such."""
    # Probabilities of k successes by their ratios, around the mode: no factorial needed.
    reach = 10 * math.sqrt(n * p * (1 - p)) + 10
    k = np.arange(max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach)) + 1)
    ratio = np.log((n - k[:-1]) / (k[:-1] + 1)) + math.log(p / (1 - p))
    log_mass = np.concatenate([[0.0], np.cumsum(ratio)])
    mass = np.exp(log_mass - log_mass.max())
    below = np.concatenate([[0.0], np.cumsum(mass) / mass.sum()])
    first, last = np.interp(LEVELS, below, np.concatenate([[k[0] - 1], k]))
    return min(max(float(first), 0.0), n - 1.0), min(float(last), n - 1.0)
