"""All figures of a training: the curve, its rivals and their areas, on the judged requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.baselines import one_calls
from toolkit.evaluate.intervals import UNDEFINED, Floats
from toolkit.evaluate.routers.curve import (
    THRESHOLDS,
    AiqScores,
    Knob,
    RouterCurve,
    choices,
    curve_of,
    settings,
)
from toolkit.evaluate.routers.folds import Folds
from toolkit.evaluate.routers.hulls import Budgets, budgets_of
from toolkit.evaluate.routers.lookup import lookup
from toolkit.evaluate.routers.measured import Chosen, Measured, Sample
from toolkit.evaluate.routers.outcomes import Outcomes
from toolkit.evaluate.routers.pairs import Pair, pair_of
from toolkit.evaluate.routers.rivals import (
    NEIGHBOURS,
    Contest,
    Kind,
    Rival,
    foresight,
    labels_of,
    plain_rivals,
)
from toolkit.evaluate.routers.unseen import Unseen


@dataclass(frozen=True, eq=False)
class Numbers:
    """What is measured on the judged requests."""

    curve: RouterCurve
    thresholds: RouterCurve
    rivals: tuple[Rival, ...]
    pair: Pair | None
    aiq: AiqScores | None
    singles: Measured
    by_quality: list[Chosen]
    """the models (k,) that each of THRESHOLDS asks"""
    ways: list[Chosen]
    """the models (k,) that each setting of the curve asks; without costs of the only one"""
    table_ways: list[Chosen]
    """the same of the lookup table; none without one"""


def numbers_of(
    found: Outcomes,
    folds: Folds,
    sample: Sample,
    judged: NDArray[np.intp],
    unseen: Unseen,
    near: Unseen | None,
    columns: Sequence[str],
    weight: Floats,
) -> Numbers:
    """Measure everything on the same draws.

    ``judged`` (k,) are the rows of ``found`` that ``sample`` holds; ``near`` are the nearest
    neighbours; ``columns`` those that the router reads; ``weight`` (n, m) that of each outcome.
    """
    models = found.models
    singles = sample.columns(list(sample.quality.T), list(sample.cost_usd.T))
    budgets = budgets_of(singles, len(judged))
    knob: Knob = "min_quality" if budgets is None else "tradeoff_usd_per_point"
    values = (1.0,) if budgets is None else settings(singles.costs)

    def chosen(quality: Floats, cost: Floats, knob: Knob, values: Sequence[float]) -> list[Chosen]:
        known = cost[judged] if found.priced.any() else None
        return choices(quality[judged], known, knob, values)

    ways = chosen(unseen.quality, unseen.cost_usd, knob, values)
    by_quality = chosen(unseen.quality, unseen.cost_usd, "min_quality", THRESHOLDS)
    router = sample.of(ways)
    pair = pair_of(sample, unseen.quality[judged], singles)
    contest = Contest(sample, budgets, router, pair)
    labels = ["highest quality"] if budgets is None else labels_of(values)

    def learned(
        name: str, kind: Kind, theirs: list[Chosen], quality: Floats, column: str | None = None
    ) -> Rival:
        score = pair.score_of(quality[judged]) if pair else None
        return contest.rival(name, kind, labels, sample.of(theirs), score, column)

    rivals = plain_rivals(contest, models, singles)
    if near is not None:
        theirs = chosen(near.quality, near.cost_usd, knob, values)
        rivals.append(learned(NEIGHBOURS, "neighbours", theirs, near.quality))
    table, table_ways = lookup(found, folds, columns, weight), list[Chosen]()
    if table is not None:
        table_ways = chosen(table.predicted, table.predicted_cost, knob, values)
        name = f"lookup by {table.column}"
        rivals.append(learned(name, "lookup", table_ways, table.predicted, table.column))
    best = None if found.logged else _foresight(found, sample)
    if best is not None:
        gain = pair.score_of(sample.quality) if pair else None
        rivals.append(foresight(contest, best, gain))
    nothing = RouterCurve("tradeoff_usd_per_point", models, ())
    return Numbers(
        curve=curve_of("tradeoff_usd_per_point", models, values, ways, router, budgets)
        if budgets
        else nothing,
        thresholds=curve_of(
            "min_quality", models, THRESHOLDS, by_quality, sample.of(by_quality), budgets
        ),
        rivals=tuple(rivals),
        pair=pair,
        aiq=None if budgets is None else _areas(budgets, router, best),
        singles=singles,
        by_quality=by_quality,
        ways=ways,
        table_ways=table_ways,
    )


def _foresight(found: Outcomes, sample: Sample) -> Measured:
    """The oracle."""
    part = np.zeros(found.dataset.n_requests, np.bool_)
    part[sample.request] = True
    calls = one_calls(found.dataset, found.models, part, singles=False)
    return sample.columns([calls.quality[:, 1]], [calls.cost_usd[:, 1]])


def _areas(budgets: Budgets, router: Measured, best: Measured | None) -> AiqScores:
    area, zero = budgets.area(router), budgets.area(budgets.singles)
    to_best = [budgets.area(points, budgets.best) for points in (router, budgets.singles)]
    ideal = UNDEFINED
    if best is not None:
        (ideal,) = budgets.area(best + budgets.singles).estimates(share=True)
    return AiqScores(
        low_cost=budgets.low,
        high_cost=budgets.high,
        enough_cost=budgets.enough,
        value=area.estimates(share=True)[0],
        zero_router=zero.estimates(share=True)[0],
        oracle=ideal,
        gain=area.minus(zero)[0],
        gain_to_best=to_best[0].minus(to_best[1])[0],
    )
