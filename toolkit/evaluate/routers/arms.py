"""Ways to choose a model that are held against each other at one cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.evaluate.routers.draws import Floats, Ints


@dataclass(frozen=True, eq=False)
class Arm:
    """Who was asked by one way to choose, or at each of its s settings, and what came of it."""

    name: str
    quality: Floats
    """(n,) or (s, n) of the model that was asked"""
    cost_usd: Floats
    """of the same shape"""


def near(arm: Arm, code: Ints, cost_usd: Floats) -> tuple[Floats, Floats]:
    """Quality and cost (n,) of an arm, in each group at the setting that costs most nearly as much.

    ``code`` (n,) is the group; of a ``cost_usd`` (s, n) of several settings the first is meant.
    """
    quality, cost = np.atleast_2d(arm.quality), np.atleast_2d(arm.cost_usd)
    if len(quality) == 1:
        return quality[0], cost[0]
    wanted = _means(np.atleast_2d(cost_usd)[:1], code)
    off = np.abs(_means(cost, code) - wanted)
    setting = np.where(np.isnan(off), np.inf, off).argmin(axis=0)[code]
    rows = np.arange(len(code))
    return quality[setting, rows], cost[setting, rows]


def _means(values: Floats, code: Ints) -> Floats:
    """Means (s, k) of values (s, n) in each of k groups, NaN left out."""
    k = int(code.max(initial=0)) + 1
    there = ~np.isnan(values)
    top = [np.bincount(code, row, minlength=k) for row in np.where(there, values, 0.0)]
    bottom = np.array([np.bincount(code, row, minlength=k) for row in there], np.float64)
    out = np.full(bottom.shape, np.nan)
    np.divide(np.array(top), bottom, out=out, where=bottom > 0)
    return out
