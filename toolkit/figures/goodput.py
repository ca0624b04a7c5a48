"""Useful work against offered work: where retries turn an overload into a collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import number
from toolkit.figures import theme

if TYPE_CHECKING:
    from toolkit.evaluate.goodput import Goodput


def goodput_figure(found: Goodput, height: int = 340) -> go.Figure:
    """Accepted per second against offered per second, with a retry budget and without."""
    fig = theme.figure(height, "Accepted requests per second against offered, retry budget on/off")
    offered = found.offered_per_s
    fig.add_trace(
        go.Scatter(
            x=offered,
            y=offered,
            name="everything answered",
            mode="lines",
            line={"color": theme.NEUTRAL, "width": 1, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    for name, accepted, attempts, style in (
        (
            "without a retry budget",
            found.accepted_without_per_s,
            found.attempts_without,
            {"color": theme.NEUTRAL, "symbol": "circle-open", "dash": "dot"},
        ),
        (
            "with a retry budget",
            found.accepted_with_per_s,
            found.attempts_with,
            {"color": theme.POLICY, "symbol": "circle", "dash": "solid"},
        ),
    ):
        fig.add_trace(
            go.Scatter(
                x=offered,
                y=accepted,
                name=name,
                mode="lines+markers",
                line={"color": style["color"], "width": 2.5, "dash": style["dash"]},
                marker={"symbol": style["symbol"], "size": 8, "line": {"width": 2}},
                customdata=[
                    f"<b>{name}</b><br>offered: {number(x)} requests per second"
                    f"<br>accepted: {number(y)} per second"
                    f"<br>{number(calls)} calls per request"
                    for x, y, calls in zip(offered, accepted, attempts, strict=True)
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    fig.update_xaxes(title="offered, requests per second", rangemode="tozero")
    fig.update_yaxes(title="accepted, requests per second", rangemode="tozero")
    fig.update_layout(legend={"traceorder": "reversed"})
    return fig
