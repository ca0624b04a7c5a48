"""Many policies at once: what each costs and gives, and which of them nothing beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import count
from toolkit.evaluate.intervals import Estimate
from toolkit.figures import theme
from toolkit.figures.axes import COST, QUALITY, Axis, Scale, axis, scale
from toolkit.figures.baseline_words import over
from toolkit.figures.tradeoff_baselines import baselines, mixes
from toolkit.figures.tradeoff_goals import good_enough, limits, unshown
from toolkit.figures.tradeoff_words import Row, Words, known, point_words, value

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.frontier import Frontier
    from toolkit.evaluate.tradeoffs.points import Point
    from toolkit.policy.model import Goals

MANY = 15
"""Of more policies than this only those on the frontier show their intervals."""

PALE = 0.3
"""Opacity of what is past a limit that the axes do not show."""
NAMED = 8
"""Up to so many policies that were given have their names beside them."""


def tradeoffs_figure(
    frontier: Frontier,
    x: str = COST,
    y: str = QUALITY,
    goals: Goals | None = None,
    colours: Mapping[str, str] | None = None,
    height: int = 420,
    picked: int | None = None,
    whole: bool = False,
    words: Words | None = None,
) -> go.Figure:
    """The policies of a sweep on two of its axes, with what stands beside them.

    Policies are violet: those that nothing beats stand on a line with their intervals, the one as
    it stands is the diamond, ``picked`` has a ring. Single models and other baselines are hollow.
    What ``goals`` allow (None: those of the policy) is shaded. Where some of them limit what the
    axes do not show, the shading says so and policies that miss one of these are pale. The first
    value of a marker's ``customdata`` is the index of its point, -1 for a baseline. ``words`` tells
    what sets a policy apart (None: the values that are varied). The range is that of the policies
    and of what stands near them, ``whole`` shows everything, as a double click does.
    """
    across, up = axis(x), axis(y)
    points = [p for p in frontier.points if p.same_as is None and known(p, x, y)]
    beside: tuple[Row, ...] = frontier.singles
    if len(frontier.used) > 1:
        mixed = (frontier.random_mix, frontier.oracle)
        beside = (*beside, *(over(row, frontier.used) for row in mixed))
    rows = [row for row in beside if known(row, x, y)]
    if goals is not None and goals != frontier.goals:
        frontier = frontier.with_goals(goals)
    asked = frontier.goals
    scales = _scales(frontier, points, rows, across, up, asked, whole)
    unseen = unshown(asked, across, up)
    fig = theme.figure(height, f"{up.title} against {across.title}: many policies and baselines")
    good_enough(fig, asked, across, up, scales, fades=True)
    if {x, y} == {COST, QUALITY}:
        mixes(fig, frontier, x)
    baselines(fig, frontier, rows, across, up, scales, colours or {})
    missed = {p.index: {(g.name, g.kind) for g in p.goals if g.met is False} for p in points}
    pale = {index for index, limits in missed.items() if limits & unseen}
    _policies(fig, frontier, points, across, up, words, pale)
    if not points:
        theme.empty(fig, "no policy has both measured")
    if picked is not None:
        _ring(fig, frontier.points[picked], x, y)
    fig.update_xaxes(title=_title(across, scales[0]), **across.look, **scales[0].look())
    fig.update_yaxes(title=up.title, **up.look, **scales[1].look())
    return fig


def _title(axis: Axis, scale: Scale) -> str:
    return axis.title + (" (logarithmic)" if scale.log else "")


def _scales(
    frontier: Frontier,
    points: Sequence[Point],
    rows: Sequence[Row],
    across: Axis,
    up: Axis,
    goals: Goals,
    whole: bool,
) -> tuple[Scale, Scale]:
    barred = [p for p in points if len(points) <= MANY or p.index in (0, *frontier.frontier)]
    found = []
    for one in (across, up):
        of = [value(p, one.name).value for p in points]
        of += [end for p in barred for end in _ends(value(p, one.name))]
        beside = [value(row, one.name).value for row in rows]
        beside += [end for end in limits(goals, one) if end is not None]
        found.append(scale(one.name, of, beside, whole))
    return found[0], found[1]


def _ends(e: Estimate) -> tuple[float, float]:
    return e.low, e.high


def _policies(
    fig: go.Figure,
    frontier: Frontier,
    points: Sequence[Point],
    across: Axis,
    up: Axis,
    told: Words | None,
    pale: Set[int],
) -> None:
    line = set(frontier.frontier)
    best = [p for p in points if p.index in line]
    best.sort(key=lambda p: value(p, across.name).value)
    others = [p for p in points if p.index not in line and p.index]
    few = len(points) <= MANY
    twins: dict[int, int] = {}
    for p in frontier.points:
        if p.same_as is not None:
            twins[p.same_as] = twins.get(p.same_as, 0) + 1
    # Policies that were given, not varied, are told apart by their names.
    named = not frontier.paths and len(points) <= NAMED
    if others:
        unknown = sum(not known(p, across.name, up.name) for p in frontier.points)
        words = f"{count(len(frontier.points))} policies"
        words += f", {count(unknown)} not measured" if unknown else ""
        _trace(fig, others, across, up, words, twins, told, pale, few, 0.5, named=named)
    if best and set(frontier.axes) == {across.name, up.name}:
        fig.add_trace(
            go.Scatter(
                x=[value(p, across.name).value for p in best],
                y=[value(p, up.name).value for p in best],
                mode="lines",
                name="frontier",
                legendgroup="frontier",
                showlegend=False,
                # Between two policies only the one on the left, or on the right, can be had.
                line={
                    "color": theme.POLICY,
                    "width": 1.5,
                    "shape": "hv" if across.low_is_better else "vh",
                },
                hoverinfo="skip",
            )
        )
    shown = [p for p in best if p.index]
    if shown:
        _trace(fig, shown, across, up, "frontier", twins, told, pale, True, named=named)
    current = [p for p in points if not p.index]
    if current:
        name = "as it stands" if frontier.paths else current[0].name
        _trace(fig, current, across, up, name, twins, told, pale, True, symbol="diamond", size=15)


def _trace(
    fig: go.Figure,
    points: Sequence[Point],
    across: Axis,
    up: Axis,
    name: str,
    twins: Mapping[int, int],
    told: Words | None,
    pale: Set[int],
    bars: bool,
    opacity: float = 1.0,
    symbol: str = "circle",
    size: int = 0,
    named: bool = False,
) -> None:
    xs, ys = ([value(p, one.name) for p in points] for one in (across, up))
    fig.add_trace(
        go.Scatter(
            x=[e.value for e in xs],
            y=[e.value for e in ys],
            error_x=_bars(xs) if bars else None,
            error_y=_bars(ys) if bars else None,
            name=theme.plain(name),
            legendgroup=theme.plain(name),
            mode="markers+text" if named else "markers",
            text=[theme.plain(p.name) for p in points] if named else None,
            textposition="top center",
            textfont={"size": 12},
            cliponaxis=not named,
            marker={
                "symbol": symbol,
                "size": size or (9 if opacity == 1 else 7),
                "color": theme.faded(theme.POLICY, opacity),
                "opacity": [PALE if p.index in pale else 1 for p in points],
                "line": {"width": 0},
            },
            customdata=[[p.index, point_words(p, twins.get(p.index, 0), told)] for p in points],
            hovertemplate="%{customdata[1]}<extra></extra>",
        )
    )


def _bars(estimates: Sequence[Estimate]) -> dict[str, object]:
    return {
        "type": "data",
        "array": [e.high - e.value for e in estimates],
        "arrayminus": [e.value - e.low for e in estimates],
        "color": theme.faded(theme.POLICY, 0.4),
        "thickness": 1.2,
        "width": 3,
    }


def _ring(fig: go.Figure, point: Point, x: str, y: str) -> None:
    if known(point, x, y):
        fig.add_trace(
            go.Scatter(
                x=[value(point, x).value],
                y=[value(point, y).value],
                name="picked",
                mode="markers",
                marker={
                    "symbol": "circle-open",
                    "size": 20,
                    "color": theme.POLICY,
                    "line": {"width": 2.5},
                },
                hoverinfo="skip",
                showlegend=False,
            )
        )
