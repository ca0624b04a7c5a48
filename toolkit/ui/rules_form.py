"""The rules as a form: name, conditions, where it leads; the first that matches wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from toolkit.evaluate.format import percent
from toolkit.policy.model import Policy, Route
from toolkit.policy.words import condition_in_words, route_in_words
from toolkit.ui import drafts, rows
from toolkit.ui.fields import Change, Edit, Form, complaint
from toolkit.ui.text import bold, literal

Put = Callable[[Sequence[rows.Row]], Edit]
SPLIT = "several chains, by weight"


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
    found = rows.read(route.when)
    if found is None:
        st.caption("This condition is nested: edit it in the YAML.")
        st.code(condition_in_words(route.when), language=None, wrap_lines=True)
    elif columns:
        _conditions(form, i, *found, columns)


def _leads(form: Form, i: int, route: Route) -> None:
    chains = list(form.policy.chains)

    def change(policy: Policy, value: str) -> Policy:
        if value != SPLIT:
            return drafts.lead_to(policy, i, {value: 1.0})
        other = next((name for name in chains if name != route.use), chains[0])
        return drafts.lead_to(policy, i, {str(route.use): 90.0, other: 10.0})

    options = [*chains, SPLIT] if len(chains) > 1 else chains
    value = SPLIT if route.split is not None else route.use
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


def _conditions(
    form: Form,
    i: int,
    mode: rows.Mode,
    tests: tuple[rows.Row, ...],
    columns: Sequence[rows.Column],
) -> None:
    def put(new: Sequence[rows.Row], how: rows.Mode = mode) -> Edit:
        return lambda policy: drafts.set_condition(policy, i, rows.write(how, new))

    if len(tests) > 1:
        _mode(form, i, mode, tests)
    for j, row in enumerate(tests):
        _test(form, i, j, row, columns, _within(put, tests, j))
    again = next((c for c in columns if c.name not in {t.column for t in tests}), columns[0])
    key = f"routes.{i}.add"
    form.button("Add a condition", key, put([*tests, rows.fresh(again)]), "add")
    complaint(key)


def _within(put: Put, tests: tuple[rows.Row, ...], j: int) -> Put:
    """Put rows in the place of row ``j``."""
    return lambda new: put([*tests[:j], *new, *tests[j + 1 :]])


def _mode(form: Form, i: int, mode: rows.Mode, tests: tuple[rows.Row, ...]) -> None:
    key = f"routes.{i}.mode"
    st.session_state[key] = mode
    st.segmented_control(
        "Which must hold",
        ["all", "any"],
        key=key,
        required=True,
        format_func={"all": "all of these", "any": "any of these"}.__getitem__,
        label_visibility="collapsed",
        on_change=form.typed,
        args=(key, lambda p, how: drafts.set_condition(p, i, rows.write(how, tests))),
    )


def _test(
    form: Form, i: int, j: int, row: rows.Row, columns: Sequence[rows.Column], put: Put
) -> None:
    key = f"routes.{i}.when.{j}"
    named = {column.name: column for column in columns}
    column = named.get(row.column, rows.Column(row.column, "text"))
    where, how, what, away = st.columns([3, 3, 5, 1], vertical_alignment="top")
    with where:
        form.choice(
            "Column",
            f"{key}.column",
            row.column,
            list(named),
            lambda p, name: put([rows.fresh(named[name])])(p),
            label_visibility="collapsed",
        )
    with how:
        form.choice(
            "Operator",
            f"{key}.operator",
            row.operator,
            rows.OPERATORS[column.kind],
            lambda p, operator: put([rows.with_operator(row, operator, column)])(p),
            format_func=lambda name: rows.WORDS[name],
            label_visibility="collapsed",
        )
    with what:
        _value(form, f"{key}.value", row, column, lambda value: put([replace(row, value=value)]))
    with away:
        form.button("", f"{key}.remove", put([]), "close", help="Remove this condition")
        complaint(f"{key}.remove")


def _value(
    form: Form,
    key: str,
    row: rows.Row,
    column: rows.Column,
    put: Callable[[Any], Edit],
) -> None:
    hidden = {"label_visibility": "collapsed"}
    if row.operator in {"in", "not_in"}:
        key = f"{key}s"
        form.several("Values", key, row.value, column.values, lambda p, v: put(tuple(v))(p))
    elif isinstance(row.value, bool):
        form.switch("yes" if row.value else "no", f"{key}.on", row.value, lambda p, v: put(v)(p))
    elif isinstance(row.value, (int, float)):
        form.number(
            "Value",
            f"{key}.number",
            float(row.value),
            lambda p, v: put(v)(p),
            min_value=None,
            **hidden,
        )
    else:
        form.text("Value", key, row.value, lambda p, v: put(v)(p), **hidden)
