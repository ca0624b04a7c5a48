"""What the Router page trains: models, what is read of a request, how. A link keeps it all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import streamlit as st

from toolkit.schema import PROMPT
from toolkit.ui import router_choices as choices
from toolkit.ui import strays
from toolkit.ui.router_choices import Choice
from toolkit.ui.text import literal
from toolkit.ui.tradeoffs_form import write_link
from toolkit.ui.view import View

TRAIN = "train"
"""Session key, and name in the link."""
ALL, SOME, NONE = "all", "some", "none"


@dataclass(frozen=True)
class _Kept:
    """What was chosen, and on which data."""

    owner: str
    choice: Choice


def keep(digest: str, choice: Choice) -> None:
    """Let these be the settings on the page, for the data of this digest."""
    st.session_state[TRAIN] = _Kept(digest, choice)


def chosen(view: View) -> Choice:
    """What was chosen before, else what the link says, else what suits most data."""
    kept = st.session_state.get(TRAIN)
    if not isinstance(kept, _Kept):
        wanted = st.query_params.get(TRAIN, "")
        read = _from_link(wanted, view) if wanted else None
        if wanted and read is None:
            strays.lost("settings of the training", wanted)
        kept = _Kept(view.dataset.digest, read or choices.usual(view))
    elif kept.owner != view.dataset.digest:
        kept = _Kept(view.dataset.digest, choices.usual(view))
    st.session_state[TRAIN] = kept
    differs = kept.choice != choices.usual(view)
    write_link({TRAIN: _written(kept.choice, view)} if differs else {}, {TRAIN})
    return kept.choice


def choose(view: View, choice: Choice) -> None:
    """Draw the controls; what they change holds from the next run on."""

    def put(**changed: Any) -> None:
        keep(view.dataset.digest, replace(choice, **changed))

    _models(view, choice, put)
    with st.container(horizontal=True, gap="medium"):
        if PROMPT in view.dataset.requests.column_names:
            _one("What it reads of the prompt", "text", choices.TEXTS, choice.text, put)
        _one("How it learns", "head", choices.HEADS, choice.head, put)
    _columns(view, choice, put)
    with st.expander("Everything else", icon=":material/tune:"):
        _one("Probabilities are made honest by", "calibration", choices.CALIBRATIONS,
             choice.calibration, put)  # fmt: skip
        _one("Who judges it", "split", choices.SPLITS, choice.split, put)
        _folds(choice, put)
        left = choices.unread(view.dataset)
        if left:
            why = [f"{literal(name)} ({literal(reason)})" for name, reason in left.items()]
            st.caption(f"Columns that it does not read by itself: {', '.join(why)}.")


_Put = Callable[..., None]


def _models(view: View, choice: Choice, put: _Put) -> None:
    key = "train-models"
    st.session_state[key] = list(choice.models)

    def picked() -> None:
        if len(st.session_state[key]) > 1:
            put(models=tuple(st.session_state[key]))

    st.multiselect(
        "Models it chooses among",
        choices.graded(view.dataset),
        key=key,
        max_selections=choices.MOST_MODELS,
        on_change=picked,
        help="Two at least. It learns of each how likely its answer is right.",
    )


def _one(label: str, name: str, options: dict[Any, choices.Option], now: Any, put: _Put) -> None:
    """One of a few, in the user's words; the field's term in the tooltip."""
    key = f"train-{name}"
    st.session_state[key] = now
    st.segmented_control(
        label,
        list(options),
        key=key,
        format_func=lambda value: options[value].label,
        required=True,
        on_change=lambda: put(**{name: st.session_state[key]}),
        help=" ".join(f"**{one.label}**: {one.help}" for one in options.values()),
    )


def _columns(view: View, choice: Choice, put: _Put) -> None:
    """Which columns of the requests: all, some, none."""
    options = choices.readable(view.dataset)
    if not options:
        st.caption("The requests have no column that tells them apart and is known beforehand.")
        return
    labels = {ALL: "All that are known beforehand", SOME: "Some", NONE: "None"}
    mode = ALL if choice.columns is None else SOME if choice.columns else NONE

    def switched() -> None:
        found = {ALL: None, SOME: tuple(options), NONE: ()}
        put(columns=found[st.session_state["train-columns"]])

    st.session_state["train-columns"] = mode
    st.segmented_control(
        "Columns of the request that it reads",
        list(labels),
        key="train-columns",
        format_func=labels.__getitem__,
        required=True,
        on_change=switched,
        help="What is known only once there is an answer, such as a reference or a grade, is left "
        "out; so are names of users and moments in time.",
    )
    if mode == SOME:
        st.session_state["train-named"] = list(choice.columns or ())
        st.multiselect(
            "These",
            options,
            key="train-named",
            on_change=lambda: put(columns=tuple(st.session_state["train-named"])),
            label_visibility="collapsed",
        )
    elif mode == ALL:
        st.caption(literal(", ".join(options)))


def _folds(choice: Choice, put: _Put) -> None:
    st.session_state["train-folds"] = choice.folds
    st.number_input(
        "Parts, each judged by a router of the others",
        min_value=2,
        max_value=choices.MOST_FOLDS,
        step=1,
        key="train-folds",
        on_change=lambda: put(folds=int(st.session_state["train-folds"] or choice.folds)),
        help="Folds of the cross-validation",
        width=280,
    )


def _written(choice: Choice, view: View) -> str:
    """What differs from the usual, for a link."""
    usual = choices.usual(view)
    named = {field.name: getattr(choice, field.name) for field in fields(Choice)}
    own = {name: value for name, value in named.items() if value != getattr(usual, name)}
    return json.dumps(own, separators=(",", ":"))


def _from_link(text: str, view: View) -> Choice | None:
    """The settings of a link; None where they cannot be read or do not fit the data."""
    try:
        told = json.loads(text[:4_000])
        if not isinstance(told, dict):
            return None
        own: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in told.items()
        }
        choice = replace(choices.usual(view), **own)
        return choice if choices.allowed(choice, view.dataset) else None
    except (ValueError, TypeError, RecursionError):
        return None
