"""95 % intervals of means and quantiles: what every number in a result carries with it.

A mean is a ratio of sums, the sum of the measured values over their count, so a value that was not
measured leaves both sums and never reads as 0. Its interval is the percentile bootstrap over
*requests*: a request is drawn with all that happened to it, also when it stands in several rows
(its attempts).

- Drawing requests with replacement gives each a weight, so all metrics of all slices are one
  product of the weights with the requests' sums. The weights depend on nothing but the number of
  requests, of resamples and the seed; the last few are kept, and moving a slider costs the product
  alone. Two policies on one dataset meet the same weights, which makes their comparison paired.
- Above 4,096 requests they are put at random into 2,048 groups, and groups are drawn. The sums of
  exchangeable groups have the variance of the sums of their requests, so the interval is the same,
  and time and memory do not grow with the log.
- The percentiles of few values are a little too narrow, so they are widened as Student's t is
  against the normal (Hesterberg's expanded percentile interval).
- Near 0 and 1 the bootstrap is too sure of itself: no error in 300 requests would give [0, 0]. A
  fraction with fewer than ten on one side gets the Wilson interval instead.
- Where the arrivals of a scenario were drawn from fewer rows of a log, a row is drawn with all its
  repeats, however many: playing the log ten times over does not make it ten logs.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from toolkit.scenarios.arrivals import Traffic

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]

RESAMPLES = 2_000
MOST_UNITS = 4_096
GROUPS = 2_048
FEW = 10
"""A fraction with fewer successes or failures than this gets the Wilson interval."""

Z = 1.959963984540054
LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class Estimate:
    """A number and how far it can be trusted. NaN where nothing was measured."""

    value: float
    low: float = math.nan
    """Lower end of the 95 % interval; NaN where fewer than two values allow none."""
    high: float = math.nan
    n: int = 0
    """Measured values behind it."""
    share: float = math.nan
    """``n`` as a share of the values that could have been measured."""

    def scaled(self, factor: float) -> Estimate:
        """The same in another unit (``factor`` > 0)."""
        return replace(
            self, value=self.value * factor, low=self.low * factor, high=self.high * factor
        )


UNDEFINED = Estimate(math.nan)


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """The draws of one bootstrap. Make it with :func:`bootstrap`, which keeps the last few."""

    unit: NDArray[np.intp]
    """(n,) the unit that each request belongs to: itself, or its group."""
    weights: NDArray[np.float32]
    """(resamples, units) how often a unit was drawn."""
    row: NDArray[np.intp] | None = None
    """(n,) the row of the log that each request repeats, from 0; None where each is its own."""

    def rows_of(self, requests: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """The rows of the log that these requests repeat, if they do."""
        return None if self.row is None else self.row[requests]

    def intervals(self, top: Floats, bottom: Floats, over: Ints) -> tuple[Floats, Floats]:
        """Ends of the intervals of k ratios Σ top / Σ bottom[:, over], (k,) each.

        ``top`` (units, k) and ``bottom`` (units, b) hold the sums of each unit; ``over`` (k,) is
        the column of ``bottom`` that belongs to each of ``top``, as many share one. Resamples in
        which the lower sum is 0 say nothing and are left out.
        """
        k = top.shape[1]
        # Sums are taken around the estimate: a constant then gives an interval of exactly itself,
        # and single precision is spent on the spread alone.
        count = bottom.sum(axis=0)[over]
        centre = np.divide(top.sum(axis=0), count, out=np.zeros(k), where=count > 0)
        around = top - centre * bottom[:, over]
        columns = np.concatenate([around, bottom], axis=1, dtype=np.float32)
        sums = columns.T @ self.weights.T  # (k + b, resamples)
        drawn = sums[k:][over]
        spread = np.full((k, len(self.weights)), np.nan, np.float32)
        np.divide(sums[:k], drawn, out=spread, where=drawn > 0)
        low, high = _percentiles(spread)
        wider = _expansion(count if self.row is None else np.count_nonzero(bottom, axis=0)[over])
        return centre + wider * low, centre + wider * high


@functools.lru_cache(maxsize=4)
def bootstrap(n_requests: int, resamples: int = RESAMPLES, seed: int = 0) -> Bootstrap:
    """Draw ``resamples`` samples of ``n_requests`` requests with replacement."""
    rng = np.random.default_rng([seed, n_requests])
    unit = np.arange(n_requests)
    n_units = n_requests
    if n_requests > MOST_UNITS:
        n_units = GROUPS
        unit = rng.permutation(n_requests) % n_units
    weights = np.zeros((resamples, n_units), np.float32)
    for row in weights if n_units else ():
        row[:] = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)
    weights.setflags(write=False)
    return Bootstrap(unit, weights)


def bootstrap_of(arrivals: Traffic, resamples: int = RESAMPLES, seed: int = 0) -> Bootstrap:
    """Draw requests, or, where those that arrived were drawn from the rows of a log, these rows."""
    if not arrivals.drawn:
        return bootstrap(len(arrivals.row), resamples, seed)
    kept, row = np.unique(arrivals.row, return_inverse=True)
    rows = bootstrap(len(kept), resamples, seed)
    return Bootstrap(rows.unit[row], rows.weights, row)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows to take means over: which request each belongs to and which slice it falls into."""

    boot: Bootstrap
    request: NDArray[np.intp]
    """(r,) index of each row's request."""
    code: Ints
    """(r,) slice of each row, from 0."""
    n_slices: int

    def means(self, *metrics: Metric) -> list[list[Estimate]]:
        """Mean of every metric in every slice: one list per metric, one Estimate per slice."""
        n_units, k = self.boot.weights.shape[1], self.n_slices
        cell = self.boot.unit[self.request] * k + self.code

        def sums(weights: Floats | NDArray[np.bool_] | None = None) -> Floats:
            flat = np.bincount(cell, weights, minlength=n_units * k)
            return flat.astype(np.float64, copy=False).reshape(n_units, k)

        tops, bottoms, over = [], [sums()], []
        for metric in metrics:
            missing = np.isnan(metric.values)
            if missing.any():
                over.append(len(bottoms))
                bottoms.append(sums(~missing))
                tops.append(sums(np.where(missing, 0.0, metric.values)))
            else:
                over.append(0)
                tops.append(sums(metric.values))
        columns = (np.array(over)[:, None] * k + np.arange(k)).ravel()
        ends = self.boot.intervals(np.hstack(tops), np.hstack(bottoms), columns)
        low, high = (end.reshape(len(metrics), k).tolist() for end in ends)
        total = [top.sum(axis=0).tolist() for top in tops]
        count = [bottom.sum(axis=0).astype(int).tolist() for bottom in bottoms]
        spread = [
            self._spread(metric, total[i], count[over[i]]) for i, metric in enumerate(metrics)
        ]
        return [
            [
                _mean(
                    total[i][j],
                    count[over[i]][j],
                    count[0][j],
                    low[i][j],
                    high[i][j],
                    *spread[i][j],
                )
                for j in range(k)
            ]
            for i, metric in enumerate(metrics)
        ]

    def _spread(
        self, metric: Metric, total: list[float], count: list[int]
    ) -> list[tuple[int, float]]:
        """Of each slice, how many values count as independent, and as few as what of a kind."""
        if self.boot.row is None:
            few = [
                min(t, n - t) if metric.fraction else math.inf
                for t, n in zip(total, count, strict=True)
            ]
            return list(zip(count, few, strict=True))
        known = self._distinct(~np.isnan(metric.values))
        if not metric.fraction:
            return [(n, math.inf) for n in known]
        some, short = self._distinct(metric.values > 0), self._distinct(metric.values < 1)
        return [(n, min(pair)) for n, *pair in zip(known, some, short, strict=True)]

    def _distinct(self, chosen: NDArray[np.bool_]) -> list[int]:
        """How many rows of the log the chosen rows of each slice repeat."""
        row = self.boot.row
        assert row is not None
        there = np.zeros((int(row.max(initial=-1)) + 1, self.n_slices), np.bool_)
        there[row[self.request[chosen]], self.code[chosen]] = True
        return [int(n) for n in there.sum(axis=0)]


