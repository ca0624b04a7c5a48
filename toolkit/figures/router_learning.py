"""Whether more data would help a router."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import count, number_interval
from toolkit.figures import theme
from toolkit.figures.router_words import lines

if TYPE_CHECKING:
    from toolkit.evaluate.routers.learning import LearningCurve

TITLES = {
    "net_quality": "quality less its price, 0 to 1 (higher is better)",
    "log_loss": "log loss, nats (lower is better)",
}


def learning_figure(curve: LearningCurve | None, height: int = 300) -> go.Figure:
    """The score out of fold by how many requests were learned from, each step twice the last.

    None: there were too few requests for two sizes.
    """
    fig = theme.figure(height, "What the router is worth by how many requests it learned from")
    if curve is None:
        theme.empty(fig, "too few requests for a curve")
        return fig.update_xaxes(visible=False).update_yaxes(visible=False)
    fig.add_trace(
        go.Scatter(
            x=list(curve.sizes),
            y=[e.value for e in curve.score],
            error_y={
                "type": "data",
                "array": [e.high - e.value for e in curve.score],
                "arrayminus": [e.value - e.low for e in curve.score],
                "color": theme.faded(theme.POLICY, 0.5),
                "thickness": 1.5,
                "width": 5,
            },
            name="router",
            mode="lines+markers",
            line={"color": theme.POLICY, "width": 2},
            marker={"size": 8, "color": theme.POLICY},
            customdata=[_words(curve, i) for i in range(len(curve.sizes))],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    fig.update_layout(showlegend=False, margin={"t": 8})
    fig.update_xaxes(
        title="requests learned from (logarithmic)",
        type="log",
        tickvals=list(curve.sizes),
        ticktext=[count(size) for size in curve.sizes],
        minor={"showgrid": False},
    )
    fig.update_yaxes(title=TITLES[curve.measure], zeroline=False)
    return fig


def _words(curve: LearningCurve, i: int) -> str:
    score = curve.score[i]
    found = [f"{_name(curve)} {number_interval(score)}"]
    if curve.measure != "log_loss":
        found.append(f"log loss {number_interval(curve.log_loss[i])}")
    if i:
        found.append(f"{_signed(curve, i)} than with {count(curve.sizes[i - 1])}")
    return lines(
        f"learned from {count(curve.sizes[i])} requests", *found, f"judged on {count(score.n)}"
    )


def _name(curve: LearningCurve) -> str:
    return "log loss" if curve.measure == "log_loss" else "quality less cost"


def _signed(curve: LearningCurve, i: int) -> str:
    step = curve.steps[i - 1]
    if step.low > 0:
        word = "surely better"
    elif step.high < 0:
        word = "surely worse"
    else:
        word = "not surely better or worse"
    return f"{word} ({number_interval(step)})"
