"""What guards the policy as a form: when models fail or are busy, when requests come in floods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from toolkit.errors import Problem
from toolkit.evaluate.protection import with_recommended
from toolkit.policy.guards import Breaker, Limits, RetryBudget, Shedding
from toolkit.policy.model import Model
from toolkit.policy.words import (
    breaker_in_words,
    budget_in_words,
    limits_in_words,
    shedding_in_words,
)
from toolkit.schema import ERROR_LABELS
from toolkit.ui import guards, rows
from toolkit.ui.cache_form import cache_form
from toolkit.ui.fields import Form
from toolkit.ui.guards import Place
from toolkit.ui.parts import Part, into, number_field, part_fields, switched
from toolkit.ui.states import problem_line
from toolkit.ui.text import bold, literal

_BREAKER = (
    Part(
        "failure_rate",
        "Pause when this share fails",
        "Share of the counted calls that fail, 0 to 1 (failure rate threshold).",
        0.05,
    ),
    Part("window_s", "Counting the last, seconds", "How far back calls count (window).", 10.0),
    Part(
        "min_calls",
        "And at least so many calls",
        "With fewer calls in that time it is never paused (minimum calls).",
        1,
    ),
    Part(
        "open_s",
        "Pause for, seconds",
        "So long it is not asked, and requests go to the next step at once (open breaker).",
        5.0,
    ),
    Part(
        "probes",
        "Calls that try it again",
        "All of them must succeed; the first that fails begins a new pause (half-open probes).",
        1,
    ),
)
_LIMITS = (
    Part(
        "requests_per_min",
        "Requests a minute",
        "Calls beyond it wait for a retry, or go to the next step (rate limit, RPM).",
        60.0,
        "no limit",
    ),
    Part(
        "tokens_per_min",
        "Tokens a minute",
        "Of prompts and answers together (rate limit, TPM).",
        1000.0,
        "no limit",
    ),
    Part(
        "concurrency",
        "Calls at a time",
        "Most calls under way at the same moment (concurrency limit).",
        1,
        "no limit",
    ),
    Part(
        "burst_s",
        "Seconds' worth at once",
        "How much of the rates a minute may come at the same moment (burst of a token bucket).",
        5.0,
    ),
)
_BUDGET = (
    Part(
        "share",
        "Share of requests",
        "Most extra calls under way, as a share of the requests in progress, 0 to 1 "
        "(retry budget, as Envoy counts it).",
        0.05,
    ),
    Part(
        "min_retries",
        "Always allowed",
        "So many extra calls may be under way in any case, so that a quiet service retries too.",
        1,
    ),
)
_ROOM = Part(
    "max_in_progress",
    "Most requests in progress",
    "A request that comes while so many are in progress is answered without a model "
    "(load shedding).",
    1,
)
_DAILY = Part(
    "daily_cost_usd",
    "Most to spend on a day, USD",
    "Once so much is spent, no model is asked until the next day, in UTC (daily budget).",
    1.0,
    "no limit",
)


def protection_form(form: Form, columns: Sequence[rows.Column], risks: Sequence[Problem]) -> None:
    """Guards of each model, then of the whole policy; ``risks`` are the check's."""
    st.caption(
        "What keeps one failing model, a flood of requests or a bill from becoming an outage. "
        "Each part is off until you switch it on."
    )
    if risks:
        label = f"What a bad day would find weak ({len(risks)})"
        with st.expander(label, icon=":material/crisis_alert:", key="risks"):
            st.markdown("\n".join(f"- {problem_line(risk)}" for risk in risks))
    if with_recommended(form.policy) != form.policy:
        form.button(
            "Switch on what is recommended",
            "recommended",
            with_recommended,
            "shield",
            type="secondary",
            help="A pause for each model while it keeps failing, and a limit to retries "
            "(circuit breakers, retry budget).",
        )
    for k, (name, model) in enumerate(form.policy.models.items()):
        label = f"{bold(name)}: {literal(_told(model) or 'asked whatever happens')}"
        with st.expander(label, expanded=k == 0, key=f"guards{k}"):
            _model(form, ("models", name), model, k)
    with st.container(border=True):
        _budget(form, form.policy.retry_budget)
    with st.container(border=True):
        _shedding(form, form.policy.shedding, columns)
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=240):
            number_field(form, (_DAILY.name,), form.policy.daily_cost_usd, _DAILY)
        st.caption("So that neither a fault nor a rush costs more than you planned.")
    with st.container(border=True):
        cache_form(form, form.policy.cache, columns)


