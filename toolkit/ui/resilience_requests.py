"""The requests that met the faults, and what happened to any one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.evaluate.measures import during
from toolkit.evaluate.protection import ALL
from toolkit.ui.requests import request_browser
from toolkit.ui.resilience_view import Broken

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay


@dataclass(frozen=True)
class Played:
    """One rung of protection, as the table of requests wants it."""

    replay: Replay
    colours: dict[str, str]


def requests_hit(broken: Broken) -> None:
    """A table of the requests that arrived during the faults, under either rung."""
    st.subheader("Requests that met the faults", anchor=False)
    rungs = {ALL: "With all protections", broken.against: f"With {broken.against}"}
    if st.session_state.get("hit-rung") not in rungs:
        st.session_state["hit-rung"] = ALL
    rung = st.segmented_control(
        "Played",
        list(rungs),
        key="hit-rung",
        format_func=rungs.__getitem__,
        required=True,
        label_visibility="collapsed",
    )
    replay = broken.incident[rung or ALL].replay
    part = during(replay)
    if not part.any():
        st.info("No request arrived during the faults.", icon=":material/event_available:")
        return
    request_browser(Played(replay, broken.view.colours), part)
