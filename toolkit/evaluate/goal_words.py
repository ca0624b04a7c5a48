"""Numbers of goals as people read them: what is limited, its estimate, its limits.

What is measured and what is wanted stand side by side, so both are written in as many digits as
tell them apart: ``0.3051 [0.2802, 0.3301], wanted at least 0.305``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isclose, isfinite
from typing import Literal

from toolkit.evaluate.format import (
    number,
    number_interval,
    percent,
    percent_interval,
    points_interval,
    seconds,
    seconds_interval,
    usd,
    usd_interval,
)
from toolkit.evaluate.intervals import Estimate

Kind = Literal["value", "change", "ratio"]
Show = Callable[..., str]
"""what writes an estimate, or a number without an interval, with ``more`` decimals than usual"""
MOST_DECIMALS = 9
"""more than usual, to tell a number from its limit; numbers closer than that are the same"""

LIMITS: Mapping[Kind, tuple[str, str]] = {
    "value": ("min", "max"),
    "change": ("min_change", "max_change"),
    "ratio": ("", "max_ratio"),
}
"""The keys of a goal that are limits of one kind, from below and from above."""


def _usd_change(e: Estimate, *, more: int = 0) -> str:
    return usd_interval(e, sign=True, more=more)


def _seconds_change(e: Estimate, *, more: int = 0) -> str:
    return seconds_interval(e, sign=True, more=more)


def _times(e: Estimate, *, more: int = 0) -> str:
    return f"{number_interval(e, more=more)} times the baseline"


WORDS: Mapping[str, tuple[str, Show]] = {
    "quality": ("quality", number_interval),
    "cost_usd_per_1k": ("cost per 1k", usd_interval),
    "latency_mean_s": ("mean latency", seconds_interval),
    "latency_p50_s": ("median latency", seconds_interval),
    "latency_p95_s": ("p95 latency", seconds_interval),
    "latency_p99_s": ("p99 latency", seconds_interval),
    "error_rate": ("errors", percent_interval),
    "fallback_rate": ("fallbacks", percent_interval),
    "degraded_rate": ("degraded answers", percent_interval),
}
"""How each goal is called and its value written."""


_PLAIN: Mapping[Show, Show] = {
    number_interval: number,
    usd_interval: usd,
    seconds_interval: seconds,
    percent_interval: percent,
}
"""What writes a number without an interval."""


def _points(share: float, more: int = 0) -> str:
    return f"{number(100 * share, more)} point{'' if abs(share) == 0.01 else 's'}"


def shown(name: str, kind: Kind) -> Show:
    """What writes an estimate of this kind."""
    if kind == "ratio":
        return _times
    if kind == "value":
        return WORDS[name][1]
    if name == "cost_usd_per_1k":
        return _usd_change
    return _seconds_change if name.endswith("_s") else points_interval


def amount_in_words(name: str, kind: Kind, value: float, more: int = 0) -> str:
    """A limit, or how far off a change is, with its unit: ``0.55``, ``1 point``, ``$0.50``."""
    if kind == "ratio":
        return number(value, more)
    plain = _PLAIN[WORDS[name][1]]
    if kind == "change" and plain in {number, percent}:
        plain = _points
    return plain(value, more)


def decimals(name: str, kind: Kind, numbers: Sequence[float], limits: Sequence[float]) -> int:
    """Decimals beyond the usual that tell a value and its interval (3 ``numbers``) from limits.

    What is not finite counts for nothing, and what is as good as a limit is not told from it.
    """
    near = [
        (one, limit)
        for limit in limits
        for one in numbers
        if isfinite(limit) and isfinite(one)
        if not isclose(one, limit, rel_tol=1e-9, abs_tol=1e-12)
    ]
    show, (_, low, high) = shown(name, kind), numbers

    def alike(one: float, other: float, more: int) -> bool:
        # Both ways in which numbers are written: with an interval, and as a limit.
        a, b = (show(Estimate(x, low, high), more=more) for x in (one, other))
        c, d = (amount_in_words(name, kind, x, more) for x in (one, other))
        return a == b or c == d

    for more in range(MOST_DECIMALS):
        if not any(alike(*pair, more) for pair in near):
            return more
    return 0
