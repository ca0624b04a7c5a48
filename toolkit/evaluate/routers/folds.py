"""Which requests are judged by which part of the data: folds that share nothing with training.

Who has seen a request, or nearly the same one, knows its answer by heart. So the requests of one
user or session, and prompts that say nearly the same, are in one fold: ``grouped``. ``time`` judges
each block of time by a router of the blocks before it. ``random`` splits request by request, as
published comparisons do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Split: TypeAlias = Literal["grouped", "time", "random"]


@dataclass(frozen=True, eq=False)
class Folds:
    """The n requests by the fold that judges them."""

    kind: Split
    code: NDArray[np.intp]
    """(n,) fold of each request, from 0; −1: never judged, as the first block of time is"""
    groups: int
    """of requests that stay together; as many as requests where none do"""
    largest_group: int
    """requests in the largest of them"""
    note: str
    """how they were made, a sentence"""

    @property
    def count(self) -> int:
        """Folds that judge."""
        return int(self.code.max(initial=-1)) + 1

    def training(self, fold: int) -> NDArray[np.intp]:
        """Rows that the router of ``fold`` learns from."""
        if self.kind == "time":
            return np.flatnonzero(self.code < fold)
        return np.flatnonzero(self.code != fold)

    def judged(self, fold: int) -> NDArray[np.intp]:
        """Rows that it is judged on."""
        return np.flatnonzero(self.code == fold)

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "kind": self.kind,
            "folds": self.count,
            "groups": self.groups,
            "largest_group": self.largest_group,
            "note": self.note,
        }
