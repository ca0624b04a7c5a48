"""Which share of random routing tells policies apart, and what it costs meanwhile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import count, percent, points_interval, usd_interval
from toolkit.figures import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.offpolicy.exploration import Exploration, Share

PANELS = ((0.6, 1.0), (0.31, 0.53), (0.0, 0.22))
"""Where the panels stand, shares of the height."""


def exploration_figure(found: Exploration, height: int = 460) -> go.Figure:
    """Above, the requests that decide at each share; below, what that costs per request.

    A share decides where its line is below that of tomorrow's requests. The diamond is the
    smallest that does.
    """
    fig = theme.figure(height, "Requests that decide, and the price, by share of random routing")
    shares = [s for s in found.shares if math.isfinite(s.requests_needed)]
    _line(fig, shares, [s.requests_needed for s in shares], "y", found)
    prices = (
        ("y2", [s.quality for s in found.shares], "change of quality"),
        ("y3", [s.cost_usd_per_1k for s in found.shares], "change of cost per 1k"),
    )
    for key, changes, _ in prices:
        _line(fig, found.shares, [e.value for e in changes], key, found, changes)
    ends = [s.requests_needed for s in shares] + [found.requests]
    for (low, high), key in zip(PANELS, ("yaxis", "yaxis2", "yaxis3"), strict=True):
        fig.update_layout({key: {"domain": [low, high], "anchor": "x"}})
    titles = ["requests that decide", *(words for *_, words in prices)]
    for (_, top), words in zip(PANELS, titles, strict=True):
        fig.add_annotation(
            text=f"<b>{words}</b>",
            xref="paper",
            yref="paper",
            x=0,
            y=top,
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
        )
    fig.add_shape(
        type="line",
        xref="paper",
        yref="y",
        x0=0,
        x1=1,
        y0=found.requests,
        y1=found.requests,
        line={"color": theme.GOAL, "width": 1.5, "dash": "dot"},
    )
    fig.add_annotation(
        text=f"{count(found.requests)} requests",
        xref="paper",
        yref="y",
        x=1,
        y=math.log10(max(found.requests, 1)),
        xanchor="right",
        yanchor="bottom",
        showarrow=False,
        font={"color": theme.GOAL, "size": 12},
    )
    fig.update_layout(
        margin={"t": 26},
        showlegend=False,
        yaxis={
            "type": "log",
            "range": [math.log10(max(min(ends), 1) / 1.6), math.log10(max(*ends, 2) * 1.6)],
            "dtick": 1,
            "tickformat": ",",
        },
        yaxis2={"tickformat": "+.3~f", "nticks": 4, "zeroline": True},
        yaxis3={"tickformat": "+$.6~f", "nticks": 4, "zeroline": True},
    )
    fig.update_xaxes(
        title="share of requests that chance serves, %",
        type="log",
        tickvals=[s.explore for s in found.shares],
        ticktext=[f"{100 * s.explore:g}" for s in found.shares],
        tickangle=0,
        anchor="y3",
    )
    return fig


def _line(
    fig: go.Figure,
    shares: Sequence[Share],
    values: Sequence[float],
    axis: str,
    found: Exploration,
    changes: Sequence[Estimate] = (),
) -> None:
    chosen = found.recommended
    bars = {
        "type": "data",
        "array": [e.high - e.value for e in changes],
        "arrayminus": [e.value - e.low for e in changes],
        "color": theme.faded(theme.POLICY, 0.5),
        "thickness": 1.5,
        "width": 3,
    }
    fig.add_trace(
        go.Scatter(
            x=[s.explore for s in shares],
            y=list(values),
            yaxis=axis,
            mode="lines+markers",
            line={"color": theme.faded(theme.POLICY, 0.5), "width": 1.5},
            marker={
                "color": theme.POLICY,
                "symbol": ["diamond" if s is chosen else "circle" for s in shares],
                "size": [14 if s is chosen else 8 for s in shares],
            },
            error_y=bars if changes else None,
            customdata=[_words(s) for s in shares],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _words(s: Share) -> str:
    needed = (
        count(math.ceil(s.requests_needed)) if math.isfinite(s.requests_needed) else "no number"
    )
    lines = (
        f"{needed} requests would decide",
        f"quality {points_interval(s.quality)}",
        f"cost {usd_interval(s.cost_usd_per_1k, sign=True)} /1k",
        f"power {percent(s.power)}",
    )
    return "<br>".join([f"<b>{percent(s.explore)} explored</b>", *map(theme.plain, lines)])
