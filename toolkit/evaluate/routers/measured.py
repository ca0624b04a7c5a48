"""What ways to choose models come to on the requests that are judged, and in every resample.

A way is a model for each request. Many ways (the settings of a knob) are measured at once, all on
the same draws, so that any two of them can be compared as pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.intervals import Bootstrap, Estimate, Floats, Metric, Rows
from toolkit.evaluate.tradeoffs.sweep import drawn_means

Chosen = NDArray[np.intp]


def clipped(e: Estimate, least: float, most: float) -> Estimate:
    """The nearest that is possible, where estimates from a log go beyond; NaN stays NaN."""
    value, low, high = np.clip([e.value, e.low, e.high], least, most).tolist()
    return replace(e, value=value, low=low, high=high)


@dataclass(frozen=True, eq=False)
class Measured:
    """p ways to choose, and r resamples of the requests."""

    cost: list[Estimate]
    """(p) USD per 1,000 requests; undefined where no cost is known"""
    quality: list[Estimate]
    """(p)"""
    drawn_cost: Floats
    """(r, p) USD per 1,000 requests"""
    drawn_quality: Floats
    """(r, p)"""

    def __len__(self) -> int:
        return len(self.cost)

    @property
    def costs(self) -> Floats:
        """(p,)."""
        return np.array([e.value for e in self.cost])

    @property
    def qualities(self) -> Floats:
        """(p,)."""
        return np.array([e.value for e in self.quality])

    def take(self, which: Sequence[int] | NDArray[np.intp]) -> Measured:
        """Some of the ways."""
        at = [int(i) for i in which]
        return Measured(
            [self.cost[i] for i in at],
            [self.quality[i] for i in at],
            self.drawn_cost[:, at],
            self.drawn_quality[:, at],
        )

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            self.cost + other.cost,
            self.quality + other.quality,
            np.concatenate([self.drawn_cost, other.drawn_cost], axis=1),
            np.concatenate([self.drawn_quality, other.drawn_quality], axis=1),
        )


@dataclass(frozen=True, eq=False)
class Sample:
    """The k requests that are judged, with what each of m models did on them."""

    request: NDArray[np.intp]
    """(k,) rows of the dataset"""
    quality: Floats
    """(k, m) as observed; of a log with one outcome each, a doubly robust stand-in"""
    cost_usd: Floats
    """(k, m), NaN where not known"""
    boot: Bootstrap
    """over all requests of the dataset"""
    observed: bool = True
    """what stands there was seen, and lies in 0..1"""

    def of(self, chosen: Sequence[Chosen]) -> Measured:
        """Measure ways to choose, each the model (k,) that every request is sent to."""
        row = np.arange(len(self.request))
        return self.columns(
            [self.quality[row, one] for one in chosen], [self.cost_usd[row, one] for one in chosen]
        )

    def columns(self, quality: Sequence[Floats], cost_usd: Sequence[Floats]) -> Measured:
        """Measure ways by what they come to on each request, (k,) each."""
        p, k = len(quality), len(self.request)
        draws = len(self.boot.weights)
        if not p:
            return Measured([], [], np.empty((draws, 0)), np.empty((draws, 0)))
        rows = Rows(self.boot, self.request, np.zeros(k, np.int8), 1)
        metrics = [Metric(q, fraction=self.observed) for q in quality]
        metrics += [Metric(c) for c in cost_usd]
        means = [mean for (mean,) in rows.means(*metrics)]
        request, code = np.repeat(self.request, p), np.tile(np.arange(p), k)
        drawn_quality, drawn_cost = (
            drawn_means(self.boot, request, code, p, np.stack(side, axis=1).ravel())
            for side in (quality, cost_usd)
        )
        return Measured(
            [clipped(mean.scaled(1000), 0.0, np.inf) for mean in means[p:]],
            [clipped(mean, 0.0, 1.0) for mean in means[:p]],
            1000 * drawn_cost,
            drawn_quality,
        )
