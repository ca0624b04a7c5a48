"""Whether predicted probabilities come true: predicted against observed, per model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from toolkit.evaluate.format import count, number, number_interval, percent
from toolkit.figures import theme
from toolkit.figures.router_words import lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.evaluate.routers.calibration import Bin, Calibration

HISTOGRAM = 0.2
"""Share of the height that the histogram has."""
CELLS = 25
"""Bars of it."""


def reliability_figure(
    calibration: Sequence[Calibration],
    model: str,
    colours: Mapping[str, str] | None = None,
    height: int = 380,
) -> go.Figure:
    """Observed quality against the predicted one, a marker per bin with Wilson's 95 % interval.

    On the dotted line predictions come true. Below, how many requests have which prediction. The
    ECE, beside it what right predictions would show by chance, and the Brier score,
    beside it that of the mean, stand on top. Raises ``ValueError`` for a model that is not among
    those of ``calibration``.
    """
    found = next((one for one in calibration if one.model == model), None)
    if found is None:
        known = ", ".join(one.model for one in calibration)
        raise ValueError(f"no predictions for the model {model!r}; there are some for {known}")
    colour = (colours or {}).get(model, theme.POLICY)
    fig = theme.figure(height, theme.plain(f"Predicted against observed quality of {model}"))
    fig.add_trace(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            name="as predicted",
            line={"color": theme.NEUTRAL, "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
        )
    )
    if found.bins:
        _observed(fig, found, colour)
        _histogram(fig, found, colour)
    else:
        theme.empty(fig, "no predictions with grades")
    _scores(fig, found)
    fig.update_layout(
        showlegend=False,
        margin={"t": 50},
        yaxis2={
            "domain": [0, HISTOGRAM - 0.04],
            "title": {"text": "requests", "font": {"size": 12}},
            "nticks": 3,
            "zeroline": False,
            "automargin": True,
            "rangemode": "tozero",
        },
        bargap=0.08,
    )
    fig.update_xaxes(
        title="predicted probability of a right answer",
        range=[-0.02, 1.02],
        zeroline=False,
        anchor="y2",
    )
    fig.update_layout(
        yaxis={
            "title": "observed quality",
            "domain": [HISTOGRAM, 1],
            "range": [-0.02, 1.02],
            "zeroline": False,
        }
    )
    return fig


def _observed(fig: go.Figure, found: Calibration, colour: str) -> None:
    bins = found.bins
    fig.add_trace(
        go.Scatter(
            x=[b.predicted for b in bins],
            y=[b.observed.value for b in bins],
            error_y={
                "type": "data",
                "array": [b.observed.high - b.observed.value for b in bins],
                "arrayminus": [b.observed.value - b.observed.low for b in bins],
                "color": theme.faded(colour, 0.6),
                "thickness": 1.5,
                "width": 4,
            },
            name="observed",
            mode="markers+lines",
            line={"color": theme.faded(colour, 0.4), "width": 1.2},
            marker={"size": 8, "color": colour},
            customdata=[_words(b, found) for b in bins],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _histogram(fig: go.Figure, found: Calibration, colour: str) -> None:
    """The requests of each bin, spread evenly from its lowest to its highest prediction."""
    ends = [end for b in found.bins for end in (b.low, b.high)]
    below = [n for b in found.bins for n in (0, b.n)]
    edges = np.linspace(0, 1, CELLS + 1)
    # Just above an edge, so that equal predictions fall into one cell.
    rising = np.maximum.accumulate(np.array(ends) + np.arange(len(ends)) * 1e-12)
    counts = np.diff(np.interp(edges + 1e-9, rising, np.cumsum(below), left=0))
    counts[0] += np.interp(1e-9, rising, np.cumsum(below), left=0)
    fig.add_trace(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=1 / CELLS,
            yaxis="y2",
            name="requests",
            marker={"color": theme.faded(colour, 0.5), "line": {"width": 0}},
            customdata=[
                lines(
                    f"predicted {number(float(low))} to {number(float(high))}",
                    f"about {count(round(float(n)))} of {count(found.n)} requests",
                )
                for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _words(b: Bin, found: Calibration) -> str:
    e = b.observed
    return lines(
        f"predicted {number(b.predicted)}",
        f"observed {number_interval(e)}",
        f"predictions from {number(b.low)} to {number(b.high)}",
        f"n = {count(b.n)} requests, {percent(b.n / found.n)} of all",
    )


def _scores(fig: go.Figure, found: Calibration) -> None:
    if math.isnan(found.ece.value):
        return
    rows = (
        f"ECE {number_interval(found.ece)}, by chance alone {number(found.ece_if_right)}",
        f"Brier {number_interval(found.brier)}, of the mean {number(found.brier_base.value)}",
    )
    fig.add_annotation(
        text="<br>".join(map(theme.plain, rows)),
        showarrow=False,
        xref="x domain",
        yref="paper",
        x=0,
        y=1,
        xanchor="left",
        yanchor="bottom",
        align="left",
        font={"size": 12},
    )
