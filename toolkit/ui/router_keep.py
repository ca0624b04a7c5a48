"""A trained router into the registry, under a name; and what the registry says against it."""

from __future__ import annotations

import streamlit as st

from toolkit.errors import DetourError
from toolkit.ui.router_view import Trained
from toolkit.ui.text import bold, file_name, literal

_KEPT = "routers-kept"
"""Session key: as what the trainings of this session were saved, by their settings."""


def kept_as(found: Trained) -> str | None:
    """The name of this very training in the registry, where it was saved in this session."""
    names: dict[object, str] = st.session_state.setdefault(_KEPT, {})
    return names.get(found.key)


def keep_form(found: Trained, label: str, place: str) -> str | None:
    """A name and a button; the saved router's name once that was pressed and it was saved.

    ``place`` tells one such form of the page from another.
    """
    with st.form(f"keep-{place}", border=False):
        name = st.text_input(
            "Name",
            value=file_name(found.training.dataset.name),
            key=f"router-name-{place}",
            max_chars=60,
            help="A name that is there already gets a new version.",
        )
        promote = st.toggle(
            "Policies that name it use this version from now on",
            value=True,
            key=f"router-promote-{place}",
        )
        if not st.form_submit_button(label, type="primary"):
            return None
    try:
        entry = found.training.save(name.strip(), promote=promote)
    except DetourError as error:
        st.error(literal(error), icon=":material/error:")
        return None
    whole = entry.name if promote else f"{entry.name}@{entry.version}"
    st.session_state.setdefault(_KEPT, {})[found.key] = whole
    st.toast(f"Saved as {bold(entry.name)}, version {entry.version}", icon=":material/save:")
    return whole
