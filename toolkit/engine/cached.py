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

# One entry is one line of the processor's cache: a look-up waits for memory once.
ENTRY = np.dtype(
    [
        ("present", np.int64),
        ("stored_at", np.float64),
        ("row", np.int64),  # the request that was answered
        ("quality", np.float64),
        ("imputed", np.int64),
        ("newer", np.int64),  # keys; -1: none
        ("older", np.int64),
        ("start", np.int64),  # from here to the next one's start, ``near`` lists who may answer
    ],
    align=True,
)


class CacheState(NamedTuple):
    """n requests, k keys, e pairs of keys that may answer each other."""

    key: NDArray[np.int64]
    """(n,) -1: never cached"""
    reference: NDArray[np.int32]
    """(n,) code of the right answer, -1 where not known"""
    near: NDArray[np.int32]
    """(e,) the most similar first; (0,) where each key is answered by itself only"""
    entries: NDArray[np.void]
    """(k + 1,) of ENTRY, by key; of the last only ``start`` counts"""
    ends: NDArray[np.int64]
    """(3,) newest and oldest key, -1 where there is none; number of entries"""
    most: int


def cache_state(
    key: NDArray[np.int64], reference: NDArray[np.int32], near: Neighbours, most: int
) -> CacheState:
    """An empty cache."""
    entries = np.zeros(len(near.start), ENTRY)
    entries["start"] = near.start
    alone = len(near.key) == len(entries) - 1  # as each key is near to itself
    others = np.empty(0, np.int32) if alone else near.key
    return CacheState(key, reference, others, entries, np.array([-1, -1, 0]), most)


def no_cache() -> CacheState:
    """What stands for a cache where there is none."""
    codes = np.empty(0, np.int32)
    return CacheState(
        np.empty(0, np.int64), codes, codes, np.zeros(1, ENTRY), np.array([-1, -1, 0]), 0
    )


@inlined
def _unlink(cache: Any, key: Any) -> None:
    newer, older = cache.entries[key].newer, cache.entries[key].older
    if newer >= 0:
        cache.entries[newer].older = older
    else:
        cache.ends[_NEWEST] = older
    if older >= 0:
        cache.entries[older].newer = newer
    else:
        cache.ends[_OLDEST] = newer


@inlined
def _link(cache: Any, key: Any) -> None:
    """Make a key the newest."""
    before = cache.ends[_NEWEST]
    cache.entries[key].newer = -1
    cache.entries[key].older = before
    if before >= 0:
        cache.entries[before].newer = key
    else:
        cache.ends[_OLDEST] = key
    cache.ends[_NEWEST] = key


@inlined
def find(cache: Any, row: Any, now: Any, most_s: Any) -> Any:
    """The most similar entry for request ``row`` that is at most ``most_s`` old, or -1."""
    key = cache.key[row]
    if key < 0:
        return np.int64(-1)
    alone = cache.near.shape[0] == 0
    start, end = cache.entries[key].start, cache.entries[key].start + 1
    if not alone:
        end = cache.entries[key + 1].start
    for e in range(start, end):
        other = key if alone else np.int64(cache.near[e])
        if cache.entries[other].present and now - cache.entries[other].stored_at <= most_s:
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
    if cache.entries[key].present:
        _unlink(cache, key)
    else:
        if cache.ends[_COUNT] >= cache.most:
            oldest = cache.ends[_OLDEST]
            _unlink(cache, oldest)
            cache.entries[oldest].present = 0
            cache.ends[_COUNT] -= 1
        cache.entries[key].present = 1
        cache.ends[_COUNT] += 1
    _link(cache, key)
    cache.entries[key].stored_at = now
    cache.entries[key].row = row
    cache.entries[key].quality = quality
    cache.entries[key].imputed = imputed


@inlined
def hit_quality(cache: Any, key: Any, row: Any) -> Any:
    """How good the answer stored under ``key`` is for request ``row``; NaN where nobody knows."""
    wanted, given = cache.reference[row], cache.reference[cache.entries[key].row]
    if wanted >= 0 and given >= 0:
        return cache.entries[key].quality if wanted == given else 0.0
    return cache.entries[key].quality if cache.key[row] == key else np.nan
