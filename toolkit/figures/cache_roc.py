"""What a cache saves against how often it is wrong, per threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from toolkit.evaluate.format import count, number, percent_interval, usd_interval
from toolkit.figures import theme
from toolkit.figures.labels import places

if TYPE_CHECKING:
    from toolkit.evaluate.cache_point import CachePoint
    from toolkit.evaluate.cache_roc import CacheRoc
    from toolkit.evaluate.intervals import Estimate

HITS, SAVED = theme.POLICY, theme.MODEL_COLOURS[0]
WIDE, HIGH = 560.0, 230.0
"""The plot in pixels, for the room that labels need."""


def cache_roc_figure(roc: CacheRoc, alone: bool = False, height: int = 380) -> go.Figure:
    """Hit rate and saved cost against wrong hits, a marker per threshold, with 95 % intervals.

    ``alone`` counts only hits that are wrong through the cache, not the model's own mistakes.
    Where nobody knows which hits are wrong, both stand over the threshold instead.
    """
    rate = "other_answer_rate" if alone else "wrong_rate"
    known = any(getattr(point, rate).n for point in roc.points)
    points = [p for p in roc.points if p.hits and (getattr(p, rate).n or not known)]
    against = "wrong answers" if known else "similarity"
    fig = theme.figure(height, f"Hits and saved cost of a cache against {against}, per threshold")
    if not points and not roc.exact.hits:
        return _empty(fig)
    wrong = [getattr(point, rate) for point in points]
    across = [e.value for e in wrong] if known else [point.threshold for point in points]
    threshold = roc.recommended_alone if alone else roc.recommended
    ends = [min(across, default=0.5) - 0.03, max(across, default=1.0) + 0.03]
    if known:
        farthest = max([e.high for e in wrong] + [roc.tolerance])
        ends = [-0.02 * farthest, 1.05 * farthest]
    _saved(fig, points, across)
    _hits(fig, points, across, ends, wrong if known else [], threshold)
    if known:
        _exact(fig, roc.exact, getattr(roc.exact, rate))
        _tolerance(fig, roc.tolerance)
        title = "hits that are wrong through the cache alone" if alone else "hits that are wrong"
        fig.update_xaxes(title=title, tickformat=".3~p", range=ends, zeroline=False)
    else:
        fig.update_xaxes(title="threshold (which hits are wrong is not known)", range=ends)
    fig.update_yaxes(title="share of requests, of cost", tickformat=".3~p")
    return fig


def _saved(fig: go.Figure, points: Sequence[CachePoint], across: Sequence[float]) -> None:
    if not any(point.saved_share.n for point in points):
        return
    shares = [point.saved_share for point in points]
    fig.add_trace(
        go.Scatter(
            x=across,
            y=[e.value for e in shares],
            error_y=_bars(shares, SAVED),
            name="saved share of the cost",
            mode="lines+markers",
            line={"color": theme.faded(SAVED, 0.45), "width": 1.2, "dash": "dot"},
            marker={"symbol": "circle-open", "size": 8, "color": SAVED, "line": {"width": 1.5}},
            customdata=[_hover(point) for point in points],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _hits(
    fig: go.Figure,
    points: Sequence[CachePoint],
    across: Sequence[float],
    ends: Sequence[float],
    wrong: Sequence[Estimate],
    recommended: float | None,
) -> None:
    labels = _labels(points, across, ends, recommended)
    names = [number(point.threshold) for point in points]
    fig.add_trace(
        go.Scatter(
            x=across,
            y=[point.hit_rate.value for point in points],
            error_x=_bars(wrong, HITS) if wrong else None,
            error_y=_bars([point.hit_rate for point in points], HITS),
            name="hit rate, by threshold",
            mode="lines+markers+text",
            line={"color": theme.faded(HITS, 0.45), "width": 1.5},
            marker={"size": 9, "color": HITS},
            text=[name if name in labels else "" for name in names],
            textposition=[labels.get(name, "top center") for name in names],
            textfont={"size": 12},
            cliponaxis=False,
            customdata=[_hover(point) for point in points],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    for x, point in zip(across, points, strict=True):
        if point.threshold == recommended:
            fig.add_trace(
                go.Scatter(
                    x=[x],
                    y=[point.hit_rate.value],
                    name=f"recommended: {number(point.threshold)}",
                    mode="markers",
                    marker={
                        "symbol": "circle-open",
                        "size": 18,
                        "color": theme.GOAL,
                        "line": {"width": 2.5},
                    },
                    hoverinfo="skip",
                )
            )


def _exact(fig: go.Figure, exact: CachePoint, wrong: Estimate) -> None:
    if not wrong.n:
        return
    fig.add_trace(
        go.Scatter(
            x=[wrong.value] * 2,
            y=[exact.hit_rate.value, exact.saved_share.value],
            error_x=_bars([wrong] * 2, theme.NEUTRAL),
            name="exact cache",
            mode="markers",
            marker={
                "symbol": ["square", "square-open"],
                "size": 10,
                "color": [HITS, SAVED],
                "line": {"width": 1.5},
            },
            customdata=[_hover(exact)] * 2,
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _labels(
    points: Sequence[CachePoint],
    across: Sequence[float],
    ends: Sequence[float],
    recommended: float | None,
) -> dict[str, str]:
    """Where the thresholds stand; the recommended one chooses first."""
    up = [point.hit_rate.value for point in points]
    left, right = ends
    low = min(up, default=0.0)
    wide, high = right - left or 1.0, max(up, default=1.0) - low or 1.0
    order = sorted(range(len(points)), key=lambda i: points[i].threshold != recommended)
    at = [((across[i] - left) / wide * WIDE, (up[i] - low) / high * HIGH) for i in order]
    return places(at, [number(points[i].threshold) for i in order], WIDE)


def _bars(estimates: Sequence[Estimate], colour: str) -> dict[str, object]:
    return {
        "type": "data",
        "array": [e.high - e.value for e in estimates],
        "arrayminus": [e.value - e.low for e in estimates],
        "color": theme.faded(colour, 0.35),
        "thickness": 1.2,
        "width": 3,
    }


def _hover(point: CachePoint) -> str:
    head = "exact cache" if point.kind == "exact" else f"threshold {number(point.threshold)}"
    usd = usd_interval(point.saved_usd_per_1k)
    lines = (
        f"hit rate {percent_interval(point.hit_rate)}, {count(point.hits)} hits",
        f"saved {percent_interval(point.saved_share)} of the cost, {usd} /1k",
        f"wrong {percent_interval(point.wrong_rate)} of {count(point.wrong_rate.n)} hits",
        f"through the cache alone {percent_interval(point.other_answer_rate)}",
    )
    return "<br>".join([f"<b>{head}</b>", *map(theme.plain, lines)])


def _tolerance(fig: go.Figure, tolerance: float) -> None:
    fig.add_vline(x=tolerance, line={"color": theme.GOAL, "width": 1, "dash": "dot"})
    fig.add_annotation(
        text="tolerated",
        showarrow=False,
        x=tolerance,
        yref="y domain",
        y=0,
        xanchor="left",
        yanchor="bottom",
        font={"color": theme.GOAL, "size": 12},
    )


def _empty(fig: go.Figure) -> go.Figure:
    fig.add_annotation(
        text="no request repeats an earlier one or is like it",
        showarrow=False,
        xref="x domain",
        yref="y domain",
        x=0.5,
        y=0.5,
    )
    return fig.update_xaxes(visible=False).update_yaxes(visible=False)
