"""Saying which column of a table of one's own is which of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.errors import DataError

if TYPE_CHECKING:
    from toolkit.logs.importers import Preview

GENERAL = ("long", "wide")
"""Formats whose columns the user may name."""
_OURS = {
    "request_id": "Request",
    "model": "Model",
    "quality": "Quality, 0 to 1",
    "cost_usd": "Cost, USD",
    "latency_s": "Latency, seconds",
    "latency_ms": "Latency, milliseconds",
    "input_tokens": "Tokens in",
    "output_tokens": "Tokens out",
    "error": "Error",
    "category": "Category",
    "prompt": "Prompt",
    "timestamp": "Time",
    "answer": "Answer",
    "tenant": "Tenant",
    "user": "User",
}
_HELP = (
    "For a table with a row per request and columns for each model, write the column's name with"
    " {model} in the place of the model's, as in {model}_score."
)


def mapping_form(names: Sequence[str], found: Preview | DataError) -> dict[str, str]:
    """A field for each column of ours; what differs from the file's own names is returned."""
    open_ = isinstance(found, DataError)
    with st.expander("What the columns mean", expanded=open_, icon=":material/swap_horiz:"):
        st.caption(_HELP)
        with st.grid(4, min_column_width=180):
            chosen = {ours: _field(ours, label, names) for ours, label in _OURS.items()}
    said = {ours: column for ours, column in chosen.items() if column and column != ours}
    st.session_state["import-mapping"] = said
    return said


def _field(ours: str, label: str, names: Sequence[str]) -> str | None:
    options = list(dict.fromkeys(names))
    return st.selectbox(
        label,
        options,
        index=options.index(ours) if ours in options else None,
        key=f"import-map-{ours}-{abs(hash(tuple(options)))}",
        placeholder="–",
        accept_new_options=True,
        help=f"`{ours}`",
    )
