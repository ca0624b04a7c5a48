"""Which requests tune and which report: two halves that share nothing.

Whoever picks the best of many policies picks one that was lucky, too. So one half of the requests
chooses, and the other, which no choice has seen, says what the choice is worth. As in service, the
earlier requests tune and the later report, in every category alike; without timestamps the halves
are drawn. What belongs together (a user, a session) stays on one side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.engine.keys import Purpose, text_keys, uniforms
from toolkit.errors import DataError
from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.format import count
from toolkit.schema import CATEGORY, REQUEST_ID, TIMESTAMP

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset
    from toolkit.scenarios.arrivals import Traffic

FEWEST = 40
"""Requests, or users, that can be halved: on fewer, either half says next to nothing."""


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of a dataset in two parts, both sorted."""

    tuning: NDArray[np.intp]
    held_out: NDArray[np.intp]
    by_time: bool
    """the earlier tune, the later report"""
    clustered_by: str | None
    """requests of equal value in this column stay together"""
    stratified_by: str | None
    """both parts have the same mix of this column"""

    @property
    def words(self) -> str:
        """How it was done, in a sentence."""
        tune, rest = count(len(self.tuning)), count(len(self.held_out))
        who = f"those of one {self.clustered_by} together" if self.clustered_by else ""
        mix = f"alike in each {self.stratified_by}" if self.stratified_by else ""
        notes = ", ".join(part for part in (who, mix) if part)
        how = "the earlier tune, the later report" if self.by_time else "drawn at random"
        return f"{tune} requests tuned, {rest} others report: {how}{f', {notes}' if notes else ''}."

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "tuning": len(self.tuning),
            "held_out": len(self.held_out),
            "by_time": self.by_time,
            "clustered_by": self.clustered_by,
            "stratified_by": self.stratified_by,
        }


def split(arrivals: Traffic, seed: int = 0) -> Split:
    """Halve the requests; the seed draws the halves where there are no timestamps.

    Raises:
        DataError: There are too few to halve.
    """
    dataset = arrivals.dataset
    n = dataset.n_requests
    found = clusters(dataset)
    unit = np.arange(n) if found is None else found.code
    units = n if found is None else found.count
    if units < FEWEST:
        what = "requests" if found is None else f"values of {found.column}"
        raise DataError(
            f"search: dataset {dataset.name!r} has too few to tune on one half and report on the "
            f"other; got {units} {what}; allowed: {FEWEST} or more"
        )
    requests = np.bincount(unit, minlength=units)
    by_time = _timed(dataset)
    if by_time:
        order = np.bincount(unit, arrivals.arrival_s, minlength=units) / requests
    else:
        # By the requests' names, so that the order of the rows decides nothing.
        order = np.full(units, np.inf)
        np.minimum.at(order, unit, _drawn(dataset, seed))
    stratum = _strata(dataset, unit, units)
    ranked = np.lexsort((order, stratum))
    tunes = np.zeros(units, np.bool_)
    tunes[ranked[_first_half(stratum[ranked], requests[ranked])]] = True
    side = tunes[unit]
    mixed = CATEGORY if len(np.unique(stratum)) > 1 else None
    return Split(
        np.flatnonzero(side),
        np.flatnonzero(~side),
        by_time,
        None if found is None else found.column,
        mixed,
    )


def _drawn(dataset: Dataset, seed: int) -> NDArray[np.float64]:
    """(n,) numbers in [0, 1), by request and seed."""
    keys = text_keys(dataset.requests[REQUEST_ID])
    seeds = np.full(len(keys), seed, np.uint64)
    return uniforms(seeds, keys, text_keys(pa.array(["search"]))[0], Purpose.SPLIT)


def _timed(dataset: Dataset) -> bool:
    """Whether at least two moments are known."""
    if TIMESTAMP not in dataset.requests.column_names:
        return False
    return bool(pc.count_distinct(dataset.requests[TIMESTAMP], mode="only_valid").as_py() > 1)


def _strata(dataset: Dataset, unit: NDArray[np.intp], units: int) -> NDArray[np.intp]:
    """(units,) the category of each unit, the most frequent of its requests; 0 without one."""
    if CATEGORY not in dataset.requests.column_names:
        return np.zeros(units, np.intp)
    names, code = np.unique(
        np.array(dataset.requests[CATEGORY].cast(pa.string()).fill_null("").to_pylist(), object),
        return_inverse=True,
    )
    k = len(names)
    if units == len(unit):
        own = np.empty(units, np.intp)
        own[unit] = code
        return own
    often = np.bincount(unit * k + code, minlength=units * k).reshape(units, k)
    return np.asarray(often.argmax(axis=1))


def _first_half(stratum: NDArray[np.intp], requests: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Of units that are sorted by stratum, those in the first half of their stratum's requests."""
    total = np.bincount(stratum, requests)
    before = np.cumsum(requests) - requests
    start = np.full(len(total), np.iinfo(np.int64).max)
    np.minimum.at(start, stratum, before)
    middle = before - start[stratum] + requests / 2
    # The odd one out of a small stratum goes to either side in turn.
    return np.asarray(middle + np.where(stratum % 2, 0.25, -0.25) < total[stratum] / 2)
