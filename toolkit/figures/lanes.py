"""Thin rows on a time axis: when faults act, and when breakers let no calls pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.figures import theme
from toolkit.figures.clock import Clock

if TYPE_CHECKING:
    from toolkit.evaluate.timeline import Band, Span

MOST_LANES = 6
MOST_NAMED = 2
BREAKER = {
    "open": ("breaker open", theme.faded(theme.ERROR, 0.7)),
    "half_open": ("half-open", theme.DEGRADED),
}


def fault_lanes(fig: go.Figure, spans: Sequence[Span], unit: Clock, axis: str, end: float) -> None:
    """A lane per fault, with its name."""
    places = [f"fault {i}" for i in range(len(spans))] or ["none"]
    starts = [unit.of(span.start_s) for span in spans]
    ends = [min(unit.of(span.end_s), end) for span in spans]
    fig.add_trace(
        go.Bar(
            y=places[: len(spans)],
            x=[b - a for a, b in zip(starts, ends, strict=True)],
            base=starts,
            yaxis=axis,
            orientation="h",
            width=0.86,
            marker={
                "color": theme.faded(theme.POLICY, 0.22),
                "line": {"color": theme.POLICY, "width": 1},
            },
            customdata=[_fault_words(span, unit) for span in spans],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    for place, span, a, b in zip(places, spans, starts, ends, strict=False):
        late = a > 0.55 * end
        fig.add_annotation(
            x=b if late else a,
            y=place,
            yref=axis,
            text=f"<b>{theme.plain(_fault(span))}</b>",
            xanchor="right" if late else "left",
            showarrow=False,
            font={"size": 12},
            xshift=-5 if late else 5,
        )
    if not spans:
        fig.add_annotation(
            x=0, y="none", yref=axis, text="no fault is injected", xanchor="left", showarrow=False
        )
    _lane_axis(fig, axis, places, [""] * len(places))


def _fault(span: Span) -> str:
    """What goes wrong and where, in few words: there is little room."""
    if not span.models:
        return span.label
    last = span.label.rsplit(" ", 1)[-1]
    what = last if last in {"withdrawn", "flapping"} else span.label.partition(" of ")[0]
    many = f"{len(span.models)} models"
    return f"{what}: {', '.join(span.models) if len(span.models) <= MOST_NAMED else many}"


def _fault_words(span: Span, unit: Clock) -> str:
    when = unit.words_of(span.start_s, span.end_s)
    return f"<b>{theme.plain(span.label)}</b><br>{when}<br>{theme.plain(', '.join(span.models))}"


def lanes_of(bands: Sequence[Band]) -> list[str]:
    """The models to show: all with a breaker where they are few, else those that opened."""
    models = list(dict.fromkeys(band.model for band in bands))
    opened = {band.model for band in bands if band.state != "closed"}
    if len(models) <= MOST_LANES:
        return models
    return [model for model in models if model in opened][:MOST_LANES]


def breaker_lanes(
    fig: go.Figure, bands: Sequence[Band], lanes: list[str], unit: Clock, axis: str
) -> None:
    """Thin bars while a breaker is not closed."""
    places = {model: f"lane {i}" for i, model in enumerate(lanes)}
    for state, (name, colour) in BREAKER.items():
        shown = [band for band in bands if band.state == state and band.model in places]
        fig.add_trace(
            go.Bar(
                y=[places[band.model] for band in shown],
                x=[unit.of(band.end_s - band.start_s) for band in shown],
                base=[unit.of(band.start_s) for band in shown],
                yaxis=axis,
                orientation="h",
                width=0.7,
                marker={"color": colour, "line": {"color": colour, "width": 0.25}},
                legendgroup=state,
                customdata=[
                    f"<b>{theme.plain(band.model)}</b><br>{name}"
                    f"<br>{unit.words_of(band.start_s, band.end_s)}"
                    for band in shown
                ],
                hovertemplate="%{customdata}<extra></extra>",
                showlegend=False,
            )
        )
    _lane_axis(fig, axis, list(places.values()), [theme.wrapped(m, 14, 1) for m in lanes])


def shade(fig: go.Figure, spans: Sequence[Span], unit: Clock, end: float) -> None:
    """The time of each fault through all panels."""
    for span in spans:
        a, b = unit.of(span.start_s), unit.of(span.end_s)
        fig.add_shape(
            type="rect",
            x0=a,
            x1=min(b, end),
            y0=0,
            y1=1,
            yref="paper",
            line={"width": 0},
            fillcolor=theme.faded(theme.POLICY, 0.1),
            layer="below",
        )
        for x in (a, b):
            if 0 < x < end:
                fig.add_shape(
                    type="line",
                    x0=x,
                    x1=x,
                    y0=0,
                    y1=1,
                    yref="paper",
                    line={"color": theme.POLICY, "width": 1.5, "dash": "dot"},
                )


def _lane_axis(fig: go.Figure, axis: str, places: list[str], labels: list[str]) -> None:
    look = {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": places,
        "range": [len(places) - 0.5, -0.5],
        "tickvals": places,
        "ticktext": labels,
        "tickfont": {"size": 11},
        "showgrid": any(labels),
    }
    fig.update_layout({axis_key(axis): look})


def axis_key(axis: str) -> str:
    """``y2`` as the layout names it."""
    return f"yaxis{axis[1:]}"
