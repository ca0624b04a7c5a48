"""The pictures of the Data page: what is missing, how good, how dear and slow, what was asked."""

from __future__ import annotations

from functools import partial

import streamlit as st

from toolkit.evaluate.format import count
from toolkit.figures.coverage import MEASURE_WORDS, coverage_figure, measured_figure
from toolkit.figures.distributions import days_figure, errors_figure, sizes_figure, spread_figure
from toolkit.figures.heatmap import quality_figure
from toolkit.logs.profile import MEASURES, WHAT
from toolkit.ui import data_tables as tables
from toolkit.ui.charts import chart
from toolkit.ui.data_view import BEST, DataView

MOST_GROUPS = 10
"""So many values of a column are drawn."""
_COVERAGE = {
    "error": "Share of each model's calls that failed; red is more, to the highest there is."
}
_SPREADS = {
    "latency_s": "Latency",
    "cost_usd": "Cost",
    "output_tokens": "Tokens out",
    "input_tokens": "Tokens in",
}


@st.fragment
def missing(view: DataView, order: tuple[int, ...]) -> None:
    """What each model lacks: measures, and stretches of the log."""
    st.subheader("What is missing", anchor=False)
    left, right = st.columns([2, 3])
    with left:
        chart(
            "What was measured, by model",
            measured_figure(view.models, order),
            "measured",
            lambda: tables.measured(view.models),
            note="Share of a model's outcomes; grey is none.",
        )
    with right:
        what = st.session_state.get("coverage-what") or "outcome"
        chart(
            "Where in the log",
            coverage_figure(view.coverage, what, order),
            "coverage",
            lambda: tables.blocks(view.coverage, what),
            note=_COVERAGE.get(
                what,
                f"Requests with {MEASURE_WORDS[what]} from each model; grey is"
                " none, darker is more.",
            ),
        )
        st.segmented_control(
            "Show requests with",
            list(WHAT),
            default="outcome",
            key="coverage-what",
            format_func=lambda one: MEASURE_WORDS[one],
            required=True,
            label_visibility="collapsed",
        )


def quality(view: DataView, order: tuple[int, ...]) -> None:
    """The heatmap of quality, where there is any."""
    found = view.categories
    if found is None or not view.models.measured[:, 0].any():
        return
    st.subheader("How good", anchor=False)
    counted = "failures count as 0" if view.models.failures_count else "of graded answers alone"
    note = f"Mean from 0 to 1, {counted}; grey is not graded. Point at a cell for interval and n."
    if len(found.categories) > BEST:
        note += f" The {BEST} largest of {count(len(found.categories))} categories or more."
    chart(
        "Quality by model and category",
        quality_figure(found, order, view.models.failures_count, BEST),
        "quality",
        lambda: tables.categories(found, view.models.failures_count),
        note=note,
    )


@st.fragment
def spreads(view: DataView, order: tuple[int, ...]) -> None:
    """Cost, latency and tokens; errors."""
    facts = view.models
    measured = [name for name in _SPREADS if facts.measured[:, MEASURES.index(name)].any()]
    failing = tuple(i for i in order if facts.failed[i])
    if not measured and not failing:
        return
    st.subheader("How dear, how slow, how often wrong", anchor=False)
    left, right = st.columns(2)
    if measured:
        with left:
            name = st.session_state.get("spread-what")
            name = name if name in measured else measured[0]
            found = view.spread(name)
            zeros = int(found.zeros.sum())
            note = "Stronger is more often; the dot is the median, the bar the 95th percentile."
            if zeros:
                note += f" {count(zeros)} values of exactly 0 are not in the picture."
            chart(
                f"{_SPREADS[name]} by model",
                spread_figure(found, [i for i in order if facts.measured[i, MEASURES.index(name)]]),
                f"spread-{name}",
                partial(tables.spread, found),
                note=note,
            )
            st.segmented_control(
                "Show",
                measured,
                default=measured[0],
                key="spread-what",
                format_func=lambda one: _SPREADS[one],
                required=True,
                label_visibility="collapsed",
            )
    with right:
        if failing:
            worst = sorted(failing, key=lambda i: -float(1 - facts.error_share[i, 0]))
            without = len(order) - len(failing)
            chart(
                "Errors by model and type",
                errors_figure(facts, worst),
                "errors",
                lambda: tables.errors(facts),
                note=f"{count(without)} of these models never failed." if without else "",
            )
        else:
            st.success("None of these models failed.", icon=":material/check:")


def requests(view: DataView) -> None:
    """Requests by day and by group."""
    import pandas as pd

    period, found = view.period, view.groups
    several = len(period.days) > 1
    if not several and not found:
        return
    st.subheader("What was asked, and when", anchor=False)
    with st.grid(min(2, several + len(found)), min_column_width=320):
        if several:
            chart(
                "Requests of each day (UTC)",
                days_figure(period.days, period.requests),
                "days",
                lambda: pd.DataFrame({"day": period.days, "requests": period.requests}),
            )
        for group in found:
            frame = pd.DataFrame({group.column: group.names, "requests": group.requests})
            more = group.distinct - MOST_GROUPS
            chart(
                f"Requests by {group.column}",
                sizes_figure(
                    ["(none)" if name is None else name for name in group.names[:MOST_GROUPS]],
                    group.requests[:MOST_GROUPS],
                ),
                f"size-{group.column}",
                partial(pd.DataFrame, frame),
                note=f"The {MOST_GROUPS} largest of {count(group.distinct)}." if more > 0 else "",
            )
