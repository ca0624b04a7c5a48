"""How the requests of a scenario fared: all of them, and those that met its faults."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.format import (
    number_interval,
    percent_interval,
    quality_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.evaluate.intervals import Bootstrap, Estimate, Metric, Rows
from toolkit.evaluate.quantiles import quantiles
from toolkit.schema import Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay


@dataclass(frozen=True)
class Measures:
    """How a part of the requests fared. Estimates are over the observed ones."""

    requests: int
    """all of them, also the unobserved"""
    unobserved: int
    error_rate: Estimate
    degraded_rate: Estimate
    success_rate: Estimate
    """accepted: answered by a model or, with what is fresh, from the cache"""
    quality: Estimate
    """0..1; an error counts as 0, so that an accepted answer that is wrong is no success here"""
    latency_p95_s: Estimate
    cost_usd_per_1k: Estimate
    attempts_mean: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        named = {name: getattr(self, name) for name in ESTIMATES}
        counts = {"requests": self.requests, "unobserved": self.unobserved}
        return counts | as_json.estimates(named, nest_latency=False)

    @property
    def words(self) -> tuple[str, ...]:
        """The estimates as people read them, in the order of ``HEAD``."""
        return (
            percent_interval(self.error_rate),
            percent_interval(self.degraded_rate),
            percent_interval(self.success_rate),
            quality_interval(self.quality),
            seconds_interval(self.latency_p95_s),
            usd_interval(self.cost_usd_per_1k),
            number_interval(self.attempts_mean),
        )


ESTIMATES = tuple(f.name for f in fields(Measures)[2:])
"""The fields of Measures that are estimates."""


def during(replay: Replay) -> NDArray[np.bool_]:
    """(n,) the requests that arrived during the faults.

    A price and what lasts from the first arrival to the last are circumstances, not incidents:
    they count only where there is nothing else.
    """
    faults = replay.scenario.faults if replay.scenario else ()
    at = replay.arrival_s
    hits = [(fault.at_s <= at) & (at < fault.end_s) for fault in faults]
    passing = [
        hit for fault, hit in zip(faults, hits, strict=True) if not fault.price and not hit.all()
    ]
    return np.asarray(sum(passing or hits, start=np.zeros(len(at), np.bool_)))


def measures(replay: Replay, part: NDArray[np.bool_], boot: Bootstrap) -> Measures:
    """Estimate how the requests in ``part`` (n,) fared; ``boot`` is over all n."""
    seen = np.flatnonzero(part & (replay.status != Status.UNOBSERVED))
    status = replay.status[seen]
    errors, degraded, success, quality, cost, attempts = (
        estimates[0]
        for estimates in Rows(boot, seen, np.zeros(len(seen), np.int8), 1).means(
            Metric((status == Status.ERROR).astype(float), fraction=True),
            Metric((status == Status.DEGRADED).astype(float), fraction=True),
            Metric((status == Status.ACCEPTED).astype(float), fraction=True),
            Metric(replay.quality[seen], fraction=True),
            Metric(replay.cost_usd[seen]),
            Metric(replay.attempts[seen].astype(float)),
        )
    )
    return Measures(
        requests=int(part.sum()),
        unobserved=int(part.sum()) - len(seen),
        error_rate=errors,
        degraded_rate=degraded,
        success_rate=success,
        quality=quality,
        latency_p95_s=quantiles(replay.latency_s[seen], [0.95], boot.rows_of(seen))[0],
        cost_usd_per_1k=cost.scaled(1000),
        attempts_mean=attempts,
    )
