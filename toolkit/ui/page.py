"""How every page begins: its question, badges, and a way on where there is nothing to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import streamlit as st

from toolkit.errors import DataError
from toolkit.ui import loaders, sidebar, states, strays
from toolkit.ui.shell import shell
from toolkit.ui.starter import NAME as STARTER
from toolkit.ui.view import View

if TYPE_CHECKING:
    from toolkit.logs.datasets import DatasetInfo

SIMULATED = "Simulated data: no model gave these answers"


def _stop() -> NoReturn:
    st.stop()
    raise AssertionError  # the line above does not return


def begin(question: str, needs_fit: bool = True) -> View:
    """Draw the title and return the view; where there is none, say what to do and stop.

    With ``needs_fit`` the policy must fit the data, so that there is a replay.
    """
    state = _title(question)
    if isinstance(state, states.BrokenFile):
        states.broken_file(state)
    elif isinstance(state, View):
        if state.dataset.simulated:
            st.badge(SIMULATED, color="gray")
        if not state.check.errors or not needs_fit:
            states.gaps(state.dataset.gaps)
            return state
        misfit(state)
    elif isinstance(state, states.LargeDataset):
        states.large_dataset(state.info, sidebar.LOADED)
    else:
        states.no_dataset()
    _stop()


def begin_data(question: str) -> DatasetInfo:
    """The same for a page that needs the dataset alone, which is not loaded for it."""
    _title(question)
    info: DatasetInfo | None = st.session_state[sidebar.INFO]
    if info is None:
        states.no_dataset()
        _stop()
    if info.simulated:
        st.badge(SIMULATED, color="gray")
    return info


def _title(question: str) -> object:
    """Draw the title; what the sidebar left for the page."""
    if sidebar.VIEW not in st.session_state:  # the page was run without the app around it
        st.switch_page(shell(), query_params=st.query_params.to_dict())
    st.title(question, anchor=False)
    state: object = st.session_state.pop(sidebar.VIEW)
    states.stray_note()
    strays.note(sidebar.SIDE)
    return state


def misfit(view: View) -> None:
    """Say what the data lacks for this policy, and offer what fits."""
    found = loaders.policies()
    fitting = [(name, name) for name, one in found.items() if sidebar.fits(one, view.dataset)]
    fitting.append((STARTER, "A suggestion for this data"))
    states.does_not_fit(view.policy, view.check.errors, fitting)
    states.other_datasets(_homes(view))


def _homes(view: View) -> list[str]:
    homes = []
    for info in loaders.infos()[:8]:
        try:
            data = loaders.dataset(info.name, info.digest)
        except DataError:
            continue
        if sidebar.fits(view.policy, data):
            homes.append(info.name)
    return homes
