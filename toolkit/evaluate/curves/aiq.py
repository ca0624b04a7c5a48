"""AIQ: the average quality that a set of policies reaches over a range of costs.

Average Improvement in Quality of RouterBench (arXiv 2403.12031): the area under the hull over the
range of costs, divided by its width. RouterBench's code divides by the largest cost instead, which
punishes a range that does not begin at 0; both are told.

Sets are compared over one range. Right of its last vertex a hull goes on flat: nobody has to spend
more. Left of its first vertex it counts as 0: at that price the set has no answer. (RouterBench's
code begins each hull at its own first point, which amounts to the same.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from toolkit.evaluate.curves.chain import areas_into
from toolkit.evaluate.curves.hull import Floats, hull


@dataclass(frozen=True)
class Aiq:
    """The mean quality of a hull over a range of costs."""

    value: float
    """area under the hull, divided by ``high_cost − low_cost``; NaN where the range is empty"""
    value_by_max: float
    """the same area divided by ``high_cost``, as RouterBench's code does"""
    low_cost: float
    high_cost: float


def aiq(cost: ArrayLike, quality: ArrayLike, low_cost: float, high_cost: float) -> Aiq:
    """AIQ of the points (p,) over a range of costs, in the unit of ``cost``."""
    c, q = (np.asarray(axis, np.float64) for axis in (cost, quality))
    vertices = hull(c, q)
    area = np.nan
    if vertices.size and low_cost < high_cost:
        corners = c[vertices]
        inside = corners[(low_cost < corners) & (corners < high_cost)]
        at = np.array([max(low_cost, corners[0]), *inside, high_cost])
        area = 0.0
        if corners[0] < high_cost:
            area = float(np.trapezoid(np.interp(at, corners, q[vertices]), at))
    by_max = area / high_cost if high_cost > 0 else np.nan
    width = high_cost - low_cost
    return Aiq(area / width if width > 0 else np.nan, by_max, low_cost, high_cost)


def aiq_of_draws(
    cost: ArrayLike, quality: ArrayLike, low_cost: ArrayLike, high_cost: ArrayLike
) -> Floats:
    """AIQ of every draw of a bootstrap, (r,), from ``cost`` and ``quality`` (r, p).

    The range is one for all draws, or (r,) one for each. The draws of two sets that come from the
    same resamples may be subtracted: their difference is paired.
    """
    c, q = (np.ascontiguousarray(axis, np.float64) for axis in (cost, quality))
    low, high = (
        np.ascontiguousarray(np.broadcast_to(np.asarray(end, np.float64), len(c)))
        for end in (low_cost, high_cost)
    )
    # One row of scratch serves all draws.
    vertices, area = np.empty(c.shape[1], np.intp), np.empty(len(c))
    areas_into(np.argsort(c, axis=1, kind="stable"), c, q, low, high, vertices, area)
    width = high - low
    result: Floats = np.divide(area, width, out=np.full(len(c), np.nan), where=width > 0)
    return result
