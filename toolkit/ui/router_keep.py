"""A trained router into the registry, under a name; and what the registry says against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from toolkit.errors import DetourError
from toolkit.learn.registry import list_routers
from toolkit.ui.router_view import Trained
from toolkit.ui.text import bold, file_name, literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.learn.registry import RouterEntry

_KEPT = "routers-kept"
"""Session key: as what the trainings of this session were saved, by their settings."""


def kept_as(found: Trained) -> str | None:
    """What this very training is called in the registry, where it was saved in this session.

    The name alone while that stands for it; None too once somebody has deleted it.
    """
    known: dict[object, tuple[str, str]] = st.session_state.setdefault(_KEPT, {})
    if found.key not in known:
        return None
    for entry in list_routers():
        if (entry.reference, _made_at(entry)) == known[found.key]:
            return entry.name if entry.current else entry.reference
    return None


def _made_at(entry: RouterEntry) -> str:
    """So that a version of the same name and number that somebody else made is not taken for it."""
    return entry.card.made_at if entry.card is not None else ""


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
    st.session_state.setdefault(_KEPT, {})[found.key] = (entry.reference, _made_at(entry))
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
