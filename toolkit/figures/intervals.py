"""Numbers with their intervals: one summary against its goals, two policies against each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from toolkit.evaluate.compare import Comparison
from toolkit.evaluate.format import (
    number_interval,
    percent_interval,
    points_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.summary import Summary
from toolkit.figures import theme

Row = tuple[str, str, Estimate, str]
"""title, axis title, estimate, estimate in words"""
PANEL = 88


def summary_figure(summary: Summary) -> go.Figure:
    """Quality, cost, latency and errors with their intervals; the goals as dotted lines."""
    rows: list[tuple[str, str, str, Callable[[Estimate], str]]] = [
        ("quality", "quality", "0 to 1", number_interval),
        ("cost_usd_per_1k", "cost", "USD per 1,000 requests", usd_interval),
        ("latency_p95_s", "p95 latency", "seconds", seconds_interval),
        ("error_rate", "errors", "share of requests", percent_interval),
    ]
    fig = _panels(
        [
            (title, unit, getattr(summary, name), show(getattr(summary, name)))
            for name, title, unit, show in rows
        ]
    )
    fig.update_xaxes(rangemode="tozero")
    goals = {goal.name: goal for goal in summary.goals if goal.kind == "value"}
    for i, (name, *_) in enumerate(rows, 1):
        limits = (goals[name].lowest, goals[name].highest) if name in goals else ()
        for limit in filter(math.isfinite, limits):
            fig.add_vline(x=limit, row=i, col=1, line_dash="dot", line_color=theme.GOAL)
    return fig


def comparison_figure(comparison: Comparison) -> go.Figure:
    """The paired differences with their intervals; where one spans 0, nothing is certain."""
    c = comparison
    fig = _panels(
        [
            ("quality", "difference, 0 to 1", c.quality, points_interval(c.quality)),
            (
                "cost",
                "difference, USD per 1,000 requests",
                c.cost_usd_per_1k,
                usd_interval(c.cost_usd_per_1k, sign=True),
            ),
            (
                "mean latency",
                "difference, seconds",
                c.latency_mean_s,
                seconds_interval(c.latency_mean_s, sign=True),
            ),
            (
                "errors",
                "difference, share of requests",
                c.error_rate,
                points_interval(c.error_rate),
            ),
        ]
    )
    for i in range(1, 5):
        fig.add_vline(x=0, row=i, col=1, line_width=1.5, line_color=theme.NEUTRAL)
    fig.update_layout(
        title={"text": theme.plain(theme.minus(c.b, c.a, 24)), "font": {"size": 14}, "y": 0.99}
    )
    return fig


def _panels(rows: list[Row]) -> go.Figure:
    fig = make_subplots(rows=len(rows), cols=1, vertical_spacing=0.16)
    fig.update_layout(theme.figure(PANEL * len(rows) + 40, "Estimates with intervals").layout)
    for i, (title, unit, e, words) in enumerate(rows, 1):
        fig.add_trace(
            go.Scatter(
                x=[e.value],
                y=[title],
                mode="markers+text",
                text=[theme.plain(words)],
                textposition=_beside(e),
                cliponaxis=False,
                marker={"symbol": "diamond", "size": 11, "color": theme.POLICY},
                error_x={
                    "type": "data",
                    "array": [e.high - e.value],
                    "arrayminus": [e.value - e.low],
                    "color": theme.POLICY,
                    "thickness": 2,
                    "width": 6,
                },
                customdata=[theme.plain(f"{title} {words}, n = {e.n}")],
                hovertemplate="%{customdata}<extra></extra>",
                showlegend=False,
            ),
            row=i,
            col=1,
        )
        fig.update_xaxes(title={"text": unit, "font": {"size": 11}}, row=i, col=1)
    return fig


def _beside(e: Estimate) -> str:
    """Where its words have room: the scale holds 0 and the interval."""
    low, high = min(e.low, 0.0), max(e.high, 0.0)
    if not high > low:  # nothing is known, or all of it is 0
        return "top center"
    at = (e.value - low) / (high - low)
    return "top left" if at > 0.7 else "top right" if at < 0.3 else "top center"
