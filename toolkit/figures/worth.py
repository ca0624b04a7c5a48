"""Which policy is best for whom: by what one point of quality is worth to them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import number, usd_per_1k
from toolkit.figures import theme
from toolkit.figures.axes import DECADES
from toolkit.figures.tradeoff_words import Words, point_words, short_name

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.frontier import Frontier
    from toolkit.evaluate.tradeoffs.worth import Worth

BAR, LINE = 16, 16
"""Pixels of a bar, and of a line of what stands above it."""
WIDE = 56
"""Letters on such a line, which a narrow screen still holds."""
TITLE = "worth of a point of quality (0.01), USD per 1,000 requests"


def worth_figure(
    frontier: Frontier, height: int | None = None, words: Words | None = None
) -> go.Figure:
    """A bar per policy on the hull: the worth of a point of quality for which it is the best.

    In USD per 1,000 requests. A bar is pale where its policy is not surely better than the one
    before. ``words`` tells what sets a policy apart (None: the values that are varied).
    """
    found = frontier.worth
    points = [frontier.points[one.point] for one in found]
    names = [theme.wrapped(short_name(point, words), WIDE, 3) for point in points]
    lines = 1 + max((name.count("<br>") + 1 for name in names), default=0)
    row = 2 * BAR + LINE * lines
    fig = theme.figure(
        height or 64 + row * max(len(found), 1), "The best policy by worth of quality"
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
            y=theme.rows(fig, [point.name for point in points], WIDE),
            x=[end - start for start, end in zip(starts, ends, strict=True)],
            base=starts,
            # At the foot of its row, below its words.
            width=BAR / row,
            offset=0.5 - 1.5 * BAR / row,
            orientation="h",
            marker={"color": [theme.faded(theme.POLICY, 0.3 if w.doubt else 0.75) for w in found]},
            customdata=[
                [p.index, f"<b>{theme.plain(_told(one))}</b><br>{point_words(p, words=words)}"]
                for p, one in zip(points, found, strict=True)
            ],
            hovertemplate="%{customdata[1]}<extra></extra>",
            showlegend=False,
        )
    )
    if not points:
        theme.empty(fig, "no policy has a cost and a quality")
    for point, name, place in zip(points, names, fig.data[0].y, strict=True):
        cost, quality = usd_per_1k(point.cost_usd_per_1k.value), number(point.quality.value)
        fig.add_annotation(
            text=f"<b>{name}</b><br>{theme.plain(f'{cost}, quality {quality}')}",
            align="left",
            xref="x domain",
            x=0.005,
            y=place,
            yshift=1.5 * BAR - row / 2,
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 12},
        )
    fig.update_layout(margin={"t": 8})
    fig.update_xaxes(
        title={"text": TITLE, "font": {"size": 13}},
        type="log" if log else "linear",
        range=[math.log10(left), math.log10(right)] if log else [left, right],
        tickprefix="$",
        exponentformat="none",
        minor={"showgrid": False},
        dtick=1 if log else None,
    )
    fig.update_yaxes(showgrid=False, showticklabels=False)
    return fig


def _told(one: Worth) -> str:
    return f"{one}, {one.doubt}" if one.doubt else str(one)