def _told(model: Model) -> str:
    parts = [breaker_in_words(model.breaker)] if model.breaker is not None else []
    return "; ".join(parts + ([limits_in_words(model.limits)] if model.limits is not None else []))


def _model(form: Form, place: Place, model: Model, k: int) -> None:
    if switched(
        form,
        (*place, "breaker"),
        model.breaker,
        "Pause it while it keeps failing",
        "Requests go to the next step at once instead of waiting for what fails (circuit breaker).",
        {},
    ):
        breaker = model.breaker or Breaker()
        part_fields(form, (*place, "breaker"), breaker, _BREAKER)
        with st.expander("Which errors count", type="compact", key=f"counted{k}"):
            _counted(form, (*place, "breaker", "on"), breaker)
    if switched(
        form,
        (*place, "limits"),
        model.limits,
        "Ask it no more than it can take",
        "Stay below the limits of your contract or your server, so that it does not refuse "
        "(rate and concurrency limits).",
        {"requests_per_min": guards.FIRST_LIMIT_PER_MIN},
    ):
        part_fields(form, (*place, "limits"), model.limits or Limits(concurrency=1), _LIMITS)


def _counted(form: Form, place: Place, breaker: Breaker) -> None:
    usual = {error.label for error in Breaker().counted_errors}
    form.pills(
        "Failed means",
        guards.dotted(place),
        [error.label for error in breaker.counted_errors],
        ERROR_LABELS,
        lambda p, labels: guards.set_part(p, place, None if set(labels) == usual else labels),
        format_func=lambda text: text.replace("_", " "),
    )


def _budget(form: Form, budget: RetryBudget | None) -> None:
    if switched(
        form,
        ("retry_budget",),
        budget,
        "Keep retries from making it worse",
        "When everything fails, every retry is one more call: at most a share of the requests "
        "may have extra calls (retry budget).",
        {},
        words=budget_in_words(budget) if budget else "",
    ):
        part_fields(form, ("retry_budget",), budget or RetryBudget(), _BUDGET)


def _shedding(form: Form, shedding: Shedding | None, columns: Sequence[rows.Column]) -> None:
    place: Place = ("shedding",)
    if not switched(
        form,
        place,
        shedding,
        "Turn requests away when too many are in progress",
        "Some get the chain's message at once, so that the others are answered in time "
        "(load shedding).",
        {"max_in_progress": guards.FIRST_ROOM},
        words=shedding_in_words(shedding) if shedding else "",
    ):
        return
    assert shedding is not None
    values = {column.name: column.values for column in columns if column.values}
    with st.grid("auto", min_column_width=170):
        number_field(form, (*place, _ROOM.name), shedding.max_in_progress, _ROOM)
        form.choice(
            "Less room for some, by",
            "shedding.priority_by",
            shedding.priority_by or guards.NOBODY,
            [guards.NOBODY, *values],
            guards.set_priority,
            help="A column whose values have room of their own: the least important are turned "
            "away first (priority).",
        )
        for value in dict.fromkeys([*values.get(str(shedding.priority_by), ()), *shedding.limits]):
            room: dict[str, Any] = {"step": 1, "min_value": 0, "format": "%d"}
            form.number(
                literal(f"for {value}"),
                f"shedding.limits.{value}",
                shedding.limits.get(value),
                into((*place, "limits", value)),
                placeholder=str(shedding.max_in_progress),
                **room,
            )
