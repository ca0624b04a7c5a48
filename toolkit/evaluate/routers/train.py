"""Train a router, and judge it on requests that it has not seen.

Everything is chosen inside the training folds: the router's own regularisation, blend and
calibration, and the lookup table that it is held against. What is kept in the end is a router that
has learned from all requests; the figures are those of the routers of the folds, which have learned
from fewer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.decide import check_seed
from toolkit.errors import DataError
from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.intervals import bootstrap_of
from toolkit.evaluate.routers.calibration import calibration as calibration_of
from toolkit.evaluate.routers.details import Details, details_of, leaks_of
from toolkit.evaluate.routers.doubly import stand_ins
from toolkit.evaluate.routers.doubts import assumptions, warnings
from toolkit.evaluate.routers.folds import Folds, make_folds
from toolkit.evaluate.routers.measured import Sample
from toolkit.evaluate.routers.numbers import numbers_of
from toolkit.evaluate.routers.outcomes import Outcomes, outcomes
from toolkit.evaluate.routers.steps import Progress, Steps
from toolkit.evaluate.routers.training import Training
from toolkit.evaluate.routers.unseen import Unseen, unseen_of
from toolkit.evaluate.routers.weighing import weighing
from toolkit.evaluate.routers.weights import LogWeights, log_weights
from toolkit.evaluate.routers.words import verdict
from toolkit.logs.dataset import Dataset
from toolkit.remembering import remembering
from toolkit.schema import PROMPT

Splits: TypeAlias = Literal["auto", "grouped", "time", "random"]
SPLITS = ("auto", "grouped", "time", "random")
MOST_FOLDS = 20


@remembering()
def train(
    dataset: Dataset,
    *,
    models: Sequence[str] | None = None,
    text: str | None = "auto",
    columns: Sequence[str] | str = "auto",
    head: str = "auto",
    calibration: str | None = "isotonic",
    split: Splits = "auto",
    folds: int = 5,
    seed: int = 0,
    weights: str | None = "auto",
    details: bool = True,
    progress: Progress = None,
) -> Training:
    """Train a router on a log and say what it is worth.

    Args:
        dataset: requests with graded outcomes.
        models: names in the log; all that have grades, if not given (at most 30).
        text: how prompts are read: "auto", "embedding", "tfidf", "both" or None.
        columns: "auto", or names of request columns to read.
        head: "logistic", "boosting", "neighbours", "stack", or "auto": "stack" of fewer than 5,000
            requests, else "logistic".
        calibration: "isotonic", "sigmoid" or None.
        split: "grouped" (which "auto" means) keeps users, sessions and near-duplicate prompts on
            one side; "time" judges later requests by routers of earlier ones; "random" ignores all
            this, as published comparisons do.
        folds: of the split, 2 to 20.
        seed: of the folds, the router and the intervals.
        weights: "auto" weighs what a log with one outcome per request saw by how probably it was
            to see it, where requests that were not learned from are foretold better that way;
            None does not.
        details: also slices, learning curve, importance and floor, which take longer.
        progress: called with (done, of) steps; what it raises stops the work.

    Raises:
        DataError: The dataset has too little to learn from, or an argument is not allowed.
    """
    began = time.perf_counter()
    _check(split, folds, seed)
    found = outcomes(dataset, models)
    _check_columns(found, columns)
    given = {
        "text": text,
        "columns": columns if isinstance(columns, str) else list(columns),
        "head": head,
        "calibration": calibration,
        "split": split,
        "folds": folds,
        "seed": seed,
        "weights": weights,
        "details": details,
    }
    parts = make_folds(dataset, found.rows, "grouped" if split == "auto" else split, folds, seed)
    logged = log_weights(dataset, found.models, seed=seed) if found.logged else None
    # Whatever is learned with: what is judged stands for all requests.
    even = np.ones(found.quality.shape)
    judging = even if logged is None else logged.weight[found.rows]
    make = _maker(found, text, columns, calibration, seed)
    rivals_learn = ("neighbours",) if head != "neighbours" else ()
    looked = ("importance", "learning", "rest") if details else ()
    steps = Steps(progress, "folds", *rivals_learn, "router", "figures", *looked)
    how, weight = None, even
    if weights is None or logged is None or logged.even:
        unseen = unseen_of(found, parts, lambda: make(head), even, steps.part("folds"))
    else:
        unseen, how = weighing(found, parts, lambda: make(head), judging, steps.part("folds"))
        weight = judging if how.weighted else even
    near = None
    if rivals_learn:
        # Shares among neighbours are probabilities as they are.
        near = unseen_of(
            found, parts, lambda: make("neighbours", None), weight, steps.part("neighbours")
        )
    router = make(head)
    router.fit(
        found.requests, found.quality, weight, cost_usd=found.cost_usd, latency_s=found.latency_s
    )
    steps.part("router")(1, 1)
    sample, judged = _sample(found, parts, unseen, logged, seed)
    at = np.flatnonzero(judged)
    read = [column["name"] for column in router.columns_]
    if router.features_.get("text"):
        read.insert(0, PROMPT)
    numbers = numbers_of(found, parts, sample, at, unseen, near, read, weight)
    together = clusters(dataset)
    trusted = calibration_of(
        unseen.quality[at],
        found.quality[at],
        found.models,
        weight=judging[at] if found.logged else None,
        cluster=None if together is None else together.code[found.rows[at]],
        seed=seed,
    )
    steps.part("figures")(1, 1)
    more = Details()
    if details:
        more = details_of(
            found,
            parts,
            sample,
            at,
            unseen,
            numbers,
            lambda: make(head),
            read,
            weight,
            judging,
            seed,
            steps,
        )
    training = Training(
        dataset=dataset,
        models=found.models,
        rows=found.rows,
        judged=judged,
        settings=given,
        router=router,
        quality=found.quality,
        cost_usd=found.cost_usd,
        predicted=unseen.quality,
        predicted_cost=unseen.cost_usd,
        novelty=unseen.novelty,
        folds=parts,
        curve=numbers.curve,
        thresholds=numbers.thresholds,
        rivals=numbers.rivals,
        pair=numbers.pair.scores(found.models, numbers.singles) if numbers.pair else None,
        aiq=numbers.aiq,
        calibration=trusted,
        slices=more.slices,
        learning=more.learning,
        importance=more.importance,
        leaks=more.leaks if details else leaks_of(found, parts, read, seed),
        floor=more.floor,
        later=more.later,
        warnings=(),
        verdict="",
        assumptions=(),
        seconds=time.perf_counter() - began,
        logged=logged,
        weighing=how,
    )
    return replace(
        training,
        verdict=verdict(training),
        warnings=warnings(training),
        assumptions=assumptions(training),
    )


def _sample(
    found: Outcomes, folds: Folds, unseen: Unseen, logged: LogWeights | None, seed: int
) -> tuple[Sample, NDArray[np.bool_]]:
    """What is judged, and which rows of ``found`` these are."""
    judged = folds.code >= 0
    quality, cost = found.quality, found.cost_usd
    if logged is None:
        judged &= found.complete
    else:
        propensity = logged.propensity[found.rows]
        quality = stand_ins(unseen.quality, quality, propensity)
        cost = stand_ins(unseen.cost_usd, cost, propensity)
    if judged.sum() < 2:
        raise DataError(
            f"train: of dataset {found.dataset.name!r} too few requests are graded for all of "
            f"{len(found.models)} models to judge a router; got {int(judged.sum())}; allowed: "
            "models that were asked the same requests"
        )
    at = np.flatnonzero(judged)
    boot = bootstrap_of(found.dataset, seed=seed)
    return Sample(found.rows[at], quality[at], cost[at], boot, logged is None), judged


def _check(split: str, folds: int, seed: int) -> None:
    check_seed(seed)
    if split not in SPLITS:
        allowed = ", ".join(map(repr, SPLITS))
        raise DataError(f"split: there is no such split; got {split!r}; allowed: {allowed}")
    if not 2 <= folds <= MOST_FOLDS:
        raise DataError(f"folds: got {folds!r}; allowed: 2 to {MOST_FOLDS}")


def _check_columns(found: Outcomes, columns: Sequence[str] | str) -> None:
    """DataError where a column that was named tells nothing in all the requests."""
    from toolkit.learn.columns import learn_columns

    if not isinstance(columns, str):
        for name, why in learn_columns(found.requests, columns)[1].items():
            raise DataError(f"columns: {name!r} cannot be read: {why}; allowed: other columns")


def _maker(
    found: Outcomes,
    text: str | None,
    columns: Sequence[str] | str,
    calibration: str | None,
    seed: int,
) -> Callable[..., Any]:
    from toolkit.learn.router import QualityRouter

    def make(head: str, calibration: str | None = calibration) -> Any:
        return QualityRouter(
            list(found.models),
            text=text,
            columns=columns,
            head=head,
            calibration=calibration,
            random_state=seed,
        )

    return make
