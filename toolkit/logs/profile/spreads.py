"""How cost, latency and tokens are spread: exact quantiles, and counts in logarithmic bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.logs.profile.models import MEASURES
from toolkit.logs.profile.source import Source

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS_PER_DECADE = 10


@dataclass(frozen=True, eq=False)
class Spread:
    """The positive values of one measure, by model (m) and bin (b); zeros are counted apart."""

    models: tuple[str, ...]
    measure: str
    edges: NDArray[np.float64]
    """(b + 1,) in the unit of the measure, ten bins to a factor of ten; empty without values."""
    count: NDArray[np.int64]
    """(m, b)"""
    zeros: NDArray[np.int64]
    """(m,) values of exactly 0, which a logarithmic axis cannot show."""
    quantiles: NDArray[np.float64]
    """(m, 6) QUANTILES of all measured values, zeros included; interpolated linearly."""

    @property
    def share(self) -> NDArray[np.float64]:
        """(m, b) share of each model's positive values; NaN where a bin is empty."""
        rows = np.maximum(self.count.sum(axis=1, keepdims=True), 1)
        return np.where(self.count > 0, self.count / rows, np.nan)

    @property
    def middle(self) -> NDArray[np.float64]:
        """(b,) geometric middle of each bin."""
        return np.asarray(np.sqrt(self.edges[:-1] * self.edges[1:]))


def spread(source: Source, measure: str) -> Spread:
    """Two passes over one column of the outcomes."""
    assert measure in MEASURES
    m = source.n_models
    model, bin_, rows = source.columns_of(
        f"SELECT model_ix, CASE WHEN {measure} > 0"  # noqa: S608 -- our own names
        f" THEN CAST(floor({BINS_PER_DECADE} * log10({measure})) AS SMALLINT) END AS bin, count(*)"
        f" FROM {source.outcomes} WHERE {measure} IS NOT NULL GROUP BY ALL"
    )
    zero = np.isnan(bin_.astype(np.float64))
    zeros = np.bincount(model[zero], rows[zero], m).astype(np.int64)
    at = bin_[~zero].astype(np.int64)
    low, high = (int(at.min()), int(at.max())) if at.size else (0, -1)
    count = np.zeros((m, high - low + 1), np.int64)
    count[model[~zero], at - low] = rows[~zero]
    edges = 10.0 ** (np.arange(low, high + 2) / BINS_PER_DECADE) if at.size else np.empty(0)
    return Spread(source.models, measure, edges, count, zeros, _quantiles(source, measure))


def _quantiles(source: Source, measure: str) -> NDArray[np.float64]:
    found = np.full((source.n_models, len(QUANTILES)), np.nan)
    for model, values in source.rows(
        f"SELECT model_ix, quantile_cont({measure}, {list(QUANTILES)})"  # noqa: S608 -- our own names
        f" FROM {source.outcomes} WHERE {measure} IS NOT NULL GROUP BY ALL"
    ):
        found[model] = values
    return found
