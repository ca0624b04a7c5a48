"""What stands on a page where there is nothing to show yet, or not what was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from toolkit.errors import DataError, PolicyError
from toolkit.logs.importers import import_file
from toolkit.policy.model import Policy
from toolkit.ui import loaders
from toolkit.ui.text import bold, literal

STRAY = "stray"
"""Session key: what the link asked for in vain, as (kind, name)."""

CHOSEN = "chosen"
"""Session key: the policy that the next run begins with."""


@dataclass(frozen=True)
class NoDataset:
    """There is no data at all."""


@dataclass(frozen=True)
class BrokenFile:
    """The chosen policy cannot be read."""

    name: str
    error: PolicyError


def stray_note() -> None:
    """Say that a link asked for what is not here."""
    kind, name = st.session_state.get(STRAY, ("", ""))
    if kind == "draft":
        st.warning(
            f"The draft of {bold(name)} in this link is no longer on this server. "
            "You see the policy as it is saved.",
            icon=":material/link_off:",
        )
    elif kind:
        mend = "Import it under this name, or choose another one in the sidebar."
        if kind == "policy":
            mend = "Ask for its file, or choose another one in the sidebar."
        st.warning(
            f"The link asks for the {kind} {bold(name)}, which is not here. You see "
            f"{bold(st.session_state.get(kind, ''))} instead. {mend}",
            icon=":material/link_off:",
        )


def no_dataset() -> None:
    """A place to begin: bring a log."""
    st.subheader("No dataset yet")
    st.markdown(
        "Detour replays a routing policy on answers that were logged before. Bring a table with a "
        "row per request and model: `request_id`, `model`, and what you measured of `quality`, "
        "`cost_usd`, `latency_s`, `error`."
    )
    with st.form("import"):
        file = st.file_uploader("Log", type=["csv", "gz", "parquet", "jsonl"])
        name = st.text_input("Name", value="my-log", max_chars=64)
        if st.form_submit_button("Import", type="primary") and file is not None:
            _import(file.name, file.getvalue(), name)
    st.caption("From a shell: `python -m toolkit import FILE --as NAME`")


def _import(file: str, content: bytes, name: str) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(file).name
        path.write_bytes(content)
        try:
            import_file(path, name)
        except DataError as error:
            st.error(literal(error), title="Not imported", icon=":material/error:")
            return
    loaders.infos.clear()
    st.rerun()


def broken_file(state: BrokenFile) -> None:
    """A policy file that cannot be used: which line, what is wrong, what is allowed."""
    st.error(
        "\n".join(f"- {problem_line(problem)}" for problem in state.error.problems),
        title=f"The policy {literal(state.name)} cannot be read",
        icon=":material/error:",
    )
    st.caption("Mend the file and reload, or choose another policy in the sidebar.")


def problem_line(problem: object) -> str:
    """A problem as Markdown, with its line where it has one."""
    line = getattr(problem, "line", None)
    return (f"**Line {line}**: " if line else "") + literal(problem)


def does_not_fit(
    policy: Policy, problems: tuple[object, ...], fitting: list[tuple[str, str]]
) -> None:
    """The policy asks for what the data does not have; offer what does fit."""
    st.warning(
        "\n".join(f"- {problem_line(problem)}" for problem in problems[:8]),
        title=f"{literal(policy.policy)} does not fit this dataset",
        icon=":material/extension_off:",
    )
    if fitting:
        st.markdown("These policies do:")
        with st.container(horizontal=True):
            for i, (name, label) in enumerate(fitting):
                st.button(literal(label), key=f"fit{i}", on_click=_choose, args=("policy", name))


def other_datasets(fitting: list[str]) -> None:
    """Datasets that the policy does fit."""
    if fitting:
        st.markdown("Or keep the policy and take a dataset that has its models:")
        with st.container(horizontal=True):
            for i, name in enumerate(fitting):
                st.button(literal(name), key=f"data{i}", on_click=_choose, args=("dataset", name))


def _choose(key: str, value: str) -> None:
    st.session_state[key] = value
    st.session_state.pop(STRAY, None)
