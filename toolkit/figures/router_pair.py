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
)
from toolkit.figures import theme
from toolkit.figures.router_pair_marks import bars, ends, oracle_star, targets
from toolkit.figures.router_words import curve_words, lines

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    ends(fig, pair, colours)
    targets(fig, pair)
    oracle = training.rival("oracle")
    if oracle is not None:
        oracle_star(fig, training, pair, oracle.point.quality)
    if at is not None:
        _chosen(fig, training, pair, at)
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


def _chosen(fig: go.Figure, training: Training, pair: PairScores, at: CurvePoint) -> None:
    share = at.shares[training.models.index(pair.strong)]
    fig.add_trace(
        go.Scatter(
            x=[share],
            y=[at.quality.value],
            error_y=bars(at.quality, theme.POLICY),
            name="this setting",
            legendrank=2,
            mode="markers",
            marker={"symbol": "diamond", "size": 15, "color": theme.POLICY},
            customdata=[curve_words("this setting", at, training.models)],
            hovertemplate="%{customdata}<extra></extra>",
        )
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
        title=f"requests that go to the strong model{_score(pair)}",
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


def _score(pair: PairScores) -> str:
    if math.isnan(pair.apgr.value):
        return ""
    return f"<br>APGR {number_interval(pair.apgr)}, chance 0.5"
