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
  against the normal (Hesterberg's expanded percentile interval). So are those of many values of
  which a few weigh most, such as costs: their spread is known as if there were fewer.
- Near 0 and 1 the bootstrap is too sure of itself: no error in 300 requests would give [0, 0]. A
  fraction with fewer than ten on one side gets the Wilson interval instead.
- Where a column says that requests belong together, to a user or to a session, those are drawn
  with all their requests. So is a row of the log with all its repeats, where the arrivals of a
  scenario were drawn from fewer rows: playing the log ten times over does not make it ten logs.
- A mean of values that are never below 0 (or within 0 and 1) has an interval that is not either.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate import design
from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.design import ALIKE, expansion, freedom, worth
from toolkit.logs.dataset import Dataset

if TYPE_CHECKING:
    from toolkit.scenarios.arrivals import Traffic

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]

RESAMPLES = 2_000
MOST_UNITS = 4_096
GROUPS = 2_048
FEW = 10
"""A fraction with fewer successes or failures than this gets the Wilson interval."""

Z = design.Z
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
    """(n,) the cluster of each request, or the row of the log that it repeats, from 0; None where
    each is its own."""
    clustered_by: str | None = None
    """the column that says which requests belong together"""
    alike: float | None = None
    """How alike those of a cluster are taken to be where too few events happened to tell; None:
    wholly, as what repeats one row is."""

    @property
    def drawn(self) -> int:
        """How many there are to draw from: requests, clusters, or rows of the log."""
        return len(self.unit) if self.row is None else int(self.row.max(initial=-1)) + 1

    def rows_of(self, requests: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """The clusters of these requests, or the rows that they repeat, if there are such."""
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
        values = count if self.row is None else np.count_nonzero(bottom, axis=0)[over]
        wider = expansion(np.minimum(values, freedom(around, values) + 1))
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


def bootstrap_of(
    arrivals: Traffic | Dataset, resamples: int = RESAMPLES, seed: int = 0
) -> Bootstrap:
    """Draw the requests of a replay, or those of a log.

    Drawn are clusters where a column says what belongs together (``clusters.CLUSTERS``), and the
    rows of a log where those that arrived were drawn from them.
    """
    dataset = arrivals if isinstance(arrivals, Dataset) else arrivals.dataset
    repeats = None
    if not isinstance(arrivals, Dataset) and arrivals.drawn:
        repeats = arrivals.row
    found = clusters(dataset)
    row: Ints
    if repeats is not None:
        key = repeats
        if found is not None:
            key = np.where(found.alone, found.count + repeats, found.code)
        kept, row = np.unique(key, return_inverse=True)
        n = len(kept)
    elif found is not None:
        row, n = found.code, found.count
    else:
        return bootstrap(dataset.n_requests, resamples, seed)
    units = bootstrap(n, resamples, seed)
    by = None if found is None else found.column
    # What repeats one row of a log ends alike; what one user asks need not.
    return Bootstrap(
        units.unit[row], units.weights, row, by, None if repeats is not None else ALIKE
    )


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
        least = [0.0 if np.nanmin(m.values, initial=0.0) >= 0 else -np.inf for m in metrics]
        most = [1.0 if m.fraction else np.inf for m in metrics]
        low, high = (
            np.clip(end.reshape(len(metrics), k).T, least, most).T.tolist() for end in ends
        )
        all_rows = bottoms[0].sum(axis=0)
        found = []
        for i, metric in enumerate(metrics):
            top, bottom = tops[i], bottoms[over[i]]
            free, few = self._spread(metric, top, bottom)
            sums_of = zip(top.sum(axis=0).tolist(), bottom.sum(axis=0).tolist(), strict=True)
            found.append(
                [
                    _mean(total, int(n), int(all_rows[j]), low[i][j], high[i][j], free[j], few[j])
                    for j, (total, n) in enumerate(sums_of)
                ]
            )
        return found

    def _spread(self, metric: Metric, top: Floats, bottom: Floats) -> tuple[Floats, Floats]:
        """Of each slice, how many values count as independent, and as few as what of a kind."""
        if self.boot.row is None:
            free, some = bottom.sum(axis=0), top.sum(axis=0)
            short = free - some
        else:
            # Clusters, of which groups are as good a count where it is small.
            free = np.count_nonzero(bottom, axis=0).astype(np.float64)
            some = np.count_nonzero(top, axis=0)
            short = np.count_nonzero(bottom - top > 1e-9, axis=0)
        if not metric.fraction:
            return free, np.full(self.n_slices, np.inf)
        few = np.minimum(some, short)
        if self.boot.row is not None:
            for j in np.flatnonzero((few < FEW) & (free > 0)):
                mine = np.flatnonzero((self.code == j) & ~np.isnan(metric.values))
                row = self.boot.row[self.request[mine]]
                free[j] = worth(metric.values[mine], row, self.boot.alike)
        return free, few


@dataclass(frozen=True, eq=False)
class Metric:
    """One value per row, NaN where it was not measured."""

    values: Floats
    """(r,)"""
    fraction: bool = False
    """All values lie in 0..1, so that near the ends the Wilson interval can be used."""


def _mean(
    top: float, n: int, total: int, low: float, high: float, independent: float, few: float
) -> Estimate:
    if not n:
        return Estimate(math.nan, share=0.0 if total else math.nan)
    if few < FEW:
        low, high = wilson(top / n, independent)
    elif independent < 2:
        low = high = math.nan
    return Estimate(top / n, low, high, n, n / total)


def wilson(p: float, n: float) -> tuple[float, float]:
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
