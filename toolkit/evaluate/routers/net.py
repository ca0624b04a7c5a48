"""One number per request for how well predictions decide: quality less what was paid for it.

A router has a whole curve of settings. What it earns at one price of quality is the quality of the
model that it asks, less that model's cost at that price; the mean over the prices at which there is
something to decide is its *net quality*. To compare two routers by it is to compare their quality
at equal cost, averaged over the curve; and as it is a mean over requests, differences are paired.
"""

from __future__ import annotations

import numpy as np

from toolkit.evaluate.curves.hull import hull
from toolkit.evaluate.routers.draws import Floats
from toolkit.learn.choose import first
from toolkit.policy.router_rule import RouterRule

PRICES = 9
BEYOND = 2.0
"""Prices reach from the smallest at which the single models' means call for more than the cheapest
to the largest, and this factor beyond."""
SURE = 1e-3
"""No prediction counts as surer than this in a log loss."""


def prices(quality: Floats, cost_usd: Floats) -> Floats:
    """(p,) USD per 1,000 requests for a point of quality; empty where there is nothing to trade.

    ``quality`` and ``cost_usd`` (n, m).
    """
    known = ~(np.isnan(quality) | np.isnan(cost_usd))
    count = known.sum(axis=0)
    seen = count > 0
    good = np.where(known, quality, 0).sum(axis=0)[seen] / count[seen]
    cost = np.where(known, cost_usd, 0).sum(axis=0)[seen] / count[seen]
    best = hull(cost, good)  # of the single models, from the cheapest
    slopes = np.diff(cost[best]) / np.diff(good[best])
    priced = slopes[slopes > 0] * 10  # 1,000 requests, 0.01 of quality
    if not priced.size:
        return np.empty(0)
    return np.geomspace(priced[0] / BEYOND, priced[-1] * BEYOND, PRICES)


def net_quality(
    predicted: Floats, predicted_cost: Floats, quality: Floats, cost_usd: Floats, at: Floats
) -> Floats:
    """(n,) quality less cost of the models that the predictions choose at the prices ``at`` (p,).

    All others (n, m). Without prices: the quality of the likeliest. NaN where the outcome of a
    chosen model is not known.
    """
    rows = np.arange(len(predicted))
    if not len(at):
        rule = RouterRule(name="x", min_quality=1.0)
        chosen = first(predicted, None, rule)
        return np.asarray(quality[rows, chosen])
    total = np.zeros(len(predicted))
    for price in at.tolist():
        chosen = first(
            predicted, predicted_cost, RouterRule(name="x", tradeoff_usd_per_point=price)
        )
        # USD of one request, as so much quality: price is per 1,000 requests and 0.01.
        total += quality[rows, chosen] - cost_usd[rows, chosen] * 10 / price
    return total / len(at)


def log_loss(predicted: Floats, quality: Floats, weight: Floats | None = None) -> Floats:
    """(n,) mean log loss over the models with a grade, NaN where none has; all (n, m)."""
    p = np.clip(predicted, SURE, 1 - SURE)
    loss = -(quality * np.log(p) + (1 - quality) * np.log1p(-p))
    known = ~np.isnan(loss)
    w = known.astype(np.float64) if weight is None else np.where(known, weight, 0.0)
    total = w.sum(axis=1)
    out = np.full(len(loss), np.nan)
    np.divide((np.where(known, loss, 0.0) * w).sum(axis=1), total, out=out, where=total > 0)
    return out
