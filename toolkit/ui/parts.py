"""Settings of one part of the policy as a grid of fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from toolkit.policy.model import Policy
from toolkit.policy.written import Written
from toolkit.ui.fields import Change, Form
from toolkit.ui.guards import Place, dotted, set_part
from toolkit.ui.text import literal


@dataclass(frozen=True)
class Part:
    """One number of a part."""

    name: str
    """as in the file"""
    label: str
    help: str
    """in the user's words, and the field's term"""
    step: float = 1.0
    """an int: the number is whole"""
    empty: str = ""
    """what an empty field means"""


def into(place: Place) -> Change:
    """An edit that puts what was typed at a place; nothing takes it out again."""
    return lambda policy, value: set_part(policy, place, value)


def switched(
    form: Form,
    place: Place,
    now: Written | None,
    label: str,
    why: str,
    begin: dict[str, float] | None = None,
    change: Change | None = None,
    words: str = "",
) -> bool:
    """A switch for the part at ``place``, which begins with ``begin``; whether it is on.

    Below it stands what it is good for, or, once it is on, what it does in ``words``.
    """

    def put(policy: Policy, on: bool) -> Policy:
        return set_part(policy, place, begin if on else None)

    key, on = f"{dotted(place)}.switch", now is not None
    with st.container(gap="xxsmall"):
        form.switch(label, key, on, change or put, help=why if on else None)
        if words:
            st.caption(literal(f"{words[0].upper()}{words[1:]}."))
        elif not on:
            st.caption(why)
    return on


def part_fields(form: Form, place: Place, now: Written, parts: Sequence[Part]) -> None:
    """A field for each part of what stands at ``place``, as many beside each other as fit."""
    with st.grid("auto", min_column_width=170):
        for part in parts:
            number_field(form, (*place, part.name), getattr(now, part.name, None), part)


def number_field(
    form: Form, place: Place, value: float | None, part: Part, disabled: bool = False
) -> None:
    """One number; emptied, it is what it is where the file says nothing."""
    whole = isinstance(part.step, int)
    with st.container(gap="xsmall"):
        form.number(
            part.label,
            dotted(place),
            value,
            into(place),
            step=part.step,
            min_value=0 if whole else 0.0,
            format="%d" if whole else "%.9g",
            help=part.help,
            placeholder=part.empty,
            disabled=disabled,
        )
