"""What is good enough, shaded in a figure of two measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import count
from toolkit.evaluate.goals import WORDS, listed
from toolkit.evaluate.goals import limited as limits_of
from toolkit.figures import theme
from toolkit.figures.axes import Axis, Scale

if TYPE_CHECKING:
    from toolkit.policy.model import Goals


def limits(goals: Goals, axis: Axis) -> tuple[float | None, float | None]:
    """The least and the most that a goal allows of a measure itself."""
    goal = getattr(goals, axis.name, None)
    return getattr(goal, "min", None), getattr(goal, "max", None)


def unshown(goals: Goals, across: Axis, up: Axis) -> frozenset[tuple[str, str]]:
    """Limits that these axes do not show, by measure and kind, as those against a baseline."""
    shown = {(axis.name, "value") for axis in (across, up)}
    return frozenset(set(limits_of(goals)) - shown)


def good_enough(
    fig: go.Figure,
    goals: Goals,
    across: Axis,
    up: Axis,
    scales: tuple[Scale, Scale],
    fades: bool = False,
) -> None:
    """Shade what the goals of the two axes allow; ``fades``: what misses another is pale."""
    unseen = len(unshown(goals, across, up))
    ends = []
    for one, shown in zip((across, up), scales, strict=True):
        low, high = limits(goals, one)
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
        text=_words(across, up, (any_x, any_y), inside, unseen, fades),
        align="right" if late else "left",
        showarrow=False,
        xref="x domain",
        yref="y domain",
        x=far if late else near if inside else 0.0,
        y=min(max(scales[1].at(top), 0.1), 1.0) if inside else 1.0,
        xanchor="right" if late else "left",
        yanchor="top",
        font={"color": theme.GOAL, "size": 12},
    )


def _words(
    across: Axis, up: Axis, free: tuple[bool, bool], inside: bool, unseen: int, fades: bool
) -> str:
    """What the shading means: good enough only where no limit is on another measure."""
    if not unseen:
        return "good enough" if inside else "good enough is outside of this picture"
    shown = [
        WORDS[axis.name][0] for axis, all_do in zip((across, up), free, strict=True) if not all_do
    ]
    what = f"within the limit{'s' * (len(shown) > 1)} of {listed(shown)}"
    what += "" if inside else ": outside of this picture"
    one = "limit is" if unseen == 1 else "limits are"
    return f"{what}<br>{count(unseen)} more {one} not shown{'; pale: misses one' if fades else ''}"
