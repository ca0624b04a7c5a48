"""Sets of policies that may be mixed, compared over a range of budgets and at one budget.

Spending least needs no router: to every set belongs the cheapest single model. Each resample finds
the hull anew; as the best of many points flatters, intervals are moved down by as much as the
draws lie above the value (``tradeoffs/area.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.evaluate.curves.aiq import aiq, aiq_of_draws
from toolkit.evaluate.curves.hull import hull_value, hull_value_of_draws
from toolkit.evaluate.intervals import Estimate, Floats
from toolkit.evaluate.routers.measured import Measured, clipped
from toolkit.evaluate.tradeoffs.area import estimate_of_draws


@dataclass(frozen=True, eq=False)
class Drawn:
    """Numbers (a,) with their draws (r, a)."""

    value: Floats
    draws: Floats
    n: int
    """requests behind them"""

    def minus(self, other: Drawn) -> list[Estimate]:
        """The paired differences."""
        return Drawn(self.value - other.value, self.draws - other.draws, self.n).estimates()

    def estimates(self, *, share: bool = False) -> list[Estimate]:
        """Each with its interval; of a ``share`` it ends at 0 and 1."""
        pairs = zip(self.value.tolist(), self.draws.T, strict=True)
        found = [estimate_of_draws(value, draws, self.n) for value, draws in pairs]
        return [clipped(one, 0.0, 1.0) for one in found] if share else found


@dataclass(frozen=True, eq=False)
class Budgets:
    """The range of costs between the cheapest and the dearest single model, in every resample."""

    singles: Measured
    """those with a cost, by rising cost"""
    n: int
    """requests"""

    @property
    def low(self) -> float:
        """USD per 1,000 requests."""
        return float(self.singles.costs[0])

    @property
    def high(self) -> float:
        """USD per 1,000 requests."""
        return float(self.singles.costs[-1])

    @property
    def best(self) -> int:
        """The best of them, the cheapest of equals; the dearest, where the best is the cheapest."""
        return int(self.singles.qualities.argmax()) or len(self.singles) - 1

    @property
    def enough(self) -> float:
        """USD per 1,000 requests of the best: who routes need not spend more."""
        return float(self.singles.costs[self.best])

    @property
    def middle(self) -> Drawn:
        """Halfway from the cheapest to the best by ratio (by difference where it is free), (1,)."""
        ends = np.vstack([self.singles.costs, self.singles.drawn_cost])[:, [0, self.best]]
        half = np.sqrt(ends.prod(axis=1)) if self.low > 0 else ends.mean(axis=1)
        return Drawn(half[:1], half[1:, None], self.n)

    def area(self, points: Measured, to: int | None = None) -> Drawn:
        """AIQ of a set: the mean quality of its hull over the budgets; (1,).

        The budgets end at the dearest model, or at the one of ``singles`` that ``to`` says.
        """
        end = len(self.singles) - 1 if to is None else to
        full = points + self.singles.take([0])
        drawn, high = self.singles.drawn_cost, float(self.singles.costs[end])
        value = aiq(full.costs, full.qualities, self.low, high).value
        draws = aiq_of_draws(full.drawn_cost, full.drawn_quality, drawn[:, 0], drawn[:, end])
        return Drawn(np.array([value]), draws[:, None], self.n)

    def height(self, points: Measured, at: Floats, drawn_at: Floats | None = None) -> Drawn:
        """Quality of a set's hull at costs ``at`` (a,), in the draws at ``drawn_at`` (r, a)."""
        full = points + self.singles.take([0])
        value = hull_value(at, full.costs, full.qualities)
        where = at if drawn_at is None else drawn_at
        draws = hull_value_of_draws(where, full.drawn_cost, full.drawn_quality)
        return Drawn(value, draws, self.n)


def budgets_of(singles: Measured, n: int) -> Budgets | None:
    """The range of the single models that have a cost; None of fewer than two, or of one price."""
    costs = singles.costs
    order = [int(i) for i in np.argsort(costs, kind="stable") if np.isfinite(costs[i])]
    if len(order) < 2 or not costs[order[-1]] > costs[order[0]]:
        return None
    return Budgets(singles.take(order), n)
