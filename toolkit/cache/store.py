"""The cache of a live service: the semantics of replay, one request at a time, from any thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.cache.keys import FURTHER, TENANT, columns_of
from toolkit.cache.similar import MOST_NEIGHBOURS, SLACK, similarities, vector
from toolkit.cache.texts import normalised
from toolkit.embeddings import DIMENSIONS
from toolkit.policy.guards import Cache
from toolkit.schema import PROMPT

_Key = tuple[tuple[Hashable, ...], Hashable]
"""What must be equal also for a semantic hit, and the prompt."""


@dataclass(frozen=True)
class Hit:
    """A stored answer that may serve a request."""

    answer: str
    age_s: float
    similarity: float
    """1 for the same key."""


@dataclass
class _Entry:
    answer: str
    stored_at: float
    number: int
    """Counts the keys as they come in; of equally similar ones the first serves."""


class AnswerCache:
    """Answers by request, as a policy's ``cache`` says.

    Times are seconds of any clock, the same for all calls. Columns that a request does not have
    count as missing, and a request without a prompt is neither stored nor answered where the
    prompt belongs to the key. All methods may be called from several threads.
    """

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        there = {PROMPT, TENANT, *FURTHER, *(cache.key or ()), *(cache.scope or ())}
        self._scope, self._columns = columns_of(cache, there)
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._groups: dict[tuple[Hashable, ...], _Group] = {}
        self._numbers = count()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def look_up(self, request: Mapping[str, Any], now: float, *, stale: bool = False) -> Hit | None:
        """The answer for ``request`` that is fresh, or with ``stale`` not yet too old for that.

        Of a semantic cache the most similar one. A hit is a use: it goes last when room is needed.
        """
        key = self._key(request)
        if key is None:
            return None
        longest_s = self.cache.ttl_s + (self.cache.stale_if_error_s if stale else 0.0)
        about = vector(request[PROMPT]) if self._semantic else None
        with self._lock:
            for similarity, found in self._near(key, about):
                entry = self._entries[found]
                age_s = now - entry.stored_at
                if age_s <= longest_s:
                    self._entries.move_to_end(found)
                    return Hit(entry.answer, age_s, similarity)
        return None

    def store(self, request: Mapping[str, Any], answer: str, now: float) -> None:
        """Keep an accepted answer; when full, the one that was not used for longest goes."""
        key = self._key(request)
        if key is None:
            return
        about = vector(request[PROMPT]) if self._semantic else None
        with self._lock:
            kept = self._entries.get(key)
            if kept is None:
                while len(self._entries) >= self.cache.max_entries:
                    self._drop(self._entries.popitem(last=False)[0])
                if about is not None:
                    self._groups.setdefault(key[0], _Group()).add(key, about)
            number = next(self._numbers) if kept is None else kept.number
            self._entries[key] = _Entry(answer, now, number)
            self._entries.move_to_end(key)

    @property
    def _semantic(self) -> bool:
        return self.cache.kind == "semantic"

    def _key(self, request: Mapping[str, Any]) -> _Key | None:
        if PROMPT in self._columns and request.get(PROMPT) is None:
            return None
        scope = [normalised(request.get(name), exact=True) for name in self._scope]
        others = [normalised(request.get(name)) for name in self._columns if name != PROMPT]
        prompt = normalised(request.get(PROMPT)) if PROMPT in self._columns else None
        return (*scope, *others), prompt

    def _near(self, key: _Key, about: NDArray[np.float32] | None) -> list[tuple[float, _Key]]:
        """The entries that may answer, the most similar first."""
        same = [(1.0, key)] if key in self._entries else []
        group = self._groups.get(key[0])
        if about is None or group is None:
            return same
        found = [one for one in group.near(about, self.cache.threshold) if one[1] != key]
        found.sort(key=lambda one: (-one[0], self._entries[one[1]].number))
        return same + found[: MOST_NEIGHBOURS - 1]

    def _drop(self, key: _Key) -> None:
        group = self._groups.get(key[0])
        if group is not None:
            group.remove(key)
            if not group.keys:
                del self._groups[key[0]]


@dataclass
class _Group:
    """The vectors of the entries that differ in their prompts alone; row i is that of ``keys[i]``.

    The array has room for more, and a key that goes leaves its row to the last one.
    """

    keys: list[_Key] = field(default_factory=list)
    at: dict[_Key, int] = field(default_factory=dict)
    vectors: NDArray[np.float32] = field(
        default_factory=lambda: np.empty((8, DIMENSIONS), np.float32)
    )

    def add(self, key: _Key, about: NDArray[np.float32]) -> None:
        n = len(self.keys)
        if n == len(self.vectors):
            self.vectors = np.concatenate([self.vectors, np.empty_like(self.vectors)])
        self.vectors[n] = about
        self.keys.append(key)
        self.at[key] = n

    def remove(self, key: _Key) -> None:
        place, last = self.at.pop(key), self.keys.pop()
        if last != key:
            self.keys[place], self.at[last] = last, place
            self.vectors[place] = self.vectors[len(self.keys)]

    def near(self, about: NDArray[np.float32], threshold: float) -> list[tuple[float, _Key]]:
        """The similar ones in any order, by the same two steps as in replay."""
        vectors = self.vectors[: len(self.keys)]
        rows = np.flatnonzero(vectors @ about >= np.float32(threshold) - SLACK)
        exact = similarities(np.broadcast_to(about, (len(rows), DIMENSIONS)), vectors[rows])
        keep = exact >= np.float32(threshold)
        return [
            (float(similarity), self.keys[row])
            for similarity, row in zip(exact[keep], rows[keep].tolist(), strict=True)
        ]
