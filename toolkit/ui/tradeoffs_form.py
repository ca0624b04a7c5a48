"""What the Trade-offs page sweeps: the places that vary, two axes, a slice. A link keeps it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import streamlit as st

from toolkit.evaluate.groups import groups
from toolkit.evaluate.search.tunables import Tunable
from toolkit.evaluate.tradeoffs.vary import Vary
from toolkit.ui import loaders, strays
from toolkit.ui import tradeoffs_vary as varied
from toolkit.ui.text import literal
from toolkit.ui.tradeoffs_vary import Places
from toolkit.ui.view import View

VARY, ACROSS, UP, BY, PART = "vary", "across", "up", "by", "part"
"""Session keys, and names in the link."""
AXES = {
    "cost_usd_per_1k": "cost",
    "quality": "quality",
    "latency_mean_s": "mean latency",
    "latency_p95_s": "p95 latency",
    "error_rate": "errors",
    "degraded_rate": "degraded answers",
}
_UP = ("quality", *(name for name in AXES if name != "quality"))
"""The same, with what is mostly looked at first."""
EVERYTHING = ""
"""Instead of a column: no slice."""
MOST = 2_000
"""Policies of one sweep on this page."""


def capital(words: str) -> str:
    """The words as they begin a label; a p95 stays small."""
    return words if words.startswith("p9") else words[:1].upper() + words[1:]


_CALLED = {ACROSS: "axis", UP: "axis", BY: "column", PART: "group of requests"}


@dataclass(frozen=True)
class Choice:
    """What the reader wants to see."""

    vary: tuple[Vary, ...]
    across: str
    up: str
    column: str
    """of the requests, or EVERYTHING"""
    part: str
    """the group of requests in that column"""

    @property
    def policies(self) -> int:
        """So many are swept, besides the one that is there."""
        return prod(len(one.values) for one in self.vary)


@dataclass(frozen=True)
class _Kept:
    """What was chosen to vary, and for which policy on which data."""

    owner: tuple[str, str]
    vary: tuple[Vary, ...]


def choose(view: View) -> Choice:
    """Draw the controls."""
    places = loaders.places(view.policy, view.dataset)
    vary = _begin(view, places)
    axes = _measured(view)
    # Folded, so that the picture is on the first screen of a phone as well.
    with st.container(horizontal=True, gap="small"):
        with st.popover(_varied(places, vary), key="tool-vary", icon=":material/tune:"):
            _what(view, places, vary)
        with st.popover("Axes", key="tool-axes", icon=":material/show_chart:"):
            across = _axis("Across", ACROSS, [name for name in axes if name != "quality"])
            up = _axis("Up", UP, sorted({*axes} - {across}, key=_UP.index))
        with st.popover(_looked_at(), key="tool-requests", icon=":material/filter_alt:"):
            column, part = _slice(view)
    choice = Choice(tuple(vary.values()), across, up, column, part)
    _leave_link(view, places, choice)
    return choice


def _varied(places: Places, vary: dict[str, Vary]) -> str:
    """``Vary: timeout of step 1 and 2 more``."""
    if not vary:
        return "Vary …"
    first, *more = (literal(places[path].words) for path in vary)
    return f"Vary: {first}{f' and {len(more)} more' if more else ''}"


def _looked_at() -> str:
    """Which requests, as far as it was chosen before."""
    link = st.query_params
    column, part = (st.session_state.get(key, link.get(key)) for key in (BY, PART))
    return f"Requests: {literal(column)} {literal(part)}" if column and part else "All requests"


def pin(view: View, vary: tuple[Vary, ...]) -> None:
    """Go on varying this, also when the policy itself becomes another one."""
    st.session_state[VARY] = _Kept(_owner(view), vary)


def _owner(view: View) -> tuple[str, str]:
    return st.session_state["policy"], view.dataset.digest


def _begin(view: View, places: Places) -> dict[str, Vary]:
    """What was chosen before, else what the link says, else what shows most."""
    kept = st.session_state.get(VARY)
    if not isinstance(kept, _Kept):
        wanted = st.query_params.get(VARY, "")
        kept = _Kept(_owner(view), varied.from_link(wanted, places))
        if wanted and not kept.vary:
            strays.lost("sweep", wanted)
        st.session_state[VARY] = kept
    chosen = kept.vary if kept.owner == _owner(view) else ()
    fitting = [one for one in chosen if one.path in places]
    found = fitting or loaders.worth_varying(view.policy, view.dataset)
    return {one.path: one for one in found}


def _what(view: View, places: Places, vary: dict[str, Vary]) -> None:
    """Which places, and a field for the values of each."""
    st.session_state["vary-places"] = list(vary)

    def picked() -> None:
        chosen = st.session_state["vary-places"]
        pin(view, tuple(vary.get(path) or places[path].vary() for path in chosen))

    st.multiselect(
        "What to vary",
        list(places),
        key="vary-places",
        format_func=lambda path: places[path].words,
        max_selections=varied.MOST_PLACES,
        on_change=picked,
        placeholder="nothing here can be varied" if not places else "what moves most",
        disabled=not places,
        help="Every place of the policy that can be tuned. Taken away, the page chooses those "
        "that move quality and cost most.",
    )
    for i, (path, one) in enumerate(vary.items()):

        def changed(new: Vary, path: str = path) -> None:
            pin(view, tuple({**vary, path: new}.values()))

        st.markdown(f"**{literal(places[path].words)}**")
        _values(i, places[path], one, changed)


def _values(i: int, place: Tunable, now: Vary, changed: Callable[[Vary], None]) -> None:
    """The values of one place: choices, or from where to where in how many steps."""
    if place.kind == "choice":
        key = f"vary-{i}-choices"
        st.session_state[key] = list(now.values)
        st.pills(
            "Choices",
            list(place.choices),
            selection_mode="multi",
            default=None,
            key=key,
            format_func=lambda value: literal(varied.value_words(value)),
            label_visibility="collapsed",
            wrap=True,
            on_change=lambda: changed(varied.some(place, st.session_state[key]) or now),
        )
        return
    keys = [f"vary-{i}-{name}" for name in ("low", "high", "steps")]
    whole = place.kind == "integer"

    def typed() -> None:
        low, high, steps = (st.session_state[key] for key in keys)
        if None not in (low, high, steps):
            changed(varied.evenly(place, low, high, steps))

    unit = f", {place.unit}" if place.unit else ""
    labels = (f"From{unit}", f"To{unit}", "Values")
    with st.container(horizontal=True, gap="small"):
        for key, label, value in zip(
            keys, labels, (*varied.ends(now), len(now.values)), strict=True
        ):
            count = key is keys[-1]
            st.session_state[key] = int(value) if whole or count else float(value)
            st.number_input(
                literal(label),
                min_value=1 if count else 0 if whole else 0.0,
                max_value=varied.MOST_STEPS if count else None,
                step=1 if whole or count else None,
                format="%d" if whole or count else "%.6g",
                key=key,
                on_change=typed,
                width=115,
            )


def _measured(view: View) -> list[str]:
    """The axes that this log has values of."""
    data = view.dataset
    needs = {name: "latency_s" for name in AXES if name.startswith("latency")}
    needs["cost_usd_per_1k"] = "cost_usd"
    has = {name for name in {*needs.values()} if data.measured_share(name) > 0}
    known = [name for name in AXES if needs.get(name) in {None, *has}]
    return known if data.graded else [name for name in known if name != "quality"]


def _axis(label: str, key: str, options: list[str]) -> str:
    _first(key, options)
    return st.selectbox(
        label,
        options,
        key=key,
        format_func=lambda name: capital(AXES[name]),
        persist_state="session",
    )


def _slice(view: View) -> tuple[str, str]:
    """Which requests count; all are replayed."""
    columns = [EVERYTHING, *loaders.slicing(view.dataset)]
    _first(BY, columns)
    column = st.selectbox(
        "Requests",
        columns,
        key=BY,
        format_func=lambda name: f"by {name}" if name else "all of them",
        persist_state="session",
        help="All requests are replayed; the numbers are of those that you choose.",
    )
    if not column:
        return EVERYTHING, ""
    names = list(groups(view.dataset, column).names)
    _first(PART, names)
    part = st.selectbox(
        "which", names, key=PART, persist_state="session", label_visibility="collapsed"
    )
    return column, part


def _first(key: str, options: list[str]) -> None:
    if st.session_state.get(key) not in options:
        wanted = st.query_params.get(key, "")
        if wanted and wanted not in options and key not in st.session_state:
            strays.lost(_CALLED[key], wanted)
        st.session_state[key] = wanted if wanted in options else options[0]


def _leave_link(view: View, places: Places, choice: Choice) -> None:
    own = {ACROSS: choice.across, UP: choice.up}
    if choice.column:
        own |= {BY: choice.column, PART: choice.part}
    if choice.vary and choice.vary != loaders.worth_varying(view.policy, view.dataset):
        own[VARY] = varied.written(choice.vary, places)
    write_link(own, {VARY, ACROSS, UP, BY, PART})


def write_link(own: dict[str, str], names: set[str]) -> None:
    """Put the page's own choices into the address, and leave the others there alone."""
    kept = {k: v for k, v in st.query_params.to_dict().items() if k not in names}
    if st.query_params.to_dict() != kept | own:
        st.query_params.from_dict(kept | own)
