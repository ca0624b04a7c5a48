"""Long work, asked for or not, with a progress bar and a way to stop it.

It must not run in a fragment: what is pressed in there waits until the fragment is through, while
a rerun of the page stops the work at its next step. Results are kept for all sessions, though not
by ``st.cache_resource``: what is cached there may not draw a progress bar that stands outside.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from toolkit.errors import DetourError

Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Called with how much is done, of how much."""
MOST_KEPT = 24
OFTEN_S = 0.1
"""Between two movements of a bar, seconds."""


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
    unasked: bool = False,
    primary: bool = False,
) -> Result | None:
    """The result of ``work``; None while nobody has asked for it, and a button to do so.

    ``key`` tells one result from another; ``name`` is that of the place on the page. Work that
    does not tell how far it is, not ``measured``, shows the time it takes instead of a bar, and
    cannot be stopped. Work that begins ``unasked`` has the button only after it was stopped. A
    ``primary`` button is what the page is for.
    """
    kept = _kept()
    if (name, key) in kept:
        kept.move_to_end((name, key))
        return kept[name, key]  # type: ignore[return-value]
    asked, stopped = f"asked-{name}", f"stopped-{name}"
    running = st.session_state.get(asked) == key
    running = running or (unasked and st.session_state.get(stopped) != key)
    place = st.empty()
    with place.container(), st.container(horizontal=True):
        if not (unasked and running):
            st.button(
                label,
                key=f"ask-{name}",
                icon=":material/play_arrow:",
                type="primary" if primary else "secondary",
                disabled=running,
                on_click=st.session_state.update,
                args=({asked: key, stopped: None},),
            )
        if not running:
            if not unasked and st.session_state.get(stopped) == key:
                st.caption("Stopped before it was through. Nothing was changed.")
            return None
        try:
            result = _worked(name, key, wait, work, measured)
        except DetourError:
            place.empty()
            raise
    kept[name, key] = result
    place.empty()
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)
    return result


def _worked(
    name: str,
    key: object,
    wait: str,
    work: Callable[[Progress | None], Result],
    measured: bool,
) -> Result:
    if not measured:
        with st.spinner(wait, show_time=True):
            return work(None)
    forgotten: dict[str, object] = {f"asked-{name}": None, f"stopped-{name}": key}
    st.button("Cancel", key=f"stop-{name}", on_click=st.session_state.update, args=(forgotten,))
    return work(_shown(st.progress(0.0, wait), wait))


def _shown(bar: DeltaGenerator, wait: str) -> Progress:
    """Move the bar, which also is where the work is stopped; not more often than anyone can see."""
    told = 0.0

    def progress(done: int, of: int) -> None:
        nonlocal told
        if time.monotonic() - told >= OFTEN_S or done == of:
            told = time.monotonic()
            bar.progress(done / of, wait)

    return progress
