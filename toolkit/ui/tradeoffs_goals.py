"""What would be good enough, tried out with sliders: which policies of the sweep fit.

The sliders begin with the policy's own goals. What they say holds for the whole page, and becomes
part of the policy only when someone asks for that.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import streamlit as st

from toolkit.errors import PolicyError
from toolkit.evaluate.format import count, usd_per_1k
from toolkit.evaluate.goals import limited
from toolkit.policy.model import Goals
from toolkit.ui import drafts, strays
from toolkit.ui.text import literal
from toolkit.ui.tiles import quality
from toolkit.ui.tradeoffs_form import write_link
from toolkit.ui.tradeoffs_limits import LIMITS, Limit, stops
from toolkit.ui.tradeoffs_view import OPENED, Swept, policies, take
from toolkit.ui.view import View

GOOD = "good"
"""Session key, and name in the link."""


@dataclass(frozen=True)
class _Kept:
    """Limits that were tried, and the policy and goals that they began with."""

    owner: tuple[str, str]
    limits: dict[str, float]


def tried(view: View) -> Goals:
    """The goals that hold on this page: the policy's, with what the sliders say instead."""
    limits = _kept(view).limits
    own = {name: _plain(view, name) for name in Goals.model_fields}
    own |= {one.name: {one.end: limits.get(one.name)} for one in LIMITS}
    return _goals(own)


def _plain(view: View, name: str) -> dict[str, float | None]:
    """A goal's own limits; those against a baseline have no slider, and hold as they are."""
    goal = getattr(view.policy.goals, name)
    return {end: getattr(goal, end, None) for end in ("min", "max")}


def _goals(limits: dict[str, dict[str, float | None]]) -> Goals:
    told = {
        name: {end: value for end, value in ends.items() if value is not None}
        for name, ends in limits.items()
    }
    return Goals.model_validate({name: ends for name, ends in told.items() if ends})


def _kept(view: View) -> _Kept:
    """What was tried before, else what the link says, else the policy's own goals."""
    owner = (st.session_state["policy"], view.policy.goals.model_dump_json())
    kept = st.session_state.get(GOOD)
    if not isinstance(kept, _Kept):
        wanted = st.query_params.get(GOOD, "")
        read = _from_link(wanted)
        if wanted and read is None:
            strays.lost("limits", wanted)
        kept = _Kept(owner, _own(view) if read is None else read)
    elif kept.owner != owner:
        kept = _Kept(owner, _own(view))
    st.session_state[GOOD] = kept
    return kept


def _own(view: View) -> dict[str, float]:
    """Those of the policy's goals that have a slider."""
    found = {one.name: _plain(view, one.name)[one.end] for one in LIMITS}
    return {name: float(value) for name, value in found.items() if value is not None}


def _from_link(text: str) -> dict[str, float] | None:
    """The limits of a link; None where it cannot be read."""
    try:
        told = json.loads(text[:1_000])
        found = {one.name: float(told[one.name]) for one in LIMITS if one.name in told}
        _goals({one.name: {one.end: found.get(one.name)} for one in LIMITS})
    except (ValueError, TypeError, RecursionError, PolicyError):
        return None
    return found


def sliders(swept: Swept) -> None:
    """Draw them, with how many policies fit."""
    kept, own = _kept(swept.view), _own(swept.view)
    changed = kept.limits != own
    st.markdown("**Good enough is …**")
    for limit in LIMITS:
        _slider(swept, kept, limit)
    _count(swept)
    if any(kind != "value" for _, kind in limited(swept.view.policy.goals)):
        st.caption(f"{_relative(swept)} {literal(swept.view.baseline_name)}.")
    with st.container(horizontal=True, gap="small"):
        best = swept.frontier.best
        if best is not None and swept.opened.index != best.index:
            st.button(
                "Open the cheapest",
                key="good-open",
                icon=":material/ads_click:",
                on_click=st.session_state.update,
                args=({OPENED: best.index},),
            )
        if changed:
            st.button(
                "Make these the goals",
                key="good-keep",
                icon=":material/flag:",
                on_click=_keep,
                args=(swept.view, kept.limits),
                help="Write them into a draft of the policy",
            )
            st.button(
                "Back",
                key="good-back",
                icon=":material/undo:",
                type="tertiary",
                on_click=st.session_state.update,
                args=({GOOD: _Kept(kept.owner, own)},),
                help="Back to the policy's own goals",
            )
    write_link({GOOD: json.dumps(kept.limits, separators=(",", ":"))} if changed else {}, {GOOD})


def _relative(swept: Swept) -> str:
    """Whether the goals against a baseline are judged; that was stopped where they are not."""
    judged = any(goal.kind != "value" for point in swept.points for goal in point.goals)
    return f"The policy's other goals are {'judged' if judged else 'not judged'} against"


def _slider(swept: Swept, kept: _Kept, limit: Limit) -> None:
    """One limit; at its loose end there is none."""
    values = [getattr(point, limit.name).value for point in swept.points]
    values = [value for value in values if math.isfinite(value)]
    if not values:
        st.caption(f"{limit.label}: not measured.")
        return
    now = kept.limits.get(limit.name)
    steps = stops([*values, *([] if now is None else [now])], limit, now)
    key = f"good-{limit.name}"
    st.session_state[key] = limit.none if now is None else now

    def moved() -> None:
        limits = {other: value for other, value in kept.limits.items() if other != limit.name}
        if st.session_state[key] != limit.none:
            limits[limit.name] = st.session_state[key]
        st.session_state[GOOD] = _Kept(kept.owner, limits)

    st.select_slider(
        f"{limit.label}, {limit.how}",
        steps,
        format_func=lambda value: "any" if math.isinf(value) else limit.show(value),
        key=key,
        on_change=moved,
    )


def _count(swept: Swept) -> None:
    """How many policies fit, and the cheapest of them."""
    points, best = swept.points, swept.frontier.best
    of = f"of {policies(len(points))}"
    found = [point for point in points if point.meets]
    if not swept.has_goals:
        st.markdown("No limits yet. Move a slider to say what is good enough.")
    elif not found and len(points) == 1:
        st.markdown("It does not fit. Give way somewhere, or vary something.")
    elif not found:
        st.markdown(f"**None {of}** fits. Give way somewhere, or vary something else.")
    else:
        sure = sum(point.certain for point in found)
        how = "all surely" if sure == len(found) else f"{count(sure) if sure else 'none'} surely"
        fit = "fits" if len(found) == 1 else "fit"
        st.markdown(f"**{count(len(found))} {of}** {fit}, {how}.")
    if best is not None:
        cost = literal(usd_per_1k(best.cost_usd_per_1k.value))
        st.caption(f"The cheapest costs {cost} at quality {literal(quality(best.quality.value))}.")


def _keep(view: View, limits: dict[str, float]) -> None:
    policy = view.policy
    for one in LIMITS:
        if _own(view).get(one.name) != limits.get(one.name):
            policy = drafts.set_goal(policy, one.name, one.end, limits.get(one.name))
    take(view, policy)
