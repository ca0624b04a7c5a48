"""What a link asked for in vain, beyond dataset, policy and draft: said once, until it was read."""

from __future__ import annotations

import streamlit as st

from toolkit.ui.text import bold

_LOST = "lost-"
"""Begins a session key: what each kind of thing in the link was asked to be."""
_SHOWN = 60
"""Characters of it that are shown."""


def lost(kind: str, wanted: str, of: str = "page") -> None:
    """Remember that ``kind`` cannot be ``wanted``; what has it, ``of``, goes on without it."""
    found: dict[str, str] = st.session_state.setdefault(_LOST + of, {})
    found[kind] = wanted if len(wanted) <= _SHOWN else f"{wanted[:_SHOWN]} …"


def note(of: str = "page") -> None:
    """Say so, once all of that part of the link was read."""
    found: dict[str, str] = st.session_state.get(_LOST + of, {})
    if not found:
        return
    asked = ", ".join(f"the {kind} {bold(wanted)}" for kind, wanted in found.items())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            f"The link asks for {asked}: not to be had here. You see the usual instead.",
            icon=":material/link_off:",
        )
        st.button(
            "All right",
            key=f"read-{of}",
            type="tertiary",
            on_click=st.session_state.pop,
            args=(_LOST + of, None),
        )
