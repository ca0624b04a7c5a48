"""The steps of a chain as a form: models, older answers, messages, in the order they are tried."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from toolkit.policy.steps import DegradeStep, ModelStep, StaleStep, Step
from toolkit.policy.words import span
from toolkit.ui import drafts, guards
from toolkit.ui.fields import Edit, Form, complaint
from toolkit.ui.guards import Place, dotted
from toolkit.ui.parts import Part, into, number_field
from toolkit.ui.text import literal

_STEP = (
    Part("timeout_s", "Timeout, s", "Longest duration of one call.", 0.5, "none"),
    Part("retries", "Retries", "Further calls after the first, where the error may pass.", 1),
    Part(
        "backoff_s",
        "First pause, s",
        "Wait before the first retry; doubled for each further one (backoff).",
        0.1,
    ),
)
_STALE_QUALITY = Part(
    "quality", "Its quality", "0 to 1; empty: that of the answer itself.", 0.1, "its own"
)
_DEGRADE = (
    Part("quality", "Its quality", "What this is worth to the reader, 0 to 1.", 0.1),
    Part("cost_usd", "Its cost, USD", "What it costs to give, if anything.", 0.001),
)
_LAST = {"message": "say", "refusal": "refuse politely"}


def steps_form(form: Form, chain: str, steps: Sequence[Step]) -> None:
    """A line for each step, and a button for each kind that may follow."""
    for i, step in enumerate(steps):
        with st.container(border=True):
            _step(form, chain, i, len(steps), step)
    key = f"chains.{chain}"
    cached = form.policy.cache is not None
    with st.container(horizontal=True):
        form.button("Add a model", f"{key}.add", lambda p: drafts.add_step(p, chain), "add")
        form.button(
            "Add an older answer",
            f"{key}.stale",
            lambda p: drafts.add_stale(p, chain),
            "history",
            disabled=not cached,
            help="What the cache has from before (stale cache)."
            if cached
            else "Needs the cache, which can be switched on under Protection (stale cache).",
        )
        if not isinstance(steps[-1], DegradeStep):
            for kind, label, icon in (
                ("message", "Add a last message", "chat_bubble"),
                ("refusal", "Add a polite refusal", "block"),
            ):
                form.button(label, f"{key}.{kind}", _last(chain, kind), icon)
    for name in ("add", "stale", "message", "refusal"):
        complaint(f"{key}.{name}")


def _last(chain: str, kind: str) -> Edit:
    return lambda policy: drafts.add_message(policy, chain, kind)


def _step(form: Form, chain: str, i: int, n: int, step: Step) -> None:
    place: Place = ("chains", chain, "steps", i)
    if isinstance(step, ModelStep):
        order = _model_step(form, chain, i, step)
    elif isinstance(step, StaleStep):
        order = _stale_step(form, place, i, step)
    else:
        order = _degrade_step(form, place, i, step)
    with order:
        form.order(
            dotted(place),
            (i, n),
            lambda p, up: drafts.move_step(p, chain, i, up),
            lambda p: drafts.remove_step(p, chain, i),
            "step",
        )


def _model_step(form: Form, chain: str, i: int, step: ModelStep) -> DeltaGenerator:
    place: Place = ("chains", chain, "steps", i)
    key, models = dotted(place), list(form.policy.models)
    hedged = [3] if step.hedge is not None else []
    widths = [4, 2, 2, 2, 2, *hedged, 2]
    fields = st.columns(widths, vertical_alignment="bottom")
    with fields[0]:
        form.choice(f"{i + 1}. Ask", f"{key}.model", step.model, models, into((*place, "model")))
    for field, part in zip(fields[1:4], _STEP, strict=True):
        with field:
            idle = part.name == "backoff_s" and not step.retries
            number_field(form, (*place, part.name), getattr(step, part.name), part, idle)
    with fields[4]:
        form.number(
            "2nd call, s",
            f"{key}.hedge.after_s",
            step.hedge.after_s if step.hedge else None,
            lambda p, after: guards.set_hedge(p, chain, i, after),
            step=0.5,
            placeholder="none",
            help="After so many seconds without an answer ask once more; the first good answer "
            "wins, both are paid (hedged request).",
        )
    if step.hedge is not None:
        with fields[5]:
            form.choice(
                "2nd call to",
                f"{key}.hedge.model",
                step.hedge.model or step.model,
                models,
                lambda p, name: guards.hedge_with(p, chain, i, name),
            )
    return fields[-1]


def _stale_step(form: Form, place: Place, i: int, step: StaleStep) -> DeltaGenerator:
    told, quality, order = st.columns([10, 2, 2], vertical_alignment="bottom")
    with told:
        st.markdown(f"{i + 1}\\. Give an older answer from the cache")
        cache = form.policy.cache
        if cache is not None:
            most = span(cache.ttl_s + cache.stale_if_error_s)
            st.caption(literal(f"At most {most} old; without one, the next step."))
    with quality:
        number_field(form, (*place, "quality"), step.quality, _STALE_QUALITY)
    return order


def _degrade_step(form: Form, place: Place, i: int, step: DegradeStep) -> DeltaGenerator:
    kind, text, quality, cost, order = st.columns([3, 5, 2, 2, 2], vertical_alignment="bottom")
    key = dotted(place)
    with kind:
        form.choice(
            f"{i + 1}. Then",
            f"{key}.degrade",
            step.degrade,
            list(_LAST),
            into((*place, "degrade")),
            format_func=_LAST.__getitem__,
        )
    with text:
        form.text("Text", f"{key}.text", step.text, into((*place, "text")))
    for field, part in zip((quality, cost), _DEGRADE, strict=True):
        with field:
            number_field(form, (*place, part.name), getattr(step, part.name), part)
    return order
