"""One request's attempts on its own clock."""

from __future__ import annotations

import math
from collections.abc import Mapping

import plotly.graph_objects as go

from toolkit.engine.trace import Attempt, Trace
from toolkit.evaluate.format import seconds, usd
from toolkit.figures import theme

ROW = 40


def waterfall_figure(
    trace: Trace, colours: Mapping[str, str] | None = None, height: int | None = None
) -> go.Figure:
    """A bar per attempt from its start to its end; failed ones have a red edge, waits are grey."""
    colours = colours or {}
    fig = theme.figure(
        height or 90 + ROW * max(len(trace.attempts), 1), "The attempts of one request over time"
    )
    rows = [theme.wrapped(f"{i}. {a.model}", 20) for i, a in enumerate(trace.attempts, 1)]
    fig.add_trace(
        go.Bar(
            y=rows,
            x=[a.wait_s for a in trace.attempts],
            base=[a.start_s - a.wait_s for a in trace.attempts],
            orientation="h",
            marker={"color": theme.faded(theme.UNOBSERVED, 0.45)},
            customdata=[f"waited {seconds(a.wait_s)}" for a in trace.attempts],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    fig.add_trace(
        go.Bar(
            y=rows,
            x=[_length(a) for a in trace.attempts],
            base=[a.start_s for a in trace.attempts],
            orientation="h",
            marker={
                "color": [colours.get(a.model, theme.NEUTRAL) for a in trace.attempts],
                "line": {
                    "color": [theme.ERROR] * len(rows),
                    "width": [3 if a.error_type else 0 for a in trace.attempts],
                },
            },
            text=[theme.plain(_label(a)) for a in trace.attempts],
            textposition="auto",
            cliponaxis=False,
            customdata=[theme.plain(_words(a)) for a in trace.attempts],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    if not trace.attempts:
        fig.add_annotation(text="no call was made", showarrow=False, x=0.5, y=0.5, xref="paper")
    fig.update_layout(barmode="overlay", margin={"t": 8})
    end = max((a.start_s + _length(a) for a in trace.attempts), default=0.0)
    # Room for the label of a short last bar.
    fig.update_xaxes(title="seconds since the request", range=[0, 1.7 * end or 1], ticksuffix=" s")
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig


def _length(a: Attempt) -> float:
    return 0.0 if math.isnan(a.latency_s) else a.latency_s


def _label(a: Attempt) -> str:
    end = (a.error_type or "answered").replace("_", " ")
    return f"{end}, {seconds(a.latency_s)}"


def _words(a: Attempt) -> str:
    drawn = ", imputed" if a.imputed else ""
    return f"{a.model}, step {a.step}: {_label(a)}, {usd(a.cost_usd)}{drawn}"
