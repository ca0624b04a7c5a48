"""A result cut up: by the model that was called, by route, by category."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.groups import groups
from toolkit.evaluate.intervals import Bootstrap, Estimate, Floats, Ints, Metric, Rows
from toolkit.evaluate.quantiles import quantiles
from toolkit.schema import CATEGORY, ErrorType, Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay


@dataclass(frozen=True)
class Slice:
    """The requests of one route or category. Estimates are over the observed ones."""

    requests: int
    """observed"""
    unobserved: int
    share: float
    """of all observed requests"""
    quality: Estimate
    cost_usd_per_1k: Estimate
    latency_mean_s: Estimate
    latency_p95_s: Estimate
    error_rate: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return _to_dict(self)


@dataclass(frozen=True)
class ModelSlice:
    """What one model of the policy did."""

    requests: int
    """answered by it"""
    share: float
    """of all observed requests"""
    quality: Estimate
    """of its accepted answers"""
    calls: int
    """made to it, retries too"""
    call_error_rate: Estimate
    """of its calls, without those that were given up for a faster one"""
    cost_usd_per_1k_calls: Estimate
    latency_mean_s: Estimate
    """of a call"""
    cost_share: float
    """of what all measured calls cost together"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return _to_dict(self)


def _to_dict(part: Slice | ModelSlice) -> dict[str, Any]:
    values = {f.name: getattr(part, f.name) for f in fields(part)}
    counts = {k: v for k, v in values.items() if isinstance(v, int)}
    shares = {k: as_json.plain(v) for k, v in values.items() if isinstance(v, float)}
    named = {k: v for k, v in values.items() if isinstance(v, Estimate)}
    return counts | shares | as_json.estimates(named)


def by_model(replay: Replay, boot: Bootstrap) -> dict[str, ModelSlice]:
    """One slice per model of the policy, in its order, also for models never called."""
    names = replay.model_names
    k = len(names)
    seen = replay.status != Status.UNOBSERVED
    answered = np.flatnonzero(replay.model >= 0)
    model = replay.model[answered]
    (quality,) = Rows(boot, answered, model, k).means(
        Metric(replay.quality[answered], fraction=True)
    )
    requests = np.bincount(model, minlength=k)

    calls = replay.attempt_table
    request = calls.column("request_ix").to_numpy()
    rows = np.flatnonzero(seen[request])
    request, column = request[rows], _columns(calls, rows)
    code = column["model"]
    errors, cost, latency = Rows(boot, request, code, k).means(
        Metric(_failed(column["error"]), fraction=True),
        Metric(column["cost_usd"]),
        Metric(column["latency_s"]),
    )
    spent = np.array([e.value * e.n for e in cost])
    total = float(np.nansum(spent))
    n_calls = np.bincount(code, minlength=k)
    n_seen = int(seen.sum())
    return {
        name: ModelSlice(
            requests=int(requests[j]),
            share=_ratio(requests[j], n_seen),
            quality=quality[j],
            calls=int(n_calls[j]),
            call_error_rate=errors[j],
            cost_usd_per_1k_calls=cost[j].scaled(1000),
            latency_mean_s=latency[j],
            cost_share=_ratio(spent[j], total),
        )
        for j, name in enumerate(names)
    }


def _failed(error: Ints) -> Floats:
    """1 for a call that failed, else 0; NaN where nobody waited to see."""
    return np.where(error == ErrorType.CANCELLED, np.nan, error != ErrorType.NONE)


def by_route(replay: Replay, boot: Bootstrap) -> dict[str, Slice]:
    """One slice per rule and the default, in the policy's order, also where nothing matched."""
    names = replay.route_names
    code = np.where(replay.route < 0, len(names) - 1, replay.route)
    return _slices(replay, boot, code, names)


def by_category(replay: Replay, boot: Bootstrap) -> dict[str, Slice]:
    """One slice per category of the requests, by name; none where there is no such column."""
    if CATEGORY not in replay.dataset.requests.column_names:
        return {}
    found = groups(replay.dataset, CATEGORY)
    return _slices(replay, boot, found.code, found.names)


def _slices(
    replay: Replay, boot: Bootstrap, code: Ints, names: tuple[str, ...]
) -> dict[str, Slice]:
    k = len(names)
    seen = np.flatnonzero(replay.status != Status.UNOBSERVED)
    unobserved = np.bincount(code, minlength=k)
    code = code[seen]
    requests = np.bincount(code, minlength=k)
    unobserved -= requests
    latency = replay.latency_s[seen]
    quality, cost, mean, errors = Rows(boot, seen, code, k).means(
        Metric(replay.quality[seen], fraction=True),
        Metric(replay.cost_usd[seen]),
        Metric(latency),
        Metric((replay.status[seen] == Status.ERROR).astype(float), fraction=True),
    )
    # Short integers are sorted by radix, many times faster.
    order = np.argsort(code.astype(np.int16), kind="stable")
    grouped, row = latency[order], boot.rows_of(seen[order])
    start = np.concatenate([[0], np.cumsum(requests)])
    return {
        name: Slice(
            requests=int(requests[j]),
            unobserved=int(unobserved[j]),
            share=_ratio(requests[j], len(seen)),
            quality=quality[j],
            cost_usd_per_1k=cost[j].scaled(1000),
            latency_mean_s=mean[j],
            latency_p95_s=_p95(grouped, row, slice(start[j], start[j + 1])),
            error_rate=errors[j],
        )
        for j, name in enumerate(names)
    }


def _p95(values: Floats, row: Ints | None, part: slice) -> Estimate:
    return quantiles(values[part], [0.95], None if row is None else row[part])[0]


def _columns(table: pa.Table, rows: NDArray[np.intp]) -> dict[str, Any]:
    """The columns of the calls that are needed here, as arrays of the given rows."""
    wanted = ("model", "error", "cost_usd", "latency_s")
    return {name: table.column(name).to_numpy()[rows] for name in wanted}


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
