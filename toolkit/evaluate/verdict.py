"""A comparison in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from toolkit.evaluate.format import (
    UNDEFINED,
    count,
    number,
    percent,
    points_interval,
    seconds,
    seconds_interval,
    usd,
    usd_interval,
)
from toolkit.evaluate.intervals import Estimate

if TYPE_CHECKING:
    from toolkit.evaluate.compare import Comparison
    from toolkit.evaluate.differences import Difference

MOST_NEEDED = 10_000_000
"""More requests than this are not counted."""


class Measure(NamedTuple):
    """How a metric of a comparison is called and written."""

    noun: str
    less: str
    more: str
    value: Callable[[float], str]
    """of one side"""
    interval: Callable[[Estimate, bool], str]
    """of a difference; the second argument writes a plus too"""


def _usd_per_1k(e: Estimate, sign: bool) -> str:
    if math.isnan(e.value):
        return UNDEFINED
    value, space, bounds = usd_interval(e, sign).partition(" ")
    return f"{value} per 1k{space}{bounds}"


MEASURES = {
    "cost_usd_per_1k": Measure("cost", "cheaper", "more expensive", usd, _usd_per_1k),
    "quality": Measure("quality", "worse", "better", number, points_interval),
    "latency_mean_s": Measure("latency", "faster", "slower", seconds, seconds_interval),
    "error_rate": Measure(
        "error rate", "less often in error", "more often in error", percent, points_interval
    ),
}
"""In the order in which a verdict tells them."""


def verdict(c: Comparison) -> str:
    """What differs, by how much and how surely, what cannot be told apart, and what it takes."""
    if not c.paired:
        return f"{c.b} and {c.a} have no observed request in common: nothing can be said."
    where = f"{count(c.paired)} request{'' if c.paired == 1 else 's'}"
    if c.identical:
        return f"{c.b} ends like {c.a} on all of {where}."
    clear, same, unclear, unknown = [], [], [], []
    for name, measure in MEASURES.items():
        d: Difference = getattr(c, name)
        on = f" on {count(d.n)} measured" if d.n < c.paired else ""
        if math.isnan(d.value):
            unknown.append(measure.noun)
        elif d.distinguishable:
            clear.append((told(name, d), on))
        elif not d.changed:
            same.append(f"{measure.noun} is the same{on}")
        else:
            unclear.append((name, f"{measure.noun} differs by {measure.interval(d, True)}{on}"))
    doubts = ", ".join(words for _, words in unclear)
    if clear:
        (first, on), *rest = clear
        head, _, amount = first.partition(" by ")
        text = ", ".join(
            [f"{c.b} is {head} than {c.a} by {amount}{on}", *(words + on for words, on in rest)]
        )
        text += f"; {doubts}, not distinguishable on {where}" if unclear else f" on {where}"
    else:
        text = f"{c.b} is not distinguishable from {c.a} on {where}"
        text += f": {doubts}" if unclear else ""
    text += _deciding([(name, getattr(c, name)) for name, _ in unclear])
    text += "".join(f"; {words}" for words in same) + "."
    if unknown:
        text += f" Not measured under both: {', '.join(unknown)}."
    if any(getattr(c, name).low > 0 or getattr(c, name).high < 0 for name, _ in unclear):
        text += " One interval of four may leave out 0 by chance."
    return text


def told(name: str, d: Estimate) -> str:
    """A difference with its direction: ``cheaper by $0.31 per 1k [0.27, 0.35]``."""
    measure = MEASURES[name]
    word = measure.more if d.value > 0 else measure.less
    if d.value < 0:
        d = Estimate(-d.value, -d.high, -d.low)
    return f"{word} by {measure.interval(d, False)}"


def _deciding(unclear: list[tuple[str, Difference]]) -> str:
    """``; about 9,000 would decide it``: how many requests the open differences take."""
    open_ones = [(name, d.needed) for name, d in unclear if math.isfinite(d.needed)]
    if not open_ones:
        return ""
    if len(open_ones) == 1 and len(unclear) == 1:
        return f"; {about(open_ones[0][1])} would decide it"
    told_of = [f"{about(n)} on {MEASURES[name].noun}" for name, n in open_ones]
    first, *rest = told_of
    head, _, noun = first.partition(" on ")
    rest = [words.removeprefix("about ") for words in rest]
    return f"; {', '.join([f'{head} would decide on {noun}', *rest])}"


def about(requests: float) -> str:
    """``about 9,000``: a number of requests, rounded upwards to one digit or, below 3, to two."""
    if requests > MOST_NEEDED:
        return f"more than {count(MOST_NEEDED)}"
    power = math.floor(math.log10(max(requests, 1)))
    step = 10 ** max(power - (1 if requests < 3 * 10**power else 0), 0)
    return f"about {count(math.ceil(requests / step - 1e-9) * step)}"
