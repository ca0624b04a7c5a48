"""What a policy's chains would have earned, where the log holds one call of each request.

A chain that is followed from the logged call on is known as long as that call ends it. Where it
would have gone on (another try, the next step), what follows is predicted by the outcome models:
for each step the expected quality, cost and latency of a call and the chance of each way on, and
from these, from the last step back to the first, the expected value of the rest. Where the log
holds the call of a *later* step it corrects the prediction of that step as well, weighed by the
chance to come that far.

Taken as they are, and said so in the result: how one call fails tells nothing of how the next one
fares beyond what the features tell; deadlines and cost limits see one call at a time; and what
requests share (breakers, limits, a cache, budgets, hedges) is not played.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.observed import observe
from toolkit.evaluate.offpolicy.actions import LIVE_ONLY, Target
from toolkit.evaluate.offpolicy.nuisance import Outcomes
from toolkit.policy.plan import ASK, BILLING, LOOK
from toolkit.schema import TRANSIENT, ErrorType

Floats = NDArray[np.float64]

METRICS = ("quality", "cost_usd_per_1k", "latency_mean_s", "error_rate")
"""What is estimated; the columns of every (n, 4) array here, with the cost in USD a request."""
_QUALITY, _COST, _LATENCY, _ERROR = range(4)
AGAIN_OR_NEXT, AGAIN_OR_END, NEXT, SAY, END = range(3, 8)
"""Ways on after a failed call, as 0/1 columns beside quality, cost and latency: another try and,
after the last, the next step or the end; the next step; what was written in advance; the end."""
_GOES_ON = (AGAIN_OR_NEXT, AGAIN_OR_END, NEXT)


@dataclass(frozen=True, eq=False)
class Correction:
    """What the logged calls say about the predictions of one later step of a chain."""

    weight: Floats
    """(n,) chance to come to that step and ask the logged model, over its propensity"""
    error: Floats
    """(n, 4) what the call earned minus what was predicted; NaN: not measured"""


@dataclass(frozen=True, eq=False)
class Episodes:
    """A policy's chains on the n requests of a log."""

    target: Floats
    """(n,) π(a|x) of the model that served the request"""
    reward: Floats
    """(n, 4) earned with that model first; NaN where not measured or never asked first"""
    q_logged: Floats
    """(n, 4) prediction of ``reward``"""
    q_target: Floats
    """(n, 4) prediction of what the policy earns"""
    goes_on: Floats
    """(n,) share of ``target`` under which the chain would go on after the logged call"""
    rests: tuple[Correction, ...]
    later: Floats
    """(n, m + 1) expected first calls to each model by later steps; the last: live only models"""


def episodes(target: Target, action: NDArray[np.intp], logged: Floats, known: Outcomes) -> Episodes:
    """Follow every chain that has a chance.

    ``action`` (n,) is the column that served each request, ``logged`` (n,) its propensity.
    """
    n = len(action)
    reward, q_logged, q_target = np.zeros((3, n, 4))
    first, goes_on = np.zeros((2, n))
    later = np.zeros((n, known.n_actions + 1))
    rests: list[Correction] = []
    for c in range(target.chains.shape[1]):
        chance = target.chains[:, c]
        if not chance.any():
            continue
        steps = _steps(target, c, action, known)
        q_target += chance[:, None] * steps[0].value
        reach, started = np.ones(n), np.zeros(n, np.bool_)
        for step in steps[:-1]:
            asked, here = step.able & ~started, step.able & (action == step.column)
            begins, follows = asked & here, here & started
            share = np.where(begins, chance, 0.0)
            first += share
            reward += share[:, None] * np.where(begins[:, None], step.earned, 0.0)
            q_logged += share[:, None] * step.value
            goes_on += share * step.actual[:, list(_GOES_ON)].sum(axis=1)
            if started.any():
                visits = chance * reach * (step.able & started)
                later[:, step.column] += visits
                rests.append(
                    Correction(np.where(follows, visits, 0.0) / logged, step.earned - step.value)
                )
            reach = np.where(step.able, reach * step.onward, reach)
            started |= step.able
    with np.errstate(invalid="ignore", divide="ignore"):
        reward, q_logged = (np.where(first > 0, a.T / first, np.nan).T for a in (reward, q_logged))
        goes_on = np.where(first > 0, goes_on / first, 0.0)
    return Episodes(first, reward, q_logged, q_target, goes_on, tuple(rests), later)


@dataclass(frozen=True, eq=False)
class _Step:
    """One model step as the log and the outcome models see it."""

    column: int
    able: NDArray[np.bool_]
    """(n,) the model can take the request"""
    value: Floats
    """(n, 4) expected from this step to the end"""
    earned: Floats
    """(n, 4) the same from the logged call on, as if it were this step's"""
    actual: Floats
    """(n, 8) the logged call under this step's rules"""
    onward: Floats
    """(n,) chance that the step leads to the next"""


