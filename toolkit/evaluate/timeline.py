"""A replay over time: how requests ended, and what the breakers did meanwhile."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.scenarios.aim import aim
from toolkit.scenarios.words import label
from toolkit.schema import Status

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.engine.replay import Replay

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
State = Literal["closed", "open", "half_open"]
STATES: tuple[State, ...] = ("closed", "open", "half_open")
"""Of a breaker, in the order of their codes in ``Replay.changes``."""

_ROUND_S = (1, 2, 5, 10, 15, 20, 30)
_WIDTHS_S = (
    *(m * 10.0**e for e in range(-6, 0) for m in (1, 2, 5)),
    *(m * unit for unit in (1.0, 60.0) for m in _ROUND_S),
    *(3600.0 * m for m in (1, 2, 3, 6, 12, 24)),
)
"""Widths of a bin that read well on a clock."""


@dataclass(frozen=True)
class Band:
    """How long one model's breaker stayed in one state."""

    model: str
    state: State
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Span:
    """One fault of the scenario."""

    label: str
    """in few words, such as ``outage of the first model``"""
    models: tuple[str, ...]
    """of the policy, which it hits; none for a spike, which hits arrivals"""
    start_s: float
    end_s: float
    """inf: for ever"""


@dataclass(frozen=True, eq=False)
class Timeline:
    """A replay in b bins of equal width. Requests count in the bin in which they arrived."""

    start_s: Floats
    """(b + 1,) edges of the bins, seconds since the start of the replay"""
    accepted: Counts
    """(b,) answered by a model"""
    cached: Counts
    """(b,) answered from the cache with what is fresh; these and the others sum to the requests"""
    degraded: Counts
    """(b,) with a message, a refusal or a stale answer"""
    failed: Counts
    unobserved: Counts
    p50_s: Floats
    """(b,) median latency, as far as measured; NaN where none was"""
    p95_s: Floats
    cost_usd: Floats
    """(b,) sum of what was measured"""
    attempts: Counts
    """(b,) calls"""
    bands: tuple[Band, ...]
    """of every model with a breaker, one after the other from the first edge to the last"""
    spans: tuple[Span, ...]
    """the scenario's faults that begin before the last edge"""

    @property
    def requests(self) -> Counts:
        """(b,) that arrived."""
        return self.accepted + self.cached + self.degraded + self.failed + self.unobserved

    def to_pandas(self) -> pd.DataFrame:
        """One row per bin: ``start_s``, ``end_s`` and the counts, latencies and cost."""
        import pandas as pd

        columns: dict[str, Any] = {"start_s": self.start_s[:-1], "end_s": self.start_s[1:]}
        named = [f.name for f in fields(self)[1:-2]]
        return pd.DataFrame(columns | {name: getattr(self, name) for name in named})


def timeline(replay: Replay, bins: int = 60) -> Timeline:
    """Cut a replay into at most ``bins`` bins of a width that reads well on a clock."""
    edges = _edges(replay, bins)
    b, end = len(edges) - 1, float(edges[-1])
    bin_of = np.clip(np.searchsorted(edges, replay.arrival_s, side="right") - 1, 0, b - 1)
    # What is fresh in the cache has a status of its own here, the last.
    fresh = replay.cached & (replay.status == Status.ACCEPTED)
    ending = np.where(fresh, len(Status), replay.status)
    flat = np.bincount(bin_of * (len(Status) + 1) + ending, minlength=b * (len(Status) + 1))
    count = flat.reshape(b, len(Status) + 1)
    p50, p95 = _quantiles(replay.latency_s, bin_of, b, (0.5, 0.95))
    return Timeline(
        start_s=edges,
        accepted=count[:, Status.ACCEPTED],
        cached=count[:, len(Status)],
        degraded=count[:, Status.DEGRADED],
        failed=count[:, Status.ERROR],
        unobserved=count[:, Status.UNOBSERVED],
        p50_s=p50,
        p95_s=p95,
        cost_usd=np.bincount(bin_of, np.nan_to_num(replay.cost_usd), minlength=b).astype(float),
        attempts=np.bincount(bin_of, replay.attempts, minlength=b).astype(np.int64),
        bands=_bands(replay, end),
        spans=tuple(span for span in fault_spans(replay) if span.start_s < end),
    )


def _edges(replay: Replay, bins: int) -> Floats:
    last = float(replay.arrival_s.max(initial=0.0))
    stated = replay.scenario.duration_s if replay.scenario else None
    length = max(last, stated or 0.0) or 1.0
    width = next((w for w in _WIDTHS_S if w * bins >= length), 0.0)
    width = width or 86_400.0 * math.ceil(length / 86_400 / bins)
    return np.arange(math.ceil(length / width - 1e-9) + 1, dtype=np.float64) * width


def _quantiles(
    values: Floats, group: NDArray[np.intp], k: int, probabilities: tuple[float, ...]
) -> list[Floats]:
    """Quantiles of each group, interpolated linearly, (k,) per probability; NaN where empty."""
    known = ~np.isnan(values)
    values, group = values[known], group[known]
    ordered = values[np.lexsort((values, group))]
    n = np.bincount(group, minlength=k)
    first = np.cumsum(n) - n
    found = []
    for p in probabilities:
        out, some = np.full(k, np.nan), n > 0
        position = p * (n[some] - 1)
        below = position.astype(np.intp)
        above = np.minimum(below + 1, n[some] - 1)
        low, high = ordered[first[some] + below], ordered[first[some] + above]
        out[some] = low + (position - below) * (high - low)
        found.append(out)
    return found


def _bands(replay: Replay, end_s: float) -> tuple[Band, ...]:
    """Each breaker's states from 0 to ``end_s``, models in the policy's order."""
    changes = replay.changes
    found = []
    for i, (name, settings) in enumerate(replay.policy.models.items()):
        if settings.breaker is None:
            continue
        mine = changes.model == i
        starts = np.minimum([0.0, *changes.time_s[mine]], end_s)
        states = [STATES[0], *(STATES[s] for s in changes.state[mine])]
        for start, stop, now in zip(starts, [*starts[1:], end_s], states, strict=True):
            if stop > start:
                found.append(Band(name, now, float(start), float(stop)))
    return tuple(found)


def fault_spans(replay: Replay) -> tuple[Span, ...]:
    """The faults of a replay's scenario, in the order in which they are written."""
    if replay.scenario is None:
        return ()
    names = replay.model_names
    hits = iter(aim(replay.scenario, replay.policy, replay.dataset.models).hits)
    return tuple(
        Span(
            label(fault),
            ()
            if fault.spike
            else tuple(n for n, hit in zip(names, next(hits), strict=True) if hit),
            fault.at_s,
            fault.end_s,
        )
        for fault in replay.scenario.faults
    )
