"""An incident on one time axis: what became of the requests, with protection and without.

Plotly's subplots have an axis each; here all panels share one, so that what happens at the same
time stands exactly above each other. Heights are pixels, turned into the figure's shares at the
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from toolkit.evaluate.format import count, percent, seconds, usd
from toolkit.figures import theme
from toolkit.figures.clock import Clock, clock
from toolkit.figures.lanes import BREAKER, axis_key, breaker_lanes, fault_lanes, lanes_of, shade

if TYPE_CHECKING:
    from toolkit.evaluate.timeline import Band, Timeline

PANEL, LANE, FAULT, TITLE, GAP, AXIS = 130, 14, 20, 28, 9, 46
"""Heights, pixels."""
ENDINGS = (
    ("accepted", "answered", theme.faded(theme.ACCEPTED, 0.5)),
    ("cached", "from cache", "#86B6D9"),
    ("degraded", "degraded", theme.DEGRADED),
    ("failed", "failed", theme.ERROR),
    ("unobserved", "unobserved", theme.faded(theme.UNOBSERVED, 0.35)),
)
"""Fields of a timeline as people read them, from the bottom to the top of a bar."""
NAMES = ("With protection", "Without")


@dataclass
class _Rows:
    """Panels from the top down: their y axes and where they stand, pixels."""

    used: int = 0
    found: list[tuple[str, int, int]] = field(default_factory=list)

    def add(self, axis: str, height: int, before: int = GAP) -> str:
        start = self.used + before
        self.used = start + height
        self.found.append((axis, start, self.used))
        return axis


def timeline_figure(
    protected: Timeline,
    bare: Timeline,
    names: tuple[str, str] = NAMES,
    shares: bool = True,
    height: int | None = None,
) -> go.Figure:
    """What became of the requests of each moment under two policies, the faults above both.

    Bars are shares of the requests that arrived then, or with ``shares=False`` their number. Below
    each panel stand the models whose breakers did not let calls pass.
    """
    fig = theme.figure(PANEL, "How requests ended over time, protected above, less so below")
    unit = clock(float(protected.start_s[-1]))
    end = unit.of(float(protected.start_s[-1]))
    rows = _Rows()
    spans = protected.spans
    axis = rows.add("y", FAULT * max(1, len(spans)), 0)
    fault_lanes(fig, spans, unit, axis, end)
    for i, (one, name) in enumerate(zip((protected, bare), names, strict=True)):
        panel = rows.add(f"y{2 * i + 2}", PANEL, TITLE)
        _endings(fig, one, unit, panel, shares)
        _title(fig, name, panel)
        look = {"range": [0, 1], "tickformat": ".0%", "tickvals": [0, 0.5, 1]}
        fig.update_layout(
            {axis_key(panel): look if shares else {"rangemode": "tozero", "nticks": 4}}
        )
        lanes = lanes_of(one.bands)
        if lanes:
            breaker_lanes(fig, one.bands, lanes, unit, rows.add(f"y{2 * i + 3}", LANE * len(lanes)))
    _place(fig, rows, height)
    shade(fig, spans, unit, end)
    _legend(fig, (*protected.bands, *bare.bands))
    fig.update_layout(barmode="stack", bargap=0)
    fig.update_xaxes(
        title={"text": unit.words, "font": {"size": 12}}, range=[0, end], anchor=rows.found[-1][0]
    )
    return fig


def _endings(fig: go.Figure, one: Timeline, unit: Clock, axis: str, shares: bool) -> None:
    """A bar per moment; whatever of it is pointed at tells all of it."""
    starts = [unit.of(float(s)) for s in one.start_s]
    words = [_moment(one, i, unit) for i in range(len(starts) - 1)]
    # A moment without requests has bars of no height.
    totals = np.maximum(one.requests, 1)
    for ending, name, colour in ENDINGS:
        values = getattr(one, ending)
        if not values.any() and ending != "accepted":
            continue
        if shares:
            values = values / totals
        fig.add_trace(
            go.Bar(
                x=starts[:-1],
                y=values,
                width=[b - a for a, b in pairwise(starts)],
                offset=0,
                yaxis=axis,
                name=name,
                legendgroup=ending,
                marker={"color": colour, "line": {"width": 0}},
                customdata=words,
                hovertemplate="%{customdata}<extra></extra>",
                showlegend=False,
            )
        )


def _moment(one: Timeline, i: int, unit: Clock) -> str:
    parts = {name: int(getattr(one, ending)[i]) for ending, name, _ in ENDINGS}
    total = int(one.requests[i])
    lines = [f"<b>{unit.words_of(float(one.start_s[i]), float(one.start_s[i + 1]))}</b>"]
    lines.append(f"{count(total)} requests, {count(int(one.attempts[i]))} calls")
    lines += [
        f"{name}: {count(n)} ({percent(n / total)})" for name, n in reversed(parts.items()) if n
    ]
    if total:
        p50, p95 = seconds(float(one.p50_s[i])), seconds(float(one.p95_s[i]))
        lines.append(f"latency: median {p50}, p95 {p95}")
        lines.append(f"cost: {theme.plain(usd(float(one.cost_usd[i])))}")
    return "<br>".join(lines)


def _title(fig: go.Figure, name: str, axis: str) -> None:
    fig.add_annotation(
        x=0,
        xref="paper",
        y=1,
        yref=f"{axis} domain",
        text=f"<b>{theme.plain(name)}</b>",
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        font={"size": 13},
    )


def _place(fig: go.Figure, rows: _Rows, height: int | None) -> None:
    """From pixels to the shares of the figure that Plotly wants."""
    for axis, start, end in rows.found:
        domain = [1 - end / rows.used, max(0.0, 1 - start / rows.used)]
        fig.update_layout({axis_key(axis): {"domain": domain, "anchor": "x", "fixedrange": True}})
    top = 44
    fig.update_layout(
        height=height or rows.used + AXIS + top,
        margin={"t": top, "b": AXIS},
        legend={"x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top"},
    )


def _legend(fig: go.Figure, bands: Sequence[Band]) -> None:
    """Each colour that is there, once, in the order of the bars."""
    drawn = {trace.legendgroup for trace in fig.data}
    states = {band.state for band in bands}
    entries = [(group, name, colour) for group, name, colour in ENDINGS if group in drawn]
    entries += [(state, *BREAKER[state]) for state in BREAKER if state in states]
    for group, name, colour in entries:
        fig.add_trace(
            go.Bar(
                x=[None],
                y=[None],
                yaxis="y2",
                name=name,
                legendgroup=group,
                marker={"color": colour},
                hoverinfo="skip",
            )
        )
