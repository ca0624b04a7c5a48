"""Where the router is wrong at this setting: who was asked, who should have been, which prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.evaluate.format import MINUS, count, counted, number, percent_interval, usd_per_1k
from toolkit.schema import CATEGORY, PROMPT, REQUEST_ID
from toolkit.ui.charts import heading
from toolkit.ui.router_setting import Setting
from toolkit.ui.router_view import Trained
from toolkit.ui.text import bold, literal

if TYPE_CHECKING:
    from toolkit.evaluate.routers.confusions import Confusion, Confusions, Kind

SHOWN: dict[Kind, str] = {
    "worse": "Another model was right",
    "dearer": "A cheaper one would have done",
    "nobody": "No model is right",
}
MOST = 500
"""Requests that the screen shows; the download has all."""
FEW = 8
"""Pairs of models that are told one by one."""


def wrong(found: Trained, at: Setting) -> None:
    """Counts in words and by pair of models, then the requests themselves."""
    from toolkit.evaluate.routers.confusions import confusions

    st.subheader("Where is it wrong?", anchor=False)
    held = confusions(found.training, at.rule("trained"))
    if held is None:
        st.caption(
            "Each request was seen under one model only, so nobody knows what another would have "
            "answered."
        )
        return
    st.markdown(_words(held))
    with st.container(border=True, gap="small"):
        heading(
            f"Whom it asked, and whom it should have asked, {counted(held.n, 'request')}",
            "confusions",
            held.to_pandas,
        )
        _pairs(held)
        _requests(held)


def _words(held: Confusions) -> str:
    """``On 12 % of the requests …``."""
    worse, dearer, nobody = (literal(percent_interval(held.share(kind))) for kind in SHOWN)
    return (
        f"Of {counted(held.n, 'request')} that it had not seen, **{worse}** went to a model that "
        f"was wrong though another was right, {dearer} were right but a cheaper model would have "
        f"done, and of {nobody} no model was right."
    )


def _pairs(held: Confusions) -> None:
    """A table: how often each pair was confused, and what it cost."""
    import pandas as pd

    if not held.pairs:
        st.caption("It is never wrong here.")
        return
    number_, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        pd.DataFrame([_pair(one) for one in _most(held)]),
        hide_index=True,
        key="confused",
        placeholder="–",
        alt="How often each model was asked where another should have been",
        column_config={
            "asked": text("Asked", width=150),
            "better": text("Should have been", width=150),
            "why": text("Because", width=190),
            "requests": number_("Requests", format="localized", width=75),
            "share": text("Share, 95 %", width=130),
            "lost": text("Quality lost on each", width=120),
            "over": text("Cost above", width=120),
        },
    )


def _most(held: Confusions) -> list[Confusion]:
    """The pairs that happen most, of each kind those first that lose quality."""
    return [
        one
        for kind in ("worse", "dearer")
        for one in [pair for pair in held.pairs if pair.kind == kind][:FEW]
    ]


def _pair(one: Confusion) -> dict[str, Any]:
    over = one.overspent_usd_per_1k
    return {
        "asked": one.asked,
        "better": one.better,
        "why": SHOWN[one.kind][:1].lower() + SHOWN[one.kind][1:],
        "requests": one.requests,
        "share": percent_interval(one.share),
        "lost": f"{MINUS}{number(one.quality_lost)}" if one.kind == "worse" else "–",
        "over": usd_per_1k(over),
    }


def _requests(held: Confusions) -> None:
    """The requests of one kind with what was predicted; prompts as plain text."""
    kind = st.segmented_control(
        "Show the requests where",
        list(SHOWN),
        default="worse",
        format_func=lambda one: f"{SHOWN[one]} ({count(_of(held, one))})",
        key="wrong-kind",
        required=True,
        label_visibility="collapsed",
    )
    frame = held.to_pandas(kind or "worse")
    if frame.empty:
        st.caption("There is none.")
        return
    shown = frame.head(MOST)
    text, figure = st.column_config.TextColumn, st.column_config.NumberColumn
    order = [PROMPT, "asked", "predicted", "better", "better_predicted", CATEGORY, REQUEST_ID]
    event = st.dataframe(
        shown,
        key="wrong-requests",
        hide_index=True,
        height=320 if len(shown) > 7 else "content",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="–",
        alt="Requests that went to the wrong model, the most surely mistaken first",
        column_order=[name for name in order if name in shown.columns],
        column_config={
            PROMPT: text("Prompt", width="large"),
            "asked": text("Asked", width=140),
            "predicted": figure("P it is right", format="%.2f", width=85),
            "better": text("Should have been", width=140),
            "better_predicted": figure("P that is right", format="%.2f", width=95),
            CATEGORY: text("Category", width=110),
            REQUEST_ID: text("Request", width=110),
        },
    )
    st.caption(
        "P is what was predicted before the answer was known. The most surely mistaken come first"
        + (f"; {count(MOST)} of {count(len(frame))} are shown" if len(frame) > MOST else "")
        + ". Choose one to read it."
    )
    rows = event.selection.rows
    if rows and rows[0] < len(shown):
        _read({str(k): v for k, v in shown.iloc[rows[0]].items()})


def _of(held: Confusions, kind: Kind) -> int:
    return round(held.share(kind).value * held.n) if held.n else 0


def _read(row: dict[str, Any]) -> None:
    """One request in full, as plain text."""
    st.markdown(
        f"{bold(row[REQUEST_ID])}: asked {bold(row['asked'])}, P = {number(row['predicted'])}, "
        f"quality {number(row['quality'])}; {bold(row['better'])}, "
        f"P = {number(row['better_predicted'])}, has {number(row['better_quality'])}."
    )
    if isinstance(row.get(PROMPT), str):
        st.code(row[PROMPT], language=None, wrap_lines=True, height="content")
