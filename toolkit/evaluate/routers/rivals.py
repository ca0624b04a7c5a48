"""What a router has to beat: each single model, chance, and simpler ways to learn.

The zero router is the single models mixed at random, in whatever shares are best for a budget: the
hull above them, with two models the line between them. The random mix asks all alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from toolkit.evaluate import as_json
from toolkit.evaluate.baselines import ORACLE, RANDOM
from toolkit.evaluate.curves.hull import hull
from toolkit.evaluate.format import usd
from toolkit.evaluate.intervals import UNDEFINED, Estimate, Floats
from toolkit.evaluate.routers.hulls import Budgets, Drawn
from toolkit.evaluate.routers.measured import Measured, Sample
from toolkit.evaluate.routers.pairs import Pair

Kind: TypeAlias = Literal["single", "random", "zero", "neighbours", "lookup", "oracle"]
ZERO, NEIGHBOURS = "best mix (zero router)", "nearest neighbours"


@dataclass(frozen=True)
class RivalPoint:
    """One way to run a rival."""

    label: str
    cost_usd_per_1k: Estimate
    quality: Estimate


@dataclass(frozen=True)
class Rival:
    """A rival on the same requests; the points of a curve stand by rising cost."""

    name: str
    kind: Kind
    points: tuple[RivalPoint, ...]
    """one of a single model, of the random mix and of the oracle"""
    aiq: Estimate
    """of its hull over the budgets; undefined without costs, and of one point"""
    aiq_gain: Estimate
    """the router's minus its, paired"""
    gain: Estimate
    """the same over the budgets up to that of the best single model: who routes need not spend
    more, so this is what a verdict is about"""
    at_usd_per_1k: float
    """the cost at which ``difference`` is told: that of the rival, if it has but one (that of the
    cheapest model, where it costs less), else halfway between the cheapest and the best single
    model, by ratio; NaN without costs, where both go for the highest quality"""
    difference: Estimate
    """quality of the router minus that of the rival at that cost, paired"""
    apgr: Estimate
    """undefined without a pair of models"""
    apgr_gain: Estimate
    """the router's minus its, paired"""
    column: str | None = None
    """that a lookup table is by"""
    quality_at: Estimate = UNDEFINED
    """its quality at that cost"""
    router_at: Estimate = UNDEFINED
    """the router's quality at that cost"""

    @property
    def point(self) -> RivalPoint:
        """The only one, or that of the highest quality."""
        return max(self.points, key=lambda p: p.quality.value)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "column": self.column,
            **as_json.estimates(
                {
                    "aiq": self.aiq,
                    "aiq_gain": self.aiq_gain,
                    "gain": self.gain,
                    "difference": self.difference,
                    "quality_at": self.quality_at,
                    "router_quality_at": self.router_at,
                    "apgr": self.apgr,
                    "apgr_gain": self.apgr_gain,
                }
            ),
            "at_usd_per_1k": as_json.plain(self.at_usd_per_1k),
            "points": [
                {
                    "label": p.label,
                    **as_json.estimates(
                        {"cost_usd_per_1k": p.cost_usd_per_1k, "quality": p.quality}
                    ),
                }
                for p in self.points
            ],
        }


