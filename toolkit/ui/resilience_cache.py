"""What a cache would save, and how often it would be wrong, by how similar is similar enough."""

from __future__ import annotations

import streamlit as st

from toolkit.errors import DetourError
from toolkit.evaluate.cache_roc import CacheRoc, cache_roc
from toolkit.schema import PROMPT
from toolkit.ui.charts import heading, picture
from toolkit.ui.demand import on_demand
from toolkit.ui.text import literal
from toolkit.ui.view import View


def cache_curve(view: View) -> None:
    """Hits and savings against wrong answers, worked out when asked for."""
    st.subheader("Would a cache help?", anchor=False)
    if PROMPT not in view.dataset.requests.column_names:
        st.info(
            "This log has no prompts, so nobody can tell which requests are alike. Import it with "
            "a column of prompts, or look at a dataset that has them.",
            icon=":material/chat_bubble_outline:",
        )
        return
    st.caption(
        "An answer that was given before costs nothing and cannot fail, but the more unlike the "
        "requests that share it may be, the more often it is the wrong one."
    )
    try:
        found = on_demand(
            "cache",
            (view.dataset.digest, view.seed),
            "Work out the cache curve",
            "Comparing the prompts with each other …",
            lambda _: _curve(view),
            measured=False,
        )
    except DetourError as error:
        st.warning(literal(error), icon=":material/error:")
        return
    if found is None:
        return
    st.markdown(f"**{literal(found.verdict)}**")
    with st.container(border=True, gap="xsmall"):
        heading(
            f"Hits and savings against wrong answers, {literal(found.model)} behind the cache",
            "cache",
            found.to_pandas,
        )
        picture(found.figure(), "cache")
        with st.expander("What this rests on", icon=":material/rule:"):
            st.markdown("\n".join(f"- {literal(line)}" for line in found.caveats))


def _curve(view: View) -> CacheRoc:
    return cache_roc(view.dataset, seed=view.seed)
