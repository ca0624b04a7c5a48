"""A router between a weak and a strong model: what a share of strong calls buys."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from toolkit.evaluate.format import (
    count,
    number,
    number_interval,
    percent,
    percent_interval,
    quality_interval,
)
from toolkit.figures import theme
from toolkit.figures.router_words import curve_words, lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.routers.curve import CurvePoint
    from toolkit.evaluate.routers.pairs import PairScores
    from toolkit.evaluate.routers.training import Training

MOST = 400
"""Places of the curve that are drawn."""


def pair_figure(
    training: Training,
    at: CurvePoint | None = None,
    colours: Mapping[str, str] | None = None,
    height: int = 420,
) -> go.Figure:
    """Quality against the share of requests that go to the strong model, costs aside.

    Dashed is chance; on the right stands how much of the gap between the two is recovered. The
    hollow squares are where half and four fifths of it are, with the intervals of the share.
    Raises ``ValueError`` for a training on other than two models.
    """
    pair = training.pair
    if pair is None:
        raise ValueError("a pair needs a training on two models")
    colours = colours or theme.colours(training.dataset.models, training.models)
    fig = theme.figure(height, "Quality of the router by the share of calls to the strong model")
    _chance(fig, pair)
    _curve(fig, pair)
    _ends(fig, pair, colours)
    _targets(fig, pair)
    oracle = training.rival("oracle")
    if oracle is not None:
        _oracle(fig, training, pair, oracle.point.quality)
    if at is not None:
        _chosen(fig, training, pair, at)
    _score(fig, pair)
    _axes(fig, pair, at, oracle.point.quality.value if oracle else math.nan)
    return fig


def _chance(fig: go.Figure, pair: PairScores) -> None:
    fig.add_trace(
        go.Scatter(
            x=[0, 1],
            y=[pair.curve.weak, pair.curve.strong],
            mode="lines",
            name="chance (zero router)",
            line={"color": theme.NEUTRAL, "width": 1.5, "dash": "dash"},
            hoverinfo="skip",
        )
    )


def _curve(fig: go.Figure, pair: PairScores) -> None:
    curve = pair.curve
    step = max(1, len(curve.share) // MOST)
    some = [*range(0, len(curve.share) - 1, step), len(curve.share) - 1]
    pgr = curve.pgr
    fig.add_trace(
        go.Scatter(
            x=curve.share[some],
            y=curve.quality[some],
            mode="lines",
            name="router",
            legendrank=1,
            line={"color": theme.POLICY, "width": 2.2},
            customdata=[
                lines(
                    "router",
                    f"{percent(float(curve.share[i]))} strong calls",
                    f"quality {number(float(curve.quality[i]))}",
                    f"{percent(float(pgr[i]))} of the gap recovered",
                    f"APGR {number_interval(pair.apgr)}, chance is 0.5",
                    f"n = {count(curve.n)} requests",
                )
                for i in some
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _ends(fig: go.Figure, pair: PairScores, colours: Mapping[str, str]) -> None:
    sides = ((0, pair.weak, pair.weak_quality), (1, pair.strong, pair.strong_quality))
    for x, model, e in sides:
        fig.add_trace(
            go.Scatter(
                x=[x],
                y=[e.value],
                error_y=_bars(e, theme.NEUTRAL),
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
        # Below its interval, out of the way of the curve.
        fig.add_annotation(
            text=theme.plain(theme.cut(model, 30)),
            showarrow=False,
            x=x,
            y=e.low if math.isfinite(e.low) else e.value,
            xanchor="right" if x else "left",
            yanchor="top",
            font={"size": 12},
        )


def _targets(fig: go.Figure, pair: PairScores) -> None:
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


def _oracle(fig: go.Figure, training: Training, pair: PairScores, e: Estimate) -> None:
    weak, strong = (
        training.quality[training.judged, training.models.index(model)]
        for model in (pair.weak, pair.strong)
    )
    fig.add_trace(
        go.Scatter(
            # It asks the strong model where that alone is right.
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


def _chosen(fig: go.Figure, training: Training, pair: PairScores, at: CurvePoint) -> None:
    share = at.shares[training.models.index(pair.strong)]
    fig.add_trace(
        go.Scatter(
            x=[share],
            y=[at.quality.value],
            error_y=_bars(at.quality, theme.POLICY),
            name="this setting",
            legendrank=2,
            mode="markers",
            marker={"symbol": "diamond", "size": 15, "color": theme.POLICY},
            customdata=[curve_words("this setting", at, training.models)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _score(fig: go.Figure, pair: PairScores) -> None:
    if math.isnan(pair.apgr.value):
        return
    fig.add_annotation(
        text=f"APGR {number_interval(pair.apgr)}, chance 0.5",
        showarrow=False,
        xref="x domain",
        yref="y domain",
        x=1,
        y=0,
        xanchor="right",
        yanchor="bottom",
        font={"size": 12},
    )


def _axes(fig: go.Figure, pair: PairScores, at: CurvePoint | None, oracle: float) -> None:
    weak, strong = pair.curve.weak, pair.curve.strong
    values = [*pair.curve.quality, pair.weak_quality.low, pair.strong_quality.high, oracle]
    if at is not None:
        values += [at.quality.low, at.quality.high]
    known = [float(v) for v in values if math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    pad = 0.08 * ((high - low) or 0.05)
    shown = [low - pad, high + pad]
    fig.update_xaxes(
        title="requests that go to the strong model",
        tickformat=".0%",
        range=[-0.03, 1.03],
        zeroline=False,
    )
    fig.update_yaxes(title="quality, 0 to 1", range=shown, zeroline=False)
    if strong > weak:
        right: dict[str, Any] = {
            "overlaying": "y",
            "side": "right",
            "title": "of the gap recovered",
            "tickvals": [0, 0.25, 0.5, 0.75, 1],
            "tickformat": ".0%",
            "range": [(end - weak) / (strong - weak) for end in shown],
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
        }
        fig.update_layout(yaxis2=right)
        # An axis is drawn where a trace stands on it.
        fig.add_trace(
            go.Scatter(x=[None], y=[None], yaxis="y2", showlegend=False, hoverinfo="skip")
        )


def _bars(e: Estimate, colour: str) -> dict[str, object]:
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
