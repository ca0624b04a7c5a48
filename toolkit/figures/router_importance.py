"""What a router reads that it would miss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.evaluate.format import count, number_interval, points_interval
from toolkit.figures import theme
from toolkit.figures.forest import Mark, Panel, forest_figure
from toolkit.figures.router_words import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

    from toolkit.evaluate.routers.importance import Importance

MOST = 15
"""Columns that are drawn."""


def importance_figure(rows: Sequence[Importance], height: int | None = None) -> go.Figure:
    """A row per column, the one that is missed most on top; filled where it surely is.

    Left the quality at equal cost that is lost where the column's values are dealt out anew, right
    the rise of the log loss.
    """
    some = sorted(rows, key=_lost, reverse=True)[:MOST]
    fig = forest_figure(
        [theme.cut(one.name, 60) for one in some],
        [
            Panel(
                "quality lost at<br>equal cost, 0 to 1",
                [_mark(one, "drop") for one in some],
                {"tickformat": ".3~f"},
                [(0.0, theme.NEUTRAL)],
            ),
            Panel(
                "rise of the<br>log loss, nats",
                [_mark(one, "log_loss_rise") for one in some],
                {"tickformat": ".3~f"},
                [(0.0, theme.NEUTRAL)],
            ),
        ],
        "What the router loses without what each column says, with intervals",
        height,
    )
    if not some:
        theme.empty(fig, "no column was shuffled")
    return fig


def _lost(one: Importance) -> float:
    value = one.drop.value if math.isfinite(one.drop.value) else one.log_loss_rise.value
    return value if math.isfinite(value) else -math.inf


def _mark(one: Importance, name: str) -> Mark:
    e = one.drop if name == "drop" else one.log_loss_rise
    found = [
        f"quality lost at equal cost {points_interval(one.drop)}",
        f"rise of the log loss {number_interval(one.log_loss_rise)}",
        f"n = {count(e.n)} requests",
    ]
    if one.same_as:
        found.append(f"also said by {', '.join(theme.cut(c, 30) for c in one.same_as[:4])}")
    sure = e.low > 0
    return Mark(
        e,
        lines(f"without {one.name}", *found),
        theme.POLICY if sure else theme.NEUTRAL,
        "diamond" if sure else "diamond-open",
    )
