"""Where a change gains and where it loses: its differences by group of requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from toolkit.evaluate.format import count
from toolkit.evaluate.verdict import MEASURES
from toolkit.figures import theme
from toolkit.figures.forest import Mark, Panel, forest_figure

if TYPE_CHECKING:
    from toolkit.evaluate.slice_differences import SliceDifference, SliceDifferences

MOST = 30
TWO = 2
_LOOK: dict[str, dict[str, Any]] = {
    "quality": {"tickformat": "+.2~f"},
    "cost_usd_per_1k": {"tickformat": "+$.6~f"},
    "latency_mean_s": {"ticksuffix": " s"},
    "error_rate": {"tickformat": "+.3~p"},
}
_TITLE = {
    "quality": "quality",
    "cost_usd_per_1k": "cost per 1k",
    "latency_mean_s": "mean latency",
    "error_rate": "errors",
}


def slices_figure(
    differences: SliceDifferences,
    metrics: Sequence[str] = ("quality", "cost_usd_per_1k", "latency_mean_s", "error_rate"),
    height: int | None = None,
) -> go.Figure:
    """A row per group, the greatest loss of quality on top; filled where it is hardly chance.

    Shows the first two of ``metrics`` that differ anywhere, the second policy minus the first.
    """
    most = sorted(differences.parts, key=lambda part: -part.requests)[:MOST]
    parts = sorted(most, key=lambda part: (part.quality.n == 0, part.quality.value))
    told = [name for name in metrics if any(getattr(part, name).changed for part in parts)][:TWO]
    alt = f"{differences.b} minus {differences.a} by {differences.column}, with intervals"
    fig = forest_figure(
        [f"{part.name} ({count(part.requests)})" for part in parts],
        [
            Panel(
                _title(name, differences),
                [_mark(part, name, differences) for part in parts],
                _LOOK[name],
                [(0.0, theme.NEUTRAL)],
            )
            for name in told or metrics[:1]
        ],
        theme.plain(alt),
        height,
    )
    left = len(differences.parts) - len(parts)
    if left:
        fig.update_layout(margin={"b": 24})
        fig.add_annotation(
            text=f"{count(left)} smaller groups are not shown",
            showarrow=False,
            xref="paper",
            yref="paper",
            x=0,
            y=0,
            yshift=-56,
            font={"size": 11},
        )
    return fig


def _title(name: str, differences: SliceDifferences) -> str:
    b, a = (theme.plain(theme.cut(side, 18)) for side in (differences.b, differences.a))
    # A line each: two panels share the width of a telephone.
    lines = [f"{b} minus", a] if a != b else ["B minus A"]
    return "<br>".join([_TITLE[name], *lines])


def _mark(part: SliceDifference, name: str, of: SliceDifferences) -> Mark | None:
    d = getattr(part, name)
    if not d.n:
        return None
    measure = MEASURES[name]
    a, b = ("A", "B") if of.a == of.b else (theme.cut(side, 40) for side in (of.a, of.b))
    lines = [
        theme.plain(f"{measure.noun} {measure.interval(d, True)}" if d.changed else "the same"),
        theme.plain(f"{a} {measure.value(d.a)}, {b} {measure.value(d.b)}, n = {count(d.n)}"),
        "hardly chance" if d.distinguishable else "may be chance",
    ]
    sure = d.distinguishable
    return Mark(
        d,
        "<br>".join([f"<b>{theme.plain(part.name)}</b>", *lines]),
        theme.POLICY if sure else theme.NEUTRAL,
        "diamond" if sure else "diamond-open",
    )
