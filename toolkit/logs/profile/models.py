"""Each model in numbers: what was measured, how good, how dear, how slow, how it failed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.logs.profile.source import Source
from toolkit.schema import ErrorType

MEASURES = ("quality", "cost_usd", "latency_s", "input_tokens", "output_tokens")
"""The numbers of an outcome, in the order of the columns of the arrays below."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """Exact counts and sums of m models."""

    models: tuple[str, ...]
    n_requests: int
    outcomes: Ints
    """(m,)"""
    measured: Ints
    """(m, 5) outcomes with a value of each of MEASURES."""
    total: Floats
    """(m, 5) sums of the measured values."""
    squares: Floats
    """(m,) sum of the squares of quality."""
    lowest: Floats
    """(m,) lowest quality; NaN where none was measured."""
    highest: Floats
    """(m,) highest quality."""
    errors: Ints
    """(m, 13) outcomes by ErrorType code."""

    @property
    def failed(self) -> Ints:
        """(m,) outcomes with an error."""
        return self.outcomes - self.errors[:, ErrorType.NONE]

    @property
    def measured_share(self) -> Floats:
        """(m, 5) share of each model's outcomes with each of MEASURES; 0 where it has none."""
        return np.asarray(self.measured / np.maximum(self.outcomes, 1)[:, None])

    @property
    def error_share(self) -> Floats:
        """(m, 13) share of each model's outcomes by ErrorType code."""
        return np.asarray(self.errors / np.maximum(self.outcomes, 1)[:, None])

    @property
    def quality(self) -> Floats:
        """(m,) mean quality; NaN where none was measured."""
        n = self.measured[:, 0]
        return np.asarray(np.divide(self.total[:, 0], n, out=np.full(len(n), np.nan), where=n > 0))

    def share(self, measure: str) -> float:
        """Share of all outcomes with this measured; NaN where there is no outcome."""
        n = int(self.outcomes.sum())
        return float(self.measured[:, MEASURES.index(measure)].sum()) / n if n else np.nan


def model_facts(source: Source) -> ModelFacts:
    """One pass over the outcomes."""
    sums = ", ".join(f"count({c}), coalesce(sum({c}), 0)" for c in MEASURES)
    found = source.columns_of(
        f"SELECT model_ix, error, count(*), {sums}, coalesce(sum(quality * quality), 0),"  # noqa: S608 -- our own names
        f" min(quality), max(quality) FROM {source.outcomes} GROUP BY ALL"
    )
    model, error, rows = found[0], found[1], found[2].astype(np.int64)
    m = source.n_models

    def added(values: NDArray[np.generic]) -> Floats:
        return np.asarray(np.bincount(model, values.astype(np.float64), m), np.float64)

    errors = np.zeros((m, len(ErrorType)), np.int64)
    errors[model, error] = rows
    lowest, highest = np.full(m, np.nan), np.full(m, np.nan)
    np.fmin.at(lowest, model, found[-2].astype(np.float64))
    np.fmax.at(highest, model, found[-1].astype(np.float64))
    return ModelFacts(
        models=source.models,
        n_requests=source.n_requests,
        outcomes=errors.sum(axis=1),
        measured=np.stack([added(c) for c in found[3:13:2]], axis=1).astype(np.int64),
        total=np.stack([added(c) for c in found[4:13:2]], axis=1),
        squares=added(found[13]),
        lowest=lowest,
        highest=highest,
        errors=errors,
    )
