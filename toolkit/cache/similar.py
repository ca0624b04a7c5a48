"""Which cached answers may serve which request: equal keys, or prompts that are much alike.

Candidates come from float32 matrix products in blocks; the similarity of those few is then taken
anew in float64, pair by pair, so that it depends on nothing but the two prompts: not on how blocks
fell, and the live cache finds the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.cache.keys import (
    UNCACHED,
    Memory,
    codes_of,
    columns_of,
    grouped,
)
from toolkit.cache.texts import normalised, wording
from toolkit.embeddings import embed
from toolkit.errors import DataError
from toolkit.policy.guards import Cache
from toolkit.schema import PROMPT

MOST_KEYS = 50_000
"""More distinct requests than this are not compared with each other: it would take minutes."""
MOST_NEIGHBOURS = 64
"""Per key, itself among them."""
SLACK = np.float32(1e-4)
"""What a float32 product may be off by, with room to spare."""
_BLOCK = 8_000_000
"""Similarities at a time (32 MB)."""

_memory = Memory()


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each of K keys the keys whose answers may serve it, most similar first, itself first."""

    start: NDArray[np.int64]
    """(K + 1,) those of key k are at ``start[k]:start[k + 1]``."""
    key: NDArray[np.int32]
    """(e,)"""
    similarity: NDArray[np.float32]
    """(e,) cosine, 1 with itself; equal ones by key number."""
    cut: bool = False
    """Whether some key has more than MOST_NEIGHBOURS, of which only the most similar are here."""


def neighbours(cache: Cache, requests: pa.Table, keys: NDArray[np.int64]) -> Neighbours:
    """Find which keys of ``keys`` (those of :func:`cache_keys`) may answer which.

    exact: each only itself. semantic: those of the same scope and equal other key columns whose
    prompts have at least the threshold's cosine similarity, the 64 most similar of them; an empty
    prompt is like no other. Vectors and similarities are kept as long as the table is: another
    time to live costs nothing, and neither does a higher threshold.

    Raises:
        DataError: More than 50,000 distinct requests are to be compared.
    """
    n_keys = int(keys.max(initial=UNCACHED)) + 1
    if cache.kind == "exact":
        alone = np.arange(n_keys, dtype=np.int32)
        return Neighbours(np.arange(n_keys + 1), alone, np.ones(n_keys, np.float32))
    if n_keys > MOST_KEYS:
        raise DataError(
            f"a semantic cache compares each distinct request with all others, and there are"
            f" {n_keys:,} of them; allowed: {MOST_KEYS:,}. Take an exact cache or fewer requests"
        )
    name = ("similar", *columns_of(cache, requests.column_names))
    found: _Similar | None = _memory.of(requests).get(name)
    if found is None or found.threshold > cache.threshold:
        found = _similar(cache, requests, keys, n_keys)
        _memory.of(requests)[name] = found
    return found.above(cache.threshold)


@dataclass(frozen=True, eq=False)
class _Similar:
    """All pairs from a threshold up, from which those of a higher one are taken."""

    threshold: float
    row: NDArray[np.int32]
    key: NDArray[np.int32]
    similarity: NDArray[np.float32]
    next_best: NDArray[np.float32]
    """(K,) the highest similarity that was cut off, or 0."""

    def above(self, threshold: float) -> Neighbours:
        keep = self.similarity >= np.float32(threshold)
        counts = np.bincount(self.row[keep], minlength=len(self.next_best))
        return Neighbours(
            np.concatenate([[0], np.cumsum(counts)]),
            self.key[keep],
            self.similarity[keep],
            bool((self.next_best >= np.float32(threshold)).any()),
        )


