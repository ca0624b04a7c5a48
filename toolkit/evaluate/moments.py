"""The interval of a mean from counts and sums alone, where the values stayed in the database.

The bootstrap of ``intervals.py`` needs the values. From n, Σx and Σx² there is the normal interval,
widened as Student's t is, which agrees with it for means of many values; near 0 and 1 a fraction
gets the Wilson interval here as there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from toolkit.evaluate.intervals import FEW, Estimate, Z, wilson
from toolkit.logs.profile import CategoryQuality, ModelFacts


def mean_of(n: int, total: float, squares: float, out_of: int) -> Estimate:
    """Mean of ``n`` values in 0..1 with these sums, of ``out_of`` that could have been measured."""
    share = n / out_of if out_of else math.nan
    if not n:
        return Estimate(math.nan, share=share)
    mean = total / n
    if min(total, n - total) < FEW:
        return Estimate(mean, *wilson(mean, n), n, share)
    free = n - 1
    deviation = math.sqrt(max(squares - n * mean * mean, 0.0) / free)
    half = (Z + (Z**3 + Z) / (4 * free)) * deviation / math.sqrt(n)
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), n, share)


def share_of(count: int, out_of: int) -> Estimate:
    """A share with its Wilson interval."""
    if not out_of:
        return Estimate(math.nan)
    return Estimate(count / out_of, *wilson(count / out_of, out_of), out_of, 1.0)


def model_means(facts: ModelFacts) -> list[Estimate]:
    """Mean quality of each model."""
    sums = zip(facts.graded, facts.total[:, 0], facts.squares, facts.outcomes, strict=True)
    return [mean_of(int(n), float(x), float(xx), int(k)) for n, x, xx, k in sums]


def overall_means(facts: ModelFacts) -> list[Estimate]:
    """Mean of each of MEASURES over all outcomes; only quality has an interval."""
    n, total, k = facts.measured.sum(axis=0), facts.total.sum(axis=0), int(facts.outcomes.sum())
    quality = mean_of(int(facts.graded.sum()), float(total[0]), float(facts.squares.sum()), k)
    others = zip(n[1:].tolist(), total[1:].tolist(), strict=True)
    plain = [
        Estimate(x / i if i else math.nan, n=i, share=i / k if k else math.nan) for i, x in others
    ]
    return [quality, *plain]


def category_means(
    found: CategoryQuality, models: Sequence[int], failures_count: bool
) -> list[list[Estimate]]:
    """Mean quality of these models in each category, a list per model."""
    graded = found.n + (found.failed if failures_count else 0)
    return [
        [
            mean_of(int(n), float(x), float(xx), int(n))
            for n, x, xx in zip(graded[i], found.total[i], found.squares[i], strict=True)
        ]
        for i in models
    ]
