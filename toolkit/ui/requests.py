"""The requests of a replay as a table, filtered, and one of them in all its attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from toolkit.evaluate.breakdown import FROM_CACHE
from toolkit.evaluate.format import count, number, seconds, usd
from toolkit.figures import waterfall_figure
from toolkit.schema import CATEGORY, PROMPT, REQUEST_ID, Status
from toolkit.ui.charts import picture
from toolkit.ui.text import bold, csv, file_name, literal

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from toolkit.engine.replay import Replay

MOST = 2_000
"""Rows that the screen shows; the download has all."""
_FILTERS = {"status": "How it ended", "route": "Rule", "model": "Answered by"}


class Replayed(Protocol):
    """A policy that was replayed."""

    @property
    def replay(self) -> Replay:
        """Its result."""

    @property
    def colours(self) -> dict[str, str]:
        """The colour of each of its models."""


@st.fragment
def request_browser(view: Replayed, part: NDArray[np.bool_] | None = None) -> None:
    """Filters, the table, and the trace of the chosen row; reruns alone.

    ``part`` (n,) says which requests there are to choose from; None: all.
    """
    replay = view.replay
    table = _table(replay, part)
    kept = _filtered(table)
    found = kept.slice(0, MOST).to_pandas()
    note = f"{count(kept.num_rows)} of {count(table.num_rows)} requests"
    if kept.num_rows > MOST:
        note += f"; the first {count(MOST)} are shown, the download has all"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{note}, the most eventful first. Choose a row to see its attempts.", width="stretch"
        )
        st.download_button(
            "CSV",
            lambda: csv(kept.to_pandas()),
            file_name=f"{file_name('detour', replay.dataset.name, replay.policy.policy)}.csv",
            mime="text/csv",
            key="csv-requests",
            type="tertiary",
            icon=":material/download:",
            on_click="ignore",
        )
    if found.empty:
        st.info("No request passes these filters. Take one away.", icon=":material/filter_alt_off:")
        return
    left, right = st.columns([3, 2])
    with left:
        chosen = _rows(found)
    with right, st.container(border=True, height="stretch"):
        trace_panel(view, str(found[REQUEST_ID].iloc[chosen]))


def _table(replay: Replay, part: NDArray[np.bool_] | None) -> pa.Table:
    """One row per request: how it ended, then what it was; the most eventful ones first."""
    results, requests = replay.to_arrow(), replay.dataset.requests
    if replay.cached.any():
        at, models = results.column_names.index("model"), results.column("model")
        models = pc.if_else(results.column("cached"), FROM_CACHE, models)
        results = results.set_column(at, "model", models)
    for name in (CATEGORY, PROMPT):
        if name in requests.column_names:
            results = results.append_column(name, requests.column(name))
    status = replay.status
    eventful = np.lexsort((-replay.attempts, -np.where(status == Status.ERROR, 9, status)))
    if part is not None:
        eventful = eventful[part[eventful]]
    return results.take(pa.array(eventful))


def _filtered(table: pa.Table) -> pa.Table:
    keep = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name, label in {CATEGORY: "Category", **_FILTERS}.items():
            if name not in table.column_names:
                continue
            values = pc.unique(table.column(name)).drop_null().to_pylist()
            if len(values) > 1:
                keep = _and(keep, _choice(table, name, label, sorted(map(str, values))))
        if PROMPT in table.column_names:
            words = st.text_input("Prompt contains", key="filter-prompt", width=150)
            if words:
                found = pc.match_substring(table.column(PROMPT), words, ignore_case=True)
                keep = _and(keep, pc.fill_null(found, False))
    return table if keep is None else table.filter(keep)


def _choice(table: pa.Table, name: str, label: str, values: list[str]) -> Any:
    key = f"filter-{name}"
    if key not in st.session_state:
        wanted = st.query_params.get_all(name)
        st.session_state[key] = [value for value in wanted if value in values]
    shown: list[str]
    if name == "status":
        shown = st.pills(label, values, selection_mode="multi", key=key, format_func=literal)
    else:
        shown = st.multiselect(label, values, key=key, placeholder="all", width=170)
    if not shown:
        return None
    return pc.is_in(table.column(name), value_set=pa.array(shown))


def _and(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else pc.and_(a, b)


def _rows(found: pd.DataFrame) -> int:
    """Draw the table; which row is chosen (the first one where none is)."""
    order = ["status", CATEGORY, "model", "quality", "cost_usd", "latency_s", "attempts", PROMPT]
    event = st.dataframe(
        found,
        key="requests",
        hide_index=True,
        height=430,
        on_select="rerun",
        selection_mode="single-row",
        placeholder="–",
        alt="The requests of this replay",
        column_order=[name for name in order if name in found.columns],
        column_config={
            "status": st.column_config.TextColumn("Ended", width="small"),
            CATEGORY: st.column_config.TextColumn("Category", width=120),
            "model": st.column_config.TextColumn("Answered by", width=100),
            "quality": st.column_config.NumberColumn("Quality", format="%.2f", width="small"),
            "cost_usd": st.column_config.NumberColumn("Cost", format="$%.6f", width="small"),
            "latency_s": st.column_config.NumberColumn("Latency", format="%.3f s", width="small"),
            "attempts": st.column_config.NumberColumn("Calls", width="small"),
            PROMPT: st.column_config.TextColumn("Prompt", width="large"),
        },
    )
    rows = event.selection.rows
    return rows[0] if rows and rows[0] < len(found) else 0


def trace_panel(view: Replayed, request_id: str) -> None:
    """One request: its attempts in words and over time, the prompt, the answers."""
    dataset, trace = view.replay.dataset, view.replay.trace(request_id)
    st.markdown(f"**What happened to** {bold(request_id)}")
    facts = [
        trace.status,
        f"quality {number(trace.quality)}",
        f"{usd(trace.cost_usd)} in all",
        seconds(trace.latency_s),
    ]
    st.caption(literal(" · ".join(facts)))
    st.text(trace.words)
    if trace.attempts:
        picture(waterfall_figure(trace, view.colours), "waterfall")
    row = dataset.column(REQUEST_ID).index(request_id).as_py()
    if PROMPT in dataset.requests.column_names:
        prompt = dataset.column(PROMPT)[row].as_py()
        st.caption("Prompt")
        st.code(prompt or "(none)", language=None, wrap_lines=True, height=_height(prompt))
    answered = dict.fromkeys(a.model for a in trace.attempts if not a.error_type)
    for name in answered:
        answer = dataset.answer(row, view.replay.policy.log_name(name))
        if answer is not None:
            st.caption(f"Answer of {bold(name)}, as logged")
            st.code(answer or "(empty)", language=None, wrap_lines=True, height=_height(answer))


def _height(text: str | None) -> int | Literal["content"]:
    """Long texts scroll in place."""
    return 220 if text and (len(text) > 600 or text.count("\n") > 8) else "content"
