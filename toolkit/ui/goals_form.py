"""The goals as a form."""

from __future__ import annotations

import streamlit as st

from toolkit.evaluate.format import number
from toolkit.policy.model import Goal
from toolkit.policy.words import limit_in_words
from toolkit.ui import drafts
from toolkit.ui.fields import Change, Form

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
_RELATIVE = {
    "quality": ("Change of quality, at least", "min_change", 0.01),
    "cost_usd_per_1k": ("Cost, at most so many times as much", "max_ratio", 0.05),
    "latency_p95_s": ("p95 latency, at most so many times as long", "max_ratio", 0.05),
    "error_rate": ("Change of errors, at most", "max_change", 0.005),
}
_SIGNED = {"min_change": -1.0, "max_change": -1.0}
"""Limits that may be below 0, and how far for a share."""


def goals_form(form: Form) -> None:
    """What the policy is for, and what is good enough; empty means no goal."""
    form.text(
        "What this policy is for",
        "description",
        form.policy.description,
        lambda policy, text: policy.with_value("description", text),
        placeholder="in a sentence",
    )
    st.caption("Write down what is good enough before you look at what you get. Empty: no goal.")
    _limits(form, _LABELS, "no goal")
    st.markdown("**Against a baseline**")
    st.caption(
        "How far the policy may be from another one, such as the one in service. "
        "A quality of −0.01 is one point less; 0.8 times the cost is a fifth less. "
        "Judged here against what the policy is compared with, and by the command `gate --against`."
    )
    _limits(form, _RELATIVE, "no limit")
    unseen = [line for name in _LABELS for line in _unseen(name, getattr(form.policy.goals, name))]
    if unseen:
        st.caption(f"In the YAML besides: {'; '.join(unseen)}.")


def _limits(form: Form, fields: dict[str, tuple[str, str, float]], empty: str) -> None:
    with st.grid(3, min_column_width=240):
        for name, (label, key, step) in fields.items():
            with st.container(gap="xsmall"):
                form.number(
                    label,
                    f"goals.{name}.{key}",
                    getattr(getattr(form.policy.goals, name), key, None),
                    _set(name, key),
                    step=step,
                    min_value=_SIGNED.get(key, 0.0),
                    placeholder=empty,
                )


def _unseen(name: str, goal: Goal | None) -> list[str]:
    """The limits of a goal that have no field here, in words."""
    fields = {rows[name][1] for rows in (_LABELS, _RELATIVE) if name in rows}
    return [
        f"{name} {limit_in_words(key, value, number)}"
        for key, value in (goal.to_data() if goal else {}).items()
        if key not in fields
    ]


def _set(name: str, key: str) -> Change:
    return lambda policy, value: drafts.set_goal(policy, name, key, value)
