"""The incident in numbers: tiles of the policy against itself with less, and the whole ladder."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.evaluate.format import (
    MINUS,
    count,
    number_interval,
    percent,
    percent_interval,
    points_interval,
    seconds,
    seconds_interval,
    usd_interval,
    usd_per_1k,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.protection import ALL
from toolkit.ui.charts import heading
from toolkit.ui.resilience_view import Broken
from toolkit.ui.text import literal

if TYPE_CHECKING:
    from toolkit.evaluate.measures import Measures


@dataclass(frozen=True)
class _Tile:
    field: str
    label: str
    help: str
    show: Callable[[float], str]
    change: Callable[[Estimate], str] | None
    less_is_better: bool | None
    """None: neither is"""


_TILES = (
    _Tile(
        "success_rate",
        "Answered",
        "By a model, or with a fresh answer from the cache. An answer may still be wrong.",
        percent,
        points_interval,
        False,
    ),
    _Tile(
        "error_rate",
        "Failed",
        "Ended without an answer and without a message.",
        percent,
        points_interval,
        True,
    ),
    _Tile(
        "degraded_rate",
        "Degraded",
        "Ended with a canned message, a refusal, or an answer from the cache that was too old.",
        percent,
        points_interval,
        None,
    ),
    _Tile(
        "latency_p95_s",
        "p95 latency",
        "19 of 20 requests take no longer, with all attempts and waits. Failing fast is fast, too.",
        seconds,
        None,
        True,
    ),
    _Tile(
        "cost_usd_per_1k",
        "Cost of 1,000",
        "Requests, with all their attempts, also failed and repeated ones.",
        usd_per_1k,
        lambda e: usd_interval(e, sign=True),
        True,
    ),
)


def tile_row(broken: Broken) -> None:
    """Five numbers during the faults, each with what it is with less protection."""
    full, less = (row.during for row in broken.rows)
    changes = broken.changes
    st.caption(
        f"The {count(full.requests)} requests that arrived during the faults, with {ALL}. Changes "
        f"are against {literal(broken.against)}, request by request; grey ones could be chance, "
        "or are neither good nor bad."
    )
    with st.grid(5, min_column_width=170):
        for tile in _TILES:
            with st.container(border=True, gap="xsmall", height="stretch"):
                _draw(tile, full, less, changes.get(tile.field), broken.against)


def _draw(
    tile: _Tile, full: Measures, less: Measures, change: Estimate | None, against: str
) -> None:
    e, other = getattr(full, tile.field), getattr(less, tile.field)
    if not e.n:
        st.metric(tile.label, "not measured", help=tile.help)
        return
    words, better = "", None
    if change is not None and tile.change and not math.isnan(change.value):
        words = tile.change(change) if change.value else "no change"
        if tile.less_is_better is not None and (change.low > 0 or change.high < 0):
            better = (change.value < 0) is tile.less_is_better
    elif change is None and other.n:
        words = f"from {seconds(other.value)}"
        better = True if e.high < other.low else False if e.low > other.high else None
    delta, _, bounds = words.partition(" [")
    arrow = "off" if better is None or change is None else "auto"
    if arrow == "auto":
        arrow = "down" if words.startswith(MINUS) else "up"
    st.metric(
        tile.label,
        literal(tile.show(e.value)),
        literal(delta) or None,
        delta_color={True: "green", False: "orange", None: "gray"}[better],  # type: ignore[arg-type]
        delta_arrow=arrow,  # type: ignore[arg-type]
        help=tile.help,
    )
    lines = [_interval(tile, e), f"n = {count(e.n)}"]
    if bounds:
        lines.append(f"Change: {bounds.rstrip(']').replace(', ', ' to ')}")
    lines.append(f"With {against}: {tile.show(other.value)}")
    st.caption("  \n".join(map(literal, filter(None, lines))))


def _interval(tile: _Tile, e: Estimate) -> str:
    low, high = tile.show(e.low).removesuffix(" /1k"), tile.show(e.high).removesuffix(" /1k")
    return "" if math.isnan(e.low) else f"95 %: {low} to {high}"


_COLUMNS: dict[str, tuple[str, Callable[[Estimate], str], str]] = {
    "error_rate": ("Failed", percent_interval, "Ended without an answer and without a message"),
    "degraded_rate": ("Degraded", percent_interval, "Ended with a message or an old answer"),
    "success_rate": ("Answered", percent_interval, "By a model or from the fresh cache"),
    "quality": ("Quality", number_interval, "0 to 1; a failure counts as 0"),
    "latency_p95_s": ("p95 latency", seconds_interval, "With all attempts and waits"),
    "cost_usd_per_1k": ("Cost /1k", usd_interval, "USD, all attempts together"),
    "attempts_mean": ("Calls per request", number_interval, "Retries and hedges included"),
}


def ladder(broken: Broken) -> None:
    """All rungs, during the faults or over the whole run."""
    import pandas as pd

    with st.container(border=True, gap="xsmall"):
        heading(
            "What each protection is worth",
            "ladder",
            lambda: broken.incident.to_pandas().reset_index(),
        )
        parts = {"during": "During the faults", "whole": "Whole run"}
        part = st.segmented_control(
            "Requests",
            list(parts),
            default="during",
            format_func=parts.__getitem__,
            key="ladder-part",
            required=True,
            label_visibility="collapsed",
        )
        rows = [(row.name, getattr(row, part or "during")) for row in broken.incident.rows]
        frame = pd.DataFrame(
            [
                {"protection": name, "requests": count(m.requests)}
                | {field: show(getattr(m, field)) for field, (_, show, _) in _COLUMNS.items()}
                for name, m in rows
            ]
        )
        text = st.column_config.TextColumn
        st.dataframe(
            frame,
            hide_index=True,
            key="ladder",
            alt="Each rung of protection with failures, degraded answers, quality, latency, cost",
            column_config={
                "protection": text("Protection", pinned=True, width=150),
                "requests": text("n", width=70),
            }
            | {f: text(label, help=tip, width=150) for f, (label, _, tip) in _COLUMNS.items()},
        )
