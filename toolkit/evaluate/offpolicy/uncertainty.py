"""How far an off-policy estimate can be trusted, from what each request adds to it.

The estimate is the mean of ψ, so its standard error is sd(ψ)/√n, over clusters where requests
belong together. Its quantile is Student's with as many degrees of freedom as the weights leave
requests (their effective sample size). Where the logged requests behind a share hold few of a kind
the interval is no narrower than Wilson's.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.intervals import FEW, Estimate, Floats, wilson
from toolkit.evaluate.offpolicy.estimators import Estimated, effective_sample_size


def interval(
    found: Estimated,
    weight: Floats,
    reward: Floats,
    cluster: NDArray[np.intp] | None = None,
    *,
    fraction: bool = False,
) -> Estimate:
    """The estimate with its 95 % interval.

    ``weight`` and ``reward`` (n,) are what the log adds, weight 0 where it says nothing;
    ``cluster`` (n,) numbers the clusters from 0, without gaps. Of a ``fraction`` neither the value
    nor an end leaves 0..1. ``n`` counts the requests with a weight, and ``share`` is theirs.
    """
    n, told = found.influence.size, int(np.count_nonzero(weight))
    if not told or math.isnan(found.value):
        return Estimate(math.nan, share=told / n if n else math.nan)
    worth = effective_sample_size(weight)
    free = min(worth, units(n, cluster)) - 1
    low = high = math.nan
    if free >= 1:
        half = student(free) * standard_error(found.influence, cluster)
        low, high = found.value - half, found.value + half
    value = found.value
    if fraction:
        value = min(max(value, 0.0), 1.0)
        mean = min(max(float((weight * reward).sum() / weight.sum()), 0.0), 1.0)
        if worth * min(mean, 1 - mean) < FEW:
            least, most = wilson(mean, max(int(worth), 1))
            low = min(value - mean + least, least if math.isnan(low) else low)
            high = max(value - mean + most, most if math.isnan(high) else high)
        low, high = min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0)
    return Estimate(value, low, high, told, told / n)


def standard_error(influence: Floats, cluster: NDArray[np.intp] | None = None) -> float:
    """Standard error of the mean of ``influence`` (n,); NaN for fewer than two units."""
    n, count = influence.size, units(influence.size, cluster)
    if count < 2:
        return math.nan
    around = influence - influence.mean()
    if cluster is not None:
        around = np.bincount(cluster, around)
    return math.sqrt(count / (count - 1) * float(around @ around)) / n


def units(n: int, cluster: NDArray[np.intp] | None) -> int:
    """How many units were sampled: clusters, or requests."""
    return n if cluster is None or not n else int(cluster.max()) + 1


def student(free: float) -> float:
    """The 97.5 % point of Student's t."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    return float(stdtrit(free, 0.975))


def tail(t: float, free: float) -> float:
    """How likely Student's t is at least so far from 0, on either side."""
    from scipy.special import stdtr

    return float(2 * stdtr(free, -abs(t)))
