"""Who is right about what: a two-parameter item-response model, set to published accuracies.

A model of ability θ answers a request of difficulty b and discrimination a rightly with
probability 1 / (1 + exp(−a (θ − b))). As b and a belong to the request, models are right and wrong
together. Difficulty is standard normal, ln a normal.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from toolkit.logs.simulate.draws import Floats
from toolkit.logs.simulate.models import MODELS
from toolkit.logs.simulate.parameters import CATEGORIES, DISCRIMINATION, SPREAD


def probability(ability: Floats, slope: Floats, difficulty: Floats) -> Floats:
    """Of being right, for shapes that broadcast."""
    return logistic(slope * (ability - difficulty))


def logistic(x: Floats) -> Floats:
    """1 / (1 + exp(−x)), which here cannot overflow."""
    return 0.5 + 0.5 * np.tanh(x / 2.0)


def accuracies() -> Floats:
    """(m, c) of each model in each category, so that the mix gives its published accuracy."""
    scores = np.array([m.ast_executed_relevance for m in MODELS])
    odds = np.log(scores / (1.0 - scores))
    odds -= odds.mean(axis=1, keepdims=True)
    lean = SPREAD * odds @ np.array([c.scores for c in CATEGORIES]).T
    lean += np.array([c.ease for c in CATEGORIES])
    share = np.array([c.share for c in CATEGORIES])
    published = np.array([m.accuracy for m in MODELS])
    shift = _solve(lambda x: logistic(lean + x[:, None]) @ share, published)
    return logistic(lean + shift[:, None])


@functools.cache
def calibrated() -> Floats:
    """(m, c) the ability of each model in each category."""
    return abilities(accuracies())


def abilities(wanted: Floats) -> Floats:
    """The ability (…) that is right with probability ``wanted`` (…) on the mean request."""
    nodes = np.linspace(-6.0, 6.0, 49)
    weight = np.exp(-(nodes**2) / 2.0)
    weight /= weight.sum()  # equal steps integrate a bell curve to machine precision
    median, sigma = DISCRIMINATION
    slope = median * np.exp(sigma * nodes[::4])
    of_slope = weight[::4] / weight[::4].sum()

    def mean(ability: Floats) -> Floats:
        right = probability(ability[:, None, None], slope[:, None], nodes)
        right_by_ability: Floats = (right @ weight) @ of_slope
        return right_by_ability

    return _solve(mean, wanted.reshape(-1)).reshape(wanted.shape)


def _solve(rising: Callable[[Floats], Floats], wanted: Floats) -> Floats:
    """Where rising functions, one for each entry, take the values ``wanted`` (k)."""
    low, high = np.full_like(wanted, -20.0), np.full_like(wanted, 20.0)
    for _ in range(math.ceil(math.log2(40.0 / 1e-9))):
        middle = (low + high) / 2.0
        above = rising(middle) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    # Rounded, so that the last bits of tanh on some processor do not matter.
    return np.round((low + high) / 2.0, 7)
