"""Prompts that say nearly the same: whoever has learned one of them knows the others by heart.

Two prompts are near-duplicates where their embeddings have a cosine of ``ALIKE`` or more, and so is
whatever is connected by a chain of such pairs. Equal texts (but for case and spaces) always
are; above ``MOST`` different texts only those, as all pairs would take minutes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.embeddings import embed

ALIKE = 0.95
MOST = 30_000
BLOCK = 1_024
"""Prompts whose pairs are looked at together."""
_SPACES = re.compile(r"\s+")


def equal_prompts(prompts: Sequence[str | None]) -> NDArray[np.intp]:
    """The group of each prompt (n,) by its text, whatever its case and spaces, from 0.

    One that is empty or missing is a group of its own.
    """
    first: dict[str, int] = {}
    group = np.empty(len(prompts), np.intp)
    for i, prompt in enumerate(prompts):
        text = _SPACES.sub(" ", prompt or "").strip().casefold()
        group[i] = first.setdefault(text or f"\0{i}", len(first))
    return group


def near_duplicates(
    prompts: Sequence[str | None], vectors: NDArray[np.float32] | None = None
) -> NDArray[np.intp]:
    """The group of each prompt (n,), from 0; one that is empty or missing is a group of its own.

    ``vectors`` (n, d), of unit length, are their embeddings where somebody has them already.
    """
    key = equal_prompts(prompts)
    _, at = np.unique(key, return_index=True)  # a prompt of each text
    if not 1 < len(at) <= MOST:
        return key
    vectors = embed([prompts[i] or "" for i in at]) if vectors is None else vectors[at]
    return _connected(np.ascontiguousarray(vectors, np.float32))[key]


def _connected(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """Components (k,) of the graph of pairs of unit vectors (k, d) that are alike."""
    n = len(vectors)
    label = np.arange(n)
    for start in range(0, n, BLOCK):
        block = vectors[start : start + BLOCK]
        one, other = np.nonzero(block @ vectors[start:].T >= ALIKE)
        apart = label[one + start] != label[other + start]
        if apart.any():
            label = _merged(label, label[one[apart] + start], label[other[apart] + start])
    return np.asarray(np.unique(label, return_inverse=True)[1])


def _merged(label: NDArray[np.intp], a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.intp]:
    from scipy.sparse import coo_array  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

    n = int(label.max()) + 1
    pairs: Any = coo_array((np.ones(len(a), np.bool_), (a, b)), shape=(n, n))
    return np.asarray(connected_components(pairs, directed=False)[1])[label]
