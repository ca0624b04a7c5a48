"""Requests that belong together: those of one user, or of one conversation.

What one person asks is more alike than what many do, so a hundred requests of ten users tell less
than those of a hundred. Where a column says who or what a request belongs to, these clusters are
the sample, not the requests.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

CLUSTERS = (
    "user",
    "user_id",
    "end_user",
    "session",
    "session_id",
    "conversation",
    "conversation_id",
    "thread_id",
    "trace_id",
)
"""Columns that say so, as the importers name them, the widest first: a user has many sessions."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """The n requests of a dataset by whom or what they belong to."""

    column: str
    code: NDArray[np.intp]
    """(n,) the cluster of each request, from 0; one that belongs to nobody is its own"""
    count: int
    """clusters"""
    alone: NDArray[np.bool_]
    """(n,) the column is empty there"""


_kept: weakref.WeakKeyDictionary[Dataset, Clusters | None] = weakref.WeakKeyDictionary()


def clusters(dataset: Dataset) -> Clusters | None:
    """Clusters by the first of CLUSTERS that holds several values, some of them repeatedly."""
    if dataset not in _kept:
        _kept[dataset] = next(filter(None, (_by(dataset, name) for name in CLUSTERS)), None)
    return _kept[dataset]


def _by(dataset: Dataset, name: str) -> Clusters | None:
    if name not in dataset.requests.column_names:
        return None
    column = dataset.requests[name]
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind):
        return None
    # Texts, as a number of a user is a name too; a blank is nobody.
    text = pc.utf8_trim_whitespace(pc.cast(column, pa.string())).combine_chunks()
    coded = pc.dictionary_encode(pc.if_else(pc.equal(text, ""), None, text))
    different = len(coded.dictionary)
    alone = pc.is_null(coded).to_numpy(zero_copy_only=False)
    if not 1 < different < len(coded) - int(alone.sum()):
        return None
    code = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False).astype(np.intp)
    code[alone] = different + np.arange(int(alone.sum()))
    return Clusters(name, code, different + int(alone.sum()), alone)
