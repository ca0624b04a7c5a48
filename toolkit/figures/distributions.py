"""How cost, latency and tokens are spread, and which errors there are, a row per model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from toolkit.evaluate.format import count, number, percent, seconds, usd
from toolkit.figures import theme
from toolkit.figures.coverage import ROW, WIDTH, height_of
from toolkit.logs.profile import QUANTILES, ModelFacts, Spread
from toolkit.schema import ErrorType

_FORMATS = {"cost_usd": usd, "latency_s": seconds}
_AXES = {
    "cost_usd": {"title": "cost of a call, USD", "tickprefix": "$"},
    "latency_s": {"title": "latency of a call, seconds", "ticksuffix": " s"},
    "input_tokens": {"title": "input tokens of a call"},
    "output_tokens": {"title": "output tokens of a call"},
}
_NARROW = 1_000
"""Below this ratio of the ends of an axis its ticks are 1, 2, 5, else powers of ten."""
_DENSITY = [[0, "rgba(0, 114, 178, 0.12)"], [0.4, "rgba(0, 114, 178, 0.6)"], [1, "#0072B2"]]
"""Fades into the background, whatever that is."""
_REDS = ("#D62839", "#8C1522", "#E8616E", "#5E0E17", "#F0929B", "#B01E2E", "#F7C0C5")


def spread_figure(found: Spread, order: Sequence[int]) -> go.Figure:
    """Where each model's values lie: stronger is more often; the median and the 95th percentile."""
    show = _FORMATS.get(found.measure, number)
    names = [found.models[i] for i in order]
    fig = theme.figure(height_of(len(order)) + 40, f"{found.measure} of each model")
    places = theme.rows(fig, names, WIDTH, 1)
    rows, share = found.count[list(order)], found.share[list(order)]
    words = [
        [
            theme.plain(
                f"{name}: {count(int(n))} calls of {show(low)} to {show(high)}, {percent(part)}"
            )
            for n, part, low, high in zip(
                rows[row], share[row], found.edges[:-1], found.edges[1:], strict=True
            )
        ]
        for row, name in enumerate(names)
    ]
    fig.add_trace(
        go.Heatmap(
            z=share,
            x=found.middle,
            y=places,
            zmin=0,
            colorscale=_DENSITY,
            showscale=False,
            ygap=2,
            customdata=words,
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    for level, symbol, size in ((0.5, "circle", 8), (0.95, "line-ns", 11)):
        values = found.quantiles[list(order), QUANTILES.index(level)]
        fig.add_trace(
            go.Scatter(
                x=np.where(values > 0, values, np.nan),
                y=places,
                orientation="h",
                mode="markers",
                name={0.5: "median", 0.95: "95 of 100 are below"}[level],
                marker={
                    "symbol": symbol,
                    "size": size,
                    "color": theme.DEGRADED,
                    "line": {"width": 3 if level > 0.5 else 0, "color": theme.DEGRADED},
                },
                customdata=[
                    theme.plain(f"{name}: p{100 * level:.0f} {show(value)}")
                    for name, value in zip(names, values, strict=True)
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    narrow = found.edges.size and found.edges[-1] < _NARROW * found.edges[0]
    fig.update_xaxes(
        type="log", dtick="D2" if narrow else 1, exponentformat="none", **_AXES[found.measure]
    )
    fig.update_yaxes(showgrid=False)
    return fig


def errors_figure(facts: ModelFacts, order: Sequence[int]) -> go.Figure:
    """Share of each model's outcomes that are errors, by type."""
    fig = theme.figure(height_of(len(order)) + 40, "Errors of each model by type")
    names = [facts.models[i] for i in order]
    places = theme.rows(fig, names, WIDTH, 1)
    reds = iter(_REDS * 2)
    by_type = facts.errors[list(order)]
    for kind in sorted(ErrorType, key=lambda k: -int(by_type[:, k].sum())):
        if kind is ErrorType.NONE or not by_type[:, kind].any():
            continue
        share = facts.error_share[list(order), kind]
        label = kind.label.replace("_", " ")
        fig.add_trace(
            go.Bar(
                y=places,
                x=share,
                orientation="h",
                name=label,
                marker={"color": next(reds), "line": {"width": 0}},
                customdata=[
                    theme.plain(f"{name}: {count(int(n))} × {label}, {percent(part)} of its calls")
                    for name, n, part in zip(names, by_type[:, kind], share, strict=True)
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    fig.update_layout(barmode="stack", legend={"traceorder": "normal"})
    fig.update_xaxes(tickformat=".1~%", rangemode="tozero", title="share of the model's outcomes")
    fig.update_yaxes(showgrid=False)
    return fig


def days_figure(days: Sequence[object], requests: Sequence[int]) -> go.Figure:
    """Requests of each day (UTC)."""
    fig = theme.figure(200, "Requests of each day")
    fig.add_trace(
        go.Bar(
            x=list(days),
            y=list(requests),
            marker={"color": theme.NEUTRAL},
            hovertemplate="%{x|%d %B %Y}: %{y:,} requests<extra></extra>",
        )
    )
    fig.update_layout(margin={"t": 8}, bargap=0.15)
    fig.update_yaxes(title="requests", rangemode="tozero")
    return fig


def sizes_figure(names: Sequence[str], requests: Sequence[int]) -> go.Figure:
    """Requests of each group."""
    fig = theme.figure(40 + (ROW + 4) * max(len(names), 2), "Requests of each group")
    fig.add_trace(
        go.Bar(
            y=theme.rows(fig, names, WIDTH, 1),
            x=list(requests),
            orientation="h",
            marker={"color": theme.NEUTRAL},
            customdata=[
                theme.plain(f"{name}: {count(n)} requests")
                for name, n in zip(names, requests, strict=True)
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    fig.update_layout(margin={"t": 8})
    fig.update_xaxes(rangemode="tozero", tickformat=",")
    fig.update_yaxes(showgrid=False)
    return fig
