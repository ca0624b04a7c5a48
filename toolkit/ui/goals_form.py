"""The goals as a form."""

from __future__ import annotations

import streamlit as st

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