def _steps(target: Target, chain: int, action: NDArray[np.intp], known: Outcomes) -> list[_Step]:
    """The model steps of a chain in order, then an end that holds the value of what is left."""
    plan, n = target.plan, len(action)
    row = plan.chains[chain]
    after = said = np.tile([0.0, 0.0, 0.0, 1.0], (n, 1))
    steps: list[_Step] = []
    for step in plan.steps[row["start"] : row["end"]][::-1]:
        if step["kind"] == LOOK:
            continue
        if step["kind"] != ASK:
            stated = [step["quality"], step["cost_usd"], step["latency_s"], 0.0]
            after = said = np.tile(stated, (n, 1))
            steps.clear()  # what follows it is never reached
            continue
        column = int(plan.models[step["model"]]["column"])
        actual = _calls(target, row, step, action)
        expected = known.predict(actual, column if column >= 0 else LIVE_ONLY)
        expected[:, [_QUALITY, *range(AGAIN_OR_NEXT, END + 1)]] = expected[
            :, [_QUALITY, *range(AGAIN_OR_NEXT, END + 1)]
        ].clip(0, 1)
        expected[:, [_COST, _LATENCY]] = expected[:, [_COST, _LATENCY]].clip(0)
        tries = [_Try(None, 0.0)]
        onward = expected[:, NEXT] + expected[:, AGAIN_OR_NEXT]
        for wait in _waits(step)[::-1]:
            value = _value(expected, after, said, tries[-1])
            tries.append(_Try(value, wait))
            onward = expected[:, NEXT] + onward * expected[:, _GOES_ON[:2]].sum(axis=1)
        able = target.able[:, step["model"]]
        value = np.where(able[:, None], _value(expected, after, said, tries[-1]), after)
        earned = _value(actual, after, said, tries[-1])
        steps.append(
            _Step(column if column >= 0 else -1, able, value, earned, actual, onward.clip(0, 1))
        )
        after = value
    nothing = np.zeros((n, 0))
    end = _Step(-1, np.zeros(n, np.bool_), after, nothing, nothing, np.zeros(n))
    return [*steps[::-1], end] if steps else [end]


@dataclass(frozen=True, eq=False)
class _Try:
    """The next try of a step: what it is worth, after which wait; None: there is none left."""

    value: Floats | None
    wait_s: float


def _value(call: Floats, after: Floats, said: Floats, again: _Try) -> Floats:
    """(n, 4) value of a call (n, 8), with the ways on from it."""
    value = np.column_stack([call[:, :3], call[:, END]])
    value += call[:, NEXT, None] * after + call[:, SAY, None] * said
    if again.value is None:
        value += call[:, AGAIN_OR_NEXT, None] * after
        value[:, _ERROR] += call[:, AGAIN_OR_END]
        return value
    more = again.value.copy()
    more[:, _LATENCY] += again.wait_s
    return np.asarray(value + call[:, _GOES_ON[:2]].sum(axis=1)[:, None] * more)


def _waits(step: Any) -> list[float]:
    """Expected pause before each further try; chance makes it 0.5 to 1 of the stated."""
    return [0.75 * float(step["backoff_s"]) * 2.0**r for r in range(int(step["retries"]))]


def _calls(target: Target, chain: Any, step: Any, action: NDArray[np.intp]) -> Floats:
    """(n, 8) the logged calls as if this step had made them: what they gave, and the way on."""
    dataset, rows = target.dataset, np.arange(len(action))
    model = target.plan.models[step["model"]]
    error = dataset.error[rows, action].astype(np.int64)
    quality, cost, latency = (
        matrix[rows, action] for matrix in (dataset.quality, dataset.cost_usd, dataset.latency_s)
    )
    limit = min(float(step["timeout_s"]), float(chain["deadline_s"]))
    late = latency > limit
    error = np.where(late, int(ErrorType.TIMEOUT), error)
    latency = np.where(late, limit, latency)
    cost = np.where(late, _given_up(target, model, cost, rows, action), cost)
    failed = error != 0
    retried = (((chain["retry_on"] >> error) & 1) != 0) & failed & (step["retries"] > 0)
    falls = (((chain["fallback_on"] >> error) & 1) != 0) & failed
    # What is wrong with the request itself comes back as it was, each time.
    repeats = retried & ~np.isin(error, TRANSIENT)
    cost = np.where(repeats, cost * (1 + step["retries"]), cost)
    latency = np.where(repeats, latency * (1 + step["retries"]) + sum(_waits(step)), latency)
    with np.errstate(invalid="ignore"):
        over = (latency >= chain["deadline_s"] - 1e-9) | (cost >= chain["max_cost_usd"])
    again = retried & ~repeats & ~over
    out = np.zeros((len(action), 8))
    graded = quality if dataset.graded else np.full(len(rows), np.nan)
    ungraded = 0.0 if dataset.graded else np.nan
    out[:, _QUALITY] = np.where(failed, ungraded, graded)
    out[:, _COST], out[:, _LATENCY] = cost, latency
    out[:, AGAIN_OR_NEXT], out[:, AGAIN_OR_END] = again & falls, again & ~falls
    out[:, NEXT], out[:, SAY] = ~again & falls & ~over, ~again & falls & over
    out[:, END] = failed & ~again & ~falls
    return out


def _given_up(
    target: Target, model: Any, cost: Floats, rows: NDArray[np.intp], action: NDArray[np.intp]
) -> Floats:
    """(n,) what a call costs that was given up."""
    rule = BILLING[model["bill_timeouts"]]
    if rule == "full":
        return cost
    if rule == "none":
        return np.zeros(len(cost))
    return np.asarray(observe(target.dataset, input_cost=True).input_cost_usd[rows, action])
