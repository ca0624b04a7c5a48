"""Many policies on the same requests: replays, and all their intervals in one product.

To the bootstrap a policy is a slice: the requests as each policy leaves them stand one after the
other, and the weights of the draws meet all of them at once. That is done in parts, so that memory
does not grow with the number of policies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.replay import Replay, replay_traffic
from toolkit.evaluate.intervals import Bootstrap, Estimate, Floats, Metric, Rows
from toolkit.evaluate.quantiles import quantiles
from toolkit.policy.model import Policy
from toolkit.scenarios.arrivals import Traffic
from toolkit.scenarios.faults import Faults
from toolkit.scenarios.model import Scenario
from toolkit.schema import Status

MOST_VALUES = 2_000_000
"""Requests × policies that are in memory at once."""
MOST_AT_ONCE = 256
"""Policies whose intervals are found at once."""
MOST_CLUSTERED = 32
"""The same where requests come in clusters, of which each policy is asked by itself."""
MEANS = ("quality", "cost", "latency_mean_s", "error_rate", "fallback_rate", "degraded_rate")

Job: TypeAlias = tuple[Policy, Faults]
Step: TypeAlias = Callable[[], None]


@dataclass(frozen=True, eq=False)
class Measured:
    """How one policy fared on the requests that count."""

    requests: int
    unobserved: int
    imputed_share: float
    strong_share: float
    other_share: float
    estimates: dict[str, Estimate]
    """by the names of the goals"""
    mark: tuple[int, ...]
    """the same for policies that end alike on every request"""


@dataclass(frozen=True, eq=False)
class Swept:
    """p policies and r resamples."""

    measured: list[Measured]
    cost: Floats
    """(r, p) mean cost per 1,000 requests in each resample"""
    quality: Floats
    """(r, p)"""
    strong_share: Floats
    """(r, p) of a pair; (r, 0) without one"""


@dataclass(frozen=True, eq=False)
class World:
    """What all policies of a sweep meet."""

    arrivals: Traffic
    boot: Bootstrap
    part: NDArray[np.bool_]
    """(n,) the requests that the estimates are about; all are replayed"""
    seed: int
    scenario: Scenario | None
    pair: tuple[str, str] | None = None
    """names in the log of a weak and a strong model whose calls are counted"""

    def sweep(self, jobs: Sequence[Job], step: Step) -> Swept:
        """Replay every policy under its faults; ``step`` is called after each."""
        at_once = MOST_AT_ONCE if self.boot.row is None else MOST_CLUSTERED
        size = min(at_once, max(1, MOST_VALUES // max(int(self.part.sum()), 1)))
        parts = [
            self.estimates(self.endings(jobs[start : start + size], step))
            for start in range(0, len(jobs), size)
        ]
        measured, *drawn = zip(*parts, strict=True)
        cost, quality, strong = (np.concatenate(part, axis=1) for part in drawn)
        return Swept([one for part in measured for one in part], 1000 * cost, quality, strong)

    def endings(self, jobs: Sequence[Job], step: Step) -> list[Ending]:
        """Replay policies under their faults."""
        ends = []
        for policy, faults in jobs:
            one = replay_traffic(policy, self.arrivals, faults, self.seed, self.scenario)
            ends.append(self._ending(one))
            step()
        return ends

    def _ending(self, one: Replay) -> Ending:
        seen = np.flatnonzero(self.part & (one.status != Status.UNOBSERVED))
        status, latency = one.status[seen], one.latency_s[seen]
        means = (
            one.quality[seen],
            one.cost_usd[seen],
            latency,
            (status == Status.ERROR).astype(np.float64),
            one.fallback[seen].astype(np.float64),
            (status == Status.DEGRADED).astype(np.float64),
        )
        p50, p95, p99 = quantiles(latency, (0.5, 0.95, 0.99), self.boot.rows_of(seen))
        return Ending(
            seen,
            means,
            {"latency_p50_s": p50, "latency_p95_s": p95, "latency_p99_s": p99},
            float(one.imputed[seen].mean()) if len(seen) else math.nan,
            _called(one, self.pair, seen),
        )

    def estimates(self, ends: list[Ending]) -> tuple[list[Measured], Floats, Floats, Floats]:
        """The estimates of these policies; by resample their mean cost, quality, strong calls."""
        first: dict[tuple[int, ...], int] = {}
        place = [first.setdefault(end.mark, len(first)) for end in ends]
        # What ends alike is estimated once.
        different = [ends[place.index(k)] for k in range(len(first))]
        request, code, columns = _laid_out(different)
        rows = Rows(self.boot, request, code, len(different))
        metrics = [
            Metric(column, fraction=name not in {"cost", "latency_mean_s"})
            for name, column in zip(MEANS, columns, strict=True)
        ]
        by_name = dict(zip(MEANS, rows.means(*metrics), strict=True))
        by_name["cost_usd_per_1k"] = [cost.scaled(1000) for cost in by_name.pop("cost")]
        n = int(self.part.sum())
        measured = [
            Measured(
                requests=n,
                unobserved=n - len(end.seen),
                imputed_share=end.imputed_share,
                strong_share=end.share(0),
                other_share=end.share(1),
                estimates={name: means[k] for name, means in by_name.items()} | end.quantiles,
                mark=end.mark,
            )
            for k, end in zip(place, ends, strict=True)
        ]
        quality, cost = (
            drawn_means(self.boot, request, code, len(different), column)[:, place]
            for column in columns[:2]
        )
        return measured, cost, quality, self._strong(ends)

    def _strong(self, ends: list[Ending]) -> Floats:
        """(r, p) share of the requests in which the strong model was called, by resample."""
        drawn = [
            drawn_means(self.boot, end.seen, np.zeros(len(end.seen), np.intp), 1, end.called[0])
            for end in ends
            if len(end.called)
        ]
        return np.concatenate([np.empty((len(self.boot.weights), 0)), *drawn], axis=1)


def _laid_out(
    ends: list[Ending],
) -> tuple[NDArray[np.intp], NDArray[np.intp], list[Floats]]:
    """The requests of all policies as rows: request, policy and each of MEANS, (r,).

    Mostly all are observed on the same requests: then request by request, so that sums over the
    policies of a request are written where the last ones were.
    """
    seen, k = ends[0].seen, len(ends)
    means = zip(*(end.means for end in ends), strict=True)
    if all(np.array_equal(end.seen, seen) for end in ends[1:]):
        code = np.tile(np.arange(k), len(seen))
        return np.repeat(seen, k), code, [np.stack(one, axis=1).ravel() for one in means]
    code = np.repeat(np.arange(k), [len(end.seen) for end in ends])
    return np.concatenate([end.seen for end in ends]), code, [np.concatenate(one) for one in means]


@dataclass(frozen=True, eq=False)
class Ending:
    """How one policy left its observed requests (r)."""

    seen: NDArray[np.intp]
    means: tuple[Floats, ...]
    """in the order of MEANS, (r,) each"""
    quantiles: dict[str, Estimate]
    imputed_share: float
    called: Floats
    """(2, r) 0 or 1: the strong model of the pair, and any outside of it; (0, r) without a pair"""
    mark: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        mark = tuple(hash(column.tobytes()) for column in (self.seen, *self.means))
        object.__setattr__(self, "mark", mark)

    def share(self, row: int) -> float:
        """Of the requests, those in which these models were called."""
        return float(self.called[row].mean()) if self.called.size else math.nan


def drawn_means(
    boot: Bootstrap, request: NDArray[np.intp], code: NDArray[np.intp], k: int, values: Floats
) -> Floats:
    """The mean of each of k slices in every resample, (resamples, k); NaN where nothing counts."""
    units = boot.weights.shape[1]
    known = ~np.isnan(values)
    cell = boot.unit[request[known]] * k + code[known]
    top = np.bincount(cell, values[known], minlength=units * k).reshape(units, k)
    bottom = np.bincount(cell, minlength=units * k).reshape(units, k).astype(np.float64)
    number = bottom.sum(axis=0)
    centre = np.divide(top.sum(axis=0), number, out=np.zeros(k), where=number > 0)
    around = boot.weights @ (top - centre * bottom).astype(np.float32)
    # Mostly all policies are observed and measured on the same requests.
    same = k > 1 and bool((bottom == bottom[:, :1]).all())
    below = boot.weights @ (bottom[:, :1] if same else bottom).astype(np.float32)
    below = np.broadcast_to(below, around.shape)
    spread = np.full(around.shape, np.nan)
    np.divide(around, below, out=spread, where=below > 0)
    return np.asarray(centre + spread)


def _called(one: Replay, pair: tuple[str, str] | None, seen: NDArray[np.intp]) -> Floats:
    """(2, r) whether the strong model of a pair of the log was called, and one outside of it."""
    if pair is None:
        return np.empty((0, len(seen)))
    names = [one.policy.log_name(name) for name in one.model_names]
    strong = [i for i, name in enumerate(names) if name == pair[1]]
    others = [i for i, name in enumerate(names) if name not in pair]
    request, model = (one.attempt_table[name].to_numpy() for name in ("request_ix", "model"))
    asked = np.zeros((2, len(one.status)))
    for row, models in zip(asked, (strong, others), strict=True):
        row[request[np.isin(model, models)]] = 1
    return asked[:, seen]


def counter(progress: Callable[[int, int], None] | None, of: int) -> Step:
    """Return what tells ``progress`` that one more of so many is done."""
    done = iter(range(1, of + 1))

    def step() -> None:
        if progress is not None:
            progress(next(done), of)

    return step


def marked(measured: Sequence[Measured]) -> Iterator[int | None]:
    """For each policy, the first one before it that ends alike."""
    first: dict[tuple[int, ...], int] = {}
    for i, one in enumerate(measured):
        before = first.setdefault(one.mark, i)
        yield None if before == i else before
