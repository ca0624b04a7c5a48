"""What takes longer to find out: slices, learning curve, importance, leaks, floor, later requests.

Slices hold the router against the best single model, and against the lookup table, at about the
cost of that model in each group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.groups import groups, sliceable
from toolkit.evaluate.intervals import Floats
from toolkit.evaluate.routers.arms import Arm
from toolkit.evaluate.routers.curve import THRESHOLDS
from toolkit.evaluate.routers.floor import Floor, floors
from toolkit.evaluate.routers.folds import Folds
from toolkit.evaluate.routers.importance import Importance, importance
from toolkit.evaluate.routers.later import Later, later_than
from toolkit.evaluate.routers.leakage import leaks
from toolkit.evaluate.routers.learning import LearningCurve, learning_curve
from toolkit.evaluate.routers.measured import Chosen, Sample
from toolkit.evaluate.routers.numbers import Numbers
from toolkit.evaluate.routers.outcomes import Outcomes
from toolkit.evaluate.routers.slices import RouterSlices, slices
from toolkit.evaluate.routers.steps import Steps
from toolkit.evaluate.routers.unseen import Unseen
from toolkit.schema import TIMESTAMP

if TYPE_CHECKING:
    from toolkit.learn.router import QualityRouter

MOST_SLICED = 6
"""Columns whose groups are looked at."""


@dataclass(frozen=True, eq=False)
class Details:
    """See the fields of the same names in ``Training``."""

    slices: RouterSlices | None = None
    learning: LearningCurve | None = None
    importance: tuple[Importance, ...] = ()
    leaks: tuple[str, ...] = ()
    floor: Floor | None = None
    later: Later | None = None


def details_of(
    found: Outcomes,
    folds: Folds,
    sample: Sample,
    judged: NDArray[np.intp],
    unseen: Unseen,
    numbers: Numbers,
    make: Callable[[], QualityRouter],
    read: list[str],
    weight: Floats,
    judging: Floats,
    seed: int,
    steps: Steps,
) -> Details:
    """Find out all of it; ``weight`` (n, m) is learned with, ``judging`` (n, m) judged by."""
    together = clusters(found.dataset)
    cluster = None if together is None else together.code[found.rows]
    judged_by = judging if found.logged else None
    worth = importance(
        unseen.routers,
        found.requests,
        found.quality,
        found.cost_usd,
        folds,
        read,
        weight=judged_by,
        cluster=cluster,
        seed=seed,
        progress=steps.part("importance"),
    )
    more = learning_curve(
        make,
        found.requests,
        found.quality,
        found.cost_usd,
        folds,
        weight=judged_by,
        learn_weight=weight,
        cluster=cluster,
        # Of a log, folds may have learned with other weights than the router that is kept.
        full=None if found.logged else (unseen.quality, unseen.cost_usd),
        seed=seed,
        progress=steps.part("learning"),
    )
    rest = steps.part("rest")
    known = leaks_of(found, folds, read, seed)
    rest(1, 4)
    held = None if cluster is None else cluster[judged]
    promised = None
    if not found.logged:
        promised = floors(
            THRESHOLDS,
            np.stack(numbers.by_quality),
            sample.quality,
            sample.cost_usd,
            cluster=held,
            seed=seed,
        )
    rest(2, 4)
    sliced = _slices(found, sample, numbers, read, held, seed)
    rest(3, 4)
    later = later_than(found, folds, unseen, make, weight, sample.boot)
    rest(4, 4)
    return Details(sliced, more, worth, known, promised, later)


def leaks_of(found: Outcomes, folds: Folds, read: list[str], seed: int) -> tuple[str, ...]:
    """What is read that cannot be known before the answer."""
    return leaks(
        found.requests,
        found.quality,
        found.models,
        read=read,
        fold=folds.code if folds.kind == "random" else None,
        answers=_answers(found),
        seed=seed,
    )


def _slices(
    found: Outcomes,
    sample: Sample,
    numbers: Numbers,
    read: list[str],
    cluster: NDArray[np.intp] | None,
    seed: int,
) -> RouterSlices | None:
    """The router in groups of requests against the best single model and the lookup table."""
    able = [name for name in sliceable(found.dataset) if name != TIMESTAMP]
    by = [name for name in able if name in read][:MOST_SLICED]
    if not by:
        return None
    row = np.arange(len(sample.request))

    def arm(name: str, ways: list[Chosen]) -> Arm:
        chosen = np.stack(ways)
        return Arm(name, sample.quality[row, chosen], sample.cost_usd[row, chosen])

    best = int(np.nanargmax(numbers.singles.qualities))
    rivals = [arm(found.models[best], [np.full(len(row), best)])]
    if numbers.table_ways:
        name = next(one.name for one in numbers.rivals if one.kind == "lookup")
        rivals.append(arm(name, numbers.table_ways))
    router = "the highest quality"
    if numbers.curve.points:
        router = f"about the cost of {found.models[best]} in each group"
    return slices(
        [groups(found.dataset, name) for name in by],
        arm(router, numbers.ways),
        rivals,
        rows=sample.request,
        cluster=cluster,
        seed=seed,
    )


def _answers(found: Outcomes) -> dict[str, list[str | None]] | None:
    """The texts of each model (n), where the log has them."""
    table = found.dataset.answers
    if table is None or "answer" not in table.column_names:
        return None
    place = np.full(found.dataset.n_requests, -1)
    place[found.rows] = np.arange(len(found.rows))
    request = place[table["request_ix"].to_numpy()]
    model = table["model_ix"].to_numpy()
    texts = {}
    for name, column in zip(found.models, found.column.tolist(), strict=True):
        mine = np.flatnonzero((model == column) & (request >= 0))
        given = np.full(len(found.rows), None, object)
        given[request[mine]] = table["answer"].take(pa.array(mine)).to_pylist()
        texts[name] = given.tolist()
    return texts
