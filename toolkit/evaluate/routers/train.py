"""Train a router, and judge it on requests that it has not seen.

Everything is chosen inside the training folds: the router's own regularisation, blend and
calibration, and the lookup table that it is held against. What is kept in the end is a router that
has learned from all requests; the figures are those of the routers of the folds, which have learned
from fewer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from toolkit.engine.decide import check_seed
from toolkit.errors import DataError
from toolkit.evaluate.intervals import bootstrap_of
from toolkit.evaluate.routers.folds import make_folds
from toolkit.evaluate.routers.measured import Sample
from toolkit.evaluate.routers.numbers import numbers_of
from toolkit.evaluate.routers.outcomes import Outcomes, outcomes
from toolkit.evaluate.routers.training import Training
from toolkit.evaluate.routers.unseen import unseen_of
from toolkit.logs.dataset import Dataset

Progress: TypeAlias = Callable[[int, int], None] | None
Splits: TypeAlias = Literal["auto", "grouped", "time", "random"]
SPLITS = ("auto", "grouped", "time", "random")
MOST_FOLDS = 20


def train(
    dataset: Dataset,
    *,
    models: Sequence[str] | None = None,
    text: str | None = "auto",
    columns: Sequence[str] | str = "auto",
    head: str = "logistic",
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
        head: "logistic", "boosting", "neighbours" or "stack".
        calibration: "isotonic", "sigmoid" or None.
        split: "grouped" (which "auto" means) keeps users, sessions and near-duplicate prompts on
            one side; "time" judges later requests by routers of earlier ones; "random" ignores all
            this, as published comparisons do.
        folds: of the split, 2 to 20.
        seed: of the folds, the router and the intervals.
        weights: "auto" weighs what a log with one outcome per request saw by how probably it was
            to see it; None does not.
        details: also slices, learning curve, importance, leaks and floor, which take longer.
        progress: called with (done, of) steps; what it raises stops the work.

    Raises:
        DataError: The dataset has too little to learn from, or an argument is not allowed.
    """
    began = time.perf_counter()
    _check(split, folds, seed)
    found = outcomes(dataset, models)
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
    make = _maker(found, text, columns, calibration, seed)
    rivals_learn = head != "neighbours"
    step = _counter(progress, parts.count * (1 + rivals_learn) + 2)
    weight = np.ones(found.quality.shape)
    unseen = unseen_of(found, parts, lambda: make(head), weight, step)
    near = (
        unseen_of(found, parts, lambda: make("neighbours"), weight, step) if rivals_learn else None
    )
    router = make(head)
    router.fit(
        found.requests,
        found.quality,
        weight,
        cost_usd=found.cost_usd,
        latency_s=found.latency_s,
    )
    step()
    judged = parts.code >= 0
    if not found.logged:
        judged &= found.complete
    at = np.flatnonzero(judged)
    sample = Sample(
        found.rows[at], found.quality[at], found.cost_usd[at], bootstrap_of(dataset, seed=seed)
    )
    read = [column["name"] for column in router.columns_]
    numbers = numbers_of(found, parts, sample, at, unseen, near, read, weight)
    step()
    return Training(
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
        calibration=(),
        slices=None,
        learning=None,
        importance=(),
        leaks=(),
        floor=None,
        warnings=(),
        verdict="",
        assumptions=(),
        seconds=time.perf_counter() - began,
        estimated=found.logged,
    )


def _check(split: str, folds: int, seed: int) -> None:
    check_seed(seed)
    if split not in SPLITS:
        allowed = ", ".join(map(repr, SPLITS))
        raise DataError(f"split: there is no such split; got {split!r}; allowed: {allowed}")
    if not 2 <= folds <= MOST_FOLDS:
        raise DataError(f"folds: got {folds!r}; allowed: 2 to {MOST_FOLDS}")


def _maker(
    found: Outcomes,
    text: str | None,
    columns: Sequence[str] | str,
    calibration: str | None,
    seed: int,
) -> Callable[[str], Any]:
    from toolkit.learn.router import QualityRouter

    def make(head: str) -> Any:
        return QualityRouter(
            list(found.models),
            text=text,
            columns=columns,
            head=head,
            calibration=calibration,
            random_state=seed,
        )

    return make


def _counter(progress: Progress, of: int) -> Callable[[], None]:
    done = iter(range(1, of + 1))

    def step() -> None:
        if progress is not None:
            progress(next(done), of)

    return step