@dataclass(frozen=True, eq=False)
class Metric:
    """One value per row, NaN where it was not measured."""

    values: Floats
    """(r,)"""
    fraction: bool = False
    """All values lie in 0..1, so that near the ends the Wilson interval can be used."""


def _mean(
    top: float, n: int, total: int, low: float, high: float, independent: int, few: float
) -> Estimate:
    if not n:
        return Estimate(math.nan, share=0.0 if total else math.nan)
    if few < FEW:
        low, high = wilson(top / n, independent)
    elif independent < 2:
        low = high = math.nan
    return Estimate(top / n, low, high, n, n / total)


def _expansion(n: Floats) -> Floats:
    """How much wider than its percentiles the bootstrap's interval has to be at ``n`` values.

    Resampling takes the spread for known and √((n−1)/n) of what it is; Student's t over the normal
    quantile (by its expansion in 1/n) mends both. 6 % at 30 values, 0.6 % at 300.
    """
    free = np.maximum(n - 1, 1)
    t = Z + (Z**3 + Z) / (4 * free) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * free**2)
    return np.asarray(np.sqrt(np.maximum(n, 2) / free) * t / Z)


def wilson(p: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a fraction ``p`` seen in ``n``; conservative for values between 0 and 1.

    Values in 0..1 with mean p have at most the variance p(1−p) of those that are 0 or 1.
    """
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(max(p * (1 - p), 0) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half))


def _percentiles(draws: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """The 2.5 % and 97.5 % points of each row of (k, resamples), NaN left out, (k,) each."""
    ordered = np.sort(draws, axis=1)  # NaN last
    valid = draws.shape[1] - np.isnan(draws).sum(axis=1)
    row = np.arange(len(draws))
    ends = []
    for level in LEVELS:
        position = np.maximum(valid - 1, 0) * level
        below = position.astype(np.intp)
        above = np.minimum(below + 1, np.maximum(valid - 1, 0))
        start, end = ordered[row, below].astype(np.float64), ordered[row, above]
        ends.append(start + (position - below) * (end - start))
    return ends[0], ends[1]
