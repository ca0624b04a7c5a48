"""Cost against quality: where a policy stands among single models, chance and perfect foresight."""

from __future__ import annotations

import math
from collections.abc import Mapping

import plotly.graph_objects as go

from toolkit.evaluate.baselines import Baseline, Baselines
from toolkit.evaluate.format import count, number_interval, seconds_interval, usd_interval
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.summary import Summary
from toolkit.figures import theme
from toolkit.policy.model import Goals

_SYMBOLS = {"single": "circle-open", "random": "x-thin-open", "oracle": "star-open"}
DECADES = 30
"""A cost axis is logarithmic where the largest is this many times the smallest."""
NEAR = 0.14
"""Markers closer than this in quality would stand in each other's label."""
FEW = 10
"""Up to so many single models each have their name beside them."""


def frontier_figure(
    summary: Summary,
    baselines: Baselines,
    goals: Goals | None = None,
    colours: Mapping[str, str] | None = None,
    used: tuple[str, ...] = (),
    height: int = 345,
) -> go.Figure:
    """The policy as a filled marker with its intervals, the baselines hollow, the goals shaded.

    ``colours`` are those of the models of the log; ``used`` are the ones that the policy calls.
    """
    colours = colours or {}
    rows = [row for row in baselines.rows if row.cost_usd_per_1k.n and row.quality.n]
    fig = theme.figure(height, "Quality against cost: the policy among the baselines")
    named = {row.name for row in rows if row.name in used or row.kind != "single"}
    if len(rows) <= FEW:
        named = {row.name for row in rows}
    singles = [row for row in rows if row.kind == "single"]
    costs = [row.cost_usd_per_1k.value for row in rows] + [summary.cost_usd_per_1k.value]
    positive = [c for c in costs if c > 0]
    log = bool(positive) and min(costs) > 0 and max(positive) > DECADES * min(positive)
    sides = _sides([row for row in rows if row.name in named], summary, log)
    _points(fig, singles, "single models", colours, sides)
    for row in rows:
        if row.kind != "single":
            _points(fig, [row], row.name, {}, sides)
    _policy(fig, summary)
    fig.update_xaxes(
        title="cost per 1,000 requests, USD" + (" (logarithmic)" if log else ""),
        type="log" if log else "linear",
        rangemode="normal" if log else "tozero",
        tickprefix="$",
        exponentformat="none",
        minor={"showgrid": False},
        dtick=1 if log else None,
    )
    fig.update_yaxes(title="quality, 0 to 1")
    if log:
        fig.update_xaxes(range=[math.log10(min(costs) / 2), math.log10(max(costs) * 3)])
    if goals:
        _goals(fig, goals, min(costs) / 2 if log else 0)
    return fig


def _points(
    fig: go.Figure,
    rows: list[Baseline],
    name: str,
    colours: Mapping[str, str],
    sides: Mapping[str, str],
) -> None:
    many = len(rows) > FEW
    fig.add_trace(
        go.Scatter(
            x=[row.cost_usd_per_1k.value for row in rows],
            y=[row.quality.value for row in rows],
            name=theme.plain(name),
            mode="markers+text",
            text=[theme.plain(row.name) if row.name in sides else "" for row in rows],
            textposition=[sides.get(row.name, "top center") for row in rows],
            textfont={"size": 12},
            cliponaxis=False,
            marker={
                "symbol": [_SYMBOLS[row.kind] for row in rows],
                "size": [9 if many and row.name not in sides else 12 for row in rows],
                "color": [colours.get(row.name, theme.NEUTRAL) for row in rows],
                "line": {"width": 2},
                "opacity": [0.6 if many and row.name not in sides else 1 for row in rows],
            },
            customdata=[
                _hover(row.name, row.quality, row.cost_usd_per_1k, row.latency_mean_s)
                for row in rows
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _sides(rows: list[Baseline], summary: Summary, log: bool) -> dict[str, str]:
    """Where each label stands: inwards, above its marker, or below where another is just above."""
    scale = math.log10 if log else float
    ends = [(r.cost_usd_per_1k.value, r.quality.value) for r in rows]
    ends.append((summary.cost_usd_per_1k.value, summary.quality.value))
    marks = [(scale(cost), quality) for cost, quality in ends]
    width = max(x for x, _ in marks) - min(x for x, _ in marks) or 1.0
    left = min(x for x, _ in marks)
    sides = {}
    for row, (x, y) in zip(rows, marks, strict=False):
        crowded = any(0 < y2 - y < NEAR and abs(x2 - x) < width / 2 for x2, y2 in marks)
        place = (x - left) / width
        inwards = "right" if place < 0.5 else "center" if place < 0.8 else "left"
        sides[row.name] = f"{'bottom' if crowded else 'top'} {inwards}"
    return sides


def _policy(fig: go.Figure, summary: Summary) -> None:
    quality, cost = summary.quality, summary.cost_usd_per_1k
    if not (quality.n and cost.n):
        return
    fig.add_trace(
        go.Scatter(
            x=[cost.value],
            y=[quality.value],
            error_x=_bars(cost),
            error_y=_bars(quality),
            name=theme.plain(f"{summary.policy} (this policy)"),
            mode="markers",
            marker={"symbol": "diamond", "size": 15, "color": theme.POLICY},
            customdata=[_hover(summary.policy, quality, cost, summary.latency_mean_s)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _bars(e: Estimate) -> dict[str, object]:
    return {
        "type": "data",
        "array": [e.high - e.value],
        "arrayminus": [e.value - e.low],
        "color": theme.POLICY,
        "thickness": 1.5,
        "width": 5,
    }


def _hover(name: str, quality: Estimate, cost: Estimate, latency: Estimate) -> str:
    lines = (
        f"quality {number_interval(quality)}",
        f"cost {usd_interval(cost)} /1k",
        f"mean latency {seconds_interval(latency)}",
        f"n = {count(quality.n)} requests",
    )
    return "<br>".join([f"<b>{theme.plain(name)}</b>", *map(theme.plain, lines)])


def _goals(fig: go.Figure, goals: Goals, left: float) -> None:
    """Shade what is good enough: above the quality asked for and below the cost allowed."""
    floor = goals.quality.min if goals.quality else None
    ceiling = goals.cost_usd_per_1k.max if goals.cost_usd_per_1k else None
    if floor is None and ceiling is None:
        return
    line = {"color": theme.GOAL, "width": 1, "dash": "dot"}
    fig.add_shape(
        type="rect",
        xref="x domain" if ceiling is None else "x",
        yref="paper" if floor is None else "y",
        x0=0 if ceiling is None else left,
        x1=1 if ceiling is None else ceiling,
        y0=0 if floor is None else floor,
        y1=1.0,
        fillcolor=theme.faded(theme.GOAL, 0.10),
        line=line,
        layer="below",
    )
    fig.add_annotation(
        text="goal",
        showarrow=False,
        xref="x domain",
        yref="y domain",
        x=0.01,
        y=0.99,
        xanchor="left",
        yanchor="top",
        font={"color": theme.GOAL, "size": 12},
    )
