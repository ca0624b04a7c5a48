"""Which model is tried first, and in which order the others stand behind it.

The one definition of a router's decision: the engine, the evaluation of a training run and the
page all ask here. Arrays in, arrays out; each row by itself, so that a request has the same order
alone and among others.

A model that the router does not know (its probability is NaN) comes after all that it knows, in
the order written. An expected cost that is not known (NaN) is dearer than any other; so where
none is known, the cheapest is the one that is written first. A tradeoff without any cost goes by
the probability alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.policy.router_rule import RouterRule

Floats = NDArray[np.float64]


class _Columns(NamedTuple):
    """What is compared, (n, k) each; models that the router does not know are all alike."""

    unknown: NDArray[np.bool_]
    quality: Floats
    cost: Floats


def orders(quality: Floats, cost_usd: Floats | None, rule: RouterRule) -> NDArray[np.int16]:
    """Return the models of n requests in the order in which they are tried, of shape (n, k).

    ``quality`` (n, k) is each model's probability of a good answer and ``cost_usd`` (n, k) its
    expected cost of one request; None: no cost is known. The first column is `first`; the others
    follow by falling probability, with ``max_cost_usd`` those that can be afforded before the
    others. Equal ones: the cheaper, then the one that is written first.
    """
    at = _columns(quality, cost_usd)
    written = np.broadcast_to(np.arange(at.quality.shape[1]), at.quality.shape)
    later = written != first(quality, cost_usd, rule)[:, None]
    dear = np.zeros_like(at.unknown)
    if rule.max_cost_usd is not None:
        dear = ~at.unknown & (at.cost > rule.max_cost_usd)
    # The last key is the first to count.
    return np.lexsort((written, at.cost, -at.quality, dear, at.unknown, later)).astype(np.int16)


def first(quality: Floats, cost_usd: Floats | None, rule: RouterRule) -> NDArray[np.intp]:
    """Return the model that is tried first for each of n requests, shape (n,); see `orders`."""
    at = _columns(quality, cost_usd)
    here = ~at.unknown
    if rule.min_quality is not None:
        enough = here & (at.quality >= rule.min_quality)
        some = enough.any(axis=1, keepdims=True)
        left = np.where(some, enough, _best(here, -at.quality))
    elif rule.max_cost_usd is not None:
        enough = here & (at.cost <= rule.max_cost_usd)
        some = enough.any(axis=1, keepdims=True)
        left = np.where(some, _best(enough, -at.quality), here)
    else:
        cost = np.where(here, at.cost, np.inf)
        left = _best(here, -worth(at.quality, cost, rule.rule[1]))
    # Of those that are left, the cheaper; `argmax` takes the first of equal ones.
    return np.asarray(_best(left, at.cost).argmax(axis=1))


def worth(quality: Floats, cost_usd: Floats, tradeoff_usd_per_point: float) -> Floats:
    """Return what an answer is worth less its cost, in USD per 1,000 requests, shape (n, k).

    A cost that is not known (NaN, inf) makes it worth -inf, unless none of the row is known.
    """
    priced = np.isfinite(cost_usd)
    cost = np.where(priced, cost_usd, np.where(priced.any(axis=1, keepdims=True), np.inf, 0.0))
    return np.asarray(100.0 * quality * tradeoff_usd_per_point - 1000.0 * cost)


def _columns(quality: Floats, cost_usd: Floats | None) -> _Columns:
    unknown = np.isnan(quality)
    cost = np.full(quality.shape, np.inf) if cost_usd is None else cost_usd
    cost = np.where(np.isnan(cost), np.inf, cost)
    return _Columns(unknown, np.where(unknown, 0.0, quality), np.where(unknown, 0.0, cost))


def _best(among: NDArray[np.bool_], key: Floats) -> NDArray[np.bool_]:
    """Return which ``among`` a row have its smallest key; where none is among it, all."""
    low = np.where(among, key, np.inf)
    taken = among | ~among.any(axis=1, keepdims=True)
    return np.asarray(taken & (low == low.min(axis=1, keepdims=True)))
