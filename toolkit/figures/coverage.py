"""What a log holds and what it lacks: models over measures, and over the requests in order."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from toolkit.evaluate.format import count, percent
from toolkit.figures import theme
from toolkit.logs.profile import MEASURES, WHAT, Coverage, ModelFacts

ROW = 20
"""Height of a row of a matrix, pixels."""
WIDTH = 26
SHADES = ("#CFE4F2", "#4597C8", "#0072B2", "#00507E")
"""From little to much; what is not there at all is grey."""
FAILED = [[0.0, "rgba(214, 40, 57, 0.06)"], [1e-9, "rgba(214, 40, 57, 0.25)"], [1.0, theme.ERROR]]
PRESENT = [
    [0.0, theme.UNOBSERVED],
    [1e-9, SHADES[0]],
    [0.5, SHADES[1]],
    [0.9, SHADES[2]],
    [1.0, SHADES[3]],
]
MEASURE_WORDS = {
    "outcome": "an outcome",
    "quality": "quality",
    "cost_usd": "cost",
    "latency_s": "latency",
    "input_tokens": "tokens in",
    "output_tokens": "tokens out",
    "error": "an error",
}


def height_of(rows: int) -> int:
    """Height of a matrix with labels below it, pixels."""
    return 90 + ROW * max(rows, 2)


def measured_figure(facts: ModelFacts, order: Sequence[int]) -> go.Figure:
    """Share of each model's outcomes that have each measure; ``order`` chooses the models."""
    fig = theme.figure(height_of(len(order)), "Share of outcomes with each number, by model")
    share = facts.measured_share[list(order)]
    names = [facts.models[i] for i in order]
    words = [
        [
            theme.plain(
                f"{name}: {MEASURE_WORDS[measure]} in {count(int(facts.measured[i, j]))} of"
                f" {count(int(facts.outcomes[i]))} outcomes, {percent(share[row, j])}"
            )
            for j, measure in enumerate(MEASURES)
        ]
        for row, (i, name) in enumerate(zip(order, names, strict=True))
    ]
    fig.add_trace(
        go.Heatmap(
            z=share,
            x=[MEASURE_WORDS[measure] for measure in MEASURES],
            y=theme.rows(fig, names, WIDTH, 1),
            zmin=0,
            zmax=1,
            colorscale=PRESENT,
            showscale=False,
            xgap=2,
            ygap=1,
            customdata=words,
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    fig.update_xaxes(tickangle=-40)
    return _bare(fig)


def coverage_figure(cover: Coverage, what: str, order: Sequence[int]) -> go.Figure:
    """Share of each block of requests of which a model has ``what``, in the order of the log."""
    fig = theme.figure(height_of(len(order)), "Which requests each model has an outcome of")
    share = cover.share(what)[list(order)]
    names = [cover.models[i] for i in order]
    held = cover.count[WHAT.index(what)][list(order)]
    words = [
        [
            theme.plain(
                f"{name}, requests {count(int(first) + 1)} to {count(int(end))}:"
                f" {MEASURE_WORDS[what]} of {count(int(n))}, {percent(part)}"
            )
            for first, end, n, part in zip(
                cover.first, cover.first + cover.size, held[row], share[row], strict=True
            )
        ]
        for row, name in enumerate(names)
    ]
    fig.add_trace(
        go.Heatmap(
            z=share,
            x=cover.middle,
            y=theme.rows(fig, names, WIDTH, 1),
            zmin=0,
            zmax=max(float(share.max(initial=0.0)), 1e-9),
            colorscale=FAILED if what == "error" else PRESENT,
            showscale=False,
            ygap=1,
            customdata=words,
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    fig.update_xaxes(title="requests, in the order of the log", tickformat=",")
    return _bare(fig)


def _bare(fig: go.Figure) -> go.Figure:
    fig.update_xaxes(showgrid=False, zeroline=False)
    fig.update_yaxes(showgrid=False)
    fig.update_layout(margin={"t": 8})
    return fig
