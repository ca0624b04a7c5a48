"""Reads a dataset's replay columns once: keys, categories, time windows, and retry rates."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.engine.compiled import compiled
from toolkit.engine.facts import request_tokens
from toolkit.engine.keys import text_keys
from toolkit.engine.outcomes import FIRST_TRANSIENT, LAST_TRANSIENT, Observed
from toolkit.schema import CATEGORY, REQUEST_ID, TIMESTAMP, TRANSIENT

if TYPE_CHECKING:
    from toolkit.logs.datasets import Dataset

WINDOW_S = 600.0
"""Seconds of log over which a model's transient-error rate is taken."""

_cache: weakref.WeakKeyDictionary[Dataset, Observed] = weakref.WeakKeyDictionary()


def observe(dataset: Dataset, input_cost: bool = False) -> Observed:
    """Return the dataset's replay columns, computed once per dataset.

    ``input_cost`` also splits off what each call's input cost, for ``bill_timeouts: input_only``.
    """
    if dataset not in _cache:
        _cache[dataset] = _observe(dataset)
    if input_cost and len(_cache[dataset].input_cost_usd) == 0:
        _cache[dataset] = _cache[dataset]._replace(input_cost_usd=_input_cost(dataset))
    return _cache[dataset]


def _observe(dataset: Dataset) -> Observed:
    category, n_categories = _category_codes(dataset.requests)
    nothing = np.empty((0, dataset.n_models))
    log = Observed(
        observed=dataset.observed,
        quality=dataset.quality,
        cost_usd=dataset.cost_usd,
        input_cost_usd=nothing,
        latency_s=dataset.latency_s,
        error=dataset.error,
        request_key=text_keys(dataset.requests.column(REQUEST_ID)),
        model_key=text_keys(pa.array(dataset.models, pa.string())),
        category=category,
        window=_windows(dataset.requests),
        mean_quality=nothing,
        error_rate=nothing[..., None],
        pool_start=np.empty(0, np.int64),
        pool=np.empty(0, np.int32),
        output_tokens=dataset.output_tokens,
        request_tokens=request_tokens(dataset.requests),
    )
    return _with_rates(log, n_categories)


def _category_codes(requests: pa.Table) -> tuple[NDArray[np.int32], int]:
    if CATEGORY not in requests.column_names:
        return np.zeros(requests.num_rows, np.int32), 1
    text = pc.fill_null(pc.cast(requests.column(CATEGORY), pa.string()), "")
    encoded = text.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, max(len(encoded.dictionary), 1)


def _windows(requests: pa.Table) -> NDArray[np.int32]:
    none = np.zeros(requests.num_rows, np.int32)
    if TIMESTAMP not in requests.column_names or requests.num_rows == 0:
        return none
    column = requests.column(TIMESTAMP)
    if pa.types.is_timestamp(column.type):
        column = pc.divide(pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64()), 1e6)
    elif not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return none
    seconds = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    known = np.isfinite(seconds)
    if not known.any():
        return none
    start = np.floor(seconds[known].min() / WINDOW_S)
    _, codes = np.unique(
        np.where(known, np.floor(seconds / WINDOW_S) - start, -1.0), return_inverse=True
    )
    return codes.astype(np.int32)


@compiled
def _tally(
    log: Any, seen: Any, failed: Any, graded: Any, quality: Any, timed: Any, untimed: Any
) -> None:
    """Count outcomes per (window, model), kind and category in one pass.

    Errors are counted per kind of transient error, graded answers and their quality per
    (category, model), rows per (model, fate).
    """
    for i in range(log.observed.shape[0]):
        for k in range(log.observed.shape[1]):
            if not log.observed[i, k]:
                continue
            error = log.error[i, k]
            seen[log.window[i], k] += 1
            if FIRST_TRANSIENT <= error <= LAST_TRANSIENT:
                failed[log.window[i], k, error - FIRST_TRANSIENT] += 1
            elif error:
                continue
            elif not np.isnan(log.quality[i, k]):
                graded[log.category[i], k] += 1
                quality[log.category[i], k] += log.quality[i, k]
            fate = 2 * k + (1 if error else 0)
            if np.isnan(log.latency_s[i, k]):
                untimed[fate] += 1
            else:
                timed[fate] += 1


@compiled
def _fill_pools(log: Any, timed: Any, end: Any) -> None:
    """List the rows of each (model, fate): those with a latency, or all where none has one.

    ``end`` comes in as a copy of the pools' starts and goes out as their ends.
    """
    for i in range(log.observed.shape[0]):
        for k in range(log.observed.shape[1]):
            error = log.error[i, k]
            if not log.observed[i, k] or error > LAST_TRANSIENT:
                continue
            fate = 2 * k + (1 if error else 0)
            if timed[fate] and np.isnan(log.latency_s[i, k]):
                continue
            log.pool[end[fate]] = i
            end[fate] += 1


def _with_rates(log: Observed, n_categories: int) -> Observed:
    """Add what a retry is drawn from."""
    n_windows, m = int(log.window.max(initial=0)) + 1, log.observed.shape[1]
    seen = np.zeros((n_windows, m))
    failed = np.zeros((n_windows, m, len(TRANSIENT)))
    graded, quality = np.zeros((2, n_categories, m))
    timed, untimed = np.zeros((2, 2 * m), np.int64)
    _tally(log, seen, failed, graded, quality, timed, untimed)
    size = np.where(timed > 0, timed, untimed)
    start = np.concatenate([[0], np.cumsum(size)])
    with np.errstate(invalid="ignore"):  # a model never seen, or never graded, has no mean: NaN
        rate = np.where(
            seen[..., None] > 0, failed / seen[..., None], failed.sum(0) / seen.sum(0)[:, None]
        )
        mean = np.where(graded > 0, quality / graded, quality.sum(0) / graded.sum(0))
    log = log._replace(
        mean_quality=mean,
        error_rate=np.cumsum(rate, axis=2),
        pool_start=start,
        pool=np.empty(start[-1], np.int32),
    )
    _fill_pools(log, timed, start.copy())
    return log


def _input_cost(dataset: Dataset) -> NDArray[np.float64]:
    """Split each cost by the model's prices per token, recovered from its log by least squares."""
    share = np.full_like(dataset.cost_usd, np.nan)
    for k in range(dataset.n_models):
        tokens = np.column_stack([dataset.input_tokens[:, k], dataset.output_tokens[:, k]])
        cost = dataset.cost_usd[:, k]
        known = ~np.isnan(cost) & ~np.isnan(tokens).any(axis=1)
        if known.sum() < 2:
            continue
        price = np.linalg.lstsq(tokens[known], cost[known], rcond=None)[0]
        if (price >= 0).all():
            share[:, k] = np.minimum(tokens[:, 0] * price[0], cost)
    return share
