"""A comparison in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from toolkit.evaluate.format import (
    UNDEFINED,
    count,
    counted,
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

_NUMBERS = {2: "two", 3: "three", 4: "four"}
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
    where = counted(c.paired, "request")
    if c.identical:
        on_all = f"all of {where}" if c.paired > 1 else "the only request"
        return f"{c.b} ends like {c.a} on {on_all}."
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
    if any(_leaves_out_0(getattr(c, name)) for name, _ in unclear):
        text += " One interval of four may leave out 0 by chance."
    return text


def certainty(d: Difference) -> str:
    """Whether a difference is more than chance: ``yes``, ``same``, ``not surely``.

    With the p-value that speaks against it where the interval alone would speak for it.
    """
    if not d.changed:
        return "same"
    if d.distinguishable:
        return "yes"
    # Rounded upwards: what is above the level is not written as the level.
    p = number(math.ceil(10_000 * d.p_adjusted) / 10_000)
    return f"not surely (p {p})" if _leaves_out_0(d) else "not surely"


def footnotes(found: Mapping[str, Difference]) -> tuple[str, ...]:
    """What a reader may wonder about in the differences of a comparison."""
    lines = []
    open_ones = [d for d in found.values() if d.changed and not d.distinguishable]
    if any(map(_leaves_out_0, open_ones)):
        k = sum(bool(d.changed) and not math.isnan(d.p) for d in found.values())
        several = f", with the {_NUMBERS[k]} looked at together" if k > 1 else ""
        lines.append(
            "p: how likely equals differ so much by chance"
            f"{several}; below {number(open_ones[0].level)} is a difference. An interval of one "
            "alone leaves out 0 more often than that."
        )
    if any(not d.changed and d.low < d.high for d in found.values() if d.n):
        lines.append(
            "same: on each of these requests. The interval is for more of their kind, as other "
            "outcomes stand behind what is the same here."
        )
    if any(math.isnan(d.low) for d in found.values() if d.n):
        lines.append("Too few values that are independent have no interval.")
    return tuple(lines)


def _leaves_out_0(d: Difference) -> bool:
    return d.low > 0 or d.high < 0


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
