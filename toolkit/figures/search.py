"""What a search found: where it was tuned, and on requests that it had not seen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from toolkit.evaluate.format import count
from toolkit.evaluate.goals import WORDS
from toolkit.figures import theme
from toolkit.figures.axes import COST, QUALITY, Scale, axis, scale
from toolkit.figures.labels import places
from toolkit.figures.tradeoff_goals import good_enough

if TYPE_CHECKING:
    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.search.result import Search, Side
    from toolkit.evaluate.summary import Summary

LATENCY = "latency_mean_s"
MEASURES = (QUALITY, COST, LATENCY, "latency_p95_s", "error_rate")
WIDE, HIGH = 560.0, 290.0
OTHERS = ("as it stands", "best single model")


def search_figure(found: Search, height: int = 420) -> go.Figure:
    """Each policy twice: hollow where it was tuned, filled with its interval on held-out requests.

    The line between is what tuning flattered it by. Faint dots are all that was tried, fainter
    where it missed the goals. Without costs the mean latency stands across.
    """
    priced = any(not math.isnan(side.held_out.cost_usd_per_1k.value) for _, side in found.sides)
    across, up = axis(COST if priced else LATENCY), axis(QUALITY)
    sides = [
        (name, side)
        for name, side in found.sides
        if not math.isnan(_at(side.held_out, across.name).value + side.held_out.quality.value)
    ]
    where = "on the other half" if found.seen else "on requests that were held out"
    fig = theme.figure(height, f"Quality against cost: tuned, and {where}")
    ends = [
        (s, one) for _, side in sides for s in (side.tuned, side.held_out) for one in (across, up)
    ]
    scales = []
    for one, tried in zip((across, up), found.tried[:, :2].T, strict=True):
        of = [_at(s, one.name).value for s, which in ends if which is one]
        of += [end for _, side in sides for end in _bounds(_at(side.held_out, one.name))]
        scales.append(scale(one.name, of, [float(v) for v in np.unique(tried)]))
    _tried(fig, found)
    labels = _labels(sides, across.name, scales)
    for name, side in sides:
        _side(fig, name, side, across.name, labels, found.rest)
    good_enough(fig, found.goals, across, up, (scales[0], scales[1]))
    title = across.title + (" (logarithmic)" if scales[0].log else "")
    fig.update_xaxes(title=title, **across.look, **scales[0].look())
    fig.update_yaxes(title=up.title, **scales[1].look())
    return fig


def _at(summary: Summary, name: str) -> Estimate:
    found: Estimate = getattr(summary, name)
    return found


def _bounds(e: Estimate) -> tuple[float, float]:
    return e.low, e.high


def _tried(fig: go.Figure, found: Search) -> None:
    met = found.tried[:, 2] <= 0
    for rows, name, opacity in ((~met, "tried", 0.18), (met, "tried, met the goals", 0.4)):
        if rows.any():
            fig.add_trace(
                go.Scatter(
                    x=found.tried[rows, 0],
                    y=found.tried[rows, 1],
                    name=f"{name} ({count(int(rows.sum()))})",
                    mode="markers",
                    marker={"size": 5, "color": theme.faded(theme.POLICY, opacity)},
                    hoverinfo="skip",
                )
            )


def _labels(sides: list[tuple[str, Side]], across: str, scales: list[Scale]) -> dict[str, str]:
    at = [
        (
            WIDE * scales[0].at(_at(side.held_out, across).value),
            HIGH * scales[1].at(side.held_out.quality.value),
        )
        for _, side in sides
    ]
    return places(at, [name for name, _ in sides], WIDE)


def _side(
    fig: go.Figure, name: str, side: Side, across: str, labels: dict[str, str], rest: str
) -> None:
    own = name not in OTHERS
    colour = theme.POLICY if own else theme.NEUTRAL
    symbol = {"as it stands": "square", "best single model": "circle"}.get(name, "diamond")
    tuned, held_out = (_at(s, across) for s in (side.tuned, side.held_out))
    fig.add_trace(
        go.Scatter(
            x=[tuned.value, held_out.value],
            y=[side.tuned.quality.value, side.held_out.quality.value],
            error_x=_bars(held_out, colour),
            error_y=_bars(side.held_out.quality, colour),
            name=name,
            showlegend=name not in labels,
            mode="lines+markers+text",
            line={"color": theme.faded(colour, 0.6), "width": 1.2, "dash": "dot"},
            marker={
                "symbol": [f"{symbol}-open", symbol if own else f"{symbol}-open-dot"],
                "size": [9, 13],
                "color": colour,
                "line": {"width": 1.5},
            },
            text=["", name if name in labels else ""],
            textposition=labels.get(name, "top center"),
            textfont={"size": 12},
            cliponaxis=False,
            customdata=[_words(side, part) for part in ("tuned", rest)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _bars(e: Estimate, colour: str) -> dict[str, object]:
    """Of the second marker alone: the first has none to be taken for."""
    return {
        "type": "data",
        "array": [0, e.high - e.value],
        "arrayminus": [0, e.value - e.low],
        "color": theme.faded(colour, 0.5),
        "thickness": 1.3,
        "width": 3,
    }


def _words(side: Side, part: str) -> str:
    summary = side.tuned if part == "tuned" else side.held_out
    found = [(WORDS[name], _at(summary, name)) for name in MEASURES]
    lines = [f"{label} {show(e)}" for (label, show), e in found if not math.isnan(e.value)]
    head = f"<b>{theme.plain(side.policy.policy)}</b>, {part}"
    n = f"n = {count(summary.quality.n)} requests"
    return "<br>".join([head, *map(theme.plain, [*lines, n])])
