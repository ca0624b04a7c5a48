"""Goals and models as forms."""

from __future__ import annotations

import streamlit as st

from toolkit.ui import drafts
from toolkit.ui.fields import Change, Edit, Form, complaint
from toolkit.ui.text import literal

_LABELS = {
    "quality": ("Quality, at least", "min", 0.01),
    "cost_usd_per_1k": ("Cost per 1,000 requests, at most, USD", "max", 0.01),
    "latency_p95_s": ("p95 latency, at most, seconds", "max", 0.1),
    "error_rate": ("Errors, at most, share of requests", "max", 0.005),
    "degraded_rate": ("Messages instead of answers, at most", "max", 0.005),
    "fallback_rate": ("Fail-overs, at most", "max", 0.01),
    "latency_mean_s": ("Mean latency, at most, seconds", "max", 0.1),
    "latency_p50_s": ("Median latency, at most, seconds", "max", 0.1),
    "latency_p99_s": ("p99 latency, at most, seconds", "max", 0.1),
}


def goals_form(form: Form) -> None:
    """What is good enough; empty means no goal."""
    st.caption("Write down what is good enough before you look at what you get. Empty: no goal.")
    with st.grid(3, min_column_width=240):
        for name, (label, end, step) in _LABELS.items():
            goal = getattr(form.policy.goals, name)
            other = "max" if end == "min" else "min"
            with st.container(gap="xsmall"):
                form.number(
                    label,
                    f"goals.{name}.{end}",
                    getattr(goal, end, None),
                    _set(name, end),
                    step=step,
                    placeholder="no goal",
                )
                if getattr(goal, other, None) is not None:
                    st.caption(
                        f"and {'at most' if other == 'max' else 'at least'} "
                        f"{getattr(goal, other):g} (in the YAML)"
                    )


def _set(name: str, end: str) -> Change:
    return lambda policy, value: drafts.set_goal(policy, name, end, value)


def models_form(form: Form, logs: tuple[str, ...]) -> None:
    """The policy's names of its models, and what they are called in the log."""
    st.caption("Chains ask models by the policy's own name; here stands which model that is.")
    for name, model in form.policy.models.items():
        key = f"models.{name}"
        own, log, away = st.columns([4, 6, 1], vertical_alignment="bottom")
        with own:
            form.text("Name", f"{key}.name", name, _rename(name))
        with log:
            form.choice(
                "In the log",
                f"{key}.log",
                model.log or name,
                logs,
                _point(name),
            )
        with away:
            form.button(
                "",
                f"{key}.remove",
                _remove(name),
                "delete",
                help="Remove this model",
            )
        complaint(f"{key}.remove")
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
    st.caption(literal(form.policy.description))


def _rename(name: str) -> Change:
    return lambda policy, new: drafts.rename_model(policy, name, new)


def _point(name: str) -> Change:
    return lambda policy, log: drafts.set_log(policy, name, log)


def _remove(name: str) -> Edit:
    return lambda policy: drafts.remove_model(policy, name)


def _add_model(form: Form) -> None:
    log = st.session_state.pop("add-model", None)
    if log:
        form.edit(lambda policy: drafts.add_model(policy, log), "add-model")
