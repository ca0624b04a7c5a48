"""What stands on a page where there is nothing to show yet, or not what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.errors import PolicyError, Problem
from toolkit.evaluate.format import count, number
from toolkit.logs import store
from toolkit.logs.datasets import load_folder
from toolkit.logs.tables import Tables
from toolkit.policy.model import Policy
from toolkit.ui import loaders
from toolkit.ui.text import bold, literal

if TYPE_CHECKING:
    from toolkit.logs.datasets import DatasetInfo

STRAY = "stray"
"""Session key: what the link asked for in vain, as (kind, name)."""

IMPORTED = "imported"
"""Session key: the dataset that the next run begins with."""

CHOSEN = "chosen"
"""Session key: the policy that the next run begins with."""


@dataclass(frozen=True)
class NoDataset:
    """There is no data at all."""


@dataclass(frozen=True)
class LargeDataset:
    """The chosen dataset is too large to be loaded unasked."""

    info: DatasetInfo


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


def gaps(sentences: Sequence[str]) -> None:
    """What the log cannot show, and why; nothing when it holds everything."""
    if sentences:
        with st.expander(
            f"What this log cannot show ({len(sentences)})", icon=":material/visibility_off:"
        ):
            st.markdown("\n".join(f"- {literal(sentence)}" for sentence in sentences))


def no_dataset() -> None:
    """A place to begin: bring a log, or take the one that comes with the app."""
    from toolkit.ui.import_wizard import wizard

    st.subheader("No dataset yet", anchor=False)
    st.markdown(
        "Detour replays a routing policy on answers that were logged before. Bring the log that "
        "you have, or begin with the one that comes with Detour."
    )
    if example := _example():
        st.button(
            f"Begin with the example, {literal(example.name)}",
            key="example",
            icon=":material/play_arrow:",
            type="primary",
            on_click=_take_example,
            args=(example,),
        )
    with st.container(border=True):
        st.markdown("**Import a log**")
        wizard()
    st.caption("From a shell: `python -m toolkit import FILE --as NAME`")


def _example() -> Path | None:
    """A dataset that comes with the app, where the app was told to look for them elsewhere."""
    found = sorted((store.ROOT / "data").glob("*/outcomes.parquet"))
    names = {one.parent.name: one.parent for one in found}
    return names.get("local") or next(iter(names.values()), None)


def _take_example(folder: Path) -> None:
    data = load_folder(folder)
    tables = Tables(data.requests, data.models, data.outcomes_table())
    store.write(data.name, tables, source=folder.name, sha256=data.digest, simulated=data.simulated)
    loaders.infos.clear()


def large_dataset(info: DatasetInfo, asked: str) -> None:
    """Why there is nothing here yet, and the way to have it."""
    cells = info.n_requests * info.n_models
    gigabytes = number(cells * _BYTES_PER_CELL / 1e9)
    st.info(
        f"{bold(info.name)} has {count(info.n_requests)} requests × {count(info.n_models)} models."
        f" To replay a policy on it, all of it has to be in memory: about {gigabytes} GB, and"
        " some seconds to read.",
        title="This dataset is large",
        icon=":material/database:",
    )

    def load() -> None:
        st.session_state[asked].add(info.digest)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Load it all", key="load-large", on_click=load, type="primary")
        st.page_link(
            "pages/data.py", label="What is in it, without loading", icon=":material/table_chart:"
        )


_BYTES_PER_CELL = 42
"""Five numbers, an error and a mark of each request and model."""


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


def _briefly(problem: Problem) -> str:
    """What is wrong, without the place in the file: nobody mends the file because of the data."""
    text = f"{problem.what[:1].upper()}{problem.what[1:]}"
    text += f": {problem.got}" if problem.got else ""
    if not problem.allowed:
        return f"{text}."
    cut = problem.allowed[:_ALLOWED].rpartition(", ")[0] + ", …"
    return f"{text}; allowed: {problem.allowed if len(problem.allowed) <= _ALLOWED else cut}."


_ALLOWED = 200
"""Characters of what is allowed that are shown; a log may have many models."""


def does_not_fit(
    policy: Policy, problems: tuple[Problem, ...], fitting: list[tuple[str, str]]
) -> None:
    """The policy asks for what the data does not have; offer what does fit."""
    st.warning(
        "\n".join(f"- {literal(_briefly(problem))}" for problem in problems[:8]),
        title=f"{literal(policy.policy)} does not fit this dataset",
        icon=":material/extension_off:",
    )
    if any(problem.where and ".router" in problem.where for problem in problems):
        st.markdown("A router for this data is trained on the Router page; save it by that name.")
    if fitting:
        st.markdown("These policies do:")
        with st.container(horizontal=True):
            for i, (name, label) in enumerate(fitting):
                st.button(literal(label), key=f"fit{i}", on_click=_choose, args=("policy", name))


def other_datasets(fitting: list[str]) -> None:
    """Datasets that the policy does fit."""
    if fitting:
        st.markdown("Or keep the policy and take a dataset that it fits:")
        with st.container(horizontal=True):
            for i, name in enumerate(fitting):
                st.button(literal(name), key=f"data{i}", on_click=_choose, args=("dataset", name))


def _choose(key: str, value: str) -> None:
    st.session_state[key] = value
    st.session_state.pop(STRAY, None)
