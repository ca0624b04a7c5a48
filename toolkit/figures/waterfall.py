"""One request's attempts on its own clock."""

from __future__ import annotations

import math
from collections.abc import Mapping

import plotly.graph_objects as go

from toolkit.engine.trace import Attempt, Trace
from toolkit.evaluate.format import seconds, usd
from toolkit.figures import theme
from toolkit.schema import ErrorType

ROW = 40
_CANCELLED = ErrorType.CANCELLED.label


def waterfall_figure(
    trace: Trace, colours: Mapping[str, str] | None = None, height: int | None = None
) -> go.Figure:
    """A bar per attempt from its start to its end; failed ones have a red edge, waits are grey.

    A call that was no longer needed fades; a step that was skipped is a row of words.
    """
    colours = colours or {}
    calls, skips = trace.attempts, trace.skips
    # In the order of time; what was skipped at the same moment as a call came before it.
    moments = [(s.start_s, 0, i) for i, s in enumerate(skips)]
    order = sorted([*moments, *((a.start_s, 1, i) for i, a in enumerate(calls))])
    fig = theme.figure(
        height or 90 + ROW * max(len(order), 1), "The attempts of one request over time"
    )
    names = [_name(i, calls[i]) if called else skips[i].model for _, called, i in order]
    rows = dict(zip([row[1:] for row in order], theme.rows(fig, names, 20), strict=True))
    places = [rows[1, i] for i in range(len(calls))]
    failed = [a.error_type not in {None, _CANCELLED} for a in calls]
    fig.add_trace(
        go.Bar(
            y=places,
            x=[a.wait_s for a in calls],
            base=[a.start_s - a.wait_s for a in calls],
            orientation="h",
            marker={"color": theme.faded(theme.UNOBSERVED, 0.45)},
            customdata=[f"waited {seconds(a.wait_s)}" for a in calls],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    fig.add_trace(
        go.Bar(
            y=places,
            x=[_length(a) for a in calls],
            base=[a.start_s for a in calls],
            orientation="h",
            marker={
                "color": [_colour(a, colours) for a in calls],
                "line": {
                    "color": [theme.ERROR] * len(calls),
                    "width": [3 * one for one in failed],
                },
            },
            text=[theme.plain(_label(a)) for a in calls],
            textposition="auto",
            cliponaxis=False,
            customdata=[theme.plain(_words(a)) for a in calls],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    for i, skip in enumerate(skips):
        fig.add_annotation(
            text=f"not asked: {theme.plain(skip.error_type.replace('_', ' '))}",
            x=skip.start_s,
            y=rows[0, i],
            xanchor="left",
            showarrow=False,
        )
    if not calls:
        found = "answered from the cache" if trace.cached else "no call was made"
        fig.add_annotation(text=found, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    fig.update_layout(barmode="overlay", margin={"t": 8})
    end = max((a.start_s + _length(a) for a in calls), default=0.0)
    # Room for the label of a short last bar.
    fig.update_xaxes(title="seconds since the request", range=[0, 1.7 * end or 1], ticksuffix=" s")
    fig.update_yaxes(range=[len(order) - 0.5, -0.5], autorange=False, showgrid=False)
    return fig


def _name(i: int, a: Attempt) -> str:
    return f"{i + 1}. {a.model}{' (second call)' if a.hedge else ''}"


def _colour(a: Attempt, colours: Mapping[str, str]) -> str:
    colour = colours.get(a.model, theme.NEUTRAL)
    return theme.faded(colour, 0.35) if a.error_type == _CANCELLED else colour


def _length(a: Attempt) -> float:
    return 0.0 if math.isnan(a.latency_s) else a.latency_s


def _label(a: Attempt) -> str:
    end = (a.error_type or "answered").replace("_", " ")
    return f"{end}, {seconds(a.latency_s)}"


def _words(a: Attempt) -> str:
    drawn = ", imputed" if a.imputed else ""
    beside = ", beside a slow call" if a.hedge else ""
    return f"{a.model}, step {a.step}{beside}: {_label(a)}, {usd(a.cost_usd)}{drawn}"
