"""The drafts of this session: one per policy, kept through page changes and reloads.

A draft's content also lies on a shelf of the server, under its digest, which stands in the link:
a reload, which is a new session, finds it there, and so does a colleague with the link. Whoever
edits on gets a draft of their own.
"""

from __future__ import annotations

from collections import OrderedDict

import streamlit as st

from toolkit.policy.model import Policy
from toolkit.ui.drafts import Draft

_DRAFTS, COMPLAINTS, TEXT = "drafts", "complaints", "yaml_text"
MOST_SHELVED = 1_000
_MARK = 16


@st.cache_resource(show_spinner=False)
def _shelf() -> OrderedDict[str, tuple[str, Policy]]:
    return OrderedDict()


def _drafts() -> dict[str, Draft]:
    found: dict[str, Draft] = st.session_state.setdefault(_DRAFTS, {})
    return found


def draft(name: str, saved: Policy) -> Draft:
    """The draft of the policy that is listed under ``name``; unchanged where there is none."""
    return _drafts().get(name) or Draft(saved, saved)


def put(name: str, one: Draft) -> None:
    """Keep a draft, also where a reload finds it."""
    _drafts()[name] = one
    if one.changed:
        shelf = _shelf()
        shelf[mark(one)] = (name, one.policy)
        shelf.move_to_end(mark(one))
        while len(shelf) > MOST_SHELVED:
            shelf.popitem(last=False)


def mark(one: Draft) -> str:
    """What stands for a draft's content in a link."""
    return one.policy.digest[:_MARK]


def take_from_shelf(name: str, saved: Policy, wanted: str) -> bool:
    """Go on with the draft of a link; False where this server does not have it."""
    origin, policy = _shelf().get(wanted, ("", None))
    if policy is None or origin != name:
        return False
    put(name, Draft(saved, saved).to(policy))
    return True


def drop(name: str) -> None:
    """Forget a draft."""
    _drafts().pop(name, None)
    forget_typing()


def complaints() -> dict[str, tuple[str, ...]]:
    """What is wrong with what was typed, by the key of the field where it was."""
    found: dict[str, tuple[str, ...]] = st.session_state.setdefault(COMPLAINTS, {})
    return found


def forget_typing() -> None:
    """Let every field show the policy again, and nothing that could not be used."""
    st.session_state.pop(COMPLAINTS, None)
    st.session_state.pop(TEXT, None)
