"""What to look at first, each finding with how often, for which models, and its rows."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from toolkit.evaluate.format import count
from toolkit.logs.profile import Duplicates
from toolkit.ui.data_view import DataView
from toolkit.ui.data_warnings import Finding
from toolkit.ui.text import literal

MOST_MODELS = 8


def finding_list(view: DataView, found: Sequence[Finding]) -> None:
    """A line each, that opens on what it means and the rows behind it."""
    with st.container(gap="xsmall"):
        _lines(view, found)


def _lines(view: DataView, found: Sequence[Finding]) -> None:
    for i, one in enumerate(found):
        colour, icon = ("orange", "warning") if one.serious else ("gray", "info")
        box = st.expander(
            f":{colour}[:material/{icon}:] **{literal(one.title)}** · {literal(one.words)}",
            key=f"finding-{view.info.name}-{i}",
            on_change="rerun",
            type="compact",
        )
        if box.open:
            with box:
                _details(view, one)


def _details(view: DataView, one: Finding) -> None:
    st.markdown(literal(one.meaning))
    if one.models:
        st.caption(literal(f"Models: {_models(one)}"))
    if one.rows == "prompts" and view.duplicates is not None:
        _repeated(view.duplicates)
    elif one.rows:
        rows = view.odd_rows(one.rows)
        st.caption(f"The first {count(rows.num_rows)} in the order of the log:")
        st.dataframe(
            rows.to_pandas(),
            hide_index=True,
            height=min(38 + 35 * rows.num_rows, 320),
            placeholder="–",
            key=f"rows-{one.rows}",
            column_config={
                "cost_usd": st.column_config.NumberColumn("cost_usd", format="$%.6f"),
                "latency_s": st.column_config.NumberColumn("latency_s", format="%.3f s"),
            },
        )


def _models(one: Finding) -> str:
    counted = one.unit != "models"
    named = [f"{name} ({count(n)})" if counted else name for name, n in one.models[:MOST_MODELS]]
    more = len(one.models) - MOST_MODELS
    return ", ".join(named) + (f" and {count(more)} more" if more > 0 else "")


def _repeated(found: Duplicates) -> None:
    import pandas as pd

    st.caption("Those with most copies; the lowest and the highest grade of any answer to them:")
    st.dataframe(
        pd.DataFrame(
            {
                "prompt": [one.prompt for one in found.worst],
                "requests": [one.requests for one in found.worst],
                "lowest": [one.lowest for one in found.worst],
                "highest": [one.highest for one in found.worst],
            }
        ),
        hide_index=True,
        height=min(38 + 35 * len(found.worst), 320),
        placeholder="–",
        key="rows-prompts",
        column_config={"prompt": st.column_config.TextColumn("prompt", width="large")},
    )
