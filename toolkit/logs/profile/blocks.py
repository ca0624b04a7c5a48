"""Which outcomes a log holds: each model over blocks of requests, in their order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.logs.profile.models import MEASURES
from toolkit.logs.profile.source import Source

MOST_BLOCKS = 200
WHAT = ("outcome", *MEASURES, "error")
"""What a cell can hold: an outcome at all, each measured number (quality: a graded answer), an
error."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """How full m models × b blocks of consecutive requests are."""

    models: tuple[str, ...]
    first: NDArray[np.int64]
    """(b,) number of the first request of each block, from 0."""
    size: NDArray[np.int64]
    """(b,) requests of each block."""
    count: NDArray[np.int64]
    """(7, m, b) how many of the requests of a block have each of WHAT from a model."""

    def share(self, what: str) -> NDArray[np.float64]:
        """(m, b) share of a block's requests that have it; of its outcomes, for errors."""
        held = self.count[WHAT.index(what)]
        return np.asarray(held / (np.maximum(self.count[0], 1) if what == "error" else self.size))

    def joined(self, least: int) -> Coverage:
        """The same in blocks of at least so many requests, but for the last."""
        step = -(-least // int(self.size.min(initial=least))) if self.size.size else 1
        starts = np.arange(0, self.size.size, step)
        return Coverage(
            self.models,
            self.first[starts],
            np.add.reduceat(self.size, starts),
            np.add.reduceat(self.count, starts, axis=2),
        )

    @property
    def middle(self) -> NDArray[np.float64]:
        """(b,) number of the request in the middle of each block, from 1."""
        return np.asarray(self.first + (self.size + 1) / 2)


def coverage(source: Source) -> Coverage:
    """One pass over the outcomes; at most 200 blocks."""
    n, m = source.n_requests, source.n_models
    blocks = min(MOST_BLOCKS, n)
    counts = ", ".join(f"count({c})" for c in MEASURES[1:])
    model, block, *found = source.columns_of(
        f"SELECT model_ix, CAST(request_ix AS BIGINT) * {blocks} // {max(n, 1)} AS block,"  # noqa: S608 -- numbers and names of ours
        f" count(*), count(quality) FILTER (error = 0), {counts},"
        f" count(*) FILTER (error <> 0) FROM {source.outcomes} GROUP BY ALL"
    )
    count = np.zeros((len(WHAT), m, blocks), np.int64)
    for i, values in enumerate(found):
        count[i, model, block] = values
    # Request i belongs to block ⌊i b / n⌋, so block j begins at ⌈j n / b⌉.
    edges = -(-np.arange(blocks + 1) * n // max(blocks, 1))
    return Coverage(source.models, edges[:-1], np.diff(edges), count)
