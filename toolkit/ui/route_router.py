"""The fields of a rule that a trained router decides: which, by what, and among which models."""

from __future__ import annotations

import streamlit as st

from toolkit.learn.registry import list_routers
from toolkit.policy.model import Policy, Route
from toolkit.policy.router_rule import RULES, RouterRule
from toolkit.ui import drafts
from toolkit.ui.fields import Change, Form

ALL_MODELS = "all models of the policy"
WAYS = {
    "min_quality": "the cheapest that is good enough",
    "max_cost_usd": "the best that is cheap enough",
    "tradeoff_usd_per_point": "the best value",
}
_LABELS = {
    "min_quality": "Least probability of a good answer",
    "max_cost_usd": "Most that a request may cost, USD",
    "tradeoff_usd_per_point": "USD per 1,000 requests for a point of quality",
}
_HELP = {
    "min_quality": "From 0 to 1. The cheapest model that reaches it is asked first; where none"
    " does, the likeliest.",
    "max_cost_usd": "By the expected cost. Among the models below it the likeliest is asked first;"
    " where none is, the cheapest.",
    "tradeoff_usd_per_point": "How much one point (0.01) of quality may cost.",
}


def known_routers() -> list[str]:
    """Names of the trained routers that there are."""
    return sorted({entry.name for entry in list_routers() if entry.current})


def by_router(policy: Policy, i: int) -> Policy:
    """Rule ``i`` led by the first trained router, among the models of the chain that it led to."""
    route = policy.routes[i]
    router = {"name": known_routers()[0], "min_quality": drafts.START["min_quality"]}
    leads = route.leads
    return drafts.route_by(policy, i, router, leads[0] if leads else None)


def router_fields(form: Form, i: int, route: Route, router: RouterRule) -> None:
    """Which router, how it chooses, among which models, and what stands behind its choice."""
    key = f"routes.{i}.router"
    way, value = router.rule
    with st.grid("auto", min_column_width=210):
        form.choice("Router", f"{key}.name", router.name, known_routers(), _at(f"{key}.name"))
        form.choice(
            "Models", f"{key}.use", route.use or ALL_MODELS,
            [*form.policy.chains, ALL_MODELS], lambda p, chain: _among(p, i, chain),
            help="It puts the model steps of this chain in order; what asks no model stays last.",
        )  # fmt: skip
        form.choice(
            "It asks first", f"{key}.way", way, RULES,
            lambda p, chosen: drafts.set_rule(p, i, chosen), format_func=WAYS.__getitem__,
        )  # fmt: skip
        form.number(_LABELS[way], f"{key}.{way}", value, _at(f"{key}.{way}"), help=_HELP[way])
        form.count(
            "Others behind it", f"{key}.fallbacks", router.fallbacks, _at(f"{key}.fallbacks"),
            help="Asked one after the other where the first fails, the likeliest first.",
        )  # fmt: skip
        form.number(
            "Abstain above", f"{key}.abstain_above", router.abstain_above,
            _at(f"{key}.abstain_above"),
            help="A request that is less familiar than this share of the training requests goes to"
            " the default chain. 1: none does.",
        )  # fmt: skip


def _at(path: str) -> Change:
    return lambda policy, value: policy.with_value(path, value)


def _among(policy: Policy, i: int, chain: str) -> Policy:
    return policy.with_value(f"routes.{i}.use", None if chain == ALL_MODELS else chain)
