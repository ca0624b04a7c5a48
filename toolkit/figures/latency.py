"""How long requests take: distribution functions with their medians and 95th percentiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from toolkit.evaluate.breakdown import Curve
from toolkit.evaluate.format import count, seconds
from toolkit.figures import theme


def latency_figure(
    curves: Sequence[Curve], colours: Mapping[str, str], height: int = 320
) -> go.Figure:
    """Share of requests that took at most so long, for all and by the model that answered."""
    fig = theme.figure(height, "Distribution of the latency, by the model that answered")
    for i, curve in enumerate(curves):
        everything = i == 0
        colour = theme.POLICY if everything else colours.get(curve.name, theme.NEUTRAL)
        fig.add_trace(
            go.Scatter(
                x=curve.seconds,
                y=curve.share,
                name=theme.plain(curve.name),
                mode="lines",
                line={"color": colour, "width": 3 if everything else 1.75},
                text=[theme.plain(f"{curve.name}, n = {count(curve.n)}")] * len(curve.seconds),
                hovertemplate="%{text}<br>%{y:.1%} took at most %{x:.3~g} s<extra></extra>",
            )
        )
    for curve in curves[:1]:
        fig.add_trace(
            go.Scatter(
                x=[curve.p50, curve.p95],
                y=[0.5, 0.95],
                mode="markers+text",
                marker={"color": theme.POLICY, "size": 10},
                text=[f"p50 {seconds(curve.p50)}", f"p95 {seconds(curve.p95)}"],
                textposition="bottom right",
                hoverinfo="skip",
                showlegend=False,
                cliponaxis=False,
            )
        )
    fig.update_xaxes(rangemode="tozero", ticksuffix=" s")
    fig.update_yaxes(title="share of requests", tickformat=".0%", range=[0, 1.04], dtick=0.25)
    return fig
