"""A dataset as the replay driver reads it, and the stated rule for what the log did not observe.

A log holds one outcome per (request, model). The first call to a model is answered by that
outcome as it stands. A *further* call to the same model for the same request is imputed:

- An error that is a property of the request (a refused prompt, an answer that cannot be parsed)
  comes back as it was.
- Otherwise a transient error is drawn with that model's rate in the same ten minutes of the log
  (of the whole log where it has no timestamps), and latency comes from an outcome of that model
  with the same fate, drawn at random.
- The answer's quality and cost are the logged ones where the log holds an answer that only came
  too late; else quality is that model's mean over answered requests of the same category, and
  cost comes with the drawn latency.

Draws are keyed on (seed, request, model, attempt), see ``keys``. Injected faults act on top of all
this, see ``faults``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.compiled import inlined
from toolkit.engine.faults import strike
from toolkit.engine.keys import Purpose, uniform
from toolkit.schema import TRANSIENT, ErrorType

FIRST_TRANSIENT, LAST_TRANSIENT = int(min(TRANSIENT)), int(max(TRANSIENT))
"""The transient errors' codes follow one another."""

_TIMEOUT = int(ErrorType.TIMEOUT)
_ERROR, _OUTCOME = np.int64(Purpose.ERROR), np.int64(Purpose.OUTCOME)


class Observed(NamedTuple):
    """The columns of one dataset: n requests, m models, c categories, w time windows."""

    observed: NDArray[np.bool_]
    """(n, m)"""
    quality: NDArray[np.float64]
    """(n, m) 0 to 1, NaN where not measured"""
    cost_usd: NDArray[np.float64]
    """(n, m) NaN where not measured"""
    input_cost_usd: NDArray[np.float64]
    """(n, m) the part of the cost that is due for the input, NaN where unknown; (0, m) unless a
    policy bills timed-out calls for their input only"""
    latency_s: NDArray[np.float64]
    """(n, m) NaN where not measured"""
    error: NDArray[np.int8]
    """(n, m) codes of ErrorType"""
    request_key: NDArray[np.uint64]
    """(n,)"""
    model_key: NDArray[np.uint64]
    """(m,)"""
    category: NDArray[np.int32]
    """(n,) 0 to c - 1"""
    window: NDArray[np.int32]
    """(n,) 0 to w - 1"""
    mean_quality: NDArray[np.float64]
    """(c, m) over answered, graded requests; NaN where there is none in the whole log"""
    error_rate: NDArray[np.float64]
    """(w, m, 4) cumulative rates of the transient errors, in the order of schema.TRANSIENT"""
    pool_start: NDArray[np.int64]
    """(2 m + 1,) of each model: first its answered rows, then its transient errors"""
    pool: NDArray[np.int32]
    """rows of the dataset, indexed by pool_start"""
    output_tokens: NDArray[np.float64]
    """(n, m) NaN where not measured"""
    request_tokens: NDArray[np.float64]
    """(n,) the requests' column input_tokens, 0 where unknown"""


class Outcome(NamedTuple):
    """What one attempt gave, after the caller's timeout."""

    error: Any
    latency_s: Any
    cost_usd: Any
    given_up_usd: Any
    """what it costs if it is given up before it ends"""
    quality: Any
    retry_after_s: Any
    imputed: Any


@inlined
def attempt_outcome(
    log: Any, world: Any, seed: Any, row: Any, column: Any, model: Any, attempt: Any, again: Any,
    timeout_s: Any, bill: Any, now: Any, in_flight: Any,
) -> Any:  # fmt: skip
    """Answer one call to policy model ``model``, column ``column`` of the log, for request ``row``.

    ``again`` is true where this request has called that model of the log before; ``bill`` says
    what a call costs that timed out or was given up (0 in full, 1 its input, 2 nothing).
    ``in_flight`` is the number of calls to the model that are under way, this one included.
    """
    error: Any = np.int64(log.error[row, column])
    latency = log.latency_s[row, column]
    cost = log.cost_usd[row, column]
    billed_row = row
    quality = log.quality[row, column]
    transient = FIRST_TRANSIENT <= error <= LAST_TRANSIENT
    if again and (error == 0 or transient):
        answered = error == 0
        u = uniform(seed, log.request_key[row], log.model_key[column], attempt, _ERROR)
        error = np.int64(0)
        for j in range(log.error_rate.shape[2]):
            if u < log.error_rate[log.window[row], column, j]:
                error = np.int64(FIRST_TRANSIENT + j)
                break
        fate = 2 * column + (1 if error else 0)
        size = log.pool_start[fate + 1] - log.pool_start[fate]
        if size > 0:
            u = uniform(seed, log.request_key[row], log.model_key[column], attempt, _OUTCOME)
            drawn = log.pool[log.pool_start[fate] + np.int64(u * size)]
            latency = log.latency_s[drawn, column]
            if error or not answered:
                cost = log.cost_usd[drawn, column]
                billed_row = drawn
        else:
            latency = cost = np.nan
        if error:
            quality = 0.0
        elif not answered:
            quality = log.mean_quality[log.category[row], column]
    factor, retry_after, injected = 1.0, 0.0, False
    if world.faults.kind.shape[0]:
        struck = strike(
            world, log.request_key[row], log.model_key[column], attempt, model, now, in_flight,
            error, latency, cost, quality,
        )  # fmt: skip
        error, latency, cost, quality = (
            struck.error, struck.latency_s, struck.cost_usd, struck.quality,
        )  # fmt: skip
        factor, retry_after, injected = struck.price_factor, struck.retry_after_s, struck.injected
    given_up = cost
    if bill == 1:
        given_up = log.input_cost_usd[billed_row, column] * factor if factor else 0.0
    elif bill == 2:
        given_up = 0.0
    if latency > timeout_s:
        error, latency, quality = np.int64(_TIMEOUT), timeout_s, 0.0
        cost, retry_after = given_up, 0.0
    imputed = again and not injected
    return Outcome(error, latency, cost, given_up, quality, retry_after, imputed)
