"""Estimates with their intervals in rows, several measures side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from toolkit.evaluate.intervals import Estimate
from toolkit.figures import theme

ROW = 32
GAP = 0.07
"""Between panels, share of the width."""


@dataclass(frozen=True)
class Mark:
    """One estimate of a row."""

    estimate: Estimate
    words: str
    """what it says when it is pointed at"""
    colour: str = theme.POLICY
    symbol: str = "diamond"
    size: int = 10


@dataclass(frozen=True)
class Panel:
    """One measure: a mark per row, None where there is nothing to show."""

    title: str
    marks: Sequence[Mark | None]
    look: dict[str, Any]
    """Plotly's settings of its axis"""
    lines: Sequence[tuple[float, str]] = ()
    """places to compare with, and their colours"""


def forest_figure(
    names: Sequence[str], panels: Sequence[Panel], alt: str, height: int | None = None
) -> go.Figure:
    """A row per name, a panel per measure."""
    fig = theme.figure(height or 74 + ROW * max(len(names), 1), alt)
    places = theme.rows(fig, names, 22)
    wide = (1 - GAP * (len(panels) - 1)) / max(len(panels), 1)
    for j, panel in enumerate(panels):
        key = "x" if not j else f"x{j + 1}"
        shown = [(place, m) for place, m in zip(places, panel.marks, strict=True) if m is not None]
        shown = [(place, m) for place, m in shown if not math.isnan(m.estimate.value)]
        fig.add_trace(_trace(shown, key))
        left = j * (wide + GAP)
        fig.update_layout(
            {
                f"xaxis{key[1:]}": {
                    "domain": [left, min(left + wide, 1.0)],
                    "anchor": "y",
                    "title": {"text": panel.title, "font": {"size": 12}},
                    "nticks": 4,
                    "tickfont": {"size": 11},
                    "exponentformat": "none",
                    "zeroline": False,
                    **panel.look,
                }
            }
        )
        for at, colour in panel.lines:
            fig.add_shape(
                type="line",
                xref=key,
                yref="paper",
                x0=at,
                x1=at,
                y0=0,
                y1=1,
                layer="below",
                line={"color": colour, "width": 1.5, "dash": "dot" if at else "solid"},
            )
    fig.update_layout(margin={"t": 8}, showlegend=False)
    fig.update_yaxes(range=[len(names) - 0.5, -0.5], autorange=False)
    return fig


def _trace(shown: Sequence[tuple[str, Mark]], axis: str) -> go.Scatter:
    values = [mark.estimate for _, mark in shown]
    return go.Scatter(
        x=[e.value for e in values],
        y=[place for place, _ in shown],
        xaxis=axis,
        orientation="h",
        mode="markers",
        marker={
            "symbol": [mark.symbol for _, mark in shown],
            "color": [mark.colour for _, mark in shown],
            "size": [mark.size for _, mark in shown],
            "line": {"width": [2 * ("open" in mark.symbol) for _, mark in shown]},
        },
        error_x={
            "type": "data",
            "array": [e.high - e.value for e in values],
            "arrayminus": [e.value - e.low for e in values],
            "color": theme.NEUTRAL,
            "thickness": 1.5,
            "width": 4,
        },
        customdata=[mark.words for _, mark in shown],
        hovertemplate="%{customdata}<extra></extra>",
    )
