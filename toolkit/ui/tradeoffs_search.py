"""A search for better policies, when asked for: what it found, on requests that it did not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from toolkit.errors import DetourError
from toolkit.evaluate.format import (
    percent_interval,
    quality_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.evaluate.search.search import Search, search
from toolkit.figures import search_figure
from toolkit.learn.routing import mark
from toolkit.ui import loaders
from toolkit.ui.charts import heading, picture
from toolkit.ui.demand import Progress, on_demand
from toolkit.ui.text import bold, file_name, literal, sentences
from toolkit.ui.tradeoffs_vary import value_words
from toolkit.ui.tradeoffs_view import take
from toolkit.ui.view import View

if TYPE_CHECKING:
    from toolkit.evaluate.search.reasons import Change
    from toolkit.evaluate.search.result import Candidate

Colour = Literal["green", "gray"]
BUDGETS = {15: "15 seconds", 60: "one minute", 300: "five minutes"}
KINDS = {
    "cheapest": "The cheapest that meets the goals",
    "sure": "The cheapest that surely met them where it was tuned",
    "middle": "The best bargain within the goals",
    "best": "The best within the goals",
    "closest": "The one that misses the goals by least",
}
_ROWS = {
    "cost_usd_per_1k": ("Cost /1k", usd_interval),
    "quality": ("Quality", quality_interval),
    "latency_p95_s": ("p95 latency", seconds_interval),
    "error_rate": ("Errors", percent_interval),
}


def searched(view: View) -> None:
    """Ask for a search; its candidates."""
    st.subheader("Can everything together do better?", anchor=False)
    st.caption(
        "A sweep moves one or two places. A search moves all of them at once: it tunes on one half "
        "of the requests and reports on the other, which it has not seen."
    )
    budget = st.segmented_control(
        "It may take",
        list(BUDGETS),
        default=next(iter(BUDGETS)),
        format_func=BUDGETS.__getitem__,
        key="search-budget",
        required=True,
    )
    seconds = budget or next(iter(BUDGETS))

    def work(progress: Progress | None) -> Search:
        return search(view.policy, view.dataset, seconds, seed=view.seed, progress=progress)

    try:
        found = on_demand(
            "search",
            (mark(view.policy), view.dataset.digest, view.seed, seconds),
            "Search",
            f"Searching for {BUDGETS[seconds]} …",
            work,
        )
    except DetourError as error:
        st.warning(literal(error), icon=":material/error:")
        return
    if found is not None:
        _found(view, found)


def _found(view: View, found: Search) -> None:
    first, *more = sentences(found.verdict)
    st.markdown(f"**{literal(first)}**")
    st.markdown("\n".join(f"- {literal(one)}" for one in more))
    with st.container(border=True, gap="xsmall"):
        heading(f"Tuned against {found.rest}", "search", lambda: found.to_pandas().reset_index())
        picture(search_figure(found), "search")
    for i, one in enumerate(found.candidates):
        with st.container(border=True, gap="small"):
            _candidate(view, i, one, found.rest)
    with st.expander("What the search rests on", icon=":material/rule:"):
        st.markdown("\n".join(f"- {literal(line)}" for line in found.assumptions))


def _candidate(view: View, i: int, one: Candidate, rest: str) -> None:
    """One policy: its numbers on both halves, what it changes and why, the way to have it."""
    import pandas as pd

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{KINDS[one.kind]}**: {literal(one.policy.policy)}", width="stretch")
        _held(one, rest)
        st.button(
            "Make this my policy",
            key=f"search-take-{i}",
            icon=":material/check:",
            disabled=not one.changes,
            on_click=take,
            args=(view, one.policy),
            help="As a draft of the policy, which you can save or discard",
        )
        st.download_button(
            "YAML",
            one.policy.to_yaml,
            file_name=f"{file_name(one.policy.policy)}.yaml",
            mime="application/yaml",
            icon=":material/download:",
            on_click="ignore",
            key=f"search-yaml-{i}",
        )
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "": label,
                    rest.capitalize(): show(getattr(one.held_out, name)),
                    "Where it was tuned": show(getattr(one.tuned, name)),
                }
                for name, (label, show) in _ROWS.items()
            ]
        ),
        hide_index=True,
        key=f"search-table-{i}",
        alt=f"The candidate's numbers, {rest} and where it was tuned",
    )
    lines = [f"- {_change(view, change)}" for change in one.changes]
    st.markdown("\n".join(lines) or "It is the policy as it stands.")
    if one.changes:
        st.markdown(f"{rest.capitalize()}: {literal(one.gain.finding)}")


def _held(one: Candidate, rest: str) -> None:
    """Whether the goals are met on requests that it did not see, and whether it lost there."""
    goals = one.goals_held_out
    missed = [goal for goal in goals if goal.met is False]
    if missed:
        names = ", ".join(dict.fromkeys(goal.label for goal in missed))
        st.badge(f"{rest}: it misses {names}", icon=":material/close:", color="orange")
    elif goals and all(goal.met for goal in goals):
        sure = all(goal.certain for goal in goals)
        words = "goals met" if sure else "goals probably met"
        colour: Colour = "green" if sure else "gray"
        st.badge(f"{rest}: {words}", icon=":material/check:", color=colour)
    quality = one.gain.quality
    if quality.distinguishable and quality.value < 0:
        st.badge("but worse answers than now", icon=":material/trending_down:", color="orange")


def _change(view: View, change: Change) -> str:
    place = loaders.places(view.policy, view.dataset).get(change.path)
    unit = place.unit if place is not None else ""
    before, after = (value_words(value, unit) for value in (change.before, change.after))
    what, _, why = change.why.partition(". ")
    return f"{literal(what)}: {literal(before)} → {bold(after)}. {literal(why)}"
