"""The lookup table as a policy of plain rules: what to use where learning gains nothing over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.evaluate.intervals import Floats
from toolkit.evaluate.routers.lookup import codes, shrunken
from toolkit.evaluate.routers.rivals import Rival, RivalPoint, labels_of
from toolkit.learn.choose import first
from toolkit.policy.model import Policy
from toolkit.policy.router_rule import RouterRule

if TYPE_CHECKING:
    from toolkit.evaluate.routers.training import Training


def table_point(training: Training) -> RivalPoint:
    """What the table costs and gives as ``table_policy`` sets it, out of fold.

    Raises:
        DataError: There is no table.
    """
    points = _table(training).points
    best = training.rival("single")
    assert best is not None  # there are two at least
    enough = [p for p in points if p.quality.value >= best.point.quality.value]
    if enough:
        return min(enough, key=lambda p: p.cost_usd_per_1k.value)
    return max(points, key=lambda p: p.quality.value)


def table_policy(
    training: Training,
    *,
    tradeoff_usd_per_point: float | None = None,
    fallbacks: int = 2,
    learned: NDArray[np.intp] | None = None,
) -> Policy:
    """Rules by the column of the lookup table, made of the rows ``learned``, all if not said.

    ``tradeoff_usd_per_point`` is by default the cheapest that is as good as the best single model
    out of fold, else the best.

    Raises:
        DataError: There is no table.
        PolicyError: The trade-off is not allowed.
    """
    column = _table(training).column
    assert column is not None
    rule = _rule(training, tradeoff_usd_per_point)
    rows = np.arange(training.n) if learned is None else learned
    cells = training.dataset.requests[column].take(pa.array(training.rows[rows]))
    code, priced = codes(cells), bool(np.isfinite(training.cost_usd).any())
    weight = np.ones(training.quality.shape)
    if training.logged is not None and training.weighing and training.weighing.weighted:
        weight = training.logged.weight[training.rows]

    def means(values: Floats) -> Floats:
        """(k + 1, m) of each value of the column; the last is of values never seen."""
        return shrunken(code, values[rows], weight[rows])

    quality, cost = means(training.quality), means(training.cost_usd) if priced else None
    chosen = first(quality, cost, rule)
    example = np.unique(code, return_index=True)[1]
    order = np.argsort(-np.nan_to_num(quality[-1]), kind="stable").tolist()
    names, usual = training.models, int(chosen[-1])
    routes = []
    for j in sorted({int(model) for model in chosen} - {usual}):
        cases = [cells[int(example[k])].as_py() for k in np.flatnonzero(chosen[:-1] == j)]
        routes.append({"name": names[j], "when": _when(column, cases), "use": names[j]})
    used = sorted({int(model) for model in chosen})
    return Policy.model_validate(
        {
            "policy": f"lookup by {column}",
            "models": {name: {} for name in names},
            "routes": routes,
            "default": names[usual],
            "chains": {
                names[j]: {
                    "steps": [
                        {"model": names[i]} for i in [j, *[i for i in order if i != j][:fallbacks]]
                    ]
                }
                for j in used
            },
        }
    )


def _when(column: str, cases: list[Any]) -> dict[str, Any]:
    """The column has one of the cases; no value and the empty text are one case."""
    known = sorted(case for case in cases if case is not None)
    tests: list[dict[str, Any]] = []
    if None in cases or "" in cases:
        tests.append({column: {"exists": False}})
        known = sorted({*known, ""}) if all(isinstance(one, str) for one in known) else known
    if known:
        tests.append({column: {"in": known}})
    return tests[0] if len(tests) == 1 else {"any": tests}


def _table(training: Training) -> Rival:
    table = training.rival("lookup")
    if table is None:
        raise DataError(
            "lookup_policy: there is no column to look up in the dataset; got none; allowed: one "
            "with few values, each in many requests"
        )
    return table


def _rule(training: Training, tradeoff_usd_per_point: float | None) -> RouterRule:
    if tradeoff_usd_per_point is not None:
        # As a policy is checked, with its errors.
        asked = training.policy("lookup", tradeoff_usd_per_point=tradeoff_usd_per_point)
        rule = asked.routes[0].router
        assert rule is not None
        return rule
    values = [point.value for point in training.curve.points]
    if not values:  # no costs
        return RouterRule(name="lookup", min_quality=1.0)
    value = dict(zip(labels_of(values), values, strict=True))[table_point(training).label]
    return RouterRule(name="lookup", tradeoff_usd_per_point=value)
