"""What a replay writes down: totals per request, a row per attempt, a row per skipped step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Totals(NamedTuple):
    """Per-request results, each of shape (n,)."""

    status: NDArray[np.int8]
    model: NDArray[np.int16]
    quality: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    error: NDArray[np.int8]
    attempts: NDArray[np.int16]
    fallback: NDArray[np.bool_]
    imputed: NDArray[np.bool_]
    cached: NDArray[np.bool_]
    skips: NDArray[np.int16]


class Attempts(NamedTuple):
    """One row per attempt, requests in order, each of shape (total attempts,)."""

    request_ix: NDArray[np.int32]
    attempt: NDArray[np.int16]
    step: NDArray[np.int16]
    """position in its chain, from 0"""
    model: NDArray[np.int16]
    """index into ``policy.models``"""
    hedge: NDArray[np.bool_]
    """a second call beside a slow one"""
    wait_s: NDArray[np.float64]
    """all pauses since the attempt before it"""
    start_s: NDArray[np.float64]
    """since the request's arrival"""
    latency_s: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    quality: NDArray[np.float64]
    error: NDArray[np.int8]
    imputed: NDArray[np.bool_]


class Skips(NamedTuple):
    """One row per model step that was not tried, requests in order."""

    request_ix: NDArray[np.int32]
    step: NDArray[np.int16]
    """position in its chain, from 0"""
    start_s: NDArray[np.float64]
    """since the request's arrival"""
    error: NDArray[np.int8]
    """why"""


def totals(n: int) -> Totals:
    """Room for n requests."""
    return Totals(
        np.empty(n, np.int8), np.empty(n, np.int16), np.empty(n), np.empty(n), np.empty(n),
        np.empty(n, np.int8), np.empty(n, np.int16), np.empty(n, np.bool_), np.empty(n, np.bool_),
        np.zeros(n, np.bool_), np.zeros(n, np.int16),
    )  # fmt: skip


def attempts(n: int) -> Attempts:
    """Room for n attempts."""
    return Attempts(
        np.empty(n, np.int32), np.empty(n, np.int16), np.empty(n, np.int16), np.empty(n, np.int16),
        np.zeros(n, np.bool_), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n),
        np.empty(n, np.int8), np.empty(n, np.bool_),
    )  # fmt: skip


def skips(n: int) -> Skips:
    """Room for n skipped steps."""
    return Skips(
        np.empty(n, np.int32), np.empty(n, np.int16), np.empty(n), np.empty(n, np.int8)
    )  # fmt: skip


class Recording(NamedTuple):
    """Where the rows of each request go, when a replay is played once more to see them."""

    attempts: Attempts
    first_attempt: NDArray[np.int64]
    """(n,) row of each request's first attempt; (0,) where nothing is recorded"""
    skips: Skips
    first_skip: NDArray[np.int64]


NOWHERE = Recording(attempts(0), np.empty(0, np.int64), skips(0), np.empty(0, np.int64))


def recording(done: Totals) -> Recording:
    """Room for everything that happened in a replay with these totals."""
    tries, passes = (np.cumsum(column, dtype=np.int64) for column in (done.attempts, done.skips))
    return Recording(
        attempts(int(tries[-1]) if len(tries) else 0),
        tries - done.attempts,
        skips(int(passes[-1]) if len(passes) else 0),
        passes - done.skips,
    )
