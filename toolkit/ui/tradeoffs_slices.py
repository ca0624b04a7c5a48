"""Where the opened policy gains and where it loses: by kind of request, and request by request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from toolkit.evaluate.format import count, number, usd
from toolkit.schema import CATEGORY
from toolkit.ui import loaders
from toolkit.ui.charts import heading
from toolkit.ui.text import bold, literal
from toolkit.ui.tradeoffs_view import THIS, Swept

if TYPE_CHECKING:
    from toolkit.evaluate.compare import Comparison
    from toolkit.evaluate.examples import Example

BY = "slices-by"
_FEW = 5


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
        st.markdown(literal(parts.verdict))


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
            for example in found.examples(_FEW):
                _example(swept, example)
            if max(won, lost) > _FEW:
                st.caption(f"The {_FEW} that change most on either side.")


def _example(swept: Swept, one: Example) -> None:
    up = one.quality_b > one.quality_a
    icon = ":green[:material/trending_up:]" if up else ":orange[:material/trending_down:]"
    st.markdown(
        f"{icon} {bold(one.request_id)} "
        f"quality {literal(number(one.quality_a))} → {literal(number(one.quality_b))}, "
        f"cost {literal(usd(one.cost_usd_a))} → {literal(usd(one.cost_usd_b))}"
        + (f", {literal(one.category)}" if one.category else "")
    )
    before, after = st.columns(2)
    with before:
        st.caption(literal(swept.view.name))
        st.text(one.trace_a.words)
    with after:
        st.caption(THIS)
        st.text(one.trace_b.words)
