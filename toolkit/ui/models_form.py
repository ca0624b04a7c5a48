"""The models as a form: what they are called, what they can do, how they are called live."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from toolkit.policy.model import Model
from toolkit.policy.words import condition_in_words
from toolkit.ui import drafts, guards, rows
from toolkit.ui.conditions_form import condition
from toolkit.ui.fields import Change, Edit, Form, complaint
from toolkit.ui.parts import Part, into, number_field
from toolkit.ui.text import bold, literal

_WINDOW = Part(
    "context_window_tokens",
    "Longest prompt, tokens",
    "A request with more input tokens is not sent here, but to the next step (context window).",
    step=1000.0,
    empty="no limit",
)
_LIVE = {
    "litellm": ("Name for LiteLLM", "openai/gpt-4o-mini", "Which model a live call goes to."),
    "api_base": ("Address", "the provider's own", "Where a server of your own listens."),
    "api_key_env": (
        "Variable with the key",
        "the usual one",
        "Name of the environment variable that holds the key; never the key itself.",
    ),
}
_BILLS = {
    "full": "the whole answer",
    "input_only": "the prompt alone",
    "none": "nothing",
}


def models_form(form: Form, logs: Sequence[str], columns: Sequence[rows.Column]) -> None:
    """Every model, one to add, and what requests need of a model."""
    st.caption("Chains ask models by the policy's own name; here stands which model that is.")
    for k, (name, model) in enumerate(form.policy.models.items()):
        with st.container(border=True):
            _model(form, k, name, model, logs)
    used = {form.policy.log_name(name) for name in form.policy.models}
    unused = [log for log in logs if log not in used]
    if unused:
        st.selectbox(
            "Add a model of the log",
            unused,
            index=None,
            key="add-model",
            placeholder=f"{len(unused)} more in this dataset",
            on_change=_add_model,
            args=(form,),
            width=420,
        )
    complaint("add-model")
    _needs(form, columns)


def _model(form: Form, k: int, name: str, model: Model, logs: Sequence[str]) -> None:
    key, place = f"models.{name}", ("models", name)
    own, log, provider, window, away = st.columns([3, 5, 3, 3, 1], vertical_alignment="bottom")
    with own:
        form.text("Name", f"{key}.name", name, _rename(name))
    with log:
        form.choice("In the log", f"{key}.log", model.log or name, logs, _point(name))
    with provider:
        form.maybe_text(
            "Provider",
            f"{key}.provider",
            model.provider,
            into((*place, "provider")),
            placeholder=model.operator or "not stated",
            help="Who runs it: one outage takes all models of a provider.",
        )
    with window:
        number_field(form, (*place, _WINDOW.name), model.context_window_tokens, _WINDOW)
    with away:
        form.button("", f"{key}.remove", _remove(name), "delete", help="Remove this model")
    complaint(f"{key}.remove")
    if form.policy.requires:
        able = form.policy.requires if model.supports is None else model.supports
        form.pills(
            "Can do",
            f"{key}.supports",
            list(able),
            list(form.policy.requires),
            _support(name),
            format_func=literal,
            help="A request that needs something else skips this model (capabilities).",
        )
    with st.expander("Live calls", type="compact", key=f"live{k}"):
        _live(form, name, model)


def _live(form: Form, name: str, model: Model) -> None:
    with st.grid("auto", min_column_width=200):
        for field, (label, placeholder, help_) in _LIVE.items():
            form.maybe_text(
                label,
                f"models.{name}.{field}",
                getattr(model, field),
                into(("models", name, field)),
                placeholder=placeholder,
                help=help_,
            )
        form.choice(
            "A call given up on costs",
            f"models.{name}.bill_timeouts",
            model.bill_timeouts,
            list(_BILLS),
            into(("models", name, "bill_timeouts")),
            format_func=_BILLS.__getitem__,
            help="What the provider charges for a call that we stopped waiting for.",
        )


def _needs(form: Form, columns: Sequence[rows.Column]) -> None:
    """What some requests need of a model, such as tools or a region, and which requests."""
    st.markdown("**What some requests need of a model**")
    if not form.policy.requires:
        st.caption(
            "Such as tools, vision, or a server in the EU: a model that cannot do it is skipped "
            "before it is asked."
        )
    for k, (name, when) in enumerate(form.policy.requires.items()):
        key = f"requires.{name}"
        label = f"{bold(name)}: {literal(condition_in_words(when))}"
        with st.expander(label, expanded=True, key=f"need{k}"):
            own, away = st.columns([9, 1], vertical_alignment="bottom")
            with own:
                form.text("Name", f"{key}.name", name, _rename_need(name))
            with away:
                form.button("", f"{key}.remove", _remove_need(name), "delete", help="Remove this")
            complaint(f"{key}.remove")
            condition(form, key, when, columns, into(("requires", name)))
    if columns:
        when_new = rows.write("all", [rows.fresh(columns[0])])
        form.button(
            "Add a need",
            "add-need",
            lambda p: guards.add_need(p, when_new),
            "add",
            type="secondary",
        )
    complaint("add-need")


def _rename(name: str) -> Change:
    return lambda policy, new: drafts.rename_model(policy, name, new)


def _point(name: str) -> Change:
    return lambda policy, log: drafts.set_log(policy, name, log)


def _remove(name: str) -> Edit:
    return lambda policy: drafts.remove_model(policy, name)


def _support(name: str) -> Change:
    return lambda policy, able: guards.set_supports(policy, name, able)


def _rename_need(name: str) -> Change:
    return lambda policy, new: guards.rename_need(policy, name, new)


def _remove_need(name: str) -> Edit:
    return lambda policy: guards.remove_need(policy, name)


def _add_model(form: Form) -> None:
    log = st.session_state.pop("add-model", None)
    if log:
        form.edit(lambda policy: drafts.add_model(policy, log), "add-model")
