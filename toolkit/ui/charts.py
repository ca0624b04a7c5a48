"""A figure in its card: what it shows, the data behind it, the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.figures import theme
from toolkit.ui.text import csv, file_name

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


_INK = {False: "#1B2733", True: "#E6ECF1"}


def chart(
    title: str,
    figure: go.Figure,
    key: str,
    data: Callable[[], pd.DataFrame] | None = None,
    note: str = "",
) -> None:
    """Draw a figure with its title; ``data`` makes the table that can be downloaded."""
    with st.container(border=True, gap="xsmall"):
        heading(title, key, data)
        if note:
            st.caption(note)
        picture(figure, key)


def heading(title: str, key: str, data: Callable[[], pd.DataFrame] | None) -> None:
    """The title of a card, with the download of its data at the right."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{title}**", width="stretch")
        if data is not None:
            st.download_button(
                "",
                lambda: csv(data()),
                file_name=f"{file_name('detour', key)}.csv",
                mime="text/csv",
                key=f"csv-{key}",
                help="Download the numbers behind this figure as CSV",
                type="tertiary",
                icon=":material/download:",
                on_click="ignore",
            )


def picture(figure: go.Figure, key: str, clicked: Callable[[], None] | None = None) -> None:
    """The figure alone, in the app's colours; a point that is chosen calls ``clicked``."""
    alt: Any = figure.layout.meta
    # Plotly's diagrams of flows take no text colour from the theme.
    dark = st.context.theme.type == "dark"
    figure.update_traces(textfont_color=_INK[dark], selector={"type": "sankey"})
    st.plotly_chart(
        figure,
        key=key,
        config=dict(theme.CONFIG),
        on_select=clicked or "ignore",
        selection_mode="points",
        alt=alt.get("alt") if isinstance(alt, dict) else None,
    )
