"""What a policy's chains would have earned, where the log holds one call of each request.

A chain that is followed from the logged call on is known as long as that call ends it. Where it
would have gone on (another try, the next step), what follows is predicted by the outcome models:
for each step the expected quality, cost and latency of a call and the chance of each way on, and
from these, from the last step back to the first, the expected value of the rest. Where the log
holds the call of a *later* step it corrects the prediction of that step as well, weighed by the
chance to come that far.

Taken as they are, and said so in the result: how one call fails tells nothing of how the next one
fares beyond what the features tell; a deadline and a limit of cost see what the calls before took
on average; and what requests share (breakers, limits, a cache, budgets, hedges) is not played.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.offpolicy.actions import Target
from toolkit.evaluate.offpolicy.calls import AGAIN, END, NEXT, SAY, Call, calls
from toolkit.evaluate.offpolicy.nuisance import Outcomes
from toolkit.policy.plan import ASK

Floats = NDArray[np.float64]

METRICS = ("quality", "cost_usd_per_1k", "latency_mean_s", "error_rate")
"""What is estimated; the columns of every (n, 4) array here, with the cost in USD a request."""


@dataclass(frozen=True, eq=False)
class Correction:
    """What the logged calls say about the predictions of one later step of a chain."""

    weight: Floats
    """(n,) chance to come to that step and ask the logged model, over its propensity"""
    error: Floats
    """(n, 4) what the call earned minus what was predicted; NaN: not measured"""
    failed: NDArray[np.bool_]
    """(n,) the logged call gave no answer that this step would have taken"""


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
    failed: NDArray[np.bool_]
    """(n,) the logged call gave no answer that this policy would have taken"""
    silent: Floats
    """(n,) probability that no model is asked at all"""
    stated: Floats
    """(n, 4) what that earns, times ``silent``: it is known, not estimated"""
    rests: tuple[Correction, ...]
    later: Floats
    """(n, m + 1) expected first calls to each model by later steps; the last: live only models"""


def episodes(target: Target, action: NDArray[np.intp], logged: Floats, known: Outcomes) -> Episodes:
    """Follow every chain that has a chance.

    ``action`` (n,) is the column that served each request, ``logged`` (n,) its propensity.
    """
    n = len(action)
    reward, q_logged, q_target, stated = np.zeros((4, n, 4))
    first, goes_on, failed, silent = np.zeros((4, n))
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
            goes_on += share * step.actual[:, [AGAIN, NEXT]].sum(axis=1)
            failed += share * step.actual[:, AGAIN:].sum(axis=1)
            if started.any():
                visits = chance * reach * (step.able & started)
                later[:, step.column] += visits
                weight = np.where(follows, visits, 0.0) / logged
                failing = np.asarray(step.actual[:, AGAIN:].any(axis=1))
                rests.append(Correction(weight, step.earned - step.value, failing))
            reach = np.where(step.able, reach * step.onward, reach)
            started |= step.able
        silent += chance * ~started
        stated += (chance * ~started)[:, None] * steps[-1].value
    with np.errstate(invalid="ignore", divide="ignore"):
        reward, q_logged = (np.where(first > 0, a.T / first, np.nan).T for a in (reward, q_logged))
        goes_on, failed = (np.where(first > 0, a / first, 0.0) for a in (goes_on, failed))
    return Episodes(
        first,
        reward,
        q_logged,
        q_target,
        goes_on,
        failed > 0.5,
        silent,
        stated,
        tuple(rests),
        later,
    )


@dataclass(frozen=True, eq=False)
class _Step:
    """One model step as the log and the outcome models see it."""

    column: int
    able: NDArray[np.bool_]
    """(n,) the model can take the request"""
    value: Floats
    """(n, 4) expected from this step to the end"""
    earned: Floats
    """(n, 4) the same from the logged call on, as if it were this step's first"""
    actual: Floats
    """(n, 7) the logged call under this step's rules, see ``calls``"""
    onward: Floats
    """(n,) chance that the step leads to the next"""


def _steps(target: Target, chain: int, action: NDArray[np.intp], known: Outcomes) -> list[_Step]:
    """The model steps of a chain in order, then its end: an answer written in advance, or none."""
    n = len(action)
    asked, spoken = calls(target, chain, action)
    stated = (0.0, 0.0, 0.0, 1.0)
    if spoken is not None:
        stated = (spoken["quality"], spoken["cost_usd"], spoken["latency_s"], 0.0)
    end = after = np.tile(stated, (n, 1))
    steps = [_Step(-1, np.zeros(n, np.bool_), end, end[:0], end[:0], np.zeros(n))]
    for step, tries in reversed(asked):
        assert step["kind"] == ASK
        column = int(target.plan.models[step["model"]]["column"])
        able = target.able[:, step["model"]]
        # Without time or money left the step is passed over, as are all that come after it.
        value = earned = end
        actual, onward = np.zeros((n, 7)), np.zeros(n)
        for one in reversed(tries):
            expected = _expected(one, column, known)
            earned = _value(one.actual, after, end, value, one.wait_s)
            onward = expected[:, NEXT] + expected[:, AGAIN] * onward
            value = _value(expected, after, end, value, one.wait_s)
            actual = one.actual
        value = np.where(able[:, None], value, after)
        steps.append(_Step(column, able, value, earned, actual, onward.clip(0, 1)))
        after = value
    return steps[::-1]


def _expected(one: Call, column: int, known: Outcomes) -> Floats:
    """(n, 7) what the outcome models expect of a try; a model that is live only is like others.

    Quality is that of an answer times the chance of one: failures count as 0 whether or not
    answers were graded, and would pull down the mean where few were.
    """
    actual = one.actual.copy()
    actual[actual[:, AGAIN:].any(axis=1), 0] = np.nan
    expected = known.predict(actual, column).clip(0)
    expected[:, AGAIN:] = expected[:, AGAIN:].clip(None, 1)
    if not np.isnan(one.actual[:, 0]).all():
        answered = (1 - expected[:, AGAIN:].sum(axis=1)).clip(0)
        # Without any answer there is no mean of their quality, and nothing to multiply.
        expected[:, 0] = np.nan_to_num(expected[:, 0]).clip(0, 1) * answered
    return expected


def _value(call: Floats, after: Floats, end: Floats, again: Floats, wait_s: float) -> Floats:
    """(n, 4) value of a call (n, 7) with the ways on from it; ``again`` is that of another try."""
    value = np.column_stack([call[:, :3], call[:, END]])
    value += call[:, NEXT, None] * after + call[:, SAY, None] * end
    return np.asarray(value + call[:, AGAIN, None] * (again + np.array([0, 0, wait_s, 0])))
