"""A condition as a form: rows of column, operator and value, of which all or any must hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from toolkit.policy.conditions import Condition
from toolkit.policy.words import condition_in_words
from toolkit.ui import rows
from toolkit.ui.fields import Change, Edit, Form, complaint

Put = Callable[[Sequence[rows.Row]], Edit]


def condition(
    form: Form,
    key: str,
    when: Condition,
    columns: Sequence[rows.Column],
    change: Change,
) -> None:
    """The rows of a condition, and one to add; ``change`` takes the condition that results."""
    found = rows.read(when)
    if found is None:
        st.caption("This condition is nested: edit it in the YAML.")
        st.code(condition_in_words(when), language=None, wrap_lines=True)
        return
    if not columns:
        return
    mode, tests = found

    def put(new: Sequence[rows.Row], how: rows.Mode = mode) -> Edit:
        return lambda policy: change(policy, rows.write(how, new))

    if len(tests) > 1:
        _mode(form, f"{key}.mode", mode, tests, change)
    for j, row in enumerate(tests):
        _test(form, f"{key}.when.{j}", row, columns, _within(put, tests, j))
    again = next((c for c in columns if c.name not in {t.column for t in tests}), columns[0])
    form.button("Add a condition", f"{key}.add", put([*tests, rows.fresh(again)]), "add")
    complaint(f"{key}.add")


def _within(put: Put, tests: tuple[rows.Row, ...], j: int) -> Put:
    """Put rows in the place of row ``j``."""
    return lambda new: put([*tests[:j], *new, *tests[j + 1 :]])


def _mode(
    form: Form, key: str, mode: rows.Mode, tests: tuple[rows.Row, ...], change: Change
) -> None:
    st.session_state[key] = mode
    st.segmented_control(
        "Which must hold",
        ["all", "any"],
        key=key,
        required=True,
        format_func={"all": "all of these", "any": "any of these"}.__getitem__,
        label_visibility="collapsed",
        on_change=form.typed,
        args=(key, lambda p, how: change(p, rows.write(how, tests))),
    )


def _test(form: Form, key: str, row: rows.Row, columns: Sequence[rows.Column], put: Put) -> None:
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
        form.several(
            "Values", key, row.value, column.values, lambda p, v: put(tuple(v))(p), **hidden
        )
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
