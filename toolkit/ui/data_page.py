"""The words and numbers of the Data page, from the first line to what the log cannot show."""

from __future__ import annotations

import streamlit as st

from toolkit.evaluate.format import count, number, number_interval, percent, seconds, usd_per_1k
from toolkit.evaluate.moments import overall_means, share_of
from toolkit.logs.profile import MEASURES
from toolkit.ui import data_tables as tables
from toolkit.ui import states
from toolkit.ui.charts import heading
from toolkit.ui.data_findings import finding_list
from toolkit.ui.data_view import BEST, DataView
from toolkit.ui.data_warnings import findings
from toolkit.ui.data_words import answer, lacks, shape
from toolkit.ui.text import bold, literal


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


def all_models(view: DataView) -> None:
    """The table of models."""
    st.subheader("Every model in numbers", anchor=False)
    with st.container(border=True, gap="xsmall"):
        heading("The best first", "models", lambda: tables.models(view))
        tables.model_table(view)


def not_shown(view: DataView) -> None:
    """What this log cannot tell."""
    states.gaps(lacks(view))
    exact = "Counts, means and percentiles are exact."
    twice = view.duplicates
    if twice is not None and twice.one_in > 1:
        exact += f" Repeated prompts are estimated from one prompt in {twice.one_in}."
    st.caption(exact)
