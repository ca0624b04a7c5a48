"""A learned router at every setting of its knob, among what it has to beat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from toolkit.evaluate.curves.hull import hull
from toolkit.evaluate.format import number
from toolkit.figures import theme
from toolkit.figures.axes import COST, QUALITY, Scale, axis, scale
from toolkit.figures.router_beside import rival_lines, rival_points
from toolkit.figures.router_pair import pair_figure
from toolkit.figures.router_words import curve_words, setting
from toolkit.figures.tradeoff_baselines import straight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.evaluate.routers.curve import CurvePoint, RouterCurve
    from toolkit.evaluate.routers.training import Training

POOR = 0.5
"""Settings with less than this share of the best single model's quality do not widen the range."""
BAND = 0.16
"""Opacity of the intervals."""


def router_figure(
    training: Training,
    at: CurvePoint | None = None,
    colours: Mapping[str, str] | None = None,
    height: int = 420,
    floor: float | None = None,
    whole: bool = False,
) -> go.Figure:
    """Quality against cost of a router, judged on requests that it had not seen.

    Violet is the router: a dot per setting, the line is what can be had by mixing two of them, the
    band its 95 % intervals; ``at`` is the diamond, with its own. Hollow are single models, in
    their ``colours`` (those of the dataset if not given), random mix and oracle; dashed is the zero
    router, dotted k nearest neighbours, dash-dotted the lookup table. ``floor`` is a quality that
    is promised, a green line. The range is that of the router and of what stands near it;
    ``whole`` shows everything. Without costs, two models stand on the share of calls to the strong
    one, and more of them on ``min_quality``.
    """
    colours = colours or theme.colours(training.dataset.models, training.models)
    if training.curve.points:
        fig = _costs(training, at, colours, height, whole)
    elif training.pair is not None:
        fig = pair_figure(training, at, colours, height)
    else:
        fig = _thresholds(training, at, colours, height)
    if floor is not None and math.isfinite(floor):
        _floor(fig, floor)
    if training.simulated:
        _simulated(fig)
    return fig


def _costs(
    training: Training,
    at: CurvePoint | None,
    colours: Mapping[str, str],
    height: int,
    whole: bool,
) -> go.Figure:
    curve = training.curve
    known = [p for p in curve.points if not math.isnan(p.cost_usd_per_1k.value + p.quality.value)]
    fig = theme.figure(height, "Quality against cost of the router, among what it has to beat")
    least = _least(training, whole)
    worth = [p for p in known if p.quality.value >= least] or known
    shown = [*worth, *([at] if at is not None else [])]
    scales = _scales(training, shown, whole)
    rival_lines(fig, training.rivals)
    _router(fig, curve, known)
    path = [*zip(*straight(_ends(_best(known), "value")), strict=True)]
    place = None if at is None else (at.cost_usd_per_1k.value, at.quality.value)
    rival_points(fig, training.rivals, scales, path, place, colours)
    if at is not None:
        chosen(
            fig,
            at,
            at.cost_usd_per_1k.value,
            curve_words("this setting", at, training.models),
            True,
        )
    across, up = axis(COST), axis(QUALITY)
    if not known:
        theme.empty(fig, "no setting has costs and quality measured")
    title = across.title + (" (logarithmic)" if scales[0].log else "")
    fig.update_xaxes(title=title, **across.look, **scales[0].look())
    fig.update_yaxes(title=up.title, **up.look, **scales[1].look())
    return fig


def _least(training: Training, whole: bool) -> float:
    """The quality below which nobody would think of a setting."""
    best = training.rival("single")
    return POOR * best.point.quality.value if best is not None and not whole else -math.inf


def _scales(training: Training, shown: Sequence[CurvePoint], whole: bool) -> tuple[Scale, Scale]:
    least = _least(training, whole)
    points = [p for rival in training.rivals for p in rival.points]
    beside = [p for p in points if p.quality.value >= least]
    cost = [p.cost_usd_per_1k.value for p in shown]
    quality = [end for p in shown for end in (p.quality.value, p.quality.low, p.quality.high)]
    return (
        scale(COST, cost, [p.cost_usd_per_1k.value for p in beside], whole),
        scale(QUALITY, quality, [p.quality.value for p in beside], whole),
    )


