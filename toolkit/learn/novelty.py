"""How unlike everything in the training data a request is, and which of it is most like it.

Rows are compared by cosine. The distance to the nearest of at most 1,000 landmarks (distinct
training rows, drawn by seed) says little by itself, so it is told as a quantile: the share of
training rows that are nearer to a landmark other than themselves. A request's numbers are the same
to the last digit alone and in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.learn.nearest import most_like, padded, panels_of, to_nearest, unit_rows

LANDMARKS = 1_000
"""Training rows that novelty is measured against."""
REMEMBERED = 50_000
"""Training rows that `nearest` looks through; of more, as many are drawn by seed."""


@dataclass(frozen=True, eq=False)
class Familiar:
    """The rows of the training data that are remembered: r of them, with d coordinates."""

    width: int
    """d, coordinates of a row as `fit` was given it."""
    unit: NDArray[np.float32]
    """(r, D) rows of unit length, padded with zeros. Coordinate d is 1 for a row of zeros alone,
    which so is like another row of zeros and like nothing else."""
    row: NDArray[np.int64]
    """(r,) number of the row in the training data, rising."""
    landmark: NDArray[np.int64]
    """(l,) places of the landmarks in ``unit``, rising."""
    usual: NDArray[np.float64]
    """(r,) distances of the remembered rows to their nearest other landmark, rising; empty where
    there is no other."""
    id_text: NDArray[np.uint8]
    """The ids of the remembered rows in UTF-8, one after the other."""
    id_end: NDArray[np.int64]
    """(r,) where each id ends in ``id_text``."""

    @classmethod
    def fit(cls, vectors: NDArray[Any], ids: Sequence[str], seed: int) -> Familiar:
        """Remember training rows: ``vectors`` (n, d) finite numbers, an id for each.

        Raises:
            DataError: There are no rows, or a number is not finite, or the ids are not as many.
        """
        n, d = _shape(vectors)
        if not n or not d:
            raise DataError(f"nothing to remember; got {n} rows of {d} numbers; allowed: 1 or more")
        if len(ids) != n:
            raise DataError(f"each row needs its id; got {len(ids):,} ids for {n:,} rows")
        rng = np.random.default_rng(seed)
        row = np.sort(rng.permutation(n)[:REMEMBERED]).astype(np.int64)
        unit = unit_rows(np.asarray(vectors)[row])
        _, distinct = np.unique(unit.view(f"V{4 * unit.shape[1]}").ravel(), return_index=True)
        landmark = np.sort(rng.permutation(np.sort(distinct))[:LANDMARKS]).astype(np.int64)
        itself = np.full(len(row), -1)
        itself[landmark] = np.arange(len(landmark))
        usual = np.empty(0)
        if len(landmark) > 1:
            usual = to_nearest(unit, unit[landmark], panels_of(unit[landmark]), itself)
        texts = [str(ids[i]).encode("utf-8", "replace") for i in row]
        return cls(
            width=d,
            unit=unit,
            row=row,
            landmark=landmark,
            usual=np.sort(usual),
            id_text=np.frombuffer(b"".join(texts), np.uint8),
            id_end=np.cumsum([len(text) for text in texts], dtype=np.int64),
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """(r,) ids of the remembered rows, in the order of ``row``."""
        text, ends = self.id_text.tobytes(), self.id_end.tolist()
        return tuple(
            text[begin:end].decode("utf-8", "replace")
            for begin, end in zip([0, *ends], ends, strict=False)
        )

    def novelty(self, vectors: NDArray[Any]) -> NDArray[np.float64]:
        """(q,) 0..1 for rows (q, d): the share of training rows that are nearer to a landmark.

        1 is farther than all of them, 0 as near as any.

        Raises:
            DataError: Rows of another width, or a number that is not finite.
        """
        query = self._query(vectors)
        distance = to_nearest(query, *self._landmarks, np.full(len(query), -1))
        if not len(self.usual):
            return (distance > 0).astype(np.float64)
        return np.searchsorted(self.usual, distance, side="left") / len(self.usual)

    def nearest(
        self, vectors: NDArray[Any], k: int = 5
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Row numbers in the training data (q, k) and cosine similarities (q, k), best first.

        Equally similar rows come by number. Fewer than k columns where less is remembered.

        Raises:
            DataError: Rows of another width, or a number that is not finite.
        """
        at, apart = most_like(self._query(vectors), self.unit, self._panels, k)
        return self.row[at], np.clip(1 - apart, -1, 1)

    @cached_property
    def _landmarks(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = self.unit[self.landmark]
        return rows, panels_of(rows)

    @cached_property
    def _panels(self) -> NDArray[np.float32]:
        return panels_of(self.unit)

    def _query(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        _, d = _shape(vectors)
        if d != self.width:
            raise DataError(f"rows of another width; got {d} numbers; allowed: {self.width}")
        return unit_rows(np.asarray(vectors))

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Compiled loops do not look whether a place exists, and a file may say anything.
        problem = _problem(state)
        if problem:
            raise DataError(f"the remembered rows do not fit together: {problem}")
        self.__dict__.update(state)


def _problem(state: dict[str, Any]) -> str:
    """What is wrong with the fields of a `Familiar` from a file, or nothing."""
    kinds: dict[str, tuple[type, int]] = {
        "unit": (np.float32, 2),
        "row": (np.int64, 1),
        "landmark": (np.int64, 1),
        "usual": (np.float64, 1),
        "id_text": (np.uint8, 1),
        "id_end": (np.int64, 1),
    }
    if set(state) != {*kinds, "width"} or type(state["width"]) is not int:
        return f"got the fields {', '.join(map(repr, sorted(state)))}"
    for name, (kind, axes) in kinds.items():
        value = state[name]
        if type(value) is not np.ndarray or value.dtype != kind or value.ndim != axes:
            return f"{name} is no array of {np.dtype(kind).name} with {axes} axes"
    unit, landmark = state["unit"], state["landmark"]
    if unit.shape[1] != padded(state["width"]) or not unit.flags.c_contiguous or not len(unit):
        return f"unit has the shape {unit.shape} for rows of {state['width']}"
    if not np.isfinite(unit).all():
        return "unit has numbers that are not finite"
    if not len(state["row"]) == len(state["id_end"]) == len(unit):
        return "row, id_end and unit differ in length"
    if not len(landmark) or landmark.min() < 0 or landmark.max() >= len(unit):
        return "landmark names rows that are not there"
    return ""


def _shape(vectors: NDArray[Any]) -> tuple[int, int]:
    shape = np.shape(vectors)
    if len(shape) != 2:
        raise DataError(f"rows of numbers are needed; got the shape {shape}; allowed: (n, d)")
    return shape[0], shape[1]
