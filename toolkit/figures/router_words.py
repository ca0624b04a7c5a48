"""What a marker of a figure of a router says when it is pointed at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.evaluate.format import (
    count,
    number,
    percent,
    points_interval,
    quality_interval,
    usd,
    usd_interval,
)
from toolkit.figures import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.routers.curve import CurvePoint, Knob
    from toolkit.evaluate.routers.rivals import Rival, RivalPoint

WIDE = 52
"""Letters on a line."""
MOST = 5
"""Models whose share is told."""


def lines(head: str, *rest: str) -> str:
    """A heading and what follows, one below the other, all as plain text."""
    return "<br>".join([f"<b>{theme.wrapped(head, WIDE, 3)}</b>", *(theme.plain(r) for r in rest)])


def setting(knob: Knob, value: float) -> str:
    """``$0.05 /1k for a point of quality``, ``at least 0.85``."""
    if knob == "min_quality":
        return f"at least {number(value)}"
    return f"{usd(value)} /1k for a point of quality"


def curve_words(head: str, point: CurvePoint, models: Sequence[str]) -> str:
    """The router at one setting: what it gives and costs, what it gains, whom it asks."""
    return lines(head, *measures(point.cost_usd_per_1k, point.quality), *gain(point)) + (
        "<br>" + "<br>".join(map(theme.plain, shares(point, models)))
    )


def rival_words(rival: Rival, point: RivalPoint) -> str:
    """One way to run a rival, and how the router compares."""
    own = rival.kind == "single"
    head = rival.name if len(rival.points) == 1 else f"{rival.name}, {point.label}"
    found = [*measures(point.cost_usd_per_1k, point.quality)]
    if rival.column is not None:
        found.insert(0, f"by {theme.cut(rival.column, 40)}")
    if len(rival.points) == 1 and not math.isnan(rival.difference.value):
        found.append(f"router at this cost {points_interval(rival.difference)} of quality")
    return lines(f"{head} alone" if own else head, *found)


def measures(cost: Estimate, quality: Estimate) -> list[str]:
    """Quality and cost with their intervals, and how many requests are behind them."""
    found = [f"quality {quality_interval(quality)}"]
    if not math.isnan(cost.value):
        found.append(f"cost per 1k {usd_interval(cost)}")
    return [*found, f"n = {count(quality.n)} requests"]


def gain(point: CurvePoint) -> list[str]:
    """What it is above the best mix of single models."""
    if math.isnan(point.gain.value):
        return []
    return [f"{points_interval(point.gain)} over the best mix at this cost"]


def shares(point: CurvePoint, models: Sequence[str]) -> list[str]:
    """Whom it asks first, most first."""
    some = sorted(
        ((share, model) for share, model in zip(point.shares, models, strict=True) if share > 0),
        key=lambda one: -one[0],
    )
    found = [f"{percent(share)} to {theme.cut(model, 40)}" for share, model in some[:MOST]]
    return found + ([f"and {count(len(some) - MOST)} more models"] if len(some) > MOST else [])
