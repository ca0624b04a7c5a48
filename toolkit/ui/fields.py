"""Fields of the policy form. Each shows a value of the draft, and each change makes a new draft.

The draft is the one truth: before a field is drawn it takes the draft's value, so undo, the YAML
and other fields show in it at once. What was typed but cannot be used stays in its field, with the
reason below it, until it is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from toolkit.errors import PolicyError
from toolkit.policy.model import Policy
from toolkit.ui import desk
from toolkit.ui.drafts import Draft
from toolkit.ui.states import problem_line

Change = Callable[[Policy, Any], Policy]
"""An edit with the value that was typed."""
Edit = Callable[[Policy], Policy]


@dataclass(frozen=True)
class Form:
    """The form of one policy: the name it is listed under and what is saved there."""

    name: str
    saved: Policy

    @property
    def draft(self) -> Draft:
        """The draft as it is now."""
        return desk.draft(self.name, self.saved)

    @property
    def policy(self) -> Policy:
        """Its content."""
        return self.draft.policy

    def edit(self, change: Edit, key: str) -> None:
        """Change the draft, or say at ``key`` why that cannot be."""
        try:
            changed = change(self.policy)
        except PolicyError as error:
            desk.complaints()[key] = tuple(problem_line(problem) for problem in error.problems)
            return
        desk.complaints().pop(key, None)
        st.session_state.pop(desk.TEXT, None)
        desk.put(self.name, self.draft.to(changed))

    def typed(self, key: str, change: Change) -> None:
        """A field has a new value."""
        self.edit(lambda policy: change(policy, st.session_state.get(key)), key)

    def undo(self) -> None:
        """One edit back."""
        desk.forget_typing()
        desk.put(self.name, self.draft.undo())

    def redo(self) -> None:
        """One edit forward."""
        desk.forget_typing()
        desk.put(self.name, self.draft.redo())

    def _field(self, key: str, value: Any, change: Change) -> dict[str, Any]:
        if key not in desk.complaints():
            st.session_state[key] = value
        return {"key": key, "on_change": self.typed, "args": (key, change)}

    def text(self, label: str, key: str, value: str, change: Change, **options: Any) -> None:
        """One line of text."""
        st.text_input(label, **self._field(key, value, change), **options)
        complaint(key)

    def maybe_text(
        self, label: str, key: str, value: str | None, change: Change, **options: Any
    ) -> None:
        """One line of text; empty is None."""
        self.text(label, key, value or "", lambda p, text: change(p, text or None), **options)

    def number(
        self, label: str, key: str, value: float | None, change: Change, **options: Any
    ) -> None:
        """A number; empty is None."""
        shape: dict[str, Any] = {"min_value": 0.0, "format": "%.4g", "value": None, **options}
        st.number_input(label, **shape, **self._field(key, value, change))
        complaint(key)

    def count(self, label: str, key: str, value: int, change: Change, **options: Any) -> None:
        """A whole number."""
        st.number_input(label, step=1, min_value=0, **self._field(key, value, change), **options)
        complaint(key)

    def choice(
        self, label: str, key: str, value: Any, options: Sequence[Any], change: Change, **more: Any
    ) -> None:
        """One of several."""
        offered = list(options) if value in options else [value, *options]
        st.selectbox(label, offered, **self._field(key, value, change), **more)
        complaint(key)

    def several(
        self,
        label: str,
        key: str,
        value: Sequence[str],
        options: Sequence[str],
        change: Change,
        **more: Any,
    ) -> None:
        """Any of several."""
        offered = [*options, *(v for v in value if v not in options)]
        st.multiselect(
            label,
            offered,
            **self._field(key, list(value), change),
            accept_new_options=True,
            **more,
        )
        complaint(key)

    def pills(
        self,
        label: str,
        key: str,
        value: Sequence[str],
        options: Sequence[str],
        change: Change,
        **more: Any,
    ) -> None:
        """Any of few."""
        st.pills(
            label,
            options,
            selection_mode="multi",
            wrap=True,
            **self._field(key, list(value), change),
            **more,
        )
        complaint(key)

    def switch(self, label: str, key: str, value: bool, change: Change, **more: Any) -> None:
        """Yes or no."""
        st.toggle(label, **self._field(key, value, change), **more)
        complaint(key)

    def button(
        self,
        label: str,
        key: str,
        change: Edit,
        icon: str,
        disabled: bool = False,
        **options: Any,
    ) -> None:
        """Something done at once."""
        st.button(
            label,
            key=key,
            icon=f":material/{icon}:",
            disabled=disabled,
            on_click=self.edit,
            args=(change, key),
            **{"type": "tertiary", **options},
        )

    def order(
        self,
        key: str,
        place: tuple[int, int],
        move: Callable[[Policy, bool], Policy],
        remove: Edit,
        what: str,
    ) -> None:
        """Up, down, away: for the thing at ``place``, its position and how many there are."""
        i, n = place
        edits: tuple[tuple[str, str, bool, Edit], ...] = (
            ("up", "arrow_upward", i == 0, lambda p: move(p, True)),
            ("down", "arrow_downward", i == n - 1, lambda p: move(p, False)),
            ("remove", "delete", False, remove),
        )
        with st.container(horizontal=True, gap="xsmall", width="content"):
            for name, icon, disabled, edit in edits:
                hint = f"{'Remove' if name == 'remove' else f'Move {name}'}: this {what}"
                self.button("", f"{key}.{name}", edit, icon, disabled, help=hint)
        for name, *_ in edits:
            complaint(f"{key}.{name}")


def complaint(key: str) -> None:
    """What is wrong with what stands in a field, below it."""
    for line in desk.complaints().get(key, ()):
        st.markdown(f":orange[:material/error:] {line}")
