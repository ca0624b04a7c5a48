"""The router into the policy that the sidebar shows: saved under a name, then a rule of a draft."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from toolkit.policy.model import Policy
from toolkit.policy.orders import MOST_ORDERS
from toolkit.policy.steps import ModelStep
from toolkit.ui import drafts
from toolkit.ui.router_keep import attempt, complain, keep_form, kept_as
from toolkit.ui.router_setting import Setting
from toolkit.ui.router_view import Trained
from toolkit.ui.text import bold, literal
from toolkit.ui.tradeoffs_view import take

EVERY, REST = "every", "rest"
WHICH = {EVERY: "Every request", REST: "Those that no rule takes"}
FALLBACKS = 2


def use(found: Trained, at: Setting) -> None:
    """The button that leads there; before it that of the lookup table, where this is advised."""
    from toolkit.evaluate.routers.words import table_instead

    table = table_instead(found.training)
    if table is not None:
        # No callback: in a fragment one may not draw, as the note of the draft does.
        if st.button(
            "Use the lookup table",
            key="table-use",
            type="primary",
            icon=":material/table:",
            help=f"As a draft of the policy, with rules by {literal(table.column)} in place of its "
            "own: the cheapest that are as good as the best single model. You can save or discard "
            "it.",
        ):
            attempt("table", _take_table, found)
        if st.session_state.pop(_DONE, False):
            st.rerun()
        complain("table")
    st.button(
        "Use the router" if table is not None else "Use in my policy",
        key="router-use",
        type="secondary" if table is not None else "primary",
        icon=":material/check:",
        on_click=st.session_state.update,
        args=({"router-using": True},),
        help="As a draft of the policy, which you can save or discard",
    )
    if st.session_state.pop("router-using", False):
        _dialog(found, at)


def _take_table(found: Trained) -> None:
    take(found.view, found.training.lookup_policy())
    st.session_state[_DONE] = True


@st.dialog("Use this router in my policy", icon=":material/route:")
def _dialog(found: Trained, at: Setting) -> None:
    """Which requests it decides about; a name, where it has none yet."""
    view = found.view
    st.markdown(
        f"A draft of {bold(view.policy.policy)}, in which the router decides: {literal(at.words)}"
    )
    which = EVERY
    if view.policy.routes:
        which = st.segmented_control(
            "It decides about",
            list(WHICH),
            default=EVERY,
            key="router-which",
            format_func=WHICH.__getitem__,
            required=True,
            help="For every request the policy's own rules go; otherwise they stay, and come "
            "first.",
        )
    name = kept_as(found)

    def draft(name: str) -> None:
        take(view, with_router(view.policy, found.training.models, at, name, which or EVERY))
        st.session_state[_DONE] = True

    if name is None:
        st.caption("A policy knows a router by its name, so it is saved first.")
        keep_form(found, "Save and use", "use", draft)
    else:
        if st.button(f"Use {literal(name)}", type="primary", key="router-use-now"):
            attempt("use", draft, name)
        complain("use")
    if st.session_state.pop(_DONE, False):
        st.rerun()


_DONE = "router-used"
"""Session key: the draft is made, and the dialog can go."""


def with_router(
    policy: Policy, models: tuple[str, ...], at: Setting, name: str, which: str
) -> Policy:
    """The policy with the router ``name`` deciding between the models (names in the log).

    What the policy's chains say of a model's time limit or retries stays; so does what the default
    chain does once every model has failed. Raises PolicyError where that is no policy.
    """
    called = {policy.log_name(own): own for own in reversed(policy.models)}
    for model in models:
        if model not in called:
            policy = drafts.add_model(policy, model)
            called[model] = list(policy.models)[-1]
    chains = [policy.chains[policy.default], *policy.chains.values()]
    steps = [step for one in chains for step in one.steps]
    own: dict[str, Any] = {}
    for step in steps:
        if isinstance(step, ModelStep):
            own.setdefault(step.model, step.to_data())
    ends = [s.to_data() for s in chains[0].steps if not isinstance(s, ModelStep)]
    asked = [own.get(called[model], {"model": called[model]}) for model in models]
    chain = drafts.free_name("learned", policy.chains)
    rule = at.rule(name).to_data()
    rule["fallbacks"] = _fallbacks(len(models))

    def change(data: dict[str, Any]) -> None:
        limits = {k: v for k, v in chains[0].to_data().items() if k != "steps"}
        data["chains"][chain] = {**limits, "steps": [*asked, *ends]}
        rules = [] if which == EVERY else data["routes"]
        taken = {"default", *(one["name"] for one in rules)}
        data["routes"] = [
            *rules,
            {
                "name": drafts.free_name("learned", taken),
                "when": {"request_id": {"exists": True}},
                "use": chain,
                "router": rule,
            },
        ]

    return drafts.edited(policy, change)


def _fallbacks(models: int) -> int:
    """As many as usual, fewer where there would be too many orders of the models."""
    fits = (
        n for n in range(FALLBACKS, 0, -1) if math.perm(models, min(models, n + 1)) <= MOST_ORDERS
    )
    return next(fits, 0)
