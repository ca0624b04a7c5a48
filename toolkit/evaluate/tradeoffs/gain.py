"""What one policy of a sweep gains on another: the paired difference, as a comparison finds it.

The intervals of a sweep are of each policy alone. Whether two of them differ at all is another
question, as most requests end alike under both. It is asked of few of them, and so answered when
somebody asks; what was found is kept, whatever the goals are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toolkit.engine.replay import Replay, replay_traffic
from toolkit.evaluate.differences import Difference, paired, together
from toolkit.evaluate.format import count
from toolkit.evaluate.slice_differences import differences_to_dict
from toolkit.evaluate.tradeoffs.sweep import World
from toolkit.evaluate.verdict import MEASURES, told
from toolkit.policy.model import Policy
from toolkit.scenarios.aim import aim

TRADED = ("cost_usd_per_1k", "quality")
"""What is traded against each other."""
TRIFLES = {"cost_usd_per_1k": 0.01, "quality": 0.001}
"""What nobody changes a policy for: so much of the cost, so much quality."""


@dataclass(frozen=True, eq=False)
class Gain:
    """Policy ``b`` minus policy ``a`` of a sweep, on the same requests."""

    a: int
    b: int
    """indices of the points"""
    requests: int
    """observed under both"""
    differences: Mapping[str, Difference]
    """quality, cost_usd_per_1k, latency_mean_s and error_rate"""

    @property
    def pays(self) -> bool | None:
        """``b`` is cheaper or better, surely and by more than a trifle; None if nothing is known.

        If not, that does not make it the same: it may be surely worse.
        """
        cost, quality = (self.differences[name] for name in TRADED)
        if math.isnan(cost.value) and math.isnan(quality.value):
            return None
        less = -cost.value > TRIFLES["cost_usd_per_1k"] * abs(cost.a)
        more = quality.value > TRIFLES["quality"]
        return (cost.distinguishable and less) or (quality.distinguishable and more)

    @property
    def trifling(self) -> bool:
        """Something of cost or quality differs surely, but neither by more than a trifle."""
        cost, quality = (self.differences[name] for name in TRADED)
        much = abs(cost.value) > TRIFLES["cost_usd_per_1k"] * abs(cost.a)
        much = much or abs(quality.value) > TRIFLES["quality"]
        return (cost.distinguishable or quality.distinguishable) and not much

    def words(self, other: str) -> str:
        """What differs and how surely; ``other`` is what ``a`` is called."""
        return held_against(self.differences, self.requests, other)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the differences are those of a comparison."""
        return {
            "point": self.b,
            "against": self.a,
            "paired": self.requests,
            "pays": self.pays,
            **differences_to_dict(self.differences),
        }


def held_against(found: Mapping[str, Difference], requests: int, other: str) -> str:
    """What differs surely and what does not: ``Against tiered it is cheaper by $0.31 per 1k …``."""
    known = {name: found[name] for name in MEASURES if not math.isnan(found[name].value)}
    if not any(name in known for name in TRADED):
        return f"Neither its cost nor its quality was measured on the same requests as of {other}."
    where = f"{count(requests)} request{'' if requests == 1 else 's'}"
    if not any(d.changed for d in known.values()):
        return f"It ends like {other} on all of {where}."
    clear = [told(name, d) for name, d in known.items() if d.distinguishable]
    doubts = ", ".join(
        f"{MEASURES[name].noun} {MEASURES[name].interval(d, True)}"
        for name, d in known.items()
        if name in TRADED and d.changed and not d.distinguishable
    )
    if clear:
        *most, last = clear
        text = f"{', '.join(most)} and {last}" if most else last
        doubts = f"; not distinguishable: {doubts}" if doubts else ""
        return f"Against {other} it is {text}{doubts}."
    doubts = f": {doubts}" if doubts else ""
    return f"It is not distinguishable from {other} on {where}{doubts}."


@dataclass(frozen=True, eq=False)
class Gains:
    """The differences between the policies of one sweep."""

    world: World
    policies: tuple[Policy, ...]
    """by index"""
    _known: dict[tuple[int, int], Gain] = field(default_factory=dict, repr=False)

    def between(self, a: int, b: int) -> Gain:
        """Point ``b`` minus point ``a``; both are replayed when this is first asked."""
        if (a, b) not in self._known:
            pairs = paired(self._replay(a), self._replay(b), self.world.boot)
            inside = self.world.part[pairs.request]
            # What the sweep is about is one slice, the rest, if there is one, another.
            found = pairs.differences(np.where(inside, 0, 1), 1 if inside.all() else 2)[0]
            n = int(inside.sum())
            self._known[a, b] = Gain(a, b, n, together(found, n))
        return self._known[a, b]

    def _replay(self, index: int) -> Replay:
        world, policy = self.world, self.policies[index]
        faults = aim(world.scenario, policy, world.arrivals.dataset.models)
        return replay_traffic(policy, world.arrivals, faults, world.seed, world.scenario)
