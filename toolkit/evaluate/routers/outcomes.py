"""The part of a dataset that a router is trained and judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate.intervals import Floats
from toolkit.logs.dataset import Dataset

MOST_MODELS = 30


@dataclass(frozen=True, eq=False)
class Outcomes:
    """n requests with a graded outcome of at least one of m models."""

    dataset: Dataset
    models: tuple[str, ...]
    """where no costs are known, by rising quality"""
    column: NDArray[np.intp]
    """(m,) columns of the dataset"""
    rows: NDArray[np.intp]
    """(n,) rows of it"""
    requests: pa.Table
    """(n rows)"""
    quality: Floats
    """(n, m) 0..1, NaN where not graded; an error is 0"""
    cost_usd: Floats
    latency_s: Floats

    @property
    def logged(self) -> bool:
        """Each request has the outcome of one model, the one that served it."""
        return self.dataset.kind == "logged"

    @property
    def complete(self) -> NDArray[np.bool_]:
        """(n,) graded for every model."""
        return np.asarray(~np.isnan(self.quality).any(axis=1))

    @property
    def priced(self) -> NDArray[np.bool_]:
        """(m,) with a cost at all."""
        return np.asarray(~np.isnan(self.cost_usd).all(axis=0))


def outcomes(dataset: Dataset, models: Sequence[str] | None = None) -> Outcomes:
    """Take what is graded of ``models`` (None: all that have grades).

    Raises:
        DataError: There is no such model, or one without grades; fewer than two, or too many, are
            left; no request is graded for all of them.
    """
    names = _models(dataset, models)
    column = np.array([dataset.models.index(name) for name in names])
    if np.isnan(dataset.cost_usd[:, column]).all():
        # The cheapest is then the one that is written first; a better model mostly costs more.
        means = [np.nanmean(dataset.quality[:, j]) for j in column]
        order = np.argsort(means, kind="stable")
        names, column = tuple(names[i] for i in order), column[order]
    rows = np.flatnonzero((~np.isnan(dataset.quality[:, column])).any(axis=1))
    at = np.ix_(rows, column)
    found = Outcomes(
        dataset,
        names,
        column,
        rows,
        dataset.requests.take(pa.array(rows)),
        dataset.quality[at],
        dataset.cost_usd[at],
        dataset.latency_s[at],
    )
    if not found.logged and not found.complete.any():
        raise DataError(
            f"models: no request of dataset {dataset.name!r} is graded for all of them, so that "
            f"nothing can be compared; got {len(names)} models; allowed: those that were asked the "
            "same requests"
        )
    return found


def _models(dataset: Dataset, models: Sequence[str] | None) -> tuple[str, ...]:
    graded = (~np.isnan(dataset.quality) & (dataset.error == 0)).any(axis=0)
    if not graded.any():
        raise DataError(
            f"train: dataset {dataset.name!r} has no grades: nothing says which answers were good; "
            "allowed: a dataset with a quality"
        )
    with_grades = [name for name, has in zip(dataset.models, graded, strict=True) if has]
    wanted = with_grades if models is None else list(dict.fromkeys(models))
    for name in wanted:
        if name not in dataset.models:
            allowed = did_you_mean(name, with_grades)
            raise DataError(
                f"models: dataset {dataset.name!r} has no such model; got {name!r}; "
                f"allowed: {allowed}"
            )
        if name not in with_grades:
            raise DataError(
                f"models: {name!r} has no grades in dataset {dataset.name!r}; allowed: "
                + did_you_mean(name, with_grades)
            )
    if len(wanted) < 2:
        raise DataError(
            f"models: a router needs two models to choose from; got {', '.join(wanted) or 'none'}; "
            f"allowed: {did_you_mean('', with_grades)}"
        )
    if len(wanted) > MOST_MODELS:
        raise DataError(
            f"models: too many to learn about at once; got {len(wanted)}; allowed: at most "
            f"{MOST_MODELS}: name those that you would use"
        )
    return tuple(wanted)
