"""One policy of the sweep, opened: what it changes, its numbers, and the way to take it over."""

from __future__ import annotations

import streamlit as st

from toolkit.figures import report
from toolkit.ui.text import bold, file_name, literal
from toolkit.ui.tiles import tile_row
from toolkit.ui.tradeoffs_form import pin
from toolkit.ui.tradeoffs_view import OPENED, Swept, take


def opened(swept: Swept) -> None:
    """The opened policy against the one that is there."""
    point = swept.opened
    st.subheader(_title(swept), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(_what(swept), width="stretch")
        _badges(swept)
    _buttons(swept)
    if point.same_as is not None:
        st.caption(
            f"Every request ends as under point {point.same_as}: what tells the two apart moves "
            "nothing here."
        )
    if point.index and not swept.against.comparison.identical:
        st.markdown(literal(swept.against.comparison.verdict))
    tile_row(swept.against)
    if swept.choice.column:
        column, part = literal(swept.choice.column), bold(swept.choice.part)
        st.caption(f"All of this is over the requests whose {column} is {part}.")


def _title(swept: Swept) -> str:
    if swept.chosen is not None:
        return "The policy that you opened"
    if swept.frontier.best is not None:
        return "The cheapest that is good enough"
    return "The one that comes closest" if swept.has_goals else "The policy as it is"


def _what(swept: Swept) -> str:
    """What the opened policy changes, in words."""
    point, now = swept.opened, swept.points[0].values
    number = f"**Point {point.index} of {len(swept.points) - 1}**"
    if not point.index:
        return f"**{literal(swept.view.name)}** as it is."
    changes = [
        f"{literal(swept.place(path))}: "
        f"{literal(swept.value(path, now[path]))} → {bold(swept.value(path, value))}"
        for path, value in point.values.items()
        if value != now[path]
    ]
    return f"{number}. {'; '.join(changes)}."


def _badges(swept: Swept) -> None:
    point, found = swept.opened, swept.frontier
    if not point.index:
        st.badge("the policy as it is", icon=":material/person_pin_circle:", color="violet")
    if point.index in found.frontier:
        st.badge("nothing here beats it", icon=":material/trending_up:", color="green")
    if point.meets is not None:
        how = {
            True: ("meets the goals", "check", "green"),
            False: ("misses a goal", "close", "orange"),
        }
        words, icon, colour = how[point.meets]
        if not point.certain:
            words, colour = f"probably {words}", "gray"
        st.badge(words, icon=f":material/{icon}:", color=colour)  # type: ignore[arg-type]


def _buttons(swept: Swept) -> None:
    point = swept.opened
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Make this my policy",
            key="point-take",
            type="primary",
            icon=":material/check:",
            disabled=not point.index,
            on_click=_take,
            args=(swept,),
            help="As a draft of the policy, which you can save or discard",
        )
        st.download_button(
            "YAML",
            point.policy.to_yaml,
            file_name=f"{file_name(point.policy.policy, point.index)}.yaml",
            mime="application/yaml",
            icon=":material/download:",
            on_click="ignore",
            key="point-yaml",
        )
        st.download_button(
            "One-page report",
            lambda: _report(swept),
            file_name=f"{file_name('detour', point.policy.policy, swept.view.dataset.name)}.html",
            mime="text/html",
            icon=":material/description:",
            on_click="ignore",
            key="report",
            help="To send on: question, answer, picture, this policy, and what it all rests on. "
            "It opens without a network.",
        )
        for label, icon, step in (("Cheaper", "arrow_back", -1), ("Better", "arrow_forward", 1)):
            to = _beside(swept, step)
            st.button(
                label,
                key=f"point-{label.lower()}",
                icon=f":material/{icon}:",
                type="tertiary",
                disabled=to is None,
                on_click=st.session_state.update,
                args=({OPENED: to},),
                help="The next policy along the frontier",
            )


def _report(swept: Swept) -> str:
    """Of the slice, where there is one."""
    comparison = swept.against.comparison if swept.opened.index else None
    return report(swept.frontier, comparison, point=swept.opened.index, words=swept.words)


def _beside(swept: Swept, step: int) -> int | None:
    """The next point along the frontier from the opened one, which need not lie on it."""
    line, here = list(swept.frontier.frontier), swept.opened
    if here.index in line:
        at = line.index(here.index) + step
        return line[at] if 0 <= at < len(line) else None
    cost = here.cost_usd_per_1k.value
    less = [i for i in line if swept.points[i].cost_usd_per_1k.value <= cost]
    if step < 0:
        return less[-1] if less else None
    return next((i for i in line if i not in less), None)


def _take(swept: Swept) -> None:
    """Make it the draft; the same places are varied on, around it."""
    pin(swept.view, swept.choice.vary)
    take(swept.view, swept.opened.policy)