def _router(fig: go.Figure, curve: RouterCurve, known: Sequence[CurvePoint]) -> None:
    best = _best(known)
    shared: dict[str, Any] = {"legendgroup": "router", "hoverinfo": "skip", "showlegend": False}
    ends = [p for p in best if math.isfinite(p.quality.low + p.quality.high)]
    for which, fill in (("low", None), ("high", "tonexty")):
        x, y = straight(_ends(ends, which))
        fig.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                name=f"router, {which} end",
                line={"width": 0},
                fill=fill,
                fillcolor=theme.faded(theme.POLICY, BAND),
                **shared,
            )
        )
    x, y = straight(_ends(best, "value"))
    line = {"color": theme.POLICY, "width": 2}
    named = shared | {"showlegend": True, "legendrank": 1}
    fig.add_trace(go.Scatter(x=x, y=y, mode="lines", name="router", line=line, **named))
    fig.add_trace(
        go.Scatter(
            x=[p.cost_usd_per_1k.value for p in known],
            y=_qualities(known),
            mode="markers",
            name="router, settings",
            legendgroup="router",
            showlegend=False,
            marker={"size": 6, "color": theme.POLICY},
            customdata=[
                curve_words(f"router, {setting(curve.knob, p.value)}", p, curve.models)
                for p in known
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _best(known: Sequence[CurvePoint]) -> list[CurvePoint]:
    return [known[i] for i in hull([p.cost_usd_per_1k.value for p in known], _qualities(known))]


def _ends(points: Sequence[CurvePoint], which: str) -> list[tuple[float, float]]:
    """Cost and quality, or one end of its interval."""
    return [(p.cost_usd_per_1k.value, getattr(p.quality, which)) for p in points]


def _qualities(points: Sequence[CurvePoint]) -> list[float]:
    return [p.quality.value for p in points]


def chosen(fig: go.Figure, at: CurvePoint, x: float, words: str, across: bool) -> None:
    """The setting that is looked at: a filled diamond with its intervals."""
    e, cost = at.quality, at.cost_usd_per_1k
    look = {"type": "data", "color": theme.POLICY, "thickness": 1.5, "width": 5}
    fig.add_trace(
        go.Scatter(
            x=[x],
            y=[e.value],
            error_y=look | {"array": [e.high - e.value], "arrayminus": [e.value - e.low]},
            error_x=look | {"array": [cost.high - x], "arrayminus": [x - cost.low]}
            if across
            else None,
            name="this setting",
            legendrank=2,
            mode="markers",
            marker={"symbol": "diamond", "size": 15, "color": theme.POLICY, "line": {"width": 0}},
            customdata=[words],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _thresholds(
    training: Training, at: CurvePoint | None, colours: Mapping[str, str], height: int
) -> go.Figure:
    """Many models without costs: quality by the knob, each single model a line."""
    curve = training.thresholds
    known = [p for p in curve.points if not math.isnan(p.quality.value)]
    fig = theme.figure(height, "Quality of the router by the probability that is asked for")
    for rival in training.rivals:
        if rival.kind == "single" and rival.name in colours:
            value = rival.point.quality.value
            fig.add_hline(value, line={"color": colours[rival.name], "width": 1, "dash": "dot"})
    fig.add_trace(
        go.Scatter(
            x=[p.value for p in known],
            y=_qualities(known),
            error_y={
                "type": "data",
                "array": [p.quality.high - p.quality.value for p in known],
                "arrayminus": [p.quality.value - p.quality.low for p in known],
                "color": theme.faded(theme.POLICY, 0.4),
                "thickness": 1.2,
                "width": 0,
            },
            name="router",
            mode="lines+markers",
            line={"color": theme.POLICY, "width": 2},
            marker={"size": 6, "color": theme.POLICY},
            customdata=[
                curve_words(f"router, {setting(curve.knob, p.value)}", p, curve.models)
                for p in known
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    if at is not None:
        chosen(fig, at, at.value, curve_words("this setting", at, training.models), False)
    if not known:
        theme.empty(fig, "no setting has its quality measured")
    fig.update_xaxes(title="probability that is asked for (no costs are known)", zeroline=False)
    fig.update_yaxes(title=axis(QUALITY).title, zeroline=False)
    return fig


def _floor(fig: go.Figure, floor: float) -> None:
    fig.add_hline(
        floor,
        line={"color": theme.GOAL, "width": 1.5, "dash": "dot"},
        # In the legend, as words beside the line would cover what stands there.
        name=f"promised: at least {number(math.floor(floor * 1000 + 1e-9) / 1000)}",
        showlegend=True,
    )


def _simulated(fig: go.Figure) -> None:
    title = fig.layout.xaxis.title.text
    fig.update_xaxes(title=f"{title}<br>simulated data")
