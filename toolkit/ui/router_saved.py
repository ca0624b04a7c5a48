"""The registry on the page: keep this router, and what is kept: promote, compare, delete, card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.evaluate.format import count, percent_interval, points_interval
from toolkit.learn.registry import delete_router, list_routers, promote_router
from toolkit.ui.charts import heading
from toolkit.ui.router_keep import attempt, complain, keep_form, kept_as
from toolkit.ui.text import bold, file_name, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from toolkit.learn.registry import RouterEntry
    from toolkit.ui.router_view import Trained
    from toolkit.ui.view import View

TABLE = "routers"


def saved(view: View, found: Trained | None) -> None:
    """The routers that are kept, those of this data first; with what can be done to them."""
    st.subheader("Saved routers", anchor=False)
    if found is not None:
        _keep(found)
    complain("saved")
    entries = list_routers()
    entries.sort(key=lambda one: (not _same(view, one), one.name, -one.version))
    if not entries:
        st.caption("None yet. A policy can use a router once it is saved under a name.")
        return
    with st.container(border=True, gap="small"):
        heading(_count(view, entries), TABLE, lambda: _frame(view, entries))
        chosen = [entries[i] for i in _table(view, entries)]
        if len(chosen) == 1:
            _one(chosen[0])
        elif len(chosen) == 2:
            _two(*chosen)
        else:
            st.caption("Choose one for its card, two to compare them.")


def _same(view: View, entry: RouterEntry) -> bool:
    return entry.card is not None and entry.card.dataset_digest == view.dataset.digest


def _count(view: View, entries: list[RouterEntry]) -> str:
    names = len({one.name for one in entries})
    here = sum(_same(view, one) for one in entries)
    return (
        f"{count(names)} router{'' if names == 1 else 's'} in {count(len(entries))} "
        f"version{'' if len(entries) == 1 else 's'}, {count(here)} trained on this data"
    )


def _keep(found: Trained) -> None:
    """Save the one that was just trained."""
    name = kept_as(found)
    if name is not None:
        st.success(f"This router is saved as {bold(name)}.", icon=":material/check:")
        return
    with st.expander("Save this router", icon=":material/save:"):
        keep_form(found, "Save", "page")


def _table(view: View, entries: list[RouterEntry]) -> list[int]:
    """Draw them; the rows that are chosen, at most two."""
    text, figure = st.column_config.TextColumn, st.column_config.NumberColumn
    event = st.dataframe(
        _frame(view, entries),
        key=TABLE,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="–",
        height="content" if len(entries) <= 8 else 330,
        alt="The saved routers with their data and scores",
        column_config={
            "router": text("Router", width=150),
            "current": st.column_config.CheckboxColumn("Current", width=65, help=_CURRENT),
            "data": text("Trained on", width=125),
            "n": figure("Requests", format="localized", width=75),
            "models": figure("Models", width=60),
            "score": text("Score, 95 %", width=270, help=_SCORE),
            "made_at": text("Saved, UTC", width=140),
            "problem": text("Problem", width=200),
        },
    )
    return [i for i in event.selection.rows if i < len(entries)][:2]


_CURRENT = "The version that the name alone stands for"
_SCORE = (
    "Quality over the mix of single models, over all budgets (AIQ gain, where there are costs), "
    "else the share of the gap recovered (APGR, of two models); on requests that it had not seen."
)


def _frame(view: View, entries: list[RouterEntry]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([_row(view, one) for one in entries])


def _row(view: View, entry: RouterEntry) -> dict[str, Any]:
    card = entry.card
    data = card.data if card else {}
    where = "" if card is None or _same(view, entry) else " (other data)"
    simulated = ", simulated" if card is not None and card.simulated else ""
    n = data.get("n")
    return {
        "router": entry.reference,
        "current": entry.current,
        "data": f"{card.dataset}{simulated}{where}" if card is not None else None,
        "n": n if type(n) is int else None,
        "models": len(card.models) if card is not None else None,
        "score": _score(data),
        "made_at": card.made_at[:16].replace("T", " ") if card is not None else None,
        "problem": entry.problem or None,
    }


def _score(data: Mapping[str, Any]) -> str:
    """The one number that stands for a router, with its interval."""
    from toolkit.evaluate.routers.card_scores import estimate

    gain, recovered = estimate(data, "aiq_gain"), estimate(data, "apgr")
    if gain is not None:
        return f"{points_interval(gain)} over the zero router"
    return "–" if recovered is None else f"{percent_interval(recovered)} of the gap"


def _one(entry: RouterEntry) -> None:
    """Its card, and what can be done to it."""
    from toolkit.evaluate.routers.card_words import card_text

    text = card_text(entry.card) if entry.card is not None else ""
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Make it the current version",
            key="router-promote-saved",
            icon=":material/publish:",
            disabled=entry.current or bool(entry.problem),
            on_click=attempt,
            args=("saved", promote_router, entry.name, entry.version),
            help="Policies that name the router without a version use it from then on.",
        )
        with st.popover("Delete", icon=":material/delete:"):
            whole = entry.current
            what = f"{entry.name} with all its versions" if whole else entry.reference
            st.markdown(f"Delete {bold(what)}? Policies that name it will no longer run.")
            st.button(
                f"Delete {literal(what)}",
                key="router-delete",
                type="primary",
                on_click=attempt,
                args=("saved", delete_router, entry.name, None if whole else entry.version),
            )
        if text:
            st.download_button(
                "Card, Markdown",
                text,
                file_name=f"{file_name('router', entry.name, entry.version)}.md",
                mime="text/markdown",
                key="router-card-md",
                icon=":material/download:",
                on_click="ignore",
            )
            st.download_button(
                "Card, JSON",
                lambda: _json(entry),
                file_name=f"{file_name('router', entry.name, entry.version)}.json",
                mime="application/json",
                key="router-card-json",
                icon=":material/download:",
                on_click="ignore",
            )
    if entry.problem:
        st.error(literal(entry.problem), icon=":material/error:")
    if text:
        with st.expander(f"Card of {literal(entry.reference)}", icon=":material/badge:"):
            st.code(text, language=None, wrap_lines=True, height=420)


def _json(entry: RouterEntry) -> str:
    from toolkit.learn.card import to_text

    assert entry.card is not None
    return to_text(entry.card.data)


def _two(a: RouterEntry, b: RouterEntry) -> None:
    """Their scores side by side, and why that may not be fair."""
    import pandas as pd

    from toolkit.evaluate.routers.card_scores import compare_cards

    if a.card is None or b.card is None:
        st.caption("One of them has no card to compare.")
        return
    held = compare_cards(a.card, b.card)
    if not held.comparable:
        st.warning(
            "\n".join(f"- {literal(note)}" for note in held.notes),
            title="These scores cannot be held against each other",
            icon=":material/balance:",
        )
    st.dataframe(
        pd.DataFrame(
            [[what, one, other] for what, _, _, one, other in held.rows],
            columns=["", a.reference, b.reference],
        ),
        hide_index=True,
        key="router-two",
        height="content" if len(held.rows) <= 12 else 420,
        alt="The scores of two saved routers side by side",
    )
