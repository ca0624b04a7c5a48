"""The editor of a policy: tool bar, form and YAML of one draft."""

from __future__ import annotations

import streamlit as st

from toolkit.errors import PolicyError
from toolkit.policy.check import Check
from toolkit.policy.loading import parse_policy
from toolkit.policy.model import Policy
from toolkit.ui import desk, files, loaders
from toolkit.ui.chains_form import chains_form
from toolkit.ui.fields import Form
from toolkit.ui.goals_form import goals_form
from toolkit.ui.models_form import models_form
from toolkit.ui.protection_form import protection_form
from toolkit.ui.rules_form import rules_form
from toolkit.ui.starter import NAME as STARTER
from toolkit.ui.starter import starter
from toolkit.ui.states import CHOSEN, problem_line
from toolkit.ui.text import file_name, literal
from toolkit.ui.view import View

TABS = ("Rules", "Chains", "Goals", "Models", "Protection", "YAML")
_SAVING = "saving"


def editor(view: View) -> None:
    """Everything below the diagram."""
    form = _form(view)
    _tool_bar(form)
    tabs = st.tabs(TABS, key="editor", on_change="rerun")
    rules, chains, goals, models, protection, text = tabs
    columns = loaders.columns(view.dataset)
    if rules.open:
        with rules:
            rules_form(form, columns, _shares(view))
    if chains.open:
        with chains:
            chains_form(form, view.check.chains)
    if goals.open:
        with goals:
            goals_form(form)
    if models.open:
        with models:
            models_form(form, view.dataset.models, columns)
    if protection.open:
        with protection:
            protection_form(form, columns, view.check.risks)
    if text.open:
        with text:
            _yaml(form)


def _form(view: View) -> Form:
    name = st.session_state["policy"]
    saved = starter(view.baselines) if name == STARTER else loaders.policies()[name]
    assert isinstance(saved, Policy)
    return Form(name, saved)


def _shares(view: View) -> dict[str, float]:
    if view.check.errors:
        return {}
    return {name: part.share for name, part in view.summary.by_route.items()}


def _tool_bar(form: Form) -> None:
    draft = form.draft
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Edit", anchor=False, width="content")
        st.button(
            "Undo", icon=":material/undo:", disabled=not draft.past, on_click=form.undo, key="undo"
        )
        st.button(
            "Redo",
            icon=":material/redo:",
            disabled=not draft.future,
            on_click=form.redo,
            key="redo",
        )
        st.button(
            "Save as …",
            icon=":material/save:",
            type="primary",
            on_click=_ask_to_save,
            key="save-as",
        )
        st.download_button(
            "YAML",
            form.policy.to_yaml(),
            file_name=f"{file_name(form.policy.policy)}.yaml",
            mime="application/yaml",
            icon=":material/download:",
            on_click="ignore",
            key="download-yaml",
        )
    if st.session_state.pop(_SAVING, False):
        _save_dialog(form)


def _ask_to_save() -> None:
    st.session_state[_SAVING] = True


@st.dialog("Save this policy", icon=":material/save:")
def _save_dialog(form: Form) -> None:
    suggested = form.policy.policy
    if files.exists(suggested):
        suggested = next(
            f"{suggested}_{i}" for i in range(2, 1000) if not files.exists(f"{suggested}_{i}")
        )
    name = st.text_input("Name", value=suggested, max_chars=64, key="save-name") or ""
    taken = files.exists(name)
    overwrite = False
    if taken:
        st.warning(f"There is a policy {literal(name)} already.", icon=":material/warning:")
        overwrite = st.checkbox("Replace it; what it holds now is lost", key="save-replace")
    ready = bool(name) and (overwrite or not taken)
    if st.button("Save", type="primary", disabled=not ready, key="save"):
        try:
            saved = files.save(form.policy, name, overwrite)
        except PolicyError as error:
            for problem in error.problems:
                st.error(literal(problem))
            return
        desk.drop(form.name)
        desk.drop(name)
        st.session_state[CHOSEN] = saved.policy
        st.toast(f"Saved {literal(saved.policy)}", icon=":material/check:")
        st.rerun()


def _yaml(form: Form) -> None:
    """The file itself. What cannot be read stays here, and the last good policy in force."""
    key = "yaml"
    typed = st.session_state.get(desk.TEXT)
    st.session_state[key] = form.policy.to_yaml() if typed is None else typed
    st.text_area(
        "The policy as a file",
        key=key,
        height=420,
        on_change=_read_yaml,
        args=(form, key),
        help="Press Ctrl+Enter to apply.",
    )
    if typed is not None:
        _show_broken(typed)


def _read_yaml(form: Form, key: str) -> None:
    text = st.session_state[key]
    try:
        policy = parse_policy(text)
    except PolicyError:
        st.session_state[desk.TEXT] = text
        return
    desk.forget_typing()
    desk.put(form.name, form.draft.to(policy))


def _show_broken(text: str) -> None:
    try:
        parse_policy(text)
    except PolicyError as error:
        st.error(
            "\n".join(f"- {problem_line(problem)}" for problem in error.problems),
            title="This cannot be used yet; the diagram shows the last policy that could",
            icon=":material/error:",
        )
        lines = text.splitlines()
        for problem in error.problems[:3]:
            if problem.line and problem.line <= len(lines):
                st.code(lines[problem.line - 1], language="yaml")


def findings(check: Check) -> None:
    """What the check says, in words; nothing where there is nothing to say."""
    for problem in check.warnings:
        st.markdown(f":orange[:material/warning:] {problem_line(problem)}")
