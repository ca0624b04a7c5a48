"""Where the opened policy gains and where it loses: by kind of request, and request by request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.evaluate.format import count
from toolkit.figures import slices_figure
from toolkit.schema import CATEGORY
from toolkit.ui import loaders
from toolkit.ui.charts import heading, picture
from toolkit.ui.text import bold, literal
from toolkit.ui.tradeoffs_view import THIS, Swept

if TYPE_CHECKING:
    from toolkit.evaluate.compare import Comparison
    from toolkit.evaluate.examples import Example

BY = "slices-by"
MOST = 5
"""Requests on either side that are shown."""


def gains(swept: Swept) -> None:
    """The comparison by slices, then the requests that were won and lost."""
    found = swept.against.comparison
    if not swept.opened.index or found.identical:
        return
    slices(swept, found)
    examples(swept, found)


def slices(swept: Swept, found: Comparison) -> None:
    """By a column of the requests, with false discoveries kept rare."""
    columns = list(loaders.slicing(swept.view.dataset))
    if not columns:
        return
    if st.session_state.get(BY) not in columns:
        st.session_state[BY] = CATEGORY if CATEGORY in columns else columns[0]
    with st.container(border=True, gap="xsmall"):
        column = st.session_state[BY]
        parts = found.by(column)
        heading(f"Where it gains and loses, by {literal(column)}", "slices", parts.to_pandas)
        st.selectbox("By", columns, key=BY, persist_state="session", width=200)
        st.markdown(literal(parts.verdict.replace(THIS, THIS.lower())))
        picture(slices_figure(parts), "slices")
        st.caption(
            f"A is {literal(found.a)}, B this policy. Filled markers are hardly chance, with all "
            "groups and measures of the column that were looked at together."
        )


def examples(swept: Swept, found: Comparison) -> None:
    """The requests whose quality rose or fell most, each with what happened both times."""
    won, lost = len(found.winners), len(found.losers)
    if not won + lost:
        return
    label = f"Requests that it wins ({count(won)}) and loses ({count(lost)})"
    with st.expander(
        label, icon=":material/compare_arrows:", key="examples", on_change="rerun"
    ) as box:
        if box.open:
            _examples(swept, found.examples(MOST))


def _examples(swept: Swept, shown: Sequence[Example]) -> None:
    """A table of them, and of the chosen one what happened both times."""
    import pandas as pd

    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    frame = pd.DataFrame(
        [
            {
                "request": one.request_id,
                "category": one.category,
                "before": one.quality_a,
                "after": one.quality_b,
                "cost_before": one.cost_usd_a,
                "cost_after": one.cost_usd_b,
            }
            for one in shown
        ]
    )
    event = st.dataframe(
        frame,
        key="gained",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        placeholder="–",
        alt="The requests whose quality rises most, then those whose quality falls most",
        column_config={
            "request": text("Request", width=150),
            "category": text("Category", width=120),
            "before": number("Quality before", format="%.2f", width=100),
            "after": number("after", format="%.2f", width=70),
            "cost_before": number("Cost before", format="$%.6f", width=95),
            "cost_after": number("after", format="$%.6f", width=95),
        },
    )
    st.caption(f"At most {MOST} that win most, then at most {MOST} that lose most. Choose one.")
    rows = event.selection.rows
    one = shown[rows[0] if rows and rows[0] < len(shown) else 0]
    for column, name, trace in zip(
        st.columns(2), (swept.view.name, THIS), (one.trace_a, one.trace_b), strict=True
    ):
        with column:
            st.markdown(f"**{literal(name)}** on {bold(one.request_id)}")
            st.text(trace.words)
