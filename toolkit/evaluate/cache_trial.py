"""One model behind one cache, request by request: which are answered from which others.

Simpler than a replay on purpose: an answer is in the cache as soon as its request has arrived, so
that what a threshold does is not mixed up with how fast models are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.cache.keys import cache_keys, codes_of, references
from toolkit.cache.similar import neighbours
from toolkit.engine.cached import cache_state, find, keep
from toolkit.engine.compiled import compiled
from toolkit.evaluate.intervals import Floats
from toolkit.policy.guards import Cache
from toolkit.scenarios.arrivals import traffic
from toolkit.schema import CATEGORY

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Trial:
    """What became of the requests; h of them are hits, the arrays of which are in row order."""

    cache: Cache
    row: NDArray[np.intp]
    """(h,) requests that were answered from the cache"""
    source: NDArray[np.int64]
    """(h,) the request that the answer was given to first"""
    quality: Floats
    """(h,) of the cached answer for this request; NaN where nobody knows"""
    other_answer: Floats
    """(h,) 1 where the two requests have different right answers, NaN where nobody knows"""
    by_chance: Floats
    """(h,) share of the other requests in the category that have this one's right answer; NaN
    where either right answer is unknown"""
    pairs: int
    """different pairs of keys among the hits"""
    cut: bool
    """some requests have more similar ones than were looked at"""


@compiled
def _walk(cache: Any, order: Any, now: Any, most_s: Any, answered: Any, source: Any) -> None:
    for i in range(order.shape[0]):
        row = order[i]
        hit = find(cache, row, now[row], most_s)
        if hit >= 0:
            source[row] = cache.entries[hit].row
        elif answered[row]:
            keep(cache, row, 0.0, False, now[row])


def trial(cache: Cache, dataset: Dataset, model: int, ttl_s: float, most: int) -> Trial:
    """Send the requests that ``model`` (its column) was observed on through a cache.

    They come in the order of their timestamps, else of their rows; a hit asks no model, and any
    other answer without an error is stored. ``ttl_s`` may be infinite.
    """
    requests = dataset.requests
    keys, answers = cache_keys(cache, requests), references(requests)
    near = neighbours(cache, requests, keys)
    arrival_s = traffic(None, dataset).arrival_s
    order = np.argsort(arrival_s, kind="stable")
    order = order[dataset.observed[order, model]]
    answered = dataset.observed[:, model] & (dataset.error[:, model] == 0)
    source = np.full(dataset.n_requests, -1, np.int64)
    state = cache_state(keys, answers, near, most)
    _walk(state, order, arrival_s, float(ttl_s), answered, source)

    row = np.flatnonzero(source >= 0)
    source = source[row]
    both = (answers[row] >= 0) & (answers[source] >= 0)
    same = ~both | (answers[row] == answers[source])
    # Without right answers an exact hit is still the same question, but the repeats among the hits
    # of a semantic cache would speak for the others, which are far more often wrong.
    known = both | (cache.kind == "exact")
    stored = dataset.quality[source, model] if dataset.graded else np.full(len(row), np.nan)
    quality = np.where(same, np.where(known, stored, np.nan), 0.0)
    other = np.where(known, ~same, np.nan)
    chance = np.where(both, _chance(dataset, answers)[row], np.nan)
    pairs = len(np.unique(np.stack([keys[row], keys[source]], 1), axis=0))
    return Trial(cache, row, source, quality, other, chance, pairs, near.cut)


def _chance(dataset: Dataset, answers: NDArray[np.int32]) -> Floats:
    """(n,) how likely another request of the same category has the same right answer."""
    n = dataset.n_requests
    category = np.zeros(n, np.int64)
    if CATEGORY in dataset.requests.column_names:
        category = codes_of(dataset.requests, CATEGORY, exact=True)
    known = answers >= 0
    pair = category * (int(answers.max(initial=0)) + 1) + answers
    _, at, same = np.unique(pair[known], return_inverse=True, return_counts=True)
    among = np.bincount(category[known], minlength=int(category.max(initial=0)) + 1)
    share = np.full(n, np.nan)
    others = np.maximum(among[category[known]] - 1, 1)
    share[known] = (same[at] - 1) / others
    return share
