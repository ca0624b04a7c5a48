"""The chains as a form: steps in the order in which they are tried, and what limits them."""

from __future__ import annotations

import math

import streamlit as st

from toolkit.evaluate.format import seconds, usd
from toolkit.policy.model import Chain
from toolkit.policy.words import step_in_words
from toolkit.policy.worst import WorstCase
from toolkit.schema import ERROR_LABELS
from toolkit.ui import drafts, guards
from toolkit.ui.fields import Change, Form, complaint
from toolkit.ui.steps_form import steps_form
from toolkit.ui.text import bold, literal


def chains_form(form: Form, worst: dict[str, WorstCase]) -> None:
    """Every chain, and one to add."""
    for k, (name, chain) in enumerate(form.policy.chains.items()):
        steps = " → ".join(step_in_words(step) for step in chain.steps)
        label = f"{bold(name)}: {literal(steps)}"
        with st.expander(label, expanded=k == 0, key=f"chain{k}"):
            _chain(form, k, name, chain, worst.get(name))
    form.button("Add a chain", "add-chain", drafts.add_chain, "add", type="secondary")
    complaint("add-chain")


def worst_words(worst: WorstCase) -> str:
    """The worst case of a chain in a sentence."""
    calls = f"{worst.attempts} call{'' if worst.attempts == 1 else 's'}"
    time = f"{seconds(worst.seconds)}" if math.isfinite(worst.seconds) else "no limit in time"
    money = usd(worst.usd) if worst.usd is not None else "an unknown cost"
    why = f" ({worst.note})" if worst.note else ""
    return f"At worst {calls}, {time}, {money} for one request{why}."


def _chain(form: Form, k: int, name: str, chain: Chain, worst: WorstCase | None) -> None:
    key = f"chains.{name}"
    names, deadline, cost, away = st.columns([4, 3, 3, 1], vertical_alignment="bottom")
    with names:
        form.text("Name", f"{key}.name", name, lambda p, new: drafts.rename_chain(p, name, new))
    with deadline:
        form.number(
            "Deadline, seconds",
            f"{key}.deadline_s",
            chain.deadline_s,
            _into(key, "deadline_s"),
            step=1.0,
            placeholder="none",
            help="No further model is asked once so much time has passed.",
        )
    with cost:
        form.number(
            "Most to spend, USD",
            f"{key}.max_cost_usd",
            chain.max_cost_usd,
            _into(key, "max_cost_usd"),
            step=0.001,
            placeholder="no limit",
            help="No further model is asked once so much is spent on a request.",
        )
    with away:
        remove = f"{key}.remove"
        form.button(
            "", remove, lambda p: drafts.remove_chain(p, name), "delete", help="Remove this chain"
        )
    complaint(remove)
    steps_form(form, name, chain.steps)
    if form.policy.cache is not None:
        form.switch(
            "Answers from the cache may be given here",
            f"{key}.cache",
            chain.cache,
            lambda p, on: guards.set_part(p, ("chains", name, "cache"), None if on else False),
        )
    if worst is not None:
        st.caption(literal(worst_words(worst)))
    with st.expander("Which errors lead on", type="compact", key=f"errors{k}"):
        _errors(form, name, chain)


def _into(key: str, part: str) -> Change:
    return lambda policy, value: policy.with_value(f"{key}.{part}", value)


def _errors_into(chain: str, field: str) -> Change:
    return lambda policy, labels: drafts.set_errors(policy, chain, field, labels)


def _errors(form: Form, name: str, chain: Chain) -> None:
    key = f"chains.{name}"
    for field, label, errors in (
        ("retry_on", "Try the same model again after", chain.retried_errors),
        ("fallback_on", "Go on to the next step after", chain.fallback_errors),
    ):
        form.pills(
            label,
            f"{key}.{field}",
            [error.label for error in errors],
            ERROR_LABELS,
            _errors_into(name, field),
            format_func=lambda text: text.replace("_", " "),
        )
