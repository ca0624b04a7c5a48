"""Cost against quality: where a policy stands among single models, chance and perfect foresight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

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
WIDE, HIGH = 450.0, 210.0
"""The plot in pixels, as far as labels need to know, then a letter, a line and half a marker."""
LETTER, LINE, MARK = 6.4, 14.0, 8.0
PLACES = (
    "top center",
    "bottom center",
    "middle right",
    "middle left",
    "top right",
    "top left",
    "bottom right",
    "bottom left",
)
Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right and top, in pixels."""
Sides: TypeAlias = dict[str, str]
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
    sides = _sides([row for row in rows if row.name in named], summary, used, log)
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


def _sides(rows: list[Baseline], summary: Summary, used: tuple[str, ...], log: bool) -> Sides:
    """Where each label stands so that it covers no marker and no other label.

    Those of the policy's models choose first; where there is no room, the name is in the hover
    alone. Sizes are those of the usual card: the browser's differ a little.
    """
    scale = math.log10 if log else float
    ends = [(r.cost_usd_per_1k.value, r.quality.value) for r in rows]
    ends.append((summary.cost_usd_per_1k.value, summary.quality.value))
    if not rows:
        return {}
    costs = [scale(cost) for cost, _ in ends if not math.isnan(cost)]
    left, right = min(costs), max(costs)
    if log:
        left, right = left - math.log10(2), right + math.log10(3)
    else:
        left, right = 0.0, 1.05 * right
    at = [((scale(c) - left) / ((right - left) or 1) * WIDE, q * HIGH) for c, q in ends]
    taken = [(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in at]
    sides = {}
    order = sorted(range(len(rows)), key=lambda i: (rows[i].name not in used, -ends[i][1]))
    for i in order:
        for place in PLACES:
            box = _label(place, *at[i], LETTER * len(rows[i].name))
            if box[0] < 0 or box[2] > WIDE or any(_overlap(box, other) for other in taken):
                continue
            taken.append(box)
            sides[rows[i].name] = place
            break
    return sides


def _label(place: str, x: float, y: float, width: float) -> Box:
    """The box of a label of this width beside a marker."""
    vertical, horizontal = place.split()
    low = y + {"top": MARK + 1, "middle": -LINE / 2, "bottom": -MARK - 1 - LINE}[vertical]
    beside = MARK + 1 if vertical == "middle" else 0
    start = {"right": x + beside, "left": x - beside - width, "center": x - width / 2}[horizontal]
    return start, low, start + width, low + LINE


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


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
