"""The chains as a form: steps in the order in which they are tried, and what limits them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from toolkit.evaluate.format import seconds, usd
from toolkit.policy.model import Chain, DegradeStep, ModelStep, StaleStep, Step
from toolkit.policy.proofs import WorstCase
from toolkit.policy.words import step_in_words
from toolkit.schema import ERROR_LABELS
from toolkit.ui import drafts
from toolkit.ui.fields import Change, Form, complaint
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
    return f"At worst {calls}, {time}, {money} for one request."


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
    for i, step in enumerate(chain.steps):
        with st.container(border=True):
            _step(form, name, i, len(chain.steps), step)
    with st.container(horizontal=True):
        form.button("Add a model", f"{key}.add", lambda p: drafts.add_step(p, name), "add")
        if not isinstance(chain.steps[-1], DegradeStep):
            form.button(
                "Add a last message",
                f"{key}.message",
                lambda p: drafts.add_message(p, name),
                "chat_bubble",
            )
    complaint(f"{key}.add")
    if worst is not None:
        st.caption(literal(f"{worst_words(worst)} {worst.note}".strip()))
    with st.expander("Which errors lead on", type="compact", key=f"errors{k}"):
        _errors(form, name, chain)


def _step(form: Form, chain: str, i: int, n: int, step: Step) -> None:
    key = f"chains.{chain}.steps.{i}"
    if isinstance(step, DegradeStep):
        fields = st.columns([6, 2, 2], vertical_alignment="bottom")
        with fields[0]:
            form.text(f"{i + 1}. Say", f"{key}.text", step.text, _into(key, "text"))
        with fields[1]:
            form.number(
                "Its quality",
                f"{key}.quality",
                step.quality,
                _into(key, "quality"),
                max_value=1.0,
                step=0.1,
                help="What this message is worth to the reader, 0 to 1.",
            )
    elif isinstance(step, StaleStep):
        fields = st.columns([8, 2], vertical_alignment="bottom")
        with fields[0]:
            st.markdown(f"{i + 1}\\. {literal(step_in_words(step))}")
    else:
        fields = st.columns([4, 2, 2, 2, 2], vertical_alignment="bottom")
        _model_step(form, key, i, step, fields)
    with fields[-1]:
        form.order(
            key,
            (i, n),
            lambda p, up: drafts.move_step(p, chain, i, up),
            lambda p: drafts.remove_step(p, chain, i),
            "step",
        )


def _into(key: str, part: str) -> Change:
    return lambda policy, value: policy.with_value(f"{key}.{part}", value)


def _model_step(
    form: Form, key: str, i: int, step: ModelStep, fields: Sequence[DeltaGenerator]
) -> None:
    model, timeout, retries, backoff, _ = fields
    models = list(form.policy.models)
    with model:
        form.choice(f"{i + 1}. Ask", f"{key}.model", step.model, models, _into(key, "model"))
    with timeout:
        form.number(
            "Timeout, s",
            f"{key}.timeout_s",
            step.timeout_s,
            _into(key, "timeout_s"),
            step=0.5,
            placeholder="none",
        )
    with retries:
        form.count(
            "Retries",
            f"{key}.retries",
            step.retries,
            _into(key, "retries"),
            max_value=10,
        )
    with backoff:
        form.number(
            "First pause, s",
            f"{key}.backoff_s",
            step.backoff_s,
            _into(key, "backoff_s"),
            step=0.1,
            disabled=not step.retries,
            help="Wait before the first retry; doubled for each further one.",
        )


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
