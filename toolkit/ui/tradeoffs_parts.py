"""The parts of the Trade-offs page: verdict, picture, worth, table, report, assumptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.evaluate.format import (
    count,
    number_interval,
    percent_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.figures import tradeoffs_figure, worth_figure
from toolkit.ui.charts import chart, heading, picture
from toolkit.ui.starter import NAME as STARTER
from toolkit.ui.tables import bounds
from toolkit.ui.text import bold, literal
from toolkit.ui.tradeoffs_form import AXES, capital
from toolkit.ui.tradeoffs_goals import sliders
from toolkit.ui.tradeoffs_view import OPENED, Swept, policies
from toolkit.ui.view import View

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.points import Point

FIGURE, TABLE = "tradeoffs", "points"


def verdict(swept: Swept) -> None:
    """The cheapest way to be good enough, in words."""
    first, dot, rest = swept.read(swept.frontier.verdict).partition(". ")
    st.markdown(f"#### {literal(first + dot.strip())}")
    if rest:
        st.markdown(literal(rest))


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
        )
        picture(figure, FIGURE, _clicked)
        if len(swept.points) > 1:
            point = swept.opened
            st.caption(
                "Click a point to open that policy below. "
                f"Opened is {f'point {point.index}' if point.index else 'the policy as it is'}, "
                f"the one with the ring: {_numbers(point)}."
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
        "The best policy by what a point of quality is worth", worth_figure(swept.frontier), "worth"
    )
    with st.expander("The same in words", icon=":material/notes:"):
        st.markdown("\n".join(lines))


def _best(swept: Swept, index: int) -> str:
    point = swept.points[index]
    return f"{literal(swept.words(point))}, {_numbers(point)}"


def _numbers(point: Point) -> str:
    cost, quality = usd_interval(point.cost_usd_per_1k), number_interval(point.quality)
    return f"{literal(cost)} /1k at quality {literal(quality)}"


def table(swept: Swept) -> None:
    """Every policy with its numbers; a row opens it."""
    import pandas as pd

    st.subheader("Every policy", anchor=False)
    shown = {
        "frontier": "Those that nothing beats",
        "fit": "Those that are good enough",
        "all": "All",
    }
    which = st.segmented_control(
        "Show",
        list(shown),
        default="frontier",
        format_func=shown.__getitem__,
        key="points-shown",
        required=True,
        label_visibility="collapsed",
    )
    kept = {
        "frontier": list(swept.frontier.frontier),
        "fit": [point.index for point in swept.points if point.meets],
        "all": range(len(swept.points)),
    }[which or "frontier"]
    points = [swept.points[i] for i in kept]
    with st.container(border=True, gap="xsmall"):
        heading(
            f"{count(len(points))} of {policies(len(swept.points))}",
            TABLE,
            lambda: swept.frontier.to_pandas().reset_index(),
        )
        if not points:
            st.info("No policy is good enough: move a slider.", icon=":material/filter_alt_off:")
            return
        number, text = st.column_config.NumberColumn, st.column_config.TextColumn
        st.dataframe(
            pd.DataFrame([_row(swept, point) for point in points]),
            key=TABLE,
            hide_index=True,
            height=360 if len(points) > 9 else "content",
            on_select=lambda: _rowed(points),
            selection_mode="single-row",
            placeholder="–",
            alt="Policies of the sweep with their quality, cost, latency and errors",
            column_config={
                "point": number("#", width=50),
                "policy": text("Policy", width=270),
                "good": text("Good enough", width=100),
                "cost_usd_per_1k": number("Cost /1k", format="$%.3g", width=85),
                "cost_usd_per_1k_95": text("95 %, USD", width=120),
                "quality": number("Quality", format="%.3f", width=70),
                "quality_95": text("95 %", width=110),
                "latency_p95_s": number("p95 latency", format="%.2f s", width=90),
                "latency_p95_s_95": text("95 %, s", width=110),
                "error_rate": number("Errors", format="%.1f %%", width=70),
                "error_rate_95": text("95 %", width=95),
                "n": number("n", format="localized", width=60),
            },
        )


_SHOWN = {
    "cost_usd_per_1k": usd_interval,
    "quality": number_interval,
    "latency_p95_s": seconds_interval,
    "error_rate": percent_interval,
}


def _row(swept: Swept, point: Point) -> dict[str, Any]:
    row: dict[str, Any] = {
        "point": point.index,
        "policy": swept.words(point),
        "good": _GOOD[point.meets, point.certain],
    }
    for name, show in _SHOWN.items():
        e = getattr(point, name)
        row |= {name: e.value * (100 if name == "error_rate" else 1), f"{name}_95": bounds(show(e))}
    return row | {"n": point.requests - point.unobserved}


_GOOD = {
    (True, True): "surely",
    (True, False): "probably",
    (False, True): "no",
    (False, False): "probably not",
    (None, False): "–",
}


def _rowed(points: list[Point]) -> None:
    rows = st.session_state[TABLE].selection.rows
    if rows and rows[0] < len(points):
        st.session_state[OPENED] = points[rows[0]].index


def assumptions(swept: Swept) -> None:
    """What the numbers rest on, folded."""
    with st.expander("What these numbers rest on", icon=":material/rule:"):
        st.markdown("\n".join(f"- {literal(line)}" for line in swept.frontier.assumptions))
