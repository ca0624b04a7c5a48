"""Which scenario the Resilience page plays, and against how much protection. Links keep both."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from toolkit.errors import PolicyError
from toolkit.evaluate.protection import ALL, NO_FALLBACK, PROTECTIONS
from toolkit.scenarios.model import Scenario
from toolkit.scenarios.words import describe
from toolkit.ui import resilience_drawn as drawn
from toolkit.ui.resilience_form import DRAWING, drawing_form
from toolkit.ui.resilience_view import scenarios
from toolkit.ui.states import problem_line
from toolkit.ui.text import literal
from toolkit.ui.view import View

PICK, AGAINST = "scenario", "against"
"""Session keys, and names in the link."""
LINKED = "drawn"
"""Name in the link."""
PREFERRED = "provider_outage"
LESS = tuple(name for name in PROTECTIONS if name != ALL)


@dataclass(frozen=True)
class Scene:
    """What the reader chose."""

    scenario: Scenario
    against: str
    """the rung of protection to compare with"""
    is_drawn: bool


def scene(view: View) -> Scene | None:
    """Draw the controls; None where the scenario cannot be used, with the reason said."""
    found = scenarios()
    _begin([*found, drawn.NAME])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pick = st.selectbox(
            "What goes wrong",
            [*found, drawn.NAME],
            key=PICK,
            format_func=_label,
            width=330,
            persist_state="session",
            help="Scenarios are files in data/scenarios; draw your own to try another one.",
        )
        against = st.segmented_control(
            "Against the policy with",
            LESS,
            key=AGAINST,
            required=True,
            persist_state="session",
            help="The same policy, with less to protect it.",
        )
        one = found.get(pick)
        if isinstance(one, Scenario):
            st.button(
                "Change it",
                icon=":material/edit:",
                type="tertiary",
                key="draw-like",
                on_click=_draw_like,
                args=(one,),
                help="Draw your own, beginning with this one",
            )
    if pick == drawn.NAME:
        with st.container(border=True, gap="small"):
            drawing_form(view)
        one = _scenario()
    _leave_link(pick, against or NO_FALLBACK)
    if isinstance(one, PolicyError) or one is None:
        problems = one.problems if one else ()
        st.error(
            "\n".join(f"- {problem_line(problem)}" for problem in problems),
            title="This scenario cannot be used",
            icon=":material/error:",
        )
        return None
    st.caption(literal(one.description or " ".join(describe(one))))
    return Scene(one, against or NO_FALLBACK, pick == drawn.NAME)


def _label(name: str) -> str:
    return "Draw your own …" if name == drawn.NAME else name.replace("_", " ").capitalize()


def _begin(options: list[str]) -> None:
    """First values, from the link where it has some."""
    link = st.query_params
    if DRAWING not in st.session_state:
        st.session_state[DRAWING] = drawn.from_link(link.get(LINKED, "")) or drawn.first()
    if st.session_state.get(PICK) not in options:
        otherwise = PREFERRED if PREFERRED in options else options[0]
        wanted = link.get(PICK, "")
        st.session_state[PICK] = wanted if wanted in options else otherwise
    if st.session_state.get(AGAINST) not in LESS:
        wanted = link.get(AGAINST, "")
        st.session_state[AGAINST] = wanted if wanted in LESS else NO_FALLBACK


def _leave_link(pick: str, against: str) -> None:
    own = {PICK: pick, AGAINST: against}
    if pick == drawn.NAME:
        own[LINKED] = drawn.written(st.session_state[DRAWING])
    kept = {k: v for k, v in st.query_params.to_dict().items() if k not in {*own, LINKED}}
    if st.query_params.to_dict() != kept | own:
        st.query_params.from_dict(kept | own)


def _draw_like(scenario: Scenario) -> None:
    st.session_state[DRAWING] = drawn.bounded(drawn.like(scenario))
    st.session_state[PICK] = drawn.NAME


def _scenario() -> Scenario | PolicyError:
    try:
        return Scenario.model_validate(st.session_state[DRAWING])
    except PolicyError as error:
        return error
