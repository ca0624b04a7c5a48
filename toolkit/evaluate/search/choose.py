"""The few policies worth showing, of the many that were tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from toolkit.evaluate.curves.hull import non_dominated
from toolkit.evaluate.search.trials import Trial, Trials

Kind = Literal["cheapest", "sure", "middle", "best", "closest"]

NEAR_QUALITY, NEAR_PRICE = 0.001, 0.01
"""Two policies are near-duplicates where neither quality nor price (as a ratio) differ more."""
NOTHING_QUALITY, NOTHING_PRICE = 0.001, 0.01
"""A change is undone where that loses no more than this, in quality and in price."""
MOST_ASKED = 25
"""Policies of the front that are asked whether their goals are met surely."""


def front(trials: Trials) -> list[Trial]:
    """What meets the goals and is beaten by nothing that does, the cheapest first."""
    fit = [one for one in trials.found.values() if one.miss == 0 and one.price == one.price]
    if not fit:
        return []
    table = np.array([(one.price, one.quality) for one in fit])
    best = np.flatnonzero(non_dominated(table, ("low", "high")))
    return sorted((fit[i] for i in best.tolist()), key=lambda one: one.price)


def chosen(
    trials: Trials, sure: Callable[[Trial], bool], ends: list[Trial]
) -> list[tuple[Kind, Trial]]:
    """The cheapest, the cheapest that is sure of its goals, the middle and the best of a front.

    Each is simplified, and near-duplicates are left out. Without a front it is the one that misses
    the goals by least.
    """
    if not ends:
        known = [one for one in trials.found.values() if one.price == one.price]
        if not known:
            return []
        closest = min(known, key=lambda one: (one.miss, one.price))
        return [("closest", simplified(trials, closest))]
    picked: list[tuple[Kind, Trial]] = [("cheapest", ends[0])]
    some = ends[:: -(-len(ends) // MOST_ASKED)]
    picked += [("sure", one) for one in (next(filter(sure, some), None),) if one is not None]
    picked += [("middle", _knee(ends)), ("best", ends[-1])]
    found: list[tuple[Kind, Trial]] = []
    for kind, trial in picked:
        simple = simplified(trials, trial)
        if not any(_near(simple, other) for _, other in found):
            found.append((kind, simple))
    return found


def simplified(trials: Trials, trial: Trial) -> Trial:
    """The same without the changes that change nothing worth mentioning.

    What matters least is undone first; what is left is never worse than the original by more.
    """

    def without(one: Trial, path: str) -> Trial | None:
        left = trials.run({p: value for p, value in one.changes.items() if p != path})
        return left if left is not None and _no_worse(left, trial) else None

    harmless = [(path, left) for path in trial.changes if (left := without(trial, path))]
    harmless.sort(key=lambda pair: (-pair[1].quality, pair[1].price))
    now = trial
    for path, _ in harmless:
        now = without(now, path) or now
    return now


def _no_worse(one: Trial, other: Trial) -> bool:
    return (
        one.miss <= other.miss
        and one.quality >= other.quality - NOTHING_QUALITY
        and one.price <= other.price * (1 + NOTHING_PRICE)
    )


def _near(one: Trial, other: Trial) -> bool:
    return one.changes == other.changes or (
        abs(one.quality - other.quality) <= NEAR_QUALITY
        and abs(one.price - other.price) <= NEAR_PRICE * abs(other.price)
    )


def _knee(ends: list[Trial]) -> Trial:
    """The policy furthest above the line between the two ends."""
    price, quality = (np.array([getattr(one, name) for one in ends]) for name in _AXES)
    if len(ends) < 3:
        return ends[0]
    height = (quality - quality[0]) / (quality[-1] - quality[0])
    height -= (price - price[0]) / (price[-1] - price[0])
    return ends[int(np.argmax(height))]


_AXES = ("price", "quality")
