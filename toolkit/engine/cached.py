"""The cache that a replay plays with: who may answer whom, and what is in it now.

An entry belongs to a key, which stands for everything that must be equal. The least recently used
entry goes first; a doubly linked list over the keys holds the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import inlined

if TYPE_CHECKING:
    from toolkit.cache.similar import Neighbours

_NEWEST, _OLDEST, _COUNT = 0, 1, 2


class CacheState(NamedTuple):
    """n requests, k keys, e pairs of keys that may answer each other."""

    key: NDArray[np.int64]
    """(n,) -1: never cached"""
    reference: NDArray[np.int32]
    """(n,) code of the right answer, -1 where not known"""
    start: NDArray[np.int64]
    """(k + 1,) the keys that may answer key i are ``near[start[i]:start[i + 1]]``"""
    near: NDArray[np.int32]
    """(e,) the most similar first"""
    present: NDArray[np.bool_]
    """(k,)"""
    stored_at: NDArray[np.float64]
    row: NDArray[np.int64]
    """(k,) the request that was answered"""
    quality: NDArray[np.float64]
    imputed: NDArray[np.bool_]
    newer: NDArray[np.int32]
    older: NDArray[np.int32]
    ends: NDArray[np.int64]
    """(3,) newest and oldest key, -1 where there is none; number of entries"""
    most: int


def cache_state(
    key: NDArray[np.int64], reference: NDArray[np.int32], near: Neighbours, most: int
) -> CacheState:
    """An empty cache."""
    k = len(near.start) - 1
    return CacheState(
        key, reference, near.start, near.key,
        np.zeros(k, np.bool_), np.zeros(k), np.zeros(k, np.int64), np.zeros(k),
        np.zeros(k, np.bool_), np.zeros(k, np.int32), np.zeros(k, np.int32),
        np.array([-1, -1, 0]), most,
    )  # fmt: skip


def no_cache() -> CacheState:
    """What stands for a cache where there is none."""
    ints = np.empty(0, np.int64)
    return CacheState(
        ints, np.empty(0, np.int32), np.zeros(1, np.int64), np.empty(0, np.int32),
        np.empty(0, np.bool_), np.empty(0), ints, np.empty(0), np.empty(0, np.bool_),
        np.empty(0, np.int32), np.empty(0, np.int32), np.array([-1, -1, 0]), 0,
    )  # fmt: skip


@inlined
def _unlink(cache: Any, key: Any) -> None:
    newer, older = np.int64(cache.newer[key]), np.int64(cache.older[key])
    if newer >= 0:
        cache.older[newer] = older
    else:
        cache.ends[_NEWEST] = older
    if older >= 0:
        cache.newer[older] = newer
    else:
        cache.ends[_OLDEST] = newer


@inlined
def _link(cache: Any, key: Any) -> None:
    """Make a key the newest."""
    before = cache.ends[_NEWEST]
    cache.newer[key] = -1
    cache.older[key] = before
    if before >= 0:
        cache.newer[before] = key
    else:
        cache.ends[_OLDEST] = key
    cache.ends[_NEWEST] = key


@inlined
def find(cache: Any, row: Any, now: Any, most_s: Any) -> Any:
    """The most similar entry for request ``row`` that is at most ``most_s`` old, or -1."""
    key = cache.key[row]
    if key < 0:
        return np.int64(-1)
    for e in range(cache.start[key], cache.start[key + 1]):
        other = np.int64(cache.near[e])
        if cache.present[other] and now - cache.stored_at[other] <= most_s:
            _unlink(cache, other)
            _link(cache, other)
            return other
    return np.int64(-1)


@inlined
def keep(cache: Any, row: Any, quality: Any, imputed: Any, now: Any) -> None:
    """Store the answer to request ``row``."""
    key = cache.key[row]
    if key < 0:
        return
    if cache.present[key]:
        _unlink(cache, key)
    else:
        if cache.ends[_COUNT] >= cache.most:
            oldest = cache.ends[_OLDEST]
            _unlink(cache, oldest)
            cache.present[oldest] = False
            cache.ends[_COUNT] -= 1
        cache.present[key] = True
        cache.ends[_COUNT] += 1
    _link(cache, key)
    cache.stored_at[key] = now
    cache.row[key] = row
    cache.quality[key] = quality
    cache.imputed[key] = imputed


@inlined
def hit_quality(cache: Any, key: Any, row: Any) -> Any:
    """How good the answer stored under ``key`` is for request ``row``; NaN where nobody knows."""
    wanted, given = cache.reference[row], cache.reference[cache.row[key]]
    if wanted >= 0 and given >= 0:
        return cache.quality[key] if wanted == given else 0.0
    return cache.quality[key] if cache.key[row] == key else np.nan
