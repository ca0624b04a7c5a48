"""When the requests of a replay arrive, and which rows of the log they are.

- Arrivals that a scenario states are filled with rows of the log, drawn at random with replacement.
  Without them each row arrives once, at its own timestamp, or one a second where no row has one.
  A row without a timestamp in a log that has some arrives together with the row before it.
- A spike is a warp of time: within its window time runs ``factor`` times as fast through the
  arrivals. Stated arrivals (``per_s``) still fill their ``for_s``, so there are more of them; those
  of a trace or a log keep their number, so that they are over earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import Problem
from toolkit.logs.dataset import Dataset
from toolkit.scenarios.draw import MOST_CELLS, drawn_rows
from toolkit.scenarios.model import Fault, Scenario
from toolkit.scenarios.problems import ScenarioError
from toolkit.scenarios.trace import read_times
from toolkit.schema import TIMESTAMP

DAY_S = 86_400


@dataclass(frozen=True, eq=False)
class Traffic:
    """n requests and when they arrive."""

    dataset: Dataset
    """The log itself, or its rows drawn anew: then the same object for the same draw."""
    arrival_s: NDArray[np.float64]
    """(n) seconds since the start, one for each request of ``dataset``; sorted where drawn."""
    origin_s: float
    """UTC time of day of the start, in seconds; 0 where unknown."""
    drawn: bool
    row: NDArray[np.int64]
    """(n) which request of the log each of them is."""


def traffic(scenario: Scenario | None, dataset: Dataset, seed: int = 0) -> Traffic:
    """Return the requests of a replay; None is a scenario that says nothing about them.

    Raises:
        ScenarioError: No request would arrive, or too many.
        DataError: The trace cannot be read, or the log has no requests to draw from.
    """
    spikes = scenario.spikes if scenario else ()
    if scenario is None or scenario.arrivals is None:
        times, origin = _log_times(dataset.requests)
        rows = np.arange(dataset.n_requests)
        return Traffic(dataset, warp(times, spikes), origin, drawn=False, row=rows)
    times = warp(_stated(scenario, dataset, seed), spikes)
    if not len(times) or not isfinite(times[-1]):
        raise ScenarioError([Problem("no request ever arrives", "arrivals")], scenario.scenario)
    rows, drawn = drawn_rows(dataset, len(times), scenario.seed, seed)
    return Traffic(drawn, times, 0.0, drawn=True, row=rows)


def _stated(scenario: Scenario, dataset: Dataset, seed: int) -> NDArray[np.float64]:
    """The stated arrivals, sorted, on the clock that spikes run faster."""
    stated = scenario.arrivals
    assert stated is not None
    if stated.trace is not None:
        times = read_times(stated.trace, stated.column)
        _refuse_too_many(len(times), scenario, dataset)
        return times
    assert stated.per_s is not None
    assert stated.for_s is not None
    expected = stated.per_s * float(unwarp(np.array([stated.for_s]), scenario.spikes)[0])
    _refuse_too_many(expected, scenario, dataset)
    if stated.pattern == "even":
        return np.arange(np.ceil(expected - 1e-9)) / stated.per_s
    # Gaps one after the other, so that a longer or later busier scenario begins the same.
    rng = np.random.default_rng([scenario.seed, seed % 2**64, 0])
    some = int(expected + 6 * expected**0.5) + 20
    times = rng.standard_exponential(some).cumsum()
    while times[-1] < expected:
        times = np.append(times, times[-1] + rng.standard_exponential(some).cumsum())
    return times[times < expected] / stated.per_s


def _refuse_too_many(expected: float, scenario: Scenario, dataset: Dataset) -> None:
    most = MOST_CELLS // max(dataset.n_models, 1)
    if expected > most:
        got = f"{expected:,.0f} arrivals on a log with {dataset.n_models} models"
        problem = Problem("are too many requests", "arrivals", got, f"about {most:,}")
        raise ScenarioError([problem], scenario.scenario)


def _log_times(requests: pa.Table) -> tuple[NDArray[np.float64], float]:
    """Seconds since the earliest timestamp, and that one's time of day."""
    n = requests.num_rows
    one_a_second = np.arange(n, dtype=np.float64), 0.0
    if TIMESTAMP not in requests.column_names:
        return one_a_second
    column = requests.column(TIMESTAMP)
    if pa.types.is_timestamp(column.type):
        moments = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64())
        start = pc.min(moments).as_py() or 0
        # Whole microseconds are subtracted before they become floats of seconds.
        seconds = (pc.fill_null(moments, start).to_numpy() - start) / 1e6
        if moments.null_count:
            seconds[pc.is_null(moments).to_numpy()] = np.nan
        origin = start % (DAY_S * 1_000_000) / 1e6
    elif pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        seconds = pc.cast(column, pa.float64(), safe=False).to_numpy()
        known = seconds[np.isfinite(seconds)]
        origin = float(known.min() % DAY_S) if len(known) else 0.0
        seconds = seconds - known.min(initial=np.inf)
    else:
        return one_a_second
    known = np.isfinite(seconds)
    if known.all():
        return seconds, origin
    if not known.any():
        return one_a_second
    before = np.maximum.accumulate(np.where(known, np.arange(n), -1))
    return seconds[np.where(before < 0, np.argmax(known), before)], origin


def warp(times: NDArray[np.float64], spikes: Sequence[Fault]) -> NDArray[np.float64]:
    """Return when (n) arrivals take place that would be at ``times`` without the spikes.

    Keeps their order. Where spikes overlap, their factors multiply.
    """
    if not spikes:
        return times
    edges, rates, passed = _segments(spikes)
    at = np.searchsorted(passed, times, side="right") - 1
    warped = edges[at] + (times - passed[at]) / rates[at]
    # Rounding must not carry an arrival over an edge, before one that it comes after.
    capped: NDArray[np.float64] = np.minimum(warped, np.append(edges[1:], np.inf)[at])
    return capped


def unwarp(times: NDArray[np.float64], spikes: Sequence[Fault]) -> NDArray[np.float64]:
    """Return where in the arrivals without spikes one is at ``times``: the inverse of `warp`."""
    if not spikes:
        return times
    edges, rates, passed = _segments(spikes)
    at = np.searchsorted(edges, times, side="right") - 1
    return passed[at] + (times - edges[at]) * rates[at]


def _segments(spikes: Sequence[Fault]) -> tuple[NDArray[np.float64], ...]:
    """Stretches of equal rate: their starts, their rates, and what has passed before each."""
    ends = [moment for spike in spikes for moment in (spike.at_s, spike.end_s)]
    edges = np.unique([0.0, *(end for end in ends if isfinite(end))])
    rates = np.ones(len(edges))
    for fault in spikes:
        assert fault.spike is not None
        rates[(edges >= fault.at_s) & (edges < fault.end_s)] *= fault.spike.factor
    return edges, rates, np.append(0.0, np.cumsum(np.diff(edges) * rates[:-1]))
