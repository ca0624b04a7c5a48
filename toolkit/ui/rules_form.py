"""The rules as a form: name, conditions, where it leads; the first that matches wins."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from toolkit.evaluate.format import percent
from toolkit.policy.model import Policy, Route
from toolkit.policy.words import condition_in_words, route_in_words
from toolkit.ui import drafts, rows
from toolkit.ui.conditions_form import condition
from toolkit.ui.fields import Change, Form, complaint
from toolkit.ui.route_router import by_router, known_routers, router_fields
from toolkit.ui.text import bold, literal

SPLIT = "several chains, by weight"
ROUTER = "where a trained router says"


def rules_form(form: Form, columns: Sequence[rows.Column], shares: dict[str, float]) -> None:
    """Every rule, one to add, and where all else goes; ``shares`` are those of the requests."""
    policy = form.policy
    for i, route in enumerate(policy.routes):
        share = f" · {literal(percent(shares[route.name]))}" if route.name in shares else ""
        words = f"{condition_in_words(route.when)} → {route_in_words(route)}"
        label = f"{i + 1}\\. {bold(route.name)}: {literal(_short(words))}{share}"
        with st.expander(label, expanded=i == 0, key=f"rule{i}"):
            _rule(form, i, route, columns)
    if not policy.routes:
        st.caption("No rules: every request goes to the chain below.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form.choice(
            "Everything else goes to",
            "default",
            policy.default,
            list(policy.chains),
            lambda p, value: p.with_value("default", value),
            width=260,
        )
        if columns:
            when = rows.write("all", [rows.fresh(columns[0])])
            form.button(
                "Add a rule",
                "add-rule",
                lambda p: drafts.add_route(p, when),
                "add",
                type="secondary",
            )
    complaint("add-rule")


def _short(text: str, most: int = 110) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _rule(form: Form, i: int, route: Route, columns: Sequence[rows.Column]) -> None:
    key = f"routes.{i}"
    name, leads, order = st.columns([3, 3, 2], vertical_alignment="bottom")
    with name:
        form.text("Name", f"{key}.name", route.name, lambda p, v: p.with_value(f"{key}.name", v))
    with leads:
        _leads(form, i, route)
    with order:
        form.order(
            key,
            (i, len(form.policy.routes)),
            lambda p, up: drafts.move_route(p, i, up),
            lambda p: drafts.remove_route(p, i),
            "rule",
        )
    if route.split is not None:
        _weights(form, i, route)
    if route.router is not None:
        router_fields(form, i, route, route.router)
    condition(form, key, route.when, columns, lambda p, when: drafts.set_condition(p, i, when))


def _leads(form: Form, i: int, route: Route) -> None:
    chains = list(form.policy.chains)

    def change(policy: Policy, value: str) -> Policy:
        if value == ROUTER:
            return by_router(policy, i)
        if value != SPLIT:
            return drafts.lead_to(policy, i, {value: 1.0})
        first = route.use or policy.default
        other = next((name for name in chains if name != first), chains[0])
        return drafts.lead_to(policy, i, {first: 90.0, other: 10.0})

    options = [*chains, SPLIT] if len(chains) > 1 else [*chains]
    if route.router is not None or known_routers():
        options.append(ROUTER)
    value = ROUTER if route.router is not None else SPLIT if route.split is not None else route.use
    form.choice("Leads to", f"routes.{i}.use", value, options, change)


def _weights(form: Form, i: int, route: Route) -> None:
    now = drafts.weights(route)

    def change(chain: str) -> Change:
        def to(policy: Policy, weight: float | None) -> Policy:
            left = {**now, chain: weight or 0.0}
            return drafts.lead_to(policy, i, {n: w for n, w in left.items() if w} or now)

        return to

    with st.grid("auto", min_column_width=150):
        for chain in form.policy.chains:
            weight = float(now.get(chain, 0.0))
            form.number(literal(f"weight of {chain}"), f"routes.{i}.{chain}", weight, change(chain))
