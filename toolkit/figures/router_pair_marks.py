"""What stands beside the curve of a weak and a strong model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import count, percent, percent_interval, quality_interval
from toolkit.figures import theme
from toolkit.figures.router_words import lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.routers.pairs import PairScores
    from toolkit.evaluate.routers.training import Training


def ends(fig: go.Figure, pair: PairScores, colours: Mapping[str, str]) -> None:
    """Each model alone, hollow, in its colour."""
    sides = ((0, pair.weak, pair.weak_quality), (1, pair.strong, pair.strong_quality))
    for x, model, e in sides:
        fig.add_trace(
            go.Scatter(
                x=[x],
                y=[e.value],
                error_y=bars(e, theme.NEUTRAL),
                name=theme.plain(model),
                showlegend=False,
                mode="markers",
                cliponaxis=False,
                marker={
                    "symbol": "circle-open",
                    "size": 12,
                    "color": colours.get(model, theme.NEUTRAL),
                    "line": {"width": 2},
                },
                customdata=[lines(f"{model} alone", f"quality {quality_interval(e)}", _n(e))],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
        # Past its interval, out of the way of the curve.
        fig.add_annotation(
            text=theme.plain(theme.cut(model, 30)),
            showarrow=False,
            x=x,
            y=_end(e, bool(x)),
            xanchor="right" if x else "left",
            yanchor="bottom" if x else "top",
            font={"size": 12},
        )


def targets(fig: go.Figure, pair: PairScores) -> None:
    """Where half, and four fifths, of the gap are recovered."""
    gap = pair.curve.strong - pair.curve.weak
    found = [(e, part) for e, part in ((pair.cpt50, 0.5), (pair.cpt80, 0.8)) if e.n]
    found = [(e, part) for e, part in found if not math.isnan(e.value)]
    if not found:
        return
    fig.add_trace(
        go.Scatter(
            x=[e.value for e, _ in found],
            y=[pair.curve.weak + part * gap for _, part in found],
            error_x={
                "type": "data",
                "array": [e.high - e.value for e, _ in found],
                "arrayminus": [e.value - e.low for e, _ in found],
                "color": theme.POLICY,
                "thickness": 1.5,
                "width": 5,
            },
            name="50 % and 80 % of the gap",
            mode="markers",
            marker={"symbol": "square-open", "size": 9, "color": theme.POLICY},
            customdata=[
                lines(
                    f"{percent(part)} of the gap",
                    f"with {percent_interval(e)} strong calls",
                    f"chance needs {percent(part)}",
                    _n(e),
                )
                for e, part in found
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def oracle_star(fig: go.Figure, training: Training, pair: PairScores, e: Estimate) -> None:
    """Perfect foresight, which asks the strong model where that alone is right."""
    weak, strong = (
        training.quality[training.judged, training.models.index(model)]
        for model in (pair.weak, pair.strong)
    )
    fig.add_trace(
        go.Scatter(
            x=[float((strong > weak).mean())],
            y=[e.value],
            name="oracle",
            mode="markers+text",
            text=["oracle"],
            textposition="middle right",
            textfont={"size": 12},
            showlegend=False,
            marker={
                "symbol": "star-open",
                "size": 12,
                "color": theme.NEUTRAL,
                "line": {"width": 2},
            },
            customdata=[lines("oracle", f"quality {quality_interval(e)}", _n(e))],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def bars(e: Estimate, colour: str) -> dict[str, object]:
    """The interval of the only marker of a trace."""
    return {
        "type": "data",
        "array": [e.high - e.value],
        "arrayminus": [e.value - e.low],
        "color": colour,
        "thickness": 1.5,
        "width": 5,
    }


def _n(e: Estimate) -> str:
    return f"n = {count(e.n)} requests"


def _end(e: Estimate, high: bool) -> float:
    end = e.high if high else e.low
    return end if math.isfinite(end) else e.value
