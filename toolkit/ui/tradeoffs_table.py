"""Every policy of a sweep in a table, with what was varied beside its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.evaluate.format import (
    count,
    percent,
    percent_interval,
    quality_interval,
    seconds,
    seconds_interval,
    usd,
    usd_interval,
)
from toolkit.ui.charts import heading
from toolkit.ui.tables import bounds
from toolkit.ui.tiles import quality
from toolkit.ui.tradeoffs_form import capital
from toolkit.ui.tradeoffs_view import OPENED, Swept, policies

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.points import Point

TABLE = "points"


def table(swept: Swept) -> None:
    """Every policy with its numbers; a row opens it."""
    import pandas as pd

    st.subheader("Every policy", anchor=False)
    shown = {
        "frontier": "Those that nothing beats",
        "fit": "Those that are good enough",
        "all": "All",
    }
    which = st.segmented_control(
        "Show",
        list(shown),
        default="frontier",
        format_func=shown.__getitem__,
        key="points-shown",
        required=True,
        label_visibility="collapsed",
    )
    kept = {
        "frontier": list(swept.frontier.frontier),
        "fit": [point.index for point in swept.points if point.meets],
        "all": range(len(swept.points)),
    }[which or "frontier"]
    points = [swept.points[i] for i in kept]
    with st.container(border=True, gap="xsmall"):
        heading(
            f"{count(len(points))} of {policies(len(swept.points))}",
            TABLE,
            lambda: swept.frontier.to_pandas().reset_index(),
        )
        if not points:
            st.info("No policy is good enough: move a slider.", icon=":material/filter_alt_off:")
            return
        st.dataframe(
            pd.DataFrame([_row(swept, point) for point in points]).style.format(dict(_WRITTEN)),
            key=TABLE,
            hide_index=True,
            height=360 if len(points) > 9 else "content",
            on_select=lambda: _rowed(points),
            selection_mode="single-row",
            placeholder="–",
            alt="Policies of the sweep with their quality, cost, latency and errors",
            column_config=_columns(swept),
        )


def _columns(swept: Swept) -> dict[str, Any]:
    """What was varied stands right beside cost and quality, as that is where the rows differ."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    varied = {path: text(capital(swept.place(path)), width=160) for path in swept.points[0].values}
    return {
        "point": number("#", width=40),
        "cost_usd_per_1k": number("Cost /1k", width=100),
        "quality": number("Quality", width=65),
        **varied,
        "good": text("Good enough", width=90),
        "latency_p95_s": number("p95 latency", width=85),
        "error_rate": number("Errors", width=65),
        "cost_usd_per_1k_95": text("Cost, 95 %", width=185),
        "quality_95": text("Quality, 95 %", width=115),
        "latency_p95_s_95": text("p95 latency, 95 %", width=130),
        "error_rate_95": text("Errors, 95 %", width=100),
        "n": number("n", format="localized", width=60),
    }


_SHOWN = {
    "cost_usd_per_1k": usd_interval,
    "quality": quality_interval,
    "latency_p95_s": seconds_interval,
    "error_rate": percent_interval,
}
_WRITTEN: Mapping[Any, str | Callable[[Any], str] | None] = {
    "cost_usd_per_1k": usd,
    "quality": quality,
    "latency_p95_s": seconds,
    "error_rate": percent,
}
"""How the numbers themselves are written; they are sorted as numbers."""


def _row(swept: Swept, point: Point) -> dict[str, Any]:
    found = {name: getattr(point, name) for name in _SHOWN}
    return {
        "point": point.index,
        "cost_usd_per_1k": found["cost_usd_per_1k"].value,
        "quality": found["quality"].value,
        **{path: swept.value(path, value) for path, value in point.values.items()},
        "good": _GOOD[point.meets, point.certain],
        "latency_p95_s": found["latency_p95_s"].value,
        "error_rate": found["error_rate"].value,
        **{f"{name}_95": bounds(show(found[name])) for name, show in _SHOWN.items()},
        "n": point.requests - point.unobserved,
    }


_GOOD = {
    (True, True): "surely",
    (True, False): "probably",
    (False, True): "no",
    (False, False): "probably not",
    (None, False): "–",
}


def _rowed(points: list[Point]) -> None:
    rows = st.session_state[TABLE].selection.rows
    if rows and rows[0] < len(points):
        st.session_state[OPENED] = points[rows[0]].index
