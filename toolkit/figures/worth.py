"""Which policy is best for whom: by what one point of quality is worth to them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import number, usd_per_1k
from toolkit.figures import theme
from toolkit.figures.axes import DECADES
from toolkit.figures.tradeoff_words import point_words, short_name

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.frontier import Frontier

ROW = 48


def worth_figure(frontier: Frontier, height: int | None = None) -> go.Figure:
    """A bar per policy on the hull: the worth of a point of quality for which it is the best."""
    found = frontier.worth
    points = [frontier.points[one.point] for one in found]
    fig = theme.figure(
        height or 64 + ROW * max(len(found), 1), "The best policy by worth of quality"
    )
    prices = [one.from_usd for one in found if one.from_usd > 0]
    log = bool(prices) and max(prices) > DECADES * min(prices)
    left, right = (
        (min(prices) / 3, max(prices) * 3) if log else (0.0, 1.5 * max(prices, default=1.0))
    )
    starts = [max(one.from_usd, left) for one in found]
    ends = [right if math.isinf(one.to_usd) else one.to_usd for one in found]
    fig.add_trace(
        go.Bar(
            y=theme.rows(fig, [short_name(point) for point in points], 18, 3),
            x=[end - start for start, end in zip(starts, ends, strict=True)],
            base=starts,
            width=0.36,
            orientation="h",
            marker={"color": theme.faded(theme.POLICY, 0.75)},
            customdata=[
                [p.index, f"<b>{theme.plain(one)}</b><br>{point_words(p)}"]
                for p, one in zip(points, found, strict=True)
            ],
            hovertemplate="%{customdata[1]}<extra></extra>",
            showlegend=False,
        )
    )
    if not points:
        theme.empty(fig, "no policy has a cost and a quality")
    for point, place in zip(points, fig.data[0].y, strict=True):
        cost, quality = usd_per_1k(point.cost_usd_per_1k.value), number(point.quality.value)
        fig.add_annotation(
            text=theme.plain(f"{cost}, quality {quality}"),
            xref="x domain",
            x=0.005,
            y=place,
            yshift=16,
            xanchor="left",
            showarrow=False,
            font={"size": 12},
        )
    fig.update_layout(margin={"t": 8})
    fig.update_xaxes(
        title={"text": "worth of a point of quality (0.01), USD per 1k", "font": {"size": 13}},
        type="log" if log else "linear",
        range=[math.log10(left), math.log10(right)] if log else [left, right],
        tickprefix="$",
        exponentformat="none",
        minor={"showgrid": False},
        dtick=1 if log else None,
    )
    fig.update_yaxes(showgrid=False)
    return fig
