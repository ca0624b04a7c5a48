"""A replay cut up for pictures: how requests end, what each model costs, how long answers take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.intervals import Ints
from toolkit.schema import ErrorType, Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay
    from toolkit.evaluate.summary import Summary

ANSWERED = "answered"
FROM_CACHE = "from cache"
POINTS = 201
"""A curve has at most so many points, whatever the number of requests."""


@dataclass(frozen=True, eq=False)
class Endings:
    """Shares of requests (or calls) that ended in each way, one row per name."""

    names: tuple[str, ...]
    ways: tuple[str, ...]
    count: NDArray[np.int64]
    """(names, ways)"""
    share: NDArray[np.float64]
    """(names, ways) of the row; NaN where the row is empty"""


@dataclass(frozen=True, eq=False)
class Curve:
    """A distribution function: ``share`` of the requests took at most ``seconds``."""

    name: str
    n: int
    seconds: NDArray[np.float64]
    share: NDArray[np.float64]
    p50: float
    p95: float


def endings_by_route(replay: Replay) -> Endings:
    """How the requests of each rule end: answered by a model or from the cache, or how else."""
    row = np.where(replay.route < 0, len(replay.route_names) - 1, replay.route)
    k = len(replay.model_names)
    answered = np.where(replay.cached, k, replay.model)
    way = np.where(replay.status == Status.ACCEPTED, answered, k + replay.status)
    others = (FROM_CACHE, *(s.label for s in Status if s is not Status.ACCEPTED))
    return _endings(replay.route_names, replay.model_names + others, row, way)


def endings_by_model(replay: Replay) -> Endings:
    """How the calls to each model end: answered, or with which error."""
    calls = replay.attempt_table
    error = calls.column("error").to_numpy()
    ways = tuple(ANSWERED if e is ErrorType.NONE else e.label for e in ErrorType)
    return _endings(replay.model_names, ways, calls.column("model").to_numpy(), error)


def _endings(
    names: tuple[str, ...],
    ways: tuple[str, ...],
    row: Ints,
    way: Ints,
) -> Endings:
    k = len(ways)
    flat = np.bincount(row.astype(np.intp) * k + way, minlength=len(names) * k)
    count = flat.reshape(len(names), k)
    total = count.sum(axis=1, keepdims=True)
    share = np.divide(count, total, out=np.full(count.shape, np.nan), where=total > 0)
    return Endings(names, ways, count.astype(np.int64), share)


def model_costs(summary: Summary) -> dict[str, float]:
    """What each model adds to the cost of 1,000 requests, in USD; the parts sum to the whole."""
    total = summary.cost_usd_per_1k.value
    return {name: total * part.cost_share for name, part in summary.by_model.items()}


def latency_curves(replay: Replay) -> tuple[Curve, ...]:
    """The latency of all requests, then of those that each model answered, as far as measured."""
    groups = [("all requests", np.ones(len(replay.status), np.bool_))]
    groups += [(name, replay.model == i) for i, name in enumerate(replay.model_names)]
    curves = []
    for name, rows in groups:
        known = replay.latency_s[rows]
        known = known[~np.isnan(known)]
        if known.size:
            share = np.linspace(0, 1, min(POINTS, max(known.size, 2)))
            p50, p95 = np.quantile(known, (0.5, 0.95))
            seconds = np.quantile(known, share)
            curves.append(Curve(name, known.size, seconds, share, float(p50), float(p95)))
    return tuple(curves)


def worst_category(summary: Summary, fewest: int = 10) -> str | None:
    """The category of lowest quality among those with at least ``fewest`` graded requests."""
    graded = {
        name: part.quality.value
        for name, part in summary.by_category.items()
        if part.quality.n >= fewest
    }
    return min(graded, key=graded.__getitem__) if len(graded) > 1 else None
