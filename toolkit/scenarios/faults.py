"""Faults as arrays, aimed at the models of one policy: what compiled code reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OUTAGE = 0
"""No call succeeds, for as long as the fault is down; flapping and withdrawal are outages too."""
RATE_LIMIT = 1
OVERLOAD = 2
BROWNOUT = 3
INVALID = 4
WRONG = 5
PRICE = 6


class Faults(NamedTuple):
    """f faults on the k models of a policy, in the order in which they are written.

    A fault acts on a call that starts at t (seconds of the replay) when ``start_s <= t < end_s``
    and ``(t - start_s) mod period_s < down_s``.
    """

    kind: NDArray[np.int64]
    """(f) one of the codes of this module."""
    hits: NDArray[np.bool_]
    """(f, k) which models of the policy, in its order."""
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    """(f) inf: until the end."""
    value: NDArray[np.float64]
    """(f) RATE_LIMIT requests a minute, OVERLOAD calls at once, BROWNOUT and PRICE a factor,
    INVALID and WRONG a share; NaN for OUTAGE."""
    latency_s: NDArray[np.float64]
    """(f) how long a call takes that OUTAGE or RATE_LIMIT fails; 0 otherwise."""
    retry_after_s: NDArray[np.float64]
    """(f) RATE_LIMIT: the wait that the provider asks for; NaN: until it has room again."""
    period_s: NDArray[np.float64]
    down_s: NDArray[np.float64]
    """(f) both inf without a period."""
    error: NDArray[np.int64]
    """(f) ErrorType code of a call that the fault fails, 0 where it fails none."""
    seed: int
    """The scenario's own, beside the replay's."""


def no_faults(k: int) -> Faults:
    """A world without faults, for a policy of ``k`` models."""
    none, codes = np.empty(0), np.empty(0, np.int64)
    hits = np.empty((0, k), np.bool_)
    return Faults(codes, hits, none, none, none, none, none, none, none, codes, 0)
