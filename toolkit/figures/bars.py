"""Stacked and plain bars: how requests end, what models cost."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from toolkit.evaluate.breakdown import ANSWERED, FROM_CACHE, Endings
from toolkit.evaluate.format import count, percent, usd_per_1k
from toolkit.figures import theme
from toolkit.schema import ErrorType

BAR = 30
"""Height of one bar with its gap, pixels."""
_WIDTH = 24
_OTHER = {FROM_CACHE: theme.CACHED, ErrorType.CANCELLED.label: theme.UNOBSERVED}
"""A call is cancelled when it is no longer needed, which is no failure."""
_SHADES = (theme.ERROR, "#E8616E", "#F0929B", "#B01E2E", "#8C1522")


def endings_figure(
    endings: Endings, what: str, colours: Mapping[str, str], height: int | None = None
) -> go.Figure:
    """How requests or calls (``what``) end, a bar per route or model; red is errors only.

    ``colours`` are those of the models, for the parts that they answered.
    """
    fig = theme.figure(height or 84 + BAR * len(endings.names), f"How the {what} of each end")
    places = theme.rows(fig, endings.names, _WIDTH)
    errors = iter(_SHADES * 3)
    for j, way in enumerate(endings.ways):
        if not endings.count[:, j].any():
            continue
        colour: str | list[str] | None = theme.STATUS.get(way) or colours.get(way)
        if way == ANSWERED:
            colour = [colours.get(name, theme.NEUTRAL) for name in endings.names]
        colour = _OTHER.get(way) or colour
        fig.add_trace(
            go.Bar(
                y=places,
                x=endings.share[:, j],
                name=theme.plain(way.replace("_", " ")),
                orientation="h",
                showlegend=way != ANSWERED,  # in each model's own colour
                marker={"color": colour or next(errors), "line": {"width": 0}},
                customdata=[
                    theme.plain(
                        f"{name}: {count(int(n))} {what} {way.replace('_', ' ')}, {percent(share)}"
                    )
                    for name, n, share in zip(
                        endings.names, endings.count[:, j], endings.share[:, j], strict=True
                    )
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    fig.update_layout(barmode="stack", legend={"traceorder": "normal"})
    fig.update_xaxes(tickformat=".0%", range=[0, 1])
    fig.update_yaxes(showgrid=False)
    return fig


def cost_figure(
    costs: Mapping[str, float], colours: Mapping[str, str], height: int | None = None
) -> go.Figure:
    """What each model adds to the cost of 1,000 requests."""
    fig = theme.figure(height or 56 + BAR * len(costs), "Cost of 1,000 requests by model")
    labels = [usd_per_1k(value) for value in costs.values()]
    fig.add_trace(
        go.Bar(
            y=theme.rows(fig, list(costs), _WIDTH),
            x=list(costs.values()),
            orientation="h",
            marker={"color": [colours.get(name, theme.NEUTRAL) for name in costs]},
            text=[theme.plain(label) for label in labels],
            textposition="auto",
            cliponaxis=False,
            customdata=[
                theme.plain(f"{name}: {label} requests")
                for name, label in zip(costs, labels, strict=True)
            ],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    fig.update_layout(margin={"t": 8})
    fig.update_xaxes(tickprefix="$", rangemode="tozero")
    fig.update_yaxes(showgrid=False)
    return fig
