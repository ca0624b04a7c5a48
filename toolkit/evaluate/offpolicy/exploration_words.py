"""A plan for exploring in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.evaluate.assumptions import SIMULATED
from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.format import (
    UNDEFINED,
    count,
    counted,
    number,
    number_interval,
    seconds,
    usd,
    usd_interval,
)
from toolkit.evaluate.offpolicy.branches import shares_state
from toolkit.evaluate.offpolicy.noise import POWER, RAREST
from toolkit.evaluate.offpolicy.phrases import listed, some
from toolkit.evaluate.routed import routed

if TYPE_CHECKING:
    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.offpolicy.exploration import Exploration, Share
    from toolkit.logs.dataset import Dataset
    from toolkit.policy.model import Policy

NOUNS = {
    "quality": "quality",
    "cost_usd_per_1k": "cost",
    "latency_mean_s": "mean latency",
    "error_rate": "error rate",
}
"""What each metric is called in a sentence."""


def amount(metric: str, value: float) -> str:
    """The size of a difference, without a sign: ``1.2 points``, ``$0.31 per 1k``, ``0.2 s``."""
    if not math.isfinite(value):
        return UNDEFINED
    if metric == "cost_usd_per_1k":
        return f"{usd(value)} per 1k"
    if metric == "latency_mean_s":
        return seconds(value)
    points = number(100 * value)
    return f"{points} point{'' if points == '1' else 's'}"


def part(share: float) -> str:
    """A share to explore: ``2 %``, ``0.5 %``."""
    return f"{number(100 * share)} %"


def quality_change(e: Estimate) -> str:
    """``−0.304 points [−0.398, −0.213]``: three digits, as small shares change little."""
    if not math.isfinite(e.value):
        return UNDEFINED
    value, space, bounds = number_interval(e.scaled(100)).partition(" ")
    return f"{'+' if e.value > 0 else ''}{value} points{space}{bounds}"


def about(requests: float) -> str:
    """A number of requests to two digits, rounded up: ``4,300``."""
    if not math.isfinite(requests):
        return UNDEFINED
    step = 10 ** max(0, math.floor(math.log10(max(requests, 1))) - 1)
    return count(math.ceil(requests / step) * step)


def verdict(found: Exploration) -> str:
    """What to do, what it tells and what it costs."""
    pairs = [pair for pair in found.pairs if not pair.same]
    if not pairs:
        return (
            f"{listed(found.policies)} end alike on every request of {found.dataset}: there is"
            " nothing to tell."
        )
    noun = NOUNS[found.metric]
    if any(math.isnan(share.standard_error) for share in found.shares):
        return f"{found.dataset} does not hold enough {noun} of these models to plan with."
    if not any(pair.detect for pair in pairs):
        return (
            f"{listed(found.policies)} do not differ in {noun} on {found.dataset}: say which"
            " difference would matter (detect)."
        )
    if all(math.isnan(pair.detect) for pair in pairs):
        return (
            f"The data does not tell how far apart {listed(found.policies)} are in"
            f" {noun}: say which difference would matter (detect)."
        )
    chosen = found.recommended
    return _none(found) if chosen is None else _one(found, chosen)


def _one(found: Exploration, share: Share) -> str:
    s = "s" if found.requests == 1 else ""
    tells = (
        f"{counted(found.requests, 'request')} then tell{s} {listed(found.policies)} apart by"
        f" {_aims(found)} in {_often(share.power)} such logs (standard error"
        f" {amount(found.metric, share.standard_error)})"
    )
    if not share.explore:
        return (
            f"Nothing has to be explored: {found.serving} itself leaves enough to chance. {tells}."
        )
    price = _changes(share.quality, share.cost_usd_per_1k)
    told = f"Against {found.serving} alone this changes {price}."
    if not price:
        told = f"What it changes against {found.serving} alone the data does not tell."
    return f"Send {part(share.explore)} of the requests {_at_random(found)}: {tells}. {told}"


def _at_random(found: Exploration) -> str:
    if len(found.models) == 1:
        return f"to {found.models[0]} at random"
    return f"to one of {counted(len(found.models), 'model')} at random"


def _drawn(found: Exploration) -> str:
    if len(found.models) == 1:
        return f"to {found.models[0]}"
    k = counted(len(found.models), "model")
    return f"to one of {k}, drawn evenly ({listed(some(found.models))})"


def _often(power: float) -> str:
    return "nearly all" if power >= 0.995 else f"{math.floor(100 * power)} of 100"


def _changes(quality: Estimate, cost: Estimate) -> str:
    parts = []
    if math.isfinite(quality.value):
        parts.append(f"quality by {quality_change(quality)}")
    if math.isfinite(cost.value):
        value, space, bounds = usd_interval(cost, sign=True).partition(" ")
        parts.append(f"cost by {value} per 1k{space}{bounds}")
    return listed(parts) if parts else ""


def _none(found: Exploration) -> str:
    last = found.shares[-1]
    text = (
        f"No share up to {part(last.explore)} lets {counted(found.requests, 'request')} tell"
        f" {listed(found.policies)} apart by {_aims(found)}"
    )
    if not math.isfinite(last.requests_needed):
        return f"{text}, nor would more requests."
    if last.power >= POWER:
        return (
            f"{text}: at {part(last.explore)} it takes about {about(last.requests_needed)} until"
            f" each category shows {round(RAREST)} requests of each model on which much rests."
        )
    s = "s" if found.requests == 1 else ""
    return (
        f"{text}: at {part(last.explore)} it takes about {about(last.requests_needed)}, and"
        f" {count(found.requests)} find{s} {amount(found.metric, last.detectable)}."
    )


def _aims(found: Exploration) -> str:
    sizes = {
        amount(found.metric, pair.detect)
        for pair in found.pairs
        if math.isfinite(pair.detect) and not pair.same
    }
    return f"{listed(sorted(sizes))} in {NOUNS[found.metric]}"


def assumptions(
    found: Exploration, dataset: Dataset, policies: Sequence[Policy]
) -> tuple[str, ...]:
    """What the plan rests on, the most weighty first."""
    lines = [SIMULATED] if found.simulated else []
    lines += routed(policies, dataset)
    lines.append(
        "The log holds one outcome per request, so the spreads are predicted: within a category,"
        " those of the requests that each model served stand for those of all, and a model that"
        " served none is taken to be as uneven as the others. Differences and prices are those of"
        " the requests that the log can speak for."
        if found.predicted
        else "The spreads are known: the log has every model's outcome on every request."
        " Tomorrow's requests are taken to be like these."
    )
    lines.append(
        f"The share that is explored goes {_drawn(found)}, which answers alone;"
        f" {found.serving} serves the rest. The probability of the model that was asked has to be"
        " logged."
    )
    lines.append(
        "A share decides if the 95 % interval of the doubly robust difference leaves out 0 in at"
        f" least {round(100 * POWER)} of 100 such logs, and if at least {round(RAREST)} requests of"
        " a category can be expected for each model on which much rests there."
    )
    for pair in found.pairs:
        d = pair.difference
        if pair.detect == abs(d.value) and d.low <= 0 <= d.high and not pair.same:
            lines.append(
                f"{pair.policy} and {pair.against} cannot be told apart on this data either, so the"
                " difference that is planned for is a guess: state the smallest that would matter."
            )
    together = clusters(dataset)
    if together is not None:
        lines.append(f"Requests with the same {together.column} are taken to come together.")
    if any(shares_state(policy) for policy in policies):
        lines.append(
            "What requests share (breakers, limits, budgets, the cache) is left out of the plan."
        )
    return tuple(lines)
