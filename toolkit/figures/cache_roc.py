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
    name = "other_answer_rate" if alone else "wrong_rate"
    known = any(getattr(point, name).n for point in roc.points)
    points = [p for p in roc.points if p.hits and (getattr(p, name).n or not known)]
    exact = [roc.exact] if getattr(roc.exact, name).n and known else []
    against = "wrong answers" if known else "similarity"
    fig = theme.figure(height, f"Hits and saved cost of a cache against {against}, per threshold")
    _line(fig, points, name, known, "hit_rate", "hit rate", HITS, roc)
    _line(fig, points, name, known, "saved_share", "saved share of cost", SAVED, roc)
    for field, colour in (("hit_rate", HITS), ("saved_share", SAVED)):
        _markers(fig, exact, name, known, field, f"exact cache, {_WORDS[field]}", colour, "square")
    _recommended(fig, roc, name, known, alone)
    if known:
        _tolerance(fig, roc)
        title = "hits that are wrong through the cache alone" if alone else "hits that are wrong"
        fig.update_xaxes(title=title, tickformat=".3~p", rangemode="tozero")
    else:
        fig.update_xaxes(title="threshold (which hits are wrong is not known)")
    fig.update_yaxes(title="share of requests, of cost", tickformat=".3~p", rangemode="tozero")
    if not points and not exact:
        _empty(fig)
    return fig


_WORDS = {"hit_rate": "hit rate", "saved_share": "saved share of cost"}


def _line(
    fig: go.Figure,
    points: Sequence[CachePoint],
    name: str,
    known: bool,
    field: str,
    words: str,
    colour: str,
    roc: CacheRoc,
) -> None:
    points = [point for point in points if getattr(point, field).n]
    if not points:
        return
    labels = _labels(points, name, known, field, roc) if field == "hit_rate" else {}
    _markers(fig, points, name, known, field, words, colour, "circle")
    fig.data[-1].update(
        mode="lines+markers+text",
        line={"color": theme.faded(colour, 0.45), "width": 1.5},
        text=[number(p.threshold) if number(p.threshold) in labels else "" for p in points],
        textposition=[labels.get(number(p.threshold), "top center") for p in points],
        textfont={"size": 12},
        cliponaxis=False,
    )


def _markers(
    fig: go.Figure,
    points: Sequence[CachePoint],
    name: str,
    known: bool,
    field: str,
    words: str,
    colour: str,
    symbol: str,
) -> None:
    points = [point for point in points if getattr(point, field).n]
    if not points:
        return
    fig.add_trace(
        go.Scatter(
            x=_across(points, name, known),
            y=[getattr(point, field).value for point in points],
            error_x=_bars([getattr(point, name) for point in points], colour) if known else None,
            error_y=_bars([getattr(point, field) for point in points], colour),
            name=words,
            mode="markers",
            marker={"symbol": symbol, "size": 9, "color": colour},
            customdata=[_hover(point) for point in points],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _across(points: Sequence[CachePoint], name: str, known: bool) -> list[float]:
    return [getattr(p, name).value if known else p.threshold for p in points]


def _labels(
    points: Sequence[CachePoint], name: str, known: bool, field: str, roc: CacheRoc
) -> dict[str, str]:
    """Where the thresholds stand; the recommended one chooses first."""
    across = _across(points, name, known)
    up = [getattr(point, field).value for point in points]
    left, right = (0.0, max(across)) if known else (min(across), max(across))
    scale = (right - left) or 1.0, max(up) or 1.0
    order = sorted(range(len(points)), key=lambda i: points[i].threshold != roc.recommended)
    at = [((across[i] - left) / scale[0] * WIDE, up[i] / scale[1] * HIGH) for i in order]
    return places(at, [number(points[i].threshold) for i in order], WIDE + 40)


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


def _recommended(fig: go.Figure, roc: CacheRoc, name: str, known: bool, alone: bool) -> None:
    threshold = roc.recommended_alone if alone else roc.recommended
    at = [point for point in roc.points if point.threshold == threshold]
    if not at or not known:
        return
    fig.add_trace(
        go.Scatter(
            x=_across(at, name, known),
            y=[at[0].hit_rate.value],
            name=f"recommended: {number(at[0].threshold)}",
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


def _tolerance(fig: go.Figure, roc: CacheRoc) -> None:
    fig.add_vline(x=roc.tolerance, line={"color": theme.GOAL, "width": 1, "dash": "dot"})
    fig.add_annotation(
        text="tolerated",
        showarrow=False,
        x=roc.tolerance,
        yref="y domain",
        y=1.0,
        xanchor="left",
        yanchor="top",
        font={"color": theme.GOAL, "size": 12},
    )


def _empty(fig: go.Figure) -> None:
    fig.add_annotation(
        text="no request repeats an earlier one or is like it",
        showarrow=False,
        xref="x domain",
        yref="y domain",
        x=0.5,
        y=0.5,
    )