def _similar(cache: Cache, requests: pa.Table, keys: NDArray[np.int64], n_keys: int) -> _Similar:
    # The first request of each key stands for it.
    first = np.zeros(n_keys, np.int64)
    cached = np.flatnonzero(keys != UNCACHED)[::-1]
    first[keys[cached]] = cached
    vectors, prompt = _vectors(requests)
    vectors = vectors[prompt[first]]
    scope, key = columns_of(cache, requests.column_names)
    others = [codes_of(requests, name, exact=True)[first] for name in scope]
    others += [codes_of(requests, name)[first] for name in key if name != PROMPT]
    group = grouped(others, n_keys)
    order = np.argsort(group, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(group))])
    alone = np.arange(n_keys, dtype=np.int32)
    parts = [(alone, alone, np.ones(n_keys, np.float32))]
    for begin, end in pairwise(ends.tolist()):
        if end - begin > 1:
            parts += _pairs(vectors, order[begin:end], cache.threshold)
    row, other, similarity = (np.concatenate(column) for column in zip(*parts, strict=True))
    # Itself first, then by similarity, then by number.
    order = np.lexsort((other, -similarity, row != other, row))
    row, other, similarity = row[order], other[order], similarity[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    next_best = np.zeros(n_keys, np.float32)
    over = rank == MOST_NEIGHBOURS
    next_best[row[over]] = similarity[over]
    keep = rank < MOST_NEIGHBOURS
    return _Similar(cache.threshold, row[keep], other[keep], similarity[keep], next_best)


def _pairs(
    vectors: NDArray[np.float32], keys: NDArray[np.int64], threshold: float
) -> list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]]:
    """The pairs of ``keys`` (from, to, similarity) that are alike, but for each with itself."""
    near, parts = vectors[keys], []
    height = max(1, _BLOCK // len(keys))
    for begin in range(0, len(keys), height):
        rough = near[begin : begin + height] @ near.T
        rows = np.arange(len(rough))
        rough[rows, begin + rows] = -1  # itself
        least = np.full(len(rough), threshold, np.float32)
        if len(keys) > MOST_NEIGHBOURS:
            # Of more than will be kept, the others need no second look.
            crowded = np.flatnonzero((rough >= least[0] - SLACK).sum(axis=1) > MOST_NEIGHBOURS)
            if len(crowded):
                last = np.partition(rough[crowded], -MOST_NEIGHBOURS, axis=1)[:, -MOST_NEIGHBOURS]
                least[crowded] = np.maximum(least[crowded], last)
        row, other = np.nonzero(rough >= least[:, None] - SLACK)
        similarity = similarities(near[begin + row], near[other])
        keep = similarity >= np.float32(threshold)
        parts.append(
            (
                keys[begin + row[keep]].astype(np.int32),
                keys[other[keep]].astype(np.int32),
                similarity[keep],
            )
        )
    return parts


def similarities(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each pair of unit vectors, (e,): ``one`` (e, 256) with ``other`` (e, 256)."""
    exact = np.empty(len(one))
    for begin in range(0, len(one), 16_384):
        part = slice(begin, begin + 16_384)
        exact[part] = np.einsum("ed,ed->e", one[part].astype(np.float64), other[part])
    result: NDArray[np.float32] = np.clip(exact, -1, 1).astype(np.float32)
    return result


def vector(prompt: object) -> NDArray[np.float32]:
    """The vector of one prompt, (256,)."""
    found: NDArray[np.float32] = embed([_said(prompt)])[0]
    return found


def _said(prompt: object) -> str:
    text = normalised(prompt)
    return wording(text) if isinstance(text, str) else "" if prompt is None else str(prompt)


def _vectors(requests: pa.Table) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors of the distinct prompts, (p, 256), and which of them each request has, (n,)."""

    def work() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        codes = codes_of(requests, PROMPT)
        numbers, first = np.unique(codes, return_index=True)
        at = np.zeros(int(numbers.max(initial=0)) + 1, np.int64)
        at[numbers] = np.arange(len(numbers))
        prompts = requests[PROMPT].take(pa.array(first)).to_pylist()
        return embed([_said(prompt) for prompt in prompts]), at[codes]

    return _memory.get(requests, "vectors", work)
