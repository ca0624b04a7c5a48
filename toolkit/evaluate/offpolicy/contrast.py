"""The difference of two estimates from one log, and how far it can be trusted.

What each request adds to one estimate minus what it adds to the other gives the standard error, and
Student's t the interval, with as many degrees of freedom as the less evenly weighted of the two
leaves requests. The logged requests that speak more for the one policy than for the other stand
against each other; where those of a side hold few of a kind (no error among 50), their share is no
better known than Wilson's interval says, and the two sides' are combined as for independent errors
(Newcombe's square-and-add).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.differences import Difference
from toolkit.evaluate.intervals import FEW, Floats, wilson
from toolkit.evaluate.offpolicy.estimators import Estimated, effective_sample_size
from toolkit.evaluate.offpolicy.uncertainty import standard_error, student, tail, units


class Part(NamedTuple):
    """An estimate, and the (n,) weights and rewards of the log that are behind it."""

    found: Estimated
    weight: Floats
    reward: Floats


def contrast(
    this: Part, other: Part, cluster: NDArray[np.intp] | None = None, *, fraction: bool = False
) -> Difference:
    """``this`` minus ``other`` over the same n requests, with its 95 % interval and p-value.

    ``cluster`` (n,) numbers the clusters from 0, without gaps. Of a ``fraction`` no end leaves
    −1..1. In the result ``a`` is the other's estimate, ``b`` this one's, ``n`` counts the requests
    that speak for either, and ``changed`` those that do not say the same of both.
    """
    gap = this.found.influence - other.found.influence
    n, value = gap.size, this.found.value - other.found.value
    told = int(np.count_nonzero((this.weight > 0) | (other.weight > 0)))
    if not told or math.isnan(value):
        return Difference(math.nan, share=told / n if n else math.nan)
    apart = (this.weight != other.weight) | ((this.weight > 0) & (this.reward != other.reward))
    changed = int(np.count_nonzero(apart)) or int(np.count_nonzero(gap))
    weighed = [part.weight for part in (this, other) if part.weight.any()]
    worth = min(effective_sample_size(weight) for weight in weighed)
    free = min(worth, units(n, cluster)) - 1
    below = above = math.nan
    if free >= 1:
        below = above = student(free) * standard_error(gap, cluster)
        if fraction and changed:
            below, above = _no_surer(below, this, other, free)
    low, high = value - below, value + above
    if fraction:
        low, high = max(low, -1.0), min(high, 1.0)
    return Difference(
        value, low, high, told, told / n, other.found.value, this.found.value, changed,
        p=_p(value, below if value > 0 else above, free, changed),
    )  # fmt: skip


def _no_surer(half: float, this: Part, other: Part, free: float) -> tuple[float, float]:
    """How far the interval reaches below and above, at least ``half``: see the module."""
    gains = _Side(np.maximum(this.weight - other.weight, 0.0), this.reward)
    losses = _Side(np.maximum(other.weight - this.weight, 0.0), other.reward)
    few = [side for side in (gains, losses) if side.few]
    t = student(free)
    others = max(half**2 - sum((t * side.spread) ** 2 for side in few), 0.0)
    gain, loss = (side.reach if side.few else (0.0, 0.0) for side in (gains, losses))
    below = math.sqrt(others + gain[0] ** 2 + loss[1] ** 2)
    above = math.sqrt(others + gain[1] ** 2 + loss[0] ** 2)
    return max(half, below), max(half, above)


class _Side:
    """The logged requests that speak for one policy more than for the other."""

    def __init__(self, weight: Floats, reward: Floats) -> None:
        total = float(weight.sum())
        self.part = total / weight.size
        """of the traffic"""
        self.worth = max(int(effective_sample_size(weight)), 1)
        mean = float(weight @ reward) / total if total else 0.0
        self.mean = min(max(mean, 0.0), 1.0)

    @property
    def few(self) -> bool:
        """They hold few of a kind."""
        return self.part > 0 and self.worth * min(self.mean, 1 - self.mean) < FEW

    @property
    def spread(self) -> float:
        """The plain standard error of what they add."""
        return self.part * math.sqrt(self.mean * (1 - self.mean) / self.worth)

    @property
    def reach(self) -> tuple[float, float]:
        """How far what they add may lie below and above, by Wilson's interval."""
        least, most = wilson(self.mean, self.worth)
        return self.part * (self.mean - least), self.part * (most - self.mean)


def _p(value: float, reach: float, free: float, changed: int) -> float:
    """How likely equals differ so much: below 0.05 where the interval leaves out 0.

    ``reach`` is how far the interval goes towards 0. So many coins fall on one side with at least
    some chance, whatever the interval says.
    """
    if math.isnan(reach):
        return math.nan
    if not value:
        return 1.0
    alone = tail(student(free) * abs(value) / reach, free) if reach else 0.0
    return max(alone, 2.0 ** (1 - max(changed, 1)))
