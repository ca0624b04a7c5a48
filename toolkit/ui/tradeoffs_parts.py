"""The parts of the Trade-offs page: verdict, picture, worth, assumptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from toolkit.evaluate.format import count, quality_interval, usd_interval
from toolkit.evaluate.goals import WORDS
from toolkit.figures import tradeoffs_figure, worth_figure
from toolkit.ui.charts import chart, heading, picture
from toolkit.ui.starter import NAME as STARTER
from toolkit.ui.text import bold, literal, sentences
from toolkit.ui.tradeoffs_form import AXES, capital
from toolkit.ui.tradeoffs_goals import sliders
from toolkit.ui.tradeoffs_view import OPENED, Swept, policies
from toolkit.ui.view import View

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.points import Point

FIGURE = "tradeoffs"


def verdict(swept: Swept) -> None:
    """The cheapest way to be good enough, in words: first the answer, then what it gains."""
    first, *more = sentences(swept.read(swept.frontier.verdict))
    n = count(swept.frontier.n)
    st.markdown(f"#### {literal(first)} n\u00a0=\u00a0{n}.")
    if more:
        st.markdown(literal(more[0]))
    if more[1:]:
        with st.expander(f"More on this answer ({len(more) - 1})", icon=":material/notes:"):
            st.markdown("\n".join(f"- {literal(one)}" for one in more[1:]))


def overview(swept: Swept) -> None:
    """The picture of all policies, and beside it what would be good enough."""
    left, right = st.columns([3, 1])
    with right, st.container(border=True, height="stretch"):
        sliders(swept)
    with left, st.container(border=True, gap="xsmall", height="stretch"):
        x, y = swept.choice.across, swept.choice.up
        heading(
            capital(f"{AXES[y]} against {AXES[x]}: {policies(len(swept.points))}"),
            FIGURE,
            lambda: swept.frontier.to_pandas().reset_index(),
        )
        found = swept.frontier
        figure = tradeoffs_figure(
            found,
            x,
            y,
            goals=found.goals,
            colours=swept.view.log_colours,
            picked=swept.opened.index,
            words=swept.words,
        )
        picture(figure, FIGURE, _clicked)
        if len(swept.points) > 1:
            point = swept.opened
            st.caption(
                "Click a point to open that policy below. "
                f"Opened is {f'point {point.index}' if point.index else 'the policy as it is'}, "
                f"the one with the ring: {_numbers(point, x, y)}."
            )
        else:
            st.info(
                "There is one policy only: nothing that this one states moves both quality and "
                "cost here. Choose above what to vary, or let the search below change it.",
                icon=":material/tune:",
            )


def alone(view: View) -> None:
    """A policy of one model has little to trade: offer one that has."""
    if len(view.policy.models) > 1:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            ":material/looks_one: **This policy asks one model only**, so it has little to trade. "
            "A cheap model with a better one behind it has more.",
            width="stretch",
        )
        st.button(
            "Try a suggestion for this data",
            key="alone-try",
            icon=":material/lightbulb:",
            on_click=st.session_state.update,
            args=({"policy": STARTER},),
        )


def _clicked() -> None:
    """Open the policy whose point was clicked."""
    for point in st.session_state[FIGURE].selection.points:
        data = point.get("customdata")
        index = data[0] if isinstance(data, list) and data else data
        if isinstance(index, int) and index >= 0:
            st.session_state[OPENED] = index


def worth(swept: Swept) -> None:
    """Which policy is best, by what a better answer is worth."""
    found = swept.frontier.worth
    if len(found) < 2:
        return
    st.subheader("What is better quality worth?", anchor=False)
    lines = [f"- {bold(one)}: {_best(swept, one.point)}" for one in found]
    chart(
        "The best policy by what a point of quality is worth",
        worth_figure(swept.frontier, words=swept.words),
        "worth",
    )
    with st.expander("The same in words", icon=":material/notes:"):
        st.markdown("\n".join(lines))


def _best(swept: Swept, index: int) -> str:
    point = swept.points[index]
    return f"{literal(swept.words(point))}, {_numbers(point)}"


def _numbers(point: Point, *axes: str) -> str:
    """What it costs and gives, or what else the axes show."""
    shown = dict.fromkeys(axes or ("cost_usd_per_1k", "quality"))
    return " at ".join(literal(_measured(point, name)) for name in shown)


def _measured(point: Point, name: str) -> str:
    """``$0.310 [0.272, 0.348] /1k``, ``quality 0.805 [0.786, 0.823]``."""
    if name == "cost_usd_per_1k":
        return f"{usd_interval(point.cost_usd_per_1k)} /1k"
    if name == "quality":
        return f"quality {quality_interval(point.quality)}"
    label, show = WORDS[name]
    return f"{label} {show(getattr(point, name))}"


def assumptions(swept: Swept) -> None:
    """What the numbers rest on, folded."""
    with st.expander("What these numbers rest on", icon=":material/rule:"):
        st.markdown("\n".join(f"- {literal(line)}" for line in swept.frontier.assumptions))
