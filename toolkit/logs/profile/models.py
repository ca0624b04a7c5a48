"""Each model in numbers: what was measured, how good, how dear, how slow, how it failed.

A failure has quality 0 without anybody having graded it. So grades are counted over the answers
alone, and failures join them only where (nearly) every answer was graded: else a log with few
grades, or none, would look as bad as its failures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.logs.profile.source import Source
from toolkit.schema import ErrorType

MEASURES = ("quality", "cost_usd", "latency_s", "input_tokens", "output_tokens")
"""The numbers of an outcome, in the order of the columns of the arrays below."""
NEARLY_ALL = 0.99
_GRADE = "CASE WHEN error = 0 THEN quality END"
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
    """(m, 5) outcomes with a value of each of MEASURES; for quality, answers with a grade."""
    total: Floats
    """(m, 5) sums of the measured values."""
    squares: Floats
    """(m,) sum of the squares of quality."""
    lowest: Floats
    """(m,) lowest grade of an answer; NaN where none was graded."""
    highest: Floats
    """(m,) highest grade of an answer."""
    errors: Ints
    """(m, 13) outcomes by ErrorType code."""

    @property
    def failed(self) -> Ints:
        """(m,) outcomes with an error."""
        return self.outcomes - self.errors[:, ErrorType.NONE]

    @property
    def answered(self) -> Ints:
        """(m,) outcomes without an error."""
        return self.errors[:, ErrorType.NONE]

    @property
    def measured_share(self) -> Floats:
        """(m, 5) share of each model's outcomes with each of MEASURES; 0 where it has none.

        For quality it is the share of its answers.
        """
        return np.asarray(self.measured / np.maximum(self._out_of, 1))

    @property
    def _out_of(self) -> Ints:
        """(m, 5) how many values there could be."""
        out_of = np.repeat(self.outcomes[:, None], len(MEASURES), axis=1)
        out_of[:, 0] = self.answered
        return out_of

    @property
    def error_share(self) -> Floats:
        """(m, 13) share of each model's outcomes by ErrorType code."""
        return np.asarray(self.errors / np.maximum(self.outcomes, 1)[:, None])

    @property
    def failures_count(self) -> bool:
        """Whether failures are part of the quality, as 0: nearly every answer was graded."""
        return bool(self.measured[:, 0].sum() >= NEARLY_ALL * self.answered.sum())

    @property
    def graded(self) -> Ints:
        """(m,) outcomes behind the mean quality."""
        return self.measured[:, 0] + (self.failed if self.failures_count else 0)

    @property
    def quality(self) -> Floats:
        """(m,) mean quality; NaN where none was measured."""
        n = self.graded
        return np.asarray(np.divide(self.total[:, 0], n, out=np.full(len(n), np.nan), where=n > 0))

    def share(self, measure: str) -> float:
        """Share of all outcomes with this measured, of all answers for quality; NaN without any."""
        at = MEASURES.index(measure)
        n = int(self._out_of[:, at].sum())
        return float(self.measured[:, at].sum()) / n if n else np.nan


def model_facts(source: Source) -> ModelFacts:
    """One pass over the outcomes."""
    sums = ", ".join(f"count({c}), coalesce(sum({c}), 0)" for c in (_GRADE, *MEASURES[1:]))
    found = source.columns_of(
        f"SELECT model_ix, error, count(*), {sums}, coalesce(sum({_GRADE} * quality), 0),"  # noqa: S608 -- our own names
        f" min({_GRADE}), max({_GRADE}) FROM {source.outcomes} GROUP BY ALL"
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
