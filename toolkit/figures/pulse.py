"""The pulse of an incident: failures, slowness and spending over time, under two policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from toolkit.evaluate.format import percent, seconds, usd
from toolkit.figures import theme
from toolkit.figures.clock import Clock, clock
from toolkit.figures.lanes import shade
from toolkit.figures.timeline import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.evaluate.timeline import Timeline

PANEL, GAP, AXIS, TOP = 104, 30, 46, 52
"""Heights, pixels."""


class _Panel(NamedTuple):
    title: str
    values: Callable[[Timeline], NDArray[np.float64]]
    show: Callable[[float], str]
    axis: dict[str, str]


def _failed(one: Timeline) -> NDArray[np.float64]:
    """Share of the observed requests; NaN where there is none."""
    observed = one.requests - one.unobserved
    return np.where(observed > 0, one.failed / np.maximum(observed, 1), np.nan)


def _cost(one: Timeline) -> NDArray[np.float64]:
    """USD per minute."""
    rate: NDArray[np.float64] = one.cost_usd * 60 / np.diff(one.start_s)
    return rate


_PANELS = (
    _Panel("Failed requests", _failed, percent, {"tickformat": ".0%"}),
    _Panel("p95 latency, seconds", lambda t: t.p95_s, seconds, {"ticksuffix": " s"}),
    _Panel("Cost, USD per minute", _cost, usd, {"tickprefix": "$"}),
)


def pulse_figure(
    protected: Timeline,
    bare: Timeline,
    names: tuple[str, str] = NAMES,
    height: int | None = None,
) -> go.Figure:
    """Share of failed requests, p95 latency and cost per minute: one panel each, one time axis."""
    whole = len(_PANELS) * (PANEL + GAP) - GAP
    fig = theme.figure(
        height or whole + AXIS + TOP, "Failures, p95 latency and cost over time, two policies"
    )
    unit = clock(float(protected.start_s[-1]))
    end = unit.of(float(protected.start_s[-1]))
    for i, panel in enumerate(_PANELS):
        axis, top = f"y{i + 1 if i else ''}", 1 - i * (PANEL + GAP) / whole
        look = {"domain": [max(0.0, top - PANEL / whole), top], "anchor": "x", "nticks": 4}
        fig.update_layout(
            {f"yaxis{axis[1:]}": look | {"rangemode": "tozero", "fixedrange": True} | panel.axis}
        )
        for one, name, style in zip((bare, protected), names[::-1], _STYLES, strict=True):
            _line(fig, one, panel, theme.plain(name), style, unit, axis, legend=i == 0)
        fig.add_annotation(
            x=0,
            xref="paper",
            y=1,
            yref=f"{axis} domain",
            text=f"<b>{panel.title}</b>",
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 12},
        )
    shade(fig, protected.spans, unit, end)
    fig.update_xaxes(
        title={"text": unit.words, "font": {"size": 12}},
        range=[0, end],
        anchor=f"y{len(_PANELS)}",
    )
    fig.update_layout(
        margin={"t": TOP, "b": AXIS},
        legend={
            "x": 0,
            "xref": "container",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "traceorder": "reversed",
        },
    )
    return fig


_STYLES = (
    {"color": theme.NEUTRAL, "width": 1.75, "dash": "dot", "shape": "hvh"},
    {"color": theme.POLICY, "width": 2.5, "shape": "hvh"},
)


def _line(
    fig: go.Figure,
    one: Timeline,
    panel: _Panel,
    name: str,
    style: dict[str, object],
    unit: Clock,
    axis: str,
    legend: bool,
) -> None:
    starts, ends = one.start_s[:-1], one.start_s[1:]
    values = panel.values(one)
    fig.add_trace(
        go.Scatter(
            x=[unit.of(float(a + b) / 2) for a, b in zip(starts, ends, strict=True)],
            y=values,
            yaxis=axis,
            name=name,
            legendgroup=name,
            mode="lines",
            line=style,
            customdata=[
                f"<b>{unit.words_of(float(a), float(b))}</b><br>{panel.title}: "
                f"{theme.plain(panel.show(float(value)))}<br>{name}"
                for a, b, value in zip(starts, ends, values, strict=True)
            ],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=legend,
        )
    )
