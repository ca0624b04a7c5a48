"""Long work that runs when someone asks for it, with a progress bar and a way to stop it.

It must not run in a fragment: what is pressed in there waits until the fragment is through, while
a rerun of the page stops the work at its next step. Results are kept for all sessions, though not
by ``st.cache_resource``: what is cached there may not draw a progress bar that stands outside.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Called with how much is done, of how much."""
MOST_KEPT = 24


@st.cache_resource(show_spinner=False)
def _kept() -> OrderedDict[object, object]:
    return OrderedDict()


def on_demand(
    name: str,
    key: object,
    label: str,
    wait: str,
    work: Callable[[Progress | None], Result],
    measured: bool = True,
) -> Result | None:
    """The result of ``work``; None while nobody has asked for it, and a button to do so.

    ``key`` tells one result from another; ``name`` is that of the place on the page. Work that
    does not tell how far it is, not ``measured``, shows the time it takes instead of a bar, and
    cannot be stopped.
    """
    kept = _kept()
    if (name, key) in kept:
        kept.move_to_end((name, key))
        return kept[name, key]  # type: ignore[return-value]
    asked = f"asked-{name}"
    running = st.session_state.get(asked) == key
    place = st.empty()
    with place.container(), st.container(horizontal=True):
        st.button(
            label,
            key=f"ask-{name}",
            icon=":material/play_arrow:",
            disabled=running,
            on_click=st.session_state.update,
            args=({asked: key},),
        )
        if not running:
            return None
        if measured:
            forget = st.session_state.pop
            st.button("Cancel", key=f"stop-{name}", on_click=forget, args=(asked, None))
            bar = st.progress(0.0, wait)
            result = work(lambda done, of: _show(bar, done / of, wait))
        else:
            with st.spinner(wait, show_time=True):
                result = work(None)
    kept[name, key] = result
    place.empty()
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)
    return result


def _show(bar: DeltaGenerator, share: float, wait: str) -> None:
    bar.progress(share, wait)
