"""The parts of the Router page that answer: verdict, tiles, the curve and its knob, assumptions."""

from __future__ import annotations

import math

import streamlit as st

from toolkit import figures
from toolkit.evaluate.format import (
    count,
    number,
    percent,
)
from toolkit.ui.charts import heading, picture
from toolkit.ui.router_form import choose
from toolkit.ui.router_one import one_request
from toolkit.ui.router_setting import QUALITY, Setting, turned
from toolkit.ui.router_tiles import tile_row
from toolkit.ui.router_use import use
from toolkit.ui.router_view import Trained
from toolkit.ui.router_wrong import wrong
from toolkit.ui.text import bold, literal, sentences

FIGURE = "router"


def verdict(found: Trained) -> None:
    """Whether learning beats the rules, in words: first the answer, then what it rests on."""
    training = found.training
    first, *more = sentences(training.verdict)
    st.markdown(f"#### {literal(first)} n\u00a0=\u00a0{count(training.n_judged)}.")
    if more:
        st.markdown(literal(" ".join(more[-2:])))
    with st.container(horizontal=True, gap="small"):
        doubts = training.warnings
        if doubts:
            label = f"{count(len(doubts))} {'doubt' if len(doubts) == 1 else 'doubts'}"
            with st.popover(label, icon=":material/warning:", key="router-doubts"):
                st.markdown("\n".join(f"- {literal(one)}" for one in doubts))
        if more[:-2]:
            with st.popover("More on this answer", icon=":material/notes:", key="router-more"):
                st.markdown("\n".join(f"- {literal(one)}" for one in more[:-2]))
        with st.popover("Other settings", icon=":material/tune:", key="router-settings"):
            st.caption("A change needs a new training; this one is kept meanwhile.")
            choose(found.view, found.choice)


@st.fragment
def setting(found: Trained) -> None:
    """The curve among its rivals, with the knob that moves a point on it; reruns alone."""
    tiles = st.container()
    left, right = st.columns([5, 2])
    with right, st.container(border=True, height="stretch", gap="small"):
        at = turned(found)
        use(found, at)
        st.caption(literal(at.words))
        _shares(found, at)
        _promise(found, at)
    with left, st.container(border=True, gap="xsmall", height="stretch"):
        title = "The router and what it has to beat"
        heading(title, FIGURE, lambda: found.training.to_pandas().reset_index())
        picture(figures.router_figure(found.training, at.point, found.colours), FIGURE)
        st.caption("The diamond is the setting of the slider. Bars and bands are 95 % intervals.")
    with tiles:
        tile_row(found, at)
    wrong(found, at)
    one_request(found, at)


def _shares(found: Trained, at: Setting) -> None:
    """Whom the requests go to."""
    shares = sorted(zip(at.point.shares, found.training.models, strict=True), reverse=True)
    some = [f"{_unbroken(model)}\u00a0{_whole(share)}" for share, model in shares if share]
    more = f" and {len(some) - 4} more" if len(some) > 5 else ""
    st.markdown("Asked first: " + ", ".join(some[: 4 if more else 5]) + more)


def _unbroken(model: str) -> str:
    """A name that does not break at its hyphens: an invisible joiner stands behind each."""
    return bold(model.replace("-", "-\u2060"))


def _whole(share: float) -> str:
    """A share that no line breaks."""
    return literal(percent(share)).replace(" ", "\u00a0")


def _promise(found: Trained, at: Setting) -> None:
    """What can be promised at this setting."""
    floor = found.training.floor
    if floor is None or at.knob != QUALITY:
        return
    point = next((p for p in floor.points if math.isclose(p.value, at.point.value)), None)
    if point is None or math.isnan(point.floor):
        return
    kept = number(math.floor(point.floor * 1_000 + 1e-9) / 1_000)
    st.markdown(
        f":material/verified: {literal(floor.promise(float(kept))[:1].upper())}"
        f"{literal(floor.promise(float(kept))[1:])}.",
        help="Tried from the dearest setting to the cheapest, up to the first that fails: an exact "
        "test of the mean of as many further requests (Learn then Test).",
    )


def assumptions(found: Trained) -> None:
    """What the numbers rest on, folded."""
    with st.expander("What these numbers rest on", icon=":material/rule:"):
        st.markdown("\n".join(f"- {literal(line)}" for line in found.training.assumptions))
