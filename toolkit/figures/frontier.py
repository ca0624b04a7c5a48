"""Cost against quality: where a policy stands among single models, chance and perfect foresight."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from toolkit.evaluate.baselines import Baseline, Baselines
from toolkit.evaluate.format import count, number_interval, seconds_interval, usd_interval
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.summary import Summary
from toolkit.figures import theme
from toolkit.figures.baseline_words import names, over
from toolkit.figures.labels import places
from toolkit.policy.model import Goals

_SYMBOLS = {"single": "circle-open", "random": "x-thin-open", "oracle": "star-open"}
DECADES = 30
"""A cost axis is logarithmic where the largest is this many times the smallest."""
WIDE, HIGH = 450.0, 210.0
"""The plot in pixels, for the room that labels need."""
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
    models = [row.name for row in baselines.rows if row.kind == "single"]
    # A policy's own models have another mix and another oracle than all of the log have.
    rows = [row if row.kind == "single" else over(row, models) for row in baselines.rows]
    rows = [row for row in rows if row.cost_usd_per_1k.n and row.quality.n]
    fig = theme.figure(height, "Quality against cost: the policy among the baselines")
    named = {row.name for row in rows if row.name in used or row.kind != "single"}
    if len(rows) <= FEW:
        named = {row.name for row in rows}
    singles = [row for row in rows if row.kind == "single"]
    costs = [row.cost_usd_per_1k.value for row in rows] + [summary.cost_usd_per_1k.value]
    positive = [c for c in costs if c > 0]
    log = bool(positive) and min(costs) > 0 and max(positive) > DECADES * min(positive)
    labels = _places([row for row in rows if row.name in named], summary, used, log)
    _points(fig, singles, "single models", colours, labels, models)
    for row in rows:
        if row.kind != "single":
            _points(fig, [row], row.name, {}, labels, models)
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
    labels: Mapping[str, str],
    models: Sequence[str],
) -> None:
    many = len(rows) > FEW
    fig.add_trace(
        go.Scatter(
            x=[row.cost_usd_per_1k.value for row in rows],
            y=[row.quality.value for row in rows],
            name=theme.plain(name),
            mode="markers+text",
            text=[theme.plain(row.name) if row.name in labels else "" for row in rows],
            textposition=[labels.get(row.name, "top center") for row in rows],
            textfont={"size": 12},
            cliponaxis=False,
            marker={
                "symbol": [_SYMBOLS[row.kind] for row in rows],
                "size": [9 if many and row.name not in labels else 12 for row in rows],
                "color": [colours.get(row.name, theme.NEUTRAL) for row in rows],
                "line": {"width": 2},
                "opacity": [0.6 if many and row.name not in labels else 1 for row in rows],
            },
            customdata=[
                _hover(
                    row.name,
                    row.quality,
                    row.cost_usd_per_1k,
                    row.latency_mean_s,
                    "" if row.kind == "single" else f"of {names(models)}",
                )
                for row in rows
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _places(
    rows: list[Baseline], policy: Summary, used: tuple[str, ...], log: bool
) -> dict[str, str]:
    """Where labels stand; those of the policy's models choose first, then the better ones.

    Sizes are those of the usual card: the browser's differ a little.
    """
    if not rows:
        return {}
    rows = sorted(rows, key=lambda row: (row.name not in used, -row.quality.value))
    ends = [(row.cost_usd_per_1k.value, row.quality.value) for row in rows]
    ends.append((policy.cost_usd_per_1k.value, policy.quality.value))
    scale = math.log10 if log else float
    costs = [scale(cost) for cost, _ in ends if not math.isnan(cost)]
    left, right = 0.0, 1.05 * max(costs)
    if log:
        left, right = min(costs) - math.log10(2), max(costs) + math.log10(3)
    wide = (right - left) or 1.0
    at = [((scale(cost) - left) / wide * WIDE, quality * HIGH) for cost, quality in ends]
    return places(at, [row.name for row in rows], WIDE)


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


def _hover(name: str, quality: Estimate, cost: Estimate, latency: Estimate, of: str = "") -> str:
    lines = (
        *filter(None, [of]),
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
