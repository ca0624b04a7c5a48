"""What came out of a simulation, to be held against what went in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.logs.dataset import Dataset
from toolkit.logs.simulate.models import MODELS
from toolkit.logs.simulate.parameters import DRIFT, OUTAGES, START
from toolkit.schema import TIMESTAMP, TRANSIENT, ErrorType


@dataclass(frozen=True)
class Realised:
    """One model in a simulated log; NaN where the log is too small to tell."""

    model: str
    accuracy: float
    """Of answers, before the model drifts."""
    cost_usd_per_1k: float
    latency_mean_s: float
    latency_sd_s: float
    latency_p95_s: float
    """Cost and latency of answers."""
    availability: float
    """Share of calls without a transient failure, outside of its outages; those over the quota
    are not counted."""
    rate_limited: float
    """Share of calls that were over the quota."""
    failed_in_outages: float
    """Share of the calls within its outages that failed; NaN where it has none."""
    error_rate: float
    """Share of all calls that failed, for whatever reason."""


def seconds(dataset: Dataset) -> NDArray[np.float64]:
    """(n) when each request came, in seconds after the start."""
    moments = dataset.column(TIMESTAMP).cast(pa.timestamp("ms", "UTC")).cast(pa.int64())
    since: NDArray[np.float64] = moments.to_numpy() / 1000 - START.timestamp()
    return since


def in_outage(dataset: Dataset) -> NDArray[np.bool_]:
    """(n, m) whether the model was down when the request came."""
    when = seconds(dataset)
    down = np.zeros(dataset.observed.shape, np.bool_)
    for outage in OUTAGES:
        during = (when >= outage.start_s) & (when < outage.start_s + 60 * outage.minutes)
        down |= during[:, None] & np.isin(dataset.models, outage.models)
    return down


def realised(dataset: Dataset) -> tuple[Realised, ...]:
    """Measure a simulated dataset, model by model."""
    when, down = seconds(dataset), in_outage(dataset)
    found = []
    for k, model in enumerate(m.name for m in MODELS):
        error, latency_s = dataset.error[:, k], dataset.latency_s[:, k]
        answered = error == 0
        steady = answered & ((when < DRIFT.start_s) | (model != DRIFT.model))
        limited = error == ErrorType.RATE_LIMITED
        broken = np.isin(error, TRANSIENT) & ~limited
        up = ~down[:, k] & ~limited
        found.append(
            Realised(
                model,
                accuracy=_mean(dataset.quality[steady, k]),
                cost_usd_per_1k=1000 * _mean(dataset.cost_usd[answered, k]),
                latency_mean_s=_mean(latency_s[answered]),
                latency_sd_s=float(latency_s[answered].std()) if answered.any() else np.nan,
                latency_p95_s=(
                    float(np.quantile(latency_s[answered], 0.95)) if answered.any() else np.nan
                ),
                availability=1 - _mean(broken[up]),
                rate_limited=_mean(limited),
                failed_in_outages=_mean(broken[down[:, k]]),
                error_rate=_mean(~answered),
            )
        )
    return tuple(found)


def correlations(quality: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations of being right, one for each pair of the models (n, m), sorted."""
    pairs = np.triu_indices(quality.shape[1], 1)
    matrix: NDArray[np.float64] = np.atleast_2d(np.corrcoef(quality.T))
    return np.sort(matrix[pairs])


def _mean(values: NDArray[np.float64 | np.bool_]) -> float:
    return float(values.mean()) if values.size else np.nan
