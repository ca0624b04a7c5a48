"""Quality by category, the policy beside its baseline."""

from __future__ import annotations

import plotly.graph_objects as go

from toolkit.evaluate.format import count, number_interval
from toolkit.evaluate.slices import Slice
from toolkit.evaluate.summary import Summary
from toolkit.figures import theme

MOST = 30
ROW = 30


def category_figure(
    summary: Summary, baseline: Summary | None = None, height: int | None = None
) -> go.Figure:
    """A row per category: the policy filled, the baseline hollow, both with their intervals."""
    names = list(summary.by_category)[:MOST]
    fig = theme.figure(height or 96 + ROW * len(names), "Quality by category with intervals")
    places = dict(zip(names, theme.rows(fig, names, 22), strict=True))
    if baseline is not None:
        _dots(fig, baseline, places, "circle-open", theme.NEUTRAL, baseline.policy)
    _dots(fig, summary, places, "diamond", theme.POLICY, summary.policy)
    fig.update_layout(scattermode="group", scattergap=0.55)
    fig.update_xaxes(title="quality, 0 to 1", range=[-0.02, 1.03])
    return fig


def _dots(
    fig: go.Figure, summary: Summary, places: dict[str, str], symbol: str, colour: str, title: str
) -> None:
    parts = [(name, summary.by_category.get(name)) for name in places]
    known = [(name, part) for name, part in parts if part and part.quality.n]
    values = [part.quality for _, part in known]
    fig.add_trace(
        go.Scatter(
            x=[e.value for e in values],
            y=[places[name] for name, _ in known],
            orientation="h",
            mode="markers",
            name=theme.plain(title),
            marker={"symbol": symbol, "color": colour, "size": 10, "line": {"width": 2}},
            error_x={
                "type": "data",
                "array": [e.high - e.value for e in values],
                "arrayminus": [e.value - e.low for e in values],
                "color": colour,
                "thickness": 1.5,
                "width": 3,
            },
            customdata=[theme.plain(_words(title, n, p)) for n, p in known],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _words(title: str, name: str, part: Slice) -> str:
    return f"{title}, {name}: {number_interval(part.quality)}, n = {count(part.quality.n)}"