@dataclass(frozen=True, eq=False)
class Contest:
    """The router, and what others are held against it with."""

    sample: Sample
    budgets: Budgets | None
    router: Measured
    """its settings by the trade-off; without costs, its choice of the highest quality alone"""
    pair: Pair | None

    def rival(
        self,
        name: str,
        kind: Kind,
        labels: Sequence[str],
        measured: Measured,
        score: Floats | None = None,
        column: str | None = None,
    ) -> Rival:
        """Hold one against the router; ``score`` (k,) is by how much it wants the strong model."""
        aiq = aiq_gain = gain = UNDEFINED
        at = np.nan
        if self.budgets is None:
            theirs, mine = self._best_settings(measured)
        else:
            budgets = self.budgets
            if len(measured) > 1:
                at = float(budgets.middle.value[0])
                area = budgets.area(measured)
                aiq, aiq_gain = (
                    area.estimates(share=True)[0],
                    budgets.area(self.router).minus(area)[0],
                )
                short = budgets.area(measured, budgets.best)
                gain = budgets.area(self.router, budgets.best).minus(short)[0]
            else:
                at = max(float(measured.costs[0]), budgets.low)  # NaN stays NaN
            theirs, mine = (
                (None, None) if np.isnan(at) else _at_equal_cost(budgets, self.router, measured)
            )
        difference = quality_at = router_at = UNDEFINED
        if theirs is not None and mine is not None:
            difference = mine.minus(theirs)[0]
            router_at = mine.estimates(share=True)[0]
            # Of one point no best was taken, so that nothing flatters.
            alone = len(measured) == 1
            quality_at = measured.quality[0] if alone else theirs.estimates(share=True)[0]
        apgr, apgr_gain = self.pair.against(score) if self.pair else (UNDEFINED, UNDEFINED)
        points = [
            RivalPoint(labels[i], measured.cost[i], measured.quality[i]) for i in _by_cost(measured)
        ]
        return Rival(
            name,
            kind,
            tuple(points),
            aiq,
            aiq_gain,
            gain,
            at,
            difference,
            apgr,
            apgr_gain,
            column,
            quality_at,
            router_at,
        )

    def _best_settings(self, measured: Measured) -> tuple[Drawn | None, Drawn | None]:
        """Without costs: quality of the rival and of the router at their only settings."""
        if len(measured) != 1:
            return None, None
        n = len(self.sample.request)
        return (
            Drawn(measured.qualities, measured.drawn_quality, n),
            Drawn(self.router.qualities, self.router.drawn_quality, n),
        )


def _at_equal_cost(budgets: Budgets, router: Measured, measured: Measured) -> tuple[Drawn, Drawn]:
    """Quality of a rival and of the router: of one point at its cost, of a curve at the middle."""
    if len(measured) == 1:
        at, drawn_at = measured.costs, measured.drawn_cost
        theirs = Drawn(measured.qualities, measured.drawn_quality, budgets.n)
    else:
        at, drawn_at = budgets.middle.value, budgets.middle.draws
        theirs = budgets.height(measured, at, drawn_at)
    # Whoever spends less than the cheapest model is held against that.
    least = budgets.singles.drawn_cost[:, [0]]
    mine = budgets.height(router, np.maximum(at, budgets.low), np.maximum(drawn_at, least))
    return theirs, mine


def _by_cost(measured: Measured) -> list[int]:
    """Indices by rising cost, each different point once."""
    order = np.lexsort((measured.qualities, measured.costs))
    seen: set[tuple[float, float]] = set()
    kept = []
    for i in (int(j) for j in order):
        key = (measured.cost[i].value, measured.quality[i].value)
        if key not in seen:
            seen.add(key)
            kept.append(i)
    return kept


def plain_rivals(contest: Contest, models: Sequence[str], singles: Measured) -> list[Rival]:
    """Each single model, the random mix and the zero router."""
    sample = contest.sample
    found = [
        contest.rival(name, "single", [name], singles.take([j])) for j, name in enumerate(models)
    ]
    mix = sample.columns([sample.quality.mean(axis=1)], [sample.cost_usd.mean(axis=1)])
    chance = np.zeros(len(sample.request))
    found.append(contest.rival(RANDOM, "random", ["all alike"], mix, chance))
    if contest.budgets is not None:
        corners = hull(singles.costs, singles.qualities)
        labels = [models[i] for i in corners]
        zero = singles.take(corners)
        if len(corners) == 1:  # the cheapest is the best: a line of one point, twice
            labels, zero = labels * 2, zero + zero
        found.append(contest.rival(ZERO, "zero", labels, zero, chance))
    return found


def foresight(contest: Contest, best: Measured, score: Floats | None) -> Rival:
    """The oracle: the best answer of each request, from the cheapest model that gives it."""
    return contest.rival(ORACLE, "oracle", ["perfect foresight"], best, score)


def labels_of(values: Sequence[float]) -> list[str]:
    """What the settings of a curve are called."""
    return [f"{usd(value)} a point" for value in values]
