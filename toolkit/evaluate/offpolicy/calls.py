"""The logged calls as the steps of a chain would have made them: what they gave, and the way on.

A step's timeout and what is left of the chain's deadline cut a logged call short. The way on is
the machine's: try again, go to the next step, say what was written in advance, or end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.observed import observe
from toolkit.evaluate.offpolicy.actions import Target
from toolkit.policy.plan import ASK, BILLING
from toolkit.policy.plan import SAY as SPOKEN
from toolkit.schema import TRANSIENT, ErrorType

Floats = NDArray[np.float64]

AGAIN, NEXT, SAY, END = range(3, 7)
"""The ways on after a failed call, as 0/1 columns beside quality, cost in USD and latency."""


@dataclass(frozen=True, eq=False)
class Call:
    """One try of a step."""

    actual: Floats
    """(n, 7) quality, cost, latency and the way on of each logged call, whatever model made it"""
    wait_s: float
    """expected pause before another try"""


@dataclass(frozen=True)
class _Before:
    """What a request has behind it on average when a try begins."""

    elapsed_s: float = 0.0
    spent_usd: float = 0.0


def calls(
    target: Target, chain: int, action: NDArray[np.intp]
) -> tuple[list[tuple[Any, list[Call]]], Any | None]:
    """Each model step of a chain with its tries, and the step that says something in the end.

    ``action`` (n,) is the column of the model that served each request. A step for which no time
    or money is left on average has no tries.
    """
    row = target.plan.chains[chain]
    before = _Before()
    out: list[tuple[Any, list[Call]]] = []
    for step in target.plan.steps[row["start"] : row["end"]]:
        if step["kind"] == SPOKEN:
            return out, step
        if step["kind"] != ASK:
            continue  # a look into the cache: nothing is known of it
        tries, before = _tries(target, row, step, action, before)
        out.append((step, tries))
    return out, None


def _tries(
    target: Target, chain: Any, step: Any, action: NDArray[np.intp], before: _Before
) -> tuple[list[Call], _Before]:
    """The tries of a step, and what is behind a request that goes on to the next."""
    own = action == target.plan.models[step["model"]]["column"]
    tries: list[Call] = []
    chance, ends = 1.0, []
    for r in range(int(step["retries"]) + 1):
        if before.elapsed_s >= chain["deadline_s"] or before.spent_usd >= chain["max_cost_usd"]:
            break
        # Chance makes a pause 0.5 to 1 of what is stated.
        wait = 0.75 * float(step["backoff_s"]) * 2.0**r
        actual = _calls(target, chain, step, action, before, r)
        tries.append(Call(actual, wait))
        if not own.any():
            break
        ends.append((chance * float(actual[own, NEXT].mean()), _behind(before, actual, own, NEXT)))
        chance *= float(actual[own, AGAIN].mean())
        before = _behind(before, actual, own, AGAIN, wait)
    weights = [weight for weight, _ in ends]
    if not sum(weights):
        return tries, before
    elapsed, spent = (
        float(np.average([getattr(b, name) for _, b in ends], weights=weights))
        for name in ("elapsed_s", "spent_usd")
    )
    return tries, _Before(elapsed, spent)


def _behind(
    before: _Before, actual: Floats, own: NDArray[np.bool_], way: int, wait: float = 0.0
) -> _Before:
    """What a request has behind it after a call from which it went this way."""
    went = actual[own & (actual[:, way] > 0)]
    cost, latency = (
        float(np.nan_to_num(column).mean()) if len(went) else 0.0 for column in went[:, 1:3].T
    )
    return _Before(before.elapsed_s + latency + wait, before.spent_usd + cost)


def _calls(
    target: Target, chain: Any, step: Any, action: NDArray[np.intp], before: _Before, r: int
) -> Floats:
    """(n, 7) the logged calls as the step's r-th try."""
    dataset, rows = target.dataset, np.arange(len(action))
    left = int(step["retries"]) - r
    error = dataset.error[rows, action].astype(np.int64)
    quality, cost, latency = (
        matrix[rows, action] for matrix in (dataset.quality, dataset.cost_usd, dataset.latency_s)
    )
    remaining_s = float(chain["deadline_s"]) - before.elapsed_s
    limit = min(float(step["timeout_s"]), remaining_s)
    late = latency > limit
    error = np.where(late, int(ErrorType.TIMEOUT), error)
    latency = np.where(late, limit, latency)
    cost = np.where(late, _given_up(target, step, cost, action), cost)
    failed = error != 0
    retried = failed & (((chain["retry_on"] >> error) & 1) != 0) & (left > 0)
    falls = failed & (((chain["fallback_on"] >> error) & 1) != 0)
    # What is wrong with the request itself comes back as it was, each time.
    repeats = retried & ~np.isin(error, TRANSIENT)
    waits = sum(0.75 * float(step["backoff_s"]) * 2.0**k for k in range(r, r + left))
    cost = np.where(repeats, cost * (1 + left), cost)
    latency = np.where(repeats, latency * (1 + left) + waits, latency)
    wait = 0.75 * float(step["backoff_s"]) * 2.0**r
    broke = before.spent_usd + cost >= chain["max_cost_usd"]
    over = broke | (latency >= remaining_s - 1e-9)
    again = retried & ~repeats & ~broke & ~(latency + wait >= remaining_s)
    out = np.zeros((len(action), 7))
    # Without a single grade, the zeros of the failures would pass for a mean quality.
    out[:, 0] = np.where(failed, 0.0, quality) if dataset.graded else np.nan
    out[:, 1], out[:, 2] = cost, latency
    out[:, AGAIN] = again
    out[:, NEXT], out[:, SAY] = falls & ~again & ~over, falls & ~again & over
    out[:, END] = failed & ~again & ~falls
    return out


def _given_up(target: Target, step: Any, cost: Floats, action: NDArray[np.intp]) -> Floats:
    """(n,) what a call costs that was given up."""
    rule = BILLING[target.plan.models[step["model"]]["bill_timeouts"]]
    if rule == "full":
        return cost
    if rule == "none":
        return np.zeros(len(cost))
    inputs = observe(target.dataset, input_cost=True).input_cost_usd
    return np.asarray(inputs[np.arange(len(action)), action])
