"""A part of a replay, as if it were one of its own: all that judges a replay judges it.

The whole traffic was played, so that breakers, limits and the cache met what they would meet; only
what is read off is of these requests alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.engine.replay import Replay
from toolkit.engine.tables import Attempts, Recording, Skips, Totals
from toolkit.scenarios.arrivals import Traffic

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

_MATRICES = (
    "observed",
    "quality",
    "cost_usd",
    "latency_s",
    "input_tokens",
    "output_tokens",
    "error",
)


def rows_of(dataset: Dataset, rows: NDArray[np.intp], name: str) -> Dataset:
    """These rows (sorted) of a dataset as one of its own."""
    mark = hashlib.sha256(dataset.digest.encode() + rows.astype(np.int64).tobytes()).hexdigest()
    answers = dataset.answers
    if answers is not None:
        place = np.full(dataset.n_requests, -1, np.int32)
        place[rows] = np.arange(len(rows), dtype=np.int32)
        moved = pa.array(place[answers["request_ix"].to_numpy()])
        kept = pc.greater_equal(moved, 0)
        at = answers.column_names.index("request_ix")
        answers = answers.set_column(at, "request_ix", moved).filter(kept)
    return replace(
        dataset,
        name=name,
        requests=dataset.requests.take(pa.array(rows)),
        answers=answers,
        digest=mark,
        **{matrix: getattr(dataset, matrix)[rows] for matrix in _MATRICES},
    )


def part(replay: Replay, rows: NDArray[np.intp], dataset: Dataset) -> Replay:
    """The rows (sorted) of a replay; ``dataset`` holds just these, by `rows_of`."""
    arrivals = replay.arrivals
    of_rows = Traffic(
        dataset, arrivals.arrival_s[rows], arrivals.origin_s, arrivals.drawn, arrivals.row[rows]
    )
    columns = (*Totals._fields, "route", "chain", "propensity")
    found = _Part(
        **{name: getattr(replay, name) for name in Replay.__dataclass_fields__}
        | {name: getattr(replay, name)[rows] for name in columns}
        | {"dataset": dataset, "arrivals": of_rows}
    )
    vars(found)["_whole"] = replay, rows
    return found


class _Part(Replay):
    """A replay whose attempts are those of the whole."""

    @property
    def _rows(self) -> Recording:
        whole, rows = vars(self)["_whole"]
        played = whole._rows
        attempts = Attempts(*_kept(played.attempts, rows, len(whole.status)))
        skips = Skips(*_kept(played.skips, rows, len(whole.status)))
        first = (np.cumsum(count, dtype=np.int64) - count for count in (self.attempts, self.skips))
        return Recording(attempts, next(first), skips, next(first))


def _kept(table: Attempts | Skips, rows: NDArray[np.intp], n: int) -> list[NDArray[Any]]:
    """The columns of a table of attempts or skips, of these requests, numbered anew."""
    place = np.full(n, -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    moved = place[table.request_ix]
    kept = moved >= 0
    return [moved[kept], *(column[kept] for column in table[1:])]
