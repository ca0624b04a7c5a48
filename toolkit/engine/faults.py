"""What injected faults do to one call: the compiled half of ``scenarios.faults``.

Faults act in the order in which they are written, on what the log (or the stated rule for a
further attempt) says. A fault that refuses the call ends the matter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import inlined
from toolkit.engine.keys import Purpose, uniform
from toolkit.scenarios.faults import (
    BROWNOUT,
    INVALID,
    OUTAGE,
    OVERLOAD,
    PRICE,
    RATE_LIMIT,
    WRONG,
    Faults,
)
from toolkit.schema import ErrorType

_FAULT = np.int64(Purpose.FAULT)
_RATE_LIMITED = int(ErrorType.RATE_LIMITED)
_INVALID_OUTPUT = int(ErrorType.INVALID_OUTPUT)
_SEEDS = 1_000_003
_NEARLY = 1e-9


class World(NamedTuple):
    """The faults and how much each provider's injected limit still lets through."""

    faults: Faults
    level: NDArray[np.float64]
    """(f, k) requests left in a RATE_LIMIT's bucket"""
    filled_at: NDArray[np.float64]
    """(f, k)"""


class Struck(NamedTuple):
    """A call's outcome under the faults."""

    error: Any
    latency_s: Any
    cost_usd: Any
    price_factor: Any
    """what the faults multiply every cost of this call by; 0 where it was refused"""
    quality: Any
    retry_after_s: Any
    injected: Any
    """a fault other than a price acted"""


def world(faults: Faults) -> World:
    """The world at the start: every bucket full when its fault begins."""
    k = faults.hits.shape[1]
    limited = faults.kind == RATE_LIMIT
    level = np.where(limited, _burst(np.where(limited, faults.value, 0.0)), 0.0)
    return World(
        faults,
        np.ascontiguousarray(np.repeat(level[:, None], k, axis=1)),
        np.ascontiguousarray(np.repeat(faults.start_s[:, None], k, axis=1)),
    )


def _burst(per_min: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ten seconds' worth, at least one request."""
    return np.maximum(1.0, per_min / 6)


def needs_order(faults: Faults) -> bool:
    """Whether what a fault does to a call depends on the other calls."""
    return bool(np.isin(faults.kind, (RATE_LIMIT, OVERLOAD)).any())


@inlined
def strike(
    world: Any, request_key: Any, model_key: Any, attempt: Any, model: Any, now: Any,
    in_flight: Any, error: Any, latency: Any, cost: Any, quality: Any,
) -> Any:  # fmt: skip
    """Return what the faults make of a call to policy model ``model`` that starts ``now``."""
    faults = world.faults
    factor, after, injected = 1.0, 0.0, False
    for f in range(faults.kind.shape[0]):
        if not faults.hits[f, model] or not faults.start_s[f] <= now < faults.end_s[f]:
            continue
        if faults.period_s[f] < np.inf:
            into = (now - faults.start_s[f]) % faults.period_s[f]
            if into >= faults.down_s[f]:
                continue
        kind, value = faults.kind[f], faults.value[f]
        refused = kind == OUTAGE
        if kind == RATE_LIMIT:
            rate = value / 60.0
            most = max(1.0, value / 6.0)
            level = world.level[f, model] + (now - world.filled_at[f, model]) * rate
            level = min(level, most)
            world.filled_at[f, model] = now
            if level >= 1.0 - _NEARLY:
                level -= 1.0
            else:
                refused = True
                after = faults.retry_after_s[f]
                if np.isnan(after):
                    after = (1.0 - level) / rate
            world.level[f, model] = level
        if refused:
            error = np.int64(faults.error[f])
            latency, cost, factor, quality = faults.latency_s[f], 0.0, 0.0, 0.0
            injected = True
            break
        if kind == OVERLOAD:
            if in_flight > value:
                latency *= in_flight / value
                injected = True
        elif kind == BROWNOUT:
            latency *= value
            injected = True
        elif kind in (INVALID, WRONG):
            if error == 0:
                seed = np.int64(faults.seed * _SEEDS + f)
                if uniform(seed, request_key, model_key, attempt, _FAULT) < value:
                    quality = 0.0
                    injected = True
                    if kind == INVALID:
                        error = np.int64(_INVALID_OUTPUT)
        elif kind == PRICE:
            cost *= value
            factor *= value
    return Struck(np.int64(error), latency, cost, factor, quality, after, injected)
