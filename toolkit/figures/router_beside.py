"""What stands beside a router: single models, mixes of them, simpler ways to learn, foresight."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.curves.hull import hull
from toolkit.figures import theme
from toolkit.figures.axes import Scale
from toolkit.figures.labels import places
from toolkit.figures.router_words import rival_words
from toolkit.figures.tradeoff_baselines import HIGH, SYMBOLS, outside, straight

if TYPE_CHECKING:
    from toolkit.evaluate.routers.rivals import Rival, RivalPoint

WIDE = 560.0
"""The plot in pixels, for the room that labels need; on a telephone there is less."""
FEW = 8
"""Up to so many single models each have their name beside them."""
LINES: Mapping[str, tuple[str, str]] = {
    "zero": ("dash", theme.NEUTRAL),
    "neighbours": ("dot", theme.ACCEPTED),
    "lookup": ("dashdot", theme.ACCEPTED),
}
"""How each curve is drawn, and its colour."""


def rival_lines(fig: go.Figure, rivals: Sequence[Rival]) -> None:
    """The rivals that are curves, each with what mixing two of its settings gives."""
    for rival in rivals:
        points = [p for p in rival.points if _known(p)]
        if rival.kind not in LINES or not points:
            continue
        dash, colour = LINES[rival.kind]
        best = [
            points[i]
            for i in hull(
                [p.cost_usd_per_1k.value for p in points], [p.quality.value for p in points]
            )
        ]
        x, y = straight([(p.cost_usd_per_1k.value, p.quality.value) for p in best])
        name = theme.plain(curve_name(rival))
        group = f"rival {rival.kind}"
        line = {"color": colour, "width": 1.6, "dash": dash}
        fig.add_trace(
            go.Scatter(
                x=x, y=y, mode="lines", name=name, legendgroup=group, line=line, hoverinfo="skip"
            )
        )
        # Where a finger can point: the settings themselves.
        fig.add_trace(
            go.Scatter(
                x=[p.cost_usd_per_1k.value for p in best],
                y=[p.quality.value for p in best],
                mode="markers",
                name=f"{name}, settings",
                legendgroup=group,
                showlegend=False,
                marker={"size": 7, "color": colour, "opacity": 0},
                customdata=[rival_words(rival, p) for p in best],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )


def curve_name(rival: Rival) -> str:
    """``lookup table by category``, ``best mix (zero router)``."""
    if rival.kind == "lookup" and rival.column is not None:
        return f"lookup table by {theme.cut(rival.column, 24)}"
    return rival.name


def rival_points(
    fig: go.Figure,
    rivals: Sequence[Rival],
    scales: tuple[Scale, Scale],
    path: Sequence[tuple[float, float]],
    chosen: tuple[float, float] | None,
    colours: Mapping[str, str],
) -> None:
    """The rivals that are points, hollow; tells how many of them are not in the picture.

    No label covers ``path``, cost and quality of the router, nor the setting that is ``chosen``.
    """
    rows = [
        rival
        for kind in ("oracle", "random", "single")
        for rival in rivals
        if rival.kind == kind and _known(rival.point)
    ]
    shown = [rival for rival in rows if _inside(rival.point, scales)]
    corners = {p.label for rival in rivals if rival.kind == "zero" for p in rival.points}
    many = sum(rival.kind == "single" for rival in shown) > FEW
    named = [r for r in shown if r.kind != "single" or not many or r.name in corners]
    named.sort(key=lambda r: (r.kind == "single", -r.point.quality.value))
    at = [(r.point.cost_usd_per_1k.value, r.point.quality.value) for r in named]
    pixels, curve = (
        [(WIDE * scales[0].at(x), HIGH * scales[1].at(y)) for x, y in points]
        for points in (at if chosen is None else [*at, chosen], path)
    )
    labels = places(pixels, [label(r) for r in named], WIDE, curve)
    for kind in ("single", "random", "oracle"):
        of = [rival for rival in shown if rival.kind == kind]
        if of:
            _hollow(fig, of, labels, colours)
    hidden = [rival.name for rival in rows if not _inside(rival.point, scales)]
    if hidden:
        outside(fig, hidden)


def label(rival: Rival) -> str:
    """What stands beside a marker."""
    return theme.cut(rival.name, 30)


def _hollow(
    fig: go.Figure, of: Sequence[Rival], labels: Mapping[str, str], colours: Mapping[str, str]
) -> None:
    kind = of[0].kind
    inside = [label(rival) in labels for rival in of]
    fig.add_trace(
        go.Scatter(
            x=[rival.point.cost_usd_per_1k.value for rival in of],
            y=[rival.point.quality.value for rival in of],
            name="single models" if kind == "single" else theme.plain(of[0].name),
            showlegend=not all(inside) or len(of) > 1,
            mode="markers+text",
            text=[
                theme.plain(label(rival)) if one else ""
                for rival, one in zip(of, inside, strict=True)
            ],
            textposition=[labels.get(label(rival), "top center") for rival in of],
            textfont={"size": 12},
            cliponaxis=False,
            marker={
                "symbol": SYMBOLS[kind],
                "size": [12 if one else 9 for one in inside],
                "color": [colours.get(rival.name, theme.NEUTRAL) for rival in of]
                if kind == "single"
                else theme.NEUTRAL,
                "line": {"width": 2},
            },
            customdata=[rival_words(rival, rival.point) for rival in of],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _known(point: RivalPoint) -> bool:
    return not math.isnan(point.cost_usd_per_1k.value + point.quality.value)


def _inside(point: RivalPoint, scales: tuple[Scale, Scale]) -> bool:
    return scales[0].holds(point.cost_usd_per_1k.value) and scales[1].holds(point.quality.value)
