"""A comparison in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.evaluate.format import count, points_interval, seconds_interval, usd_interval
from toolkit.evaluate.intervals import Estimate

if TYPE_CHECKING:
    from toolkit.evaluate.compare import Comparison
    from toolkit.evaluate.differences import Difference

_WORDS = {
    "cost_usd_per_1k": ("cost", "cheaper", "more expensive"),
    "quality": ("quality", "better", "worse"),
    "latency_mean_s": ("latency", "faster", "slower"),
    "error_rate": ("error rate", "less often in error", "more often in error"),
}


def verdict(c: Comparison) -> str:
    """What differs, by how much and how surely, and what cannot be told apart."""
    if not c.paired:
        return f"{c.b} and {c.a} have no observed request in common: nothing can be said."
    where = f"{count(c.paired)} request{'' if c.paired == 1 else 's'}"
    if c.identical:
        return f"{c.b} ends like {c.a} on all of {where}."
    clear, unclear, unknown = [], [], []
    for name, (noun, less, more) in _WORDS.items():
        d: Difference = getattr(c, name)
        on = f" on {count(d.n)} measured" if d.n < c.paired else ""
        if math.isnan(d.value):
            unknown.append(noun)
        elif d.distinguishable:
            up = (d.value > 0) != (name == "quality")
            clear.append(f"{more if up else less} by {_size(name, d)}{on}")
        else:
            unclear.append(f"{noun} differs by {_amount(name, d, sign=True)}{on}")
    if clear:
        first, *rest = clear
        head, _, amount = first.partition(" by ")
        text = f"{c.b} is {', '.join([f'{head} than {c.a} by {amount}', *rest])}"
        if unclear:
            text += f"; {', '.join(unclear)}, not distinguishable"
    else:
        text = f"{c.b} is not distinguishable from {c.a}"
        text += f": {', '.join(unclear)}" if unclear else ""
    text += f" on {where}."
    if unknown:
        text += f" Not measured under both: {', '.join(unknown)}."
    return text


def _size(name: str, d: Estimate) -> str:
    """A difference without its direction, which the words around it state."""
    if d.value < 0:
        d = Estimate(-d.value, -d.high, -d.low)
    return _amount(name, d, sign=False)


def _amount(name: str, d: Estimate, sign: bool) -> str:
    if name == "cost_usd_per_1k":
        value, space, bounds = usd_interval(d, sign).partition(" ")
        return f"{value} per 1k{space}{bounds}"
    if name == "latency_mean_s":
        return seconds_interval(d, sign)
    return points_interval(d, sign)
