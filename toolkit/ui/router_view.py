"""A training and what hangs on it. It begins when someone asks, with its progress, and is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.errors import DetourError
from toolkit.evaluate.format import count, counted
from toolkit.figures import theme
from toolkit.ui import router_choices as choices
from toolkit.ui.demand import Progress, on_demand
from toolkit.ui.router_choices import Choice
from toolkit.ui.router_form import choose, chosen
from toolkit.ui.text import bold, literal

if TYPE_CHECKING:
    from toolkit.evaluate.routers.training import Training
    from toolkit.ui.view import View

NAME = "train"
"""Of the place on the page."""


@dataclass(frozen=True)
class Trained:
    """A router that was trained on this page."""

    view: View
    choice: Choice
    training: Training

    @property
    def key(self) -> tuple[str, int, Choice]:
        """What tells this training from others."""
        return self.view.dataset.digest, self.view.seed, self.choice

    @cached_property
    def colours(self) -> dict[str, str]:
        """The colour of every model; those of the router come first."""
        return theme.colours(self.view.dataset.models, self.training.models)


def trained(view: View) -> Trained | None:
    """The router of the settings that stand on the page; None, and the way to it, without one."""
    if not choices.graded(view.dataset)[1:]:
        st.markdown(f"#### There is nothing to learn from in {bold(view.dataset.name)} yet.")
        st.markdown(
            "A router learns whose answers are good, which takes a log with grades "
            "(`quality`) of two models at least. Grade the answers, and import the log again."
        )
        st.code("python -m toolkit grade --help", language="shell")
        return None
    choice = chosen(view)
    known = st.session_state.get(_BEFORE)
    # One box, as each one on the page leaves a gap even while it is empty.
    with st.container(gap="small"):
        answer = st.container()
        form = st.empty()
        try:
            found = on_demand(
                NAME,
                (view.dataset.digest, view.seed, choice),
                "Train",
                f"Training on {counted(view.dataset.n_requests, 'request')} …",
                lambda progress: _trained(view, choice, progress),
                primary=True,
            )
        except DetourError as error:
            st.error(literal(error), title="This cannot be trained", icon=":material/error:")
            found = None
    if found is not None:
        st.session_state[_BEFORE] = (view.dataset.digest, choice)
        return Trained(view, choice, found)
    with answer:
        _before(view, choice)
    with form.container(border=True, gap="small"):
        choose(view, choice)
    if known and known[0] == view.dataset.digest and known[1] != choice:
        st.button(
            "Back to the router that was trained",
            icon=":material/undo:",
            type="tertiary",
            key="train-back",
            on_click=_back,
            args=known,
        )
    return None


_BEFORE = "trained-before"
"""Session key: the data and the settings of the last training that was through."""


def _back(digest: str, choice: Choice) -> None:
    from toolkit.ui.router_form import keep

    keep(digest, choice)


def _trained(view: View, choice: Choice, progress: Progress | None) -> Training:
    from toolkit.evaluate.routers.train import train

    return train(view.dataset, **choice.settings, seed=view.seed, progress=progress)


def _before(view: View, choice: Choice) -> None:
    """What is not known yet, what training does, how long it takes."""
    data = view.dataset
    st.markdown(f"#### Nothing is trained on {bold(data.name)} with these settings yet.")
    st.markdown(
        f"Training reads {counted(data.n_requests, 'request')} and learns, for each of "
        f"{count(len(choice.models))} models, how likely its answer is right. Every request is "
        "judged by a router that has not seen it, and the result stands beside what is simpler: "
        f"one model for all, chance, a lookup table. {literal(choices.duration(data, choice))}"
    )
