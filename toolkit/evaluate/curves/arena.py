"""RouterArena's scores: one number for accuracy and cost, and how near each answer was to the best.

After RouteWorks/RouterArena. Where its code and its site define a figure differently, both are here
under names that say what they divide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from toolkit.evaluate.curves.hull import Floats

BETA = 0.1
"""Weight of cost: accuracy counts ten times as much."""
HIGHEST_USD, LOWEST_USD = 200.0, 0.0044
"""The range of prices in dollars per 1,000 requests, between the dearest model and the cheapest."""


def arena_score(quality: ArrayLike, cost_usd_per_1k: ArrayLike) -> Floats:
    """Weighted harmonic mean of quality and cheapness, 0..1; the arguments may be arrays.

    Cheapness is 1 at $0.0044 per 1,000 requests and 0 at $200, on a logarithmic scale; outside of
    that range it stays 0 or 1. RouterArena prints the score times 100.
    """
    quality, cost = np.broadcast_arrays(
        np.asarray(quality, np.float64), np.asarray(cost_usd_per_1k, np.float64)
    )
    bounded = np.clip(cost, LOWEST_USD, HIGHEST_USD)
    cheap = np.log2(HIGHEST_USD / bounded) / np.log2(HIGHEST_USD / LOWEST_USD)
    below = BETA * quality + cheap
    # 0 of both is 0 of their mean.
    return np.asarray((1 + BETA) * quality * cheap / np.where(below == 0, 1.0, below))


@dataclass(frozen=True)
class Optimality:
    """How near the answers were to the cheapest right one. NaN where nothing can be said."""

    requests: int
    """with a known answer"""
    solvable: int
    """of these, the ones that some model answers rightly"""
    selection: float
    """OptSel: of the solvable, the share answered rightly at the least cost"""
    cost_of_sums: float
    """OptCost of the code: Σ least cost / Σ cost, over the requests answered rightly"""
    cost_of_ratios: float
    """OptCost of the site: the mean of least cost / cost, over the same"""
    accuracy_of_solvable: float
    """OptAcc of the code: the share of the solvable answered rightly"""
    accuracy_of_all: float
    """OptAcc of the site: the share of all answered rightly"""


def optimality(
    quality: ArrayLike,
    cost: ArrayLike,
    model_quality: ArrayLike,
    model_cost: ArrayLike,
    right: float = 1.0,
) -> Optimality:
    """Hold answers (n,) against those of all models (n, m); an answer is right from ``right`` up.

    ``cost`` and ``model_cost`` are in one unit. A right answer of a model whose cost is unknown
    makes a request solvable, but is nobody's least cost.
    """
    q, c, each, prices = (
        np.asarray(a, np.float64) for a in (quality, cost, model_quality, model_cost)
    )
    known = ~np.isnan(q)
    solvable = known & (each >= right).any(axis=1)
    least = np.where((each >= right) & ~np.isnan(prices), prices, np.inf).min(axis=1)
    good = solvable & (q >= right)
    priced = good & np.isfinite(least) & ~np.isnan(c)
    paid = priced & (c > 0)
    # A sum of many prices in another order differs in its last digits.
    cheapest = priced & (c <= least * (1 + 1e-9))
    return Optimality(
        requests=int(known.sum()),
        solvable=int(solvable.sum()),
        selection=_share(int(cheapest.sum()), int(solvable.sum())),
        cost_of_sums=_share(float(least[priced].sum()), float(c[priced].sum())),
        cost_of_ratios=float((least[paid] / c[paid]).mean()) if paid.any() else np.nan,
        accuracy_of_solvable=_share(int(good.sum()), int(solvable.sum())),
        accuracy_of_all=_share(int((known & (q >= right)).sum()), int(known.sum())),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else np.nan
