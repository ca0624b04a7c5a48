"""The sections of the Data page, from the first line to what the log cannot show."""

from __future__ import annotations

from functools import partial

import streamlit as st

from toolkit.evaluate.format import count, number, number_interval, percent, seconds, usd_per_1k
from toolkit.evaluate.moments import overall_means, share_of
from toolkit.figures.coverage import MEASURE_WORDS, coverage_figure, measured_figure
from toolkit.figures.distributions import days_figure, errors_figure, sizes_figure, spread_figure
from toolkit.figures.heatmap import quality_figure
from toolkit.logs.profile import MEASURES, WHAT
from toolkit.ui import data_tables as tables
from toolkit.ui import states
from toolkit.ui.charts import chart
from toolkit.ui.data_findings import finding_list
from toolkit.ui.data_view import BEST, DataView
from toolkit.ui.data_words import answer, findings, gaps, shape
from toolkit.ui.text import bold, literal

MOST_GROUPS = 10
"""So many values of a column are drawn."""
_SPREADS = {
    "latency_s": "Latency",
    "cost_usd": "Cost",
    "output_tokens": "Tokens out",
    "input_tokens": "Tokens in",
}


def first_line(view: DataView) -> None:
    """The answer in words, then what to look at."""
    line = st.empty()
    line.markdown(f"#### {bold(view.info.name)}: {literal(shape(view))} …")  # while it is counted
    found = findings(view)
    line.markdown(f"#### {bold(view.info.name)}: {literal(answer(view, found))}")
    finding_list(view, found)


def tiles(view: DataView) -> None:
    """Shape, period and what was measured."""
    info, facts, period = view.info, view.models, view.period
    total, failed = info.n_outcomes, int(facts.failed.sum())
    mean = dict(zip(MEASURES, overall_means(facts), strict=True))
    cells = info.n_requests * info.n_models
    shown = [
        ("Requests", _short(info.n_requests), _period(period.first, period.last)),
        (
            "Outcomes",
            _short(total),
            f"{percent(total / cells)} of {count(info.n_requests)} × {count(info.n_models)}",
        ),
        (
            "Quality measured",
            percent(facts.share("quality")),
            f"mean {number_interval(mean['quality'])}",
        ),
        (
            "Cost measured",
            percent(facts.share("cost_usd")),
            f"mean {usd_per_1k(1_000 * mean['cost_usd'].value)}",
        ),
        (
            "Latency measured",
            percent(facts.share("latency_s")),
            f"mean {seconds(mean['latency_s'].value)}",
        ),
        ("Errors", percent(share_of(failed, total).value), f"{count(failed)} outcomes"),
    ]
    with st.grid(len(shown), min_column_width=150):
        for label, value, below in shown:
            with st.container(border=True, gap="xsmall", height="stretch"):
                st.metric(label, literal(value))
                st.caption(literal(below))


def _short(n: int) -> str:
    """A count that fits a tile: ``20,000``, ``1.25 M``."""
    return count(n) if n < 1_000_000 else f"{number(n / 1e6)} M"


def _period(first: object, last: object) -> str:
    if first is None or last is None:
        return "no times in the log"
    a, b = f"{first:%-d %b %Y}", f"{last:%-d %b %Y}"
    return f"{a} (UTC)" if a == b else f"{a} to {b} (UTC)"


def chosen_models(view: DataView) -> tuple[int, ...]:
    """The models that the figures show: all, or the best with a switch for the rest."""
    order = view.order
    if len(order) <= BEST:
        return order
    with st.container(horizontal=True, vertical_alignment="center"):
        everything = st.toggle(f"All {count(len(order))} models in the figures", key="all-models")
        st.caption(
            "The best first." if everything else f"Now the {BEST} with the best quality.",
            width="stretch",
        )
    return order if everything else order[:BEST]


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
            note=f"Requests with {MEASURE_WORDS[what]} from each model; grey is none, darker is"
            " more.",
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
    if found is None or not found.n.any():
        return
    st.subheader("How good", anchor=False)
    note = "Mean grade from 0 to 1; grey is not graded. Point at a cell for its interval and n."
    if len(found.categories) > BEST:
        note += f" The {BEST} largest of {count(len(found.categories))} categories or more."
    chart(
        "Quality by model and category",
        quality_figure(found, order, BEST),
        "quality",
        lambda: tables.categories(found),
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
            note = "Darker is more often; the dot is the median, the bar the 95th percentile."
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


def all_models(view: DataView) -> None:
    """The table of models."""
    from toolkit.ui.charts import heading

    st.subheader("Every model in numbers", anchor=False)
    with st.container(border=True, gap="xsmall"):
        heading("The best first", "models", lambda: tables.models(view))
        tables.model_table(view)


def not_shown(view: DataView) -> None:
    """What this log cannot tell."""
    states.gaps(gaps(view))
    exact = "Counts, means and percentiles are exact."
    twice = view.duplicates
    if twice is not None and twice.one_in > 1:
        exact += f" Repeated prompts are estimated from one prompt in {twice.one_in}."
    st.caption(exact)
