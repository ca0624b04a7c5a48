"""Many policies at once: what each costs and gives, and which of them nothing beats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import plotly.graph_objects as go

from toolkit.evaluate.format import count
from toolkit.evaluate.intervals import UNDEFINED, Estimate
from toolkit.figures import theme
from toolkit.figures.axes import Axis, Scale, axis, scale
from toolkit.figures.labels import places
from toolkit.figures.tradeoff_words import baseline_words, point_words

if TYPE_CHECKING:
    from toolkit.evaluate.baselines import Baseline
    from toolkit.evaluate.tradeoffs.frontier import Frontier
    from toolkit.evaluate.tradeoffs.points import Point
    from toolkit.policy.model import Goals

Row: TypeAlias = "Point | Baseline"

MANY = 15
"""Of more policies than this only those on the frontier show their intervals."""
FEW = 6
"""Up to so many single models each have their name beside them."""
WIDE, HIGH = 560.0, 290.0
"""The plot in pixels, for the room that labels need."""
BENDS = 24
"""Pieces of a line between two points."""
COST, QUALITY = "cost_usd_per_1k", "quality"
_SYMBOLS = {"single": "circle-open", "random": "x-thin-open", "oracle": "star-open"}


def tradeoffs_figure(
    frontier: Frontier,
    x: str = COST,
    y: str = QUALITY,
    goals: Goals | None = None,
    colours: Mapping[str, str] | None = None,
    height: int = 420,
    picked: int | None = None,
    whole: bool = False,
) -> go.Figure:
    """The policies of a sweep on two of its axes, with what stands beside them.

    Policies are violet: those that nothing beats stand on a line with their intervals, the one as
    it stands is the diamond, ``picked`` has a ring. Single models and other baselines are hollow.
    What ``goals`` allow (None: those of the policy) is shaded. The first value of a marker's
    ``customdata`` is the index of its point, -1 for a baseline. The range is that of the policies
    and of what stands near them, ``whole`` shows everything, as a double click does.
    """
    across, up = axis(x), axis(y)
    points = [p for p in frontier.points if p.same_as is None and _known(p, x, y)]
    beside: tuple[Row, ...] = frontier.singles
    if len(frontier.used) > 1:
        beside = (*beside, frontier.random_mix, frontier.oracle)
    rows = [row for row in beside if _known(row, x, y)]
    asked = frontier.goals if goals is None else goals
    scales = _scales(frontier, points, rows, across, up, asked, whole)
    fig = theme.figure(height, f"{up.title} against {across.title}: many policies and baselines")
    _good_enough(fig, asked, across, up, scales)
    if {x, y} == {COST, QUALITY}:
        _mixes(fig, frontier, x)
    hidden = _baselines(fig, frontier, rows, across, up, scales, colours or {})
    _policies(fig, frontier, points, across, up)
    if picked is not None:
        _ring(fig, frontier.points[picked], x, y)
    fig.update_xaxes(title=_title(across, scales[0]), **across.look, **scales[0].look())
    fig.update_yaxes(title=up.title, **up.look, **scales[1].look())
    if hidden:
        _outside(fig, hidden)
    return fig


def _title(axis: Axis, scale: Scale) -> str:
    return axis.title + (" (logarithmic)" if scale.log else "")


def value(row: Row, name: str) -> Estimate:
    """A measure of a point or of a baseline; undefined where it has none."""
    found = getattr(row, name, UNDEFINED)
    return found if isinstance(found, Estimate) else UNDEFINED


def _kind(row: Row) -> str:
    """A single model comes as a policy of its own."""
    return getattr(row, "kind", "single")


def _known(row: Row, *names: str) -> bool:
    return not any(math.isnan(value(row, name).value) for name in names)


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
        beside += [end for end in _limits(goals, one) if end is not None]
        found.append(scale(one.name, of, beside, whole))
    return found[0], found[1]


def _limits(goals: Goals, axis: Axis) -> tuple[float | None, float | None]:
    goal = getattr(goals, axis.name, None)
    return getattr(goal, "min", None), getattr(goal, "max", None)


def _ends(e: Estimate) -> tuple[float, float]:
    return e.low, e.high


def _policies(
    fig: go.Figure, frontier: Frontier, points: Sequence[Point], across: Axis, up: Axis
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
    if others:
        _trace(fig, others, across, up, f"{count(len(frontier.points))} policies", twins, few, 0.5)
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
        _trace(fig, shown, across, up, "frontier", twins, True)
    current = [p for p in points if not p.index]
    if current:
        name = "as it stands" if frontier.paths else current[0].name
        _trace(fig, current, across, up, name, twins, True, symbol="diamond", size=15)


def _trace(
    fig: go.Figure,
    points: Sequence[Point],
    across: Axis,
    up: Axis,
    name: str,
    twins: Mapping[int, int],
    bars: bool,
    opacity: float = 1.0,
    symbol: str = "circle",
    size: int = 0,
) -> None:
    xs, ys = ([value(p, one.name) for p in points] for one in (across, up))
    fig.add_trace(
        go.Scatter(
            x=[e.value for e in xs],
            y=[e.value for e in ys],
            error_x=_bars(xs) if bars else None,
            error_y=_bars(ys) if bars else None,
            name=theme.plain(name),
            legendgroup=name,
            mode="markers",
            marker={
                "symbol": symbol,
                "size": size or (9 if opacity == 1 else 7),
                "color": theme.faded(theme.POLICY, opacity),
                "line": {"width": 0},
            },
            customdata=[[p.index, point_words(p, twins.get(p.index, 0))] for p in points],
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
    if _known(point, x, y):
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


def _mixes(fig: go.Figure, frontier: Frontier, x: str) -> None:
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
        cost, quality = _straight(ends)
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


def _straight(ends: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """A line through points that is straight in dollars, also where the axis is logarithmic."""
    cost, quality = (list(axis) for axis in zip(*ends[:1], strict=True)) if ends else ([], [])
    for (c, q), (d, r) in pairwise(ends):
        steps = [i / BENDS for i in range(1, BENDS + 1)]
        # Denser where a logarithm bends most.
        cost += [c + (d - c) * s * s for s in steps]
        quality += [q + (r - q) * s * s for s in steps]
    return cost, quality


def _baselines(
    fig: go.Figure,
    frontier: Frontier,
    rows: Sequence[Row],
    across: Axis,
    up: Axis,
    scales: tuple[Scale, Scale],
    colours: Mapping[str, str],
) -> list[str]:
    """Draw what is in the picture; the names of what is not."""

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
        _hollow(fig, singles, "single models", across, up, labels, colours)
    for row in shown:
        if _kind(row) != "single":
            _hollow(fig, [row], row.name, across, up, labels, {})
    return [row.name for row in rows if not inside(row)]


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
        for row in (*named, *(p for p in policies if _known(p, across.name, up.name)))
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
                "symbol": [_SYMBOLS[_kind(row)] for row in rows],
                "size": [12 if row.name in labels else 9 for row in rows],
                "color": [colours.get(row.name, theme.NEUTRAL) for row in rows],
                "line": {"width": 2},
                "opacity": [1 if row.name in labels else 0.6 for row in rows],
            },
            customdata=[[-1, baseline_words(row)] for row in rows],
            hovertemplate="%{customdata[1]}<extra></extra>",
        )
    )


def _good_enough(
    fig: go.Figure, goals: Goals, across: Axis, up: Axis, scales: tuple[Scale, Scale]
) -> None:
    """Shade what the goals of the two axes allow."""
    ends = []
    for one, shown in zip((across, up), scales, strict=True):
        low, high = _limits(goals, one)
        ends.append(
            (
                shown.edge(True) if low is None else low,
                shown.edge(False) if high is None else high,
                low is None and high is None,
            )
        )
    (left, right, any_x), (bottom, top, any_y) = ends
    if any_x and any_y:
        return
    fig.add_shape(
        type="rect",
        x0=left,
        x1=right,
        y0=bottom,
        y1=top,
        fillcolor=theme.faded(theme.GOAL, 0.10),
        line={"color": theme.GOAL, "width": 1, "dash": "dot"},
        layer="below",
    )
    near, far = (min(max(scales[0].at(end), 0.0), 1.0) for end in (left, right))
    inside = near < far and scales[1].at(bottom) < 1 and scales[1].at(top) > 0
    late = inside and near > 0.7
    fig.add_annotation(
        text="good enough" if inside else "good enough is outside of this picture",
        showarrow=False,
        xref="x domain",
        yref="y domain",
        x=far if late else near if inside else 0.0,
        y=min(max(scales[1].at(top), 0.1), 1.0) if inside else 1.0,
        xanchor="right" if late else "left",
        yanchor="top",
        font={"color": theme.GOAL, "size": 12},
    )


def _outside(fig: go.Figure, names: Sequence[str]) -> None:
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
