"""What each tried policy does on the tuning requests, and how far it is from the goals.

Only values: nobody needs the interval of a policy that is not chosen. A goal that limits a change
or a ratio is held against the policy as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.replay import Replay, replay_traffic
from toolkit.errors import PolicyError
from toolkit.evaluate.goals import LIMITS, limited
from toolkit.evaluate.intervals import RESAMPLES, Estimate, Metric, Rows, bootstrap_of
from toolkit.evaluate.quantiles import quantiles
from toolkit.evaluate.search.space import Space
from toolkit.evaluate.search.tunables import Value
from toolkit.policy.model import Goals, Policy
from toolkit.scenarios.aim import aim
from toolkit.schema import Status

if TYPE_CHECKING:
    from toolkit.scenarios.arrivals import Traffic

QUANTILES = {"latency_p50_s": 0.5, "latency_p95_s": 0.95, "latency_p99_s": 0.99}
MEANS = (
    "quality",
    "cost_usd_per_1k",
    "latency_mean_s",
    "error_rate",
    "degraded_rate",
    "fallback_rate",
)
SHARES = ("quality", "error_rate", "fallback_rate", "degraded_rate")
SHARE_UNIT = 0.05
"""A miss of this many of a share is as bad as a miss of the whole limit of another goal."""
LESS = 0.001
"""How much smaller the measured share may be than that of the policy as it stands."""


@dataclass(frozen=True)
class Trial:
    """One policy, on the tuning requests."""

    changes: Mapping[str, Value]
    """against the policy as it stands"""
    values: Mapping[str, float]
    """of each metric, NaN where not measured"""
    miss: float
    """by how much goals are missed, 0 where all are met"""

    @property
    def price(self) -> float:
        """What is to be low: the cost, or the mean latency where no cost is measured."""
        cost = self.values["cost_usd_per_1k"]
        return self.values["latency_mean_s"] if math.isnan(cost) else cost

    @property
    def quality(self) -> float:
        """What is to be high."""
        return self.values["quality"]


@dataclass
class Trials:
    """Everything that was tried; the same policy is played once."""

    space: Space
    arrivals: Traffic
    rows: NDArray[np.intp]
    """the tuning requests"""
    goals: Goals
    seed: int
    found: dict[str, Trial] = field(default_factory=dict)
    """by what was changed"""
    asked: int = 0
    invalid: int = 0
    """contradicted themselves"""

    def start(self) -> Trial:
        """Try the policy as it stands; the others are held against it."""
        values = measured(self.replay(self.space.policy), self.rows, self.goals)
        trial = Trial({}, values, self._miss(values, values))
        self.found[_key({})] = trial
        return trial

    @property
    def first(self) -> Trial:
        """The policy as it stands."""
        return self.found[_key({})]

    def run(self, changes: Mapping[str, Value]) -> Trial | None:
        """Try one; None where the changes contradict each other."""
        self.asked += 1
        key = _key(changes)
        if key not in self.found:
            try:
                policy = self.space.with_changes(changes)
            except PolicyError:
                self.invalid += 1
                return None
            values = measured(self.replay(policy), self.rows, self.goals)
            miss = self._miss(values, self.first.values)
            self.found[key] = Trial(dict(changes), values, miss)
        return self.found[key]

    def replay(self, policy: Policy) -> Replay:
        """Play one against the whole traffic."""
        faults = aim(None, policy, self.arrivals.dataset.models)
        return replay_traffic(policy, self.arrivals, faults, self.seed)

    def _miss(self, values: Mapping[str, float], first: Mapping[str, float]) -> float:
        misses = [
            _beyond(values[name], first[name], getattr(self.goals, name), kind, name in SHARES)
            for name, kind in limited(self.goals)
        ]
        # What nobody measured must not pass for cheap or good.
        misses += [
            max(0.0, first[share] - LESS - values[share])
            for share in ("observed", "quality_measured", "cost_measured")
        ]
        return sum(misses)


def measured(replay: Replay, rows: NDArray[np.intp], goals: Goals) -> dict[str, float]:
    """The metrics of these requests, and which share of them was observed and measured."""
    status = replay.status[rows]
    seen = rows[status != Status.UNOBSERVED]
    status = replay.status[seen]
    latency, quality, cost = (
        values[seen] for values in (replay.latency_s, replay.quality, replay.cost_usd)
    )
    found = {
        "quality": _mean(quality),
        "cost_usd_per_1k": 1000 * _mean(cost),
        "latency_mean_s": _mean(latency),
        "error_rate": _mean(status == Status.ERROR),
        "degraded_rate": _mean(status == Status.DEGRADED),
        "fallback_rate": _mean(replay.fallback[seen]),
        "observed": len(seen) / len(rows),
        "quality_measured": 1 - _mean(np.isnan(quality)),
        "cost_measured": 1 - _mean(np.isnan(cost)),
    }
    known = latency[~np.isnan(latency)]
    for name, level in QUANTILES.items():
        if getattr(goals, name) is not None:
            found[name] = float(np.quantile(known, level)) if len(known) else math.nan
    return found


def estimates(replay: Replay) -> dict[str, Estimate]:
    """What goals may limit, with intervals, of all requests of a replay."""
    seen = np.flatnonzero(replay.status != Status.UNOBSERVED)
    status, latency = replay.status[seen], replay.latency_s[seen]
    boot = bootstrap_of(replay.arrivals, RESAMPLES, replay.seed)
    means = Rows(boot, seen, np.zeros(len(seen), np.int8), 1).means(
        Metric(replay.quality[seen], fraction=True),
        Metric(1000 * replay.cost_usd[seen]),
        Metric(latency),
        Metric((status == Status.ERROR).astype(float), fraction=True),
        Metric((status == Status.DEGRADED).astype(float), fraction=True),
        Metric(replay.fallback[seen].astype(float), fraction=True),
    )
    found = dict(zip(MEANS, (one for (one,) in means), strict=True))
    levels = quantiles(latency, tuple(QUANTILES.values()), boot.rows_of(seen))
    return found | dict(zip(QUANTILES, levels, strict=True))


def _mean(values: NDArray[np.generic]) -> float:
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return float(known.mean()) if len(known) else math.nan


def _beyond(value: float, first: float, goal: object, kind: str, share: bool) -> float:
    """How far a value is on the wrong side of its limits."""
    low, high = (getattr(goal, key, None) for key in LIMITS[kind])  # type: ignore[index]
    unit = SHARE_UNIT if share and kind != "ratio" else max(abs(first), 1e-9)
    if kind == "change":
        value -= first
    elif kind == "ratio":
        value, unit = value / first if first else math.nan, 1.0
    elif not share:
        unit = max(abs(low or 0.0), abs(high or 0.0)) or unit
    if math.isnan(value):
        return 1.0
    below = 0.0 if low is None else max(0.0, low - value)
    above = 0.0 if high is None else max(0.0, value - high)
    return (below + above) / unit


def _key(changes: Mapping[str, Value]) -> str:
    return repr(sorted(changes.items()))
