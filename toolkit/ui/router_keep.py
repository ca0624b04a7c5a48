"""A trained router into the registry, under a name; and what the registry says against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from toolkit.errors import DetourError
from toolkit.ui.router_view import Trained
from toolkit.ui.text import bold, file_name, literal

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT = "routers-kept"
"""Session key: as what the trainings of this session were saved, by their settings."""


def kept_as(found: Trained) -> str | None:
    """The name of this very training in the registry, where it was saved in this session."""
    names: dict[object, str] = st.session_state.setdefault(_KEPT, {})
    return names.get(found.key)


def keep_form(
    found: Trained, label: str, place: str, then: Callable[[str], None] | None = None
) -> None:
    """A name and a button, which saves the router and does with its name what is to be done then.

    ``place`` tells one such form of the page from another. What stands against it is told there.
    """
    st.text_input(
        "Name",
        value=file_name(found.training.dataset.name),
        key=f"router-name-{place}",
        max_chars=60,
        help="A name that is there already gets a new version.",
    )
    st.toggle(
        "Policies that name it use this version from now on",
        value=True,
        key=f"router-promote-{place}",
    )
    button, work = f"router-keep-{place}", (place, _keep, found, place, then)
    if then is None:
        st.button(label, type="primary", key=button, on_click=attempt, args=work)
    elif st.button(label, type="primary", key=button):
        # In a dialog a callback may not draw, as the note of what was saved does.
        attempt(*work)
    complain(place)


def _keep(found: Trained, place: str, then: Callable[[str], None] | None) -> None:
    name, promote = (st.session_state[f"router-{key}-{place}"] for key in ("name", "promote"))
    entry = found.training.save(name.strip(), promote=promote)
    # The first version of a name is the current one whatever was asked for.
    whole = entry.name if entry.current else entry.reference
    st.session_state.setdefault(_KEPT, {})[found.key] = whole
    st.toast(f"Saved as {bold(entry.name)}, version {entry.version}", icon=":material/save:")
    if then is not None:
        then(whole)


def attempt(place: str, work: Callable[..., object], *given: object) -> None:
    """Do what a button asks for; what stands against it is kept for ``complain``."""
    try:
        work(*given)
    except DetourError as error:
        st.session_state[f"router-said-{place}"] = str(error)


def complain(place: str) -> None:
    """Say once what stood against the last attempt."""
    said = st.session_state.pop(f"router-said-{place}", "")
    if said:
        st.error(literal(said), icon=":material/error:")
