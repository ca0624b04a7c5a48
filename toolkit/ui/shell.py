"""What surrounds every page: the list of pages and the sidebar.

Streamlit still runs a file of a folder named ``pages`` by itself when a session begins there and
nobody has opened the app before. ``page.begin`` notices, draws the shell and begins again.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from toolkit.ui.sidebar import sidebar

_LOGO = str(Path(__file__).with_name("logo.svg"))


def shell() -> StreamlitPage:
    """Draw it; the page to run is returned."""
    st.set_page_config(page_title="Detour", page_icon=_LOGO, layout="wide")
    st.logo(_LOGO, size="large")
    page = st.navigation(
        [
            st.Page("pages/overview.py", title="Overview", icon=":material/home:", default=True),
            st.Page("pages/data.py", title="Data", icon=":material/table_chart:"),
            st.Page("pages/policy.py", title="Policy", icon=":material/account_tree:"),
            st.Page("pages/replay.py", title="Replay", icon=":material/replay:"),
            st.Page("pages/tradeoffs.py", title="Trade-offs", icon=":material/balance:"),
            st.Page("pages/router.py", title="Router", icon=":material/route:"),
            st.Page(
                "pages/resilience.py", title="Resilience", icon=":material/electrical_services:"
            ),
        ]
    )
    sidebar()
    return page
