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
    number of values below the quantile. Where the sample is too small to hold the upper one (99 %
    of fewer than some 370 values), the largest value stands in for it, as it would in a bootstrap:
    the truth may then lie above. ``row`` (r,) says which values belong together.
    """
    measured = ~np.isnan(values)
    n = int(measured.sum())
    if not n:
        return [Estimate(math.nan, share=0.0 if len(values) else math.nan) for _ in probabilities]
    ordered, share = np.sort(values[measured]), n / len(values)
    found = []
    for p in probabilities:
        position = p * (n - 1)
        below = int(position)
        above = min(below + 1, n - 1)
        value = ordered[below] + (position - below) * (ordered[above] - ordered[below])
        low = high = math.nan
        free = n
        if row is not None:
            free = round(worth((values[measured] <= value).astype(np.float64), row[measured]))
        if free > 1:
            first, last = _ranks(free, p)
            # Ranks among so many values, as ranks among all: outwards, to whole ones.
            last = -(-last * (n - 1) // (free - 1))
            low, high = ordered[first * (n - 1) // (free - 1)], ordered[last]
        found.append(Estimate(float(value), float(low), float(high), n, share))
    return found


@functools.lru_cache(maxsize=256)
def _ranks(n: int, p: float) -> tuple[int, int]:
    """Ranks (from 0) between which a quantile lies with at least 95 %, if both exist."""
    # Probabilities of k successes by their ratios, around the mode: no factorial needed.
    reach = 10 * math.sqrt(n * p * (1 - p)) + 10
    k = np.arange(max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach)) + 1)
    ratio = np.log((n - k[:-1]) / (k[:-1] + 1)) + math.log(p / (1 - p))
    log_mass = np.concatenate([[0.0], np.cumsum(ratio)])
    mass = np.exp(log_mass - log_mass.max())
    below = np.cumsum(mass) / mass.sum()
    first, last = (int(k[np.searchsorted(below, level)]) for level in LEVELS)
    return max(first - 1, 0), min(last, n - 1)
