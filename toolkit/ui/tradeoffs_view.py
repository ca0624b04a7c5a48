"""A sweep and what hangs on it. The sweep itself begins unasked, with its progress, and is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import streamlit as st

from toolkit.errors import DetourError, PolicyError
from toolkit.evaluate.format import count
from toolkit.evaluate.groups import groups
from toolkit.evaluate.tradeoffs.frontier import Frontier, frontier
from toolkit.learn.routing import mark
from toolkit.policy.model import Goals, Policy
from toolkit.ui import desk, loaders, strays
from toolkit.ui.demand import Progress, on_demand
from toolkit.ui.starter import NAME as STARTER
from toolkit.ui.starter import starter
from toolkit.ui.states import problem_line
from toolkit.ui.text import bold
from toolkit.ui.tradeoffs_form import MOST, Choice, write_link
from toolkit.ui.tradeoffs_held import Held, against_baseline, numbers
from toolkit.ui.tradeoffs_vary import value_words
from toolkit.ui.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.evaluate.search.tunables import Tunable
    from toolkit.evaluate.tradeoffs.points import Point

OPENED = "point"
"""Session key, and name in the link: the index of the point that is opened."""
_OF = "point-of"
"""Session key: the sweep that the index belongs to."""
THIS = "This policy"
"""What an opened policy is called in sentences; the variants of a sweep all have one name."""


def policies(n: int) -> str:
    """``125 policies``."""
    return f"{count(n)} {'policy' if n == 1 else 'policies'}"


@dataclass(frozen=True)
class Swept:
    """Many policies on one dataset, and the one that is opened."""

    view: View
    choice: Choice
    frontier: Frontier
    chosen: int | None = None
    """index of the point that the reader opened"""

    @property
    def points(self) -> tuple[Point, ...]:
        """All policies; the first is the one that is there."""
        return self.frontier.points

    @property
    def opened(self) -> Point:
        """The point that the reader looks at: the chosen one, else what comes closest to good."""
        if self.chosen is not None:
            return self.points[self.chosen]
        return self.frontier.best or (self.frontier.closest if self.has_goals else self.points[0])

    @property
    def has_goals(self) -> bool:
        """Somebody said what is good enough."""
        return any(point.goals for point in self.points)

    @cached_property
    def against(self) -> View:
        """The opened policy beside the one that is there; the latter beside its own baseline.

        Both are held against what is good enough on this page, on the requests that it is about.
        """
        here = {field.name: getattr(self.view, field.name) for field in fields(View)}
        if self.opened.index:
            here |= {
                "policy": self.opened.policy.with_value("policy", THIS),
                "is_draft": False,
                "baseline": self.view.policy,
                "baseline_name": self.view.name,
            }
        point = self.opened
        return Held(**here, rows=self.rows, estimates=numbers(point), goals=point.goals)

    @property
    def rows(self) -> NDArray[np.intp] | None:
        """The requests that all of this is about; None: all of the dataset."""
        return _rows(self.view, self.choice)

    def words(self, point: Point) -> str:
        """What is different from the policy that is there, as people read it."""
        if not point.index:
            return f"{self.view.name} as it is"
        now = self.points[0].values
        changed = {path: value for path, value in point.values.items() if value != now[path]}
        return "; ".join(
            f"{self.place(path)}: {self.value(path, v)}" for path, v in changed.items()
        )

    def read(self, text: str) -> str:
        """A sentence with the words for policies in place of their paths and values."""
        for point in sorted(self.points[1:], key=lambda point: -len(point.name)):
            if point.name in text:
                text = text.replace(point.name, self.words(point))
        return text.replace("a search tunes", "the search below tunes")

    def place(self, path: str) -> str:
        """What a place is called."""
        return self.places[path].words if path in self.places else path

    def value(self, path: str, value: object) -> str:
        """A value with its unit."""
        return value_words(value, self.places[path].unit if path in self.places else "")

    @cached_property
    def places(self) -> dict[str, Tunable]:
        """What can be varied, by path."""
        return loaders.places(self.view.policy, self.view.dataset)


def sweep(view: View, choice: Choice, goals: Goals) -> Swept:
    """Replay every policy; stops the page with the reason where that cannot be, or was stopped."""
    if choice.policies > MOST:
        st.error(
            f"That is {count(choice.policies)} policies; at most {count(MOST)} are swept here. "
            "Take fewer values, or fewer places.",
            icon=":material/grid_off:",
        )
        st.caption("From a shell, more can be: `python -m toolkit frontier --help`")
        _stop()
    key = (mark(view.policy), view.dataset.digest, view.seed, choice)
    many = policies(choice.policies)
    try:
        found = on_demand(
            "sweep",
            key,
            "Sweep",
            f"Replaying {many} on {count(view.dataset.n_requests)} requests …",
            lambda progress: _swept(view, choice, progress),
            unasked=True,
        )
    except DetourError as error:
        problems = error.problems if isinstance(error, PolicyError) else (error,)
        st.error(
            "\n".join(f"- {problem_line(problem)}" for problem in problems[:8]),
            title="This cannot be swept",
            icon=":material/error:",
        )
        st.caption("Choose other values, or another place to vary.")
        _stop()
    if found is None:
        st.info("The sweep was stopped. Nothing was changed.", icon=":material/stop_circle:")
        _stop()
    chosen = _chosen(view, choice, len(found.points))
    held = against_baseline(found.with_goals(goals), view, _rows(view, choice), chosen)
    return Swept(view, choice, held, chosen)


def _chosen(view: View, choice: Choice, points: int) -> int | None:
    """Which of the points is opened: an index says nothing about another sweep."""
    of = (mark(view.policy), view.dataset.digest, choice.vary)
    if _OF not in st.session_state:
        wanted = st.query_params.get(OPENED, "")
        known = re.fullmatch("[0-9]{1,5}", wanted) and int(wanted) < points
        st.session_state[OPENED] = int(wanted) if known else None
        if wanted and not known:
            strays.lost("point", wanted)
    elif st.session_state[_OF] != of:
        st.session_state[OPENED] = None
    st.session_state[_OF] = of
    chosen: int | None = st.session_state[OPENED]
    if chosen is not None and chosen >= points:
        chosen = None
    write_link({} if chosen is None else {OPENED: str(chosen)}, {OPENED})
    return chosen


def _stop() -> NoReturn:
    st.stop()
    raise AssertionError  # the line above does not return


def _swept(view: View, choice: Choice, progress: Progress | None) -> Frontier:
    return frontier(
        view.policy,
        view.dataset,
        choice.vary,
        axes=(choice.across, choice.up),
        rows=_rows(view, choice),
        seed=view.seed,
        progress=progress,
    )


def _rows(view: View, choice: Choice) -> NDArray[np.intp] | None:
    """The requests of the slice; None: all."""
    if not choice.column:
        return None
    found = groups(view.dataset, choice.column)
    return np.flatnonzero(found.code == found.names.index(choice.part))


def take(view: View, policy: Policy) -> None:
    """Make this the draft of the policy that the sidebar shows."""
    name = st.session_state["policy"]
    saved = starter(view.baselines) if name == STARTER else loaders.policies()[name]
    assert isinstance(saved, Policy)
    desk.forget_typing()
    desk.put(name, desk.draft(name, saved).to(policy.with_value("policy", view.policy.policy)))
    st.toast(f"It is the draft of {bold(view.policy.policy)} now", icon=":material/check:")
