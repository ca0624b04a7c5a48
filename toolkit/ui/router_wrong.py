"""Where the router is wrong at this setting: who was asked, who should have been, which prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.evaluate.format import count, counted, number, percent_interval, usd_per_1k
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
"""Pairs of models that are shown without scrolling."""


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
            "Whom it asked, and whom it should have",
            "confusions",
            held.to_pandas,
        )
        kind = st.segmented_control(
            "Show the requests where",
            list(SHOWN),
            default="worse",
            format_func=lambda one: f"{SHOWN[one]} ({count(_of(held, one))})",
            key="wrong-kind",
            required=True,
            label_visibility="collapsed",
        )
        _pairs(held, kind or "worse")
        _requests(held, kind or "worse")


def _words(held: Confusions) -> str:
    """``On 12 % of the requests …``."""
    worse, dearer, nobody = (literal(percent_interval(held.share(kind))) for kind in SHOWN)
    return (
        f"Of {counted(held.n, 'request')} that it had not seen, **{worse}** went to a model that "
        f"was wrong though another was right, {dearer} were right but a cheaper model would have "
        f"done, and of {nobody} no model was right."
    )


def _pairs(held: Confusions, kind: Kind) -> None:
    """A table: how often each pair was confused, and what it cost."""
    import pandas as pd

    pairs = [pair for pair in held.pairs if pair.kind == kind]
    if not pairs:
        return
    number_, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        pd.DataFrame([_pair(one) for one in pairs]),
        hide_index=True,
        key=f"confused-{kind}",
        placeholder="–",
        height="content" if len(pairs) <= FEW else 320,
        alt="How often each model was asked where another should have been",
        column_config={
            "asked": text("Asked", width=170),
            "better": text("Should have been", width=170),
            "requests": number_("Requests", format="localized", width=75),
            "share": text("Of all requests, 95 %", width=150),
            "lost": number_("Quality lost on each", format="%.2f", width=130),
            "over": text("Spent too much, USD /1k of these", width=220),
        },
    )


def _pair(one: Confusion) -> dict[str, Any]:
    row = {
        "asked": one.asked,
        "better": one.better,
        "requests": one.requests,
        "share": percent_interval(one.share),
    }
    if one.kind == "worse":
        return row | {"lost": one.quality_lost}
    return row | {"over": usd_per_1k(one.overspent_usd_per_1k)}


def _requests(held: Confusions, kind: Kind) -> None:
    """The requests of one kind with what was predicted; prompts as plain text."""
    frame = held.to_pandas(kind)
    if frame.empty:
        st.caption("There is none.")
        return
    shown = frame.head(MOST)
    text, figure = st.column_config.TextColumn, st.column_config.NumberColumn
    other = [] if kind == "nobody" else ["better", "better_predicted"]
    order = [PROMPT, "asked", "predicted", *other, CATEGORY, REQUEST_ID]
    event = st.dataframe(
        shown,
        key=f"wrong-{kind}",
        hide_index=True,
        height=320 if len(shown) > 7 else "content",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="–",
        alt="Requests that went to the wrong model, the most surely mistaken first",
        column_order=[name for name in order if name in shown.columns],
        column_config={
            PROMPT: text("Prompt", width=330),
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
