"""What stands beside the policies of a sweep: single models, mixes, the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import count
from toolkit.figures import theme
from toolkit.figures.axes import COST, Axis, Scale
from toolkit.figures.labels import places
from toolkit.figures.tradeoff_words import Row, baseline_words, known, value

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.result import Frontier

FEW = 6
"""Up to so many single models each have their name beside them."""
WIDE, HIGH = 560.0, 290.0
"""The plot in pixels, for the room that labels need."""
BENDS = 24
"""Pieces of a line between two points."""
SYMBOLS = {"single": "circle-open", "random": "x-thin-open", "oracle": "star-open"}


def mixes(fig: go.Figure, frontier: Frontier, x: str) -> None:
    """What can be had by sending shares of the requests to policies, or models, at random."""
    tried = [frontier.points[i] for i in frontier.hull]
    lines = (
        (
            "mix of models",
            [(v.cost_usd_per_1k, v.quality) for v in frontier.zero_router],
            {"color": theme.NEUTRAL, "width": 1.5, "dash": "dash"},
        ),
        (
            "mix of policies",
            [(p.cost_usd_per_1k.value, p.quality.value) for p in tried],
            {"color": theme.POLICY, "width": 1.2, "dash": "dot"},
        ),
    )
    for name, ends, line in lines:
        cost, quality = straight(ends)
        fig.add_trace(
            go.Scatter(
                x=cost if x == COST else quality,
                y=quality if x == COST else cost,
                mode="lines",
                name=name,
                line=line,
                hoverinfo="skip",
            )
        )


def straight(ends: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """A line through points that is straight in dollars, also where the axis is logarithmic."""
    cost, quality = (list(axis) for axis in zip(*ends[:1], strict=True)) if ends else ([], [])
    for (c, q), (d, r) in pairwise(ends):
        steps = [i / BENDS for i in range(1, BENDS + 1)]
        # Denser where a logarithm bends most.
        cost += [c + (d - c) * s * s for s in steps]
        quality += [q + (r - q) * s * s for s in steps]
    return cost, quality


def baselines(
    fig: go.Figure,
    frontier: Frontier,
    rows: Sequence[Row],
    across: Axis,
    up: Axis,
    scales: tuple[Scale, Scale],
    colours: Mapping[str, str],
) -> None:
    """Draw what is in the picture, and tell what is not."""

    def inside(row: Row) -> bool:
        ends = zip(scales, (across, up), strict=True)
        return all(scale.holds(value(row, one.name).value) for scale, one in ends)

    shown = [row for row in rows if inside(row)]
    singles = [row for row in shown if _kind(row) == "single"]
    named = shown
    if len(singles) > FEW:
        named = [row for row in shown if row.name in frontier.used or _kind(row) != "single"]
    labels = _labels(frontier, named, across, up, scales)
    if singles:
        _hollow(fig, singles, "single models", across, up, labels, colours, frontier.used)
    for row in shown:
        if _kind(row) != "single":
            _hollow(fig, [row], row.name, across, up, labels, {}, frontier.used)
    hidden = [row.name for row in rows if not inside(row)]
    if hidden:
        outside(fig, hidden)


def outside(fig: go.Figure, names: Sequence[str]) -> None:
    """Tell what is not in the picture."""
    what = "baseline is" if len(names) == 1 else "baselines are"
    fig.add_annotation(
        text=f"{count(len(names))} {what} outside",
        hovertext="<br>".join(theme.plain(name) for name in names[:12]),
        showarrow=False,
        xref="x domain",
        yref="y domain",
        x=1,
        y=0,
        xanchor="right",
        yanchor="bottom",
        font={"size": 11},
    )


def _labels(
    frontier: Frontier,
    named: Sequence[Row],
    across: Axis,
    up: Axis,
    scales: tuple[Scale, Scale],
) -> dict[str, str]:
    policies = [frontier.points[i] for i in (0, *frontier.frontier)]
    at = [
        (
            WIDE * scales[0].at(value(row, across.name).value),
            HIGH * scales[1].at(value(row, up.name).value),
        )
        for row in (*named, *(p for p in policies if known(p, across.name, up.name)))
    ]
    return places(at, [row.name for row in named], WIDE)


def _hollow(
    fig: go.Figure,
    rows: Sequence[Row],
    name: str,
    across: Axis,
    up: Axis,
    labels: Mapping[str, str],
    colours: Mapping[str, str],
    used: Sequence[str],
) -> None:
    fig.add_trace(
        go.Scatter(
            x=[value(row, across.name).value for row in rows],
            y=[value(row, up.name).value for row in rows],
            name=theme.plain(name),
            # A label tells as much as an entry of the legend.
            showlegend=len(rows) > 1 or rows[0].name not in labels,
            cliponaxis=False,
            mode="markers+text",
            text=[theme.plain(row.name) if row.name in labels else "" for row in rows],
            textposition=[labels.get(row.name, "top center") for row in rows],
            textfont={"size": 12},
            marker={
                "symbol": [SYMBOLS[_kind(row)] for row in rows],
                "size": [12 if row.name in labels else 9 for row in rows],
                "color": [colours.get(row.name, theme.NEUTRAL) for row in rows],
                "line": {"width": 2},
                "opacity": [1 if row.name in labels else 0.6 for row in rows],
            },
            customdata=[[-1, baseline_words(row, used)] for row in rows],
            hovertemplate="%{customdata[1]}<extra></extra>",
        )
    )


def _kind(row: Row) -> str:
    """A single model comes as a policy of its own."""
    return getattr(row, "kind", "single")
