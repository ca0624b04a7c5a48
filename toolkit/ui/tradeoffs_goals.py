"""What would be good enough, tried out with sliders: which policies of the sweep fit.

The sliders begin with the policy's own goals. What they say holds for the whole page, and becomes
part of the policy only when someone asks for that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from toolkit.errors import PolicyError
from toolkit.evaluate.format import count, number, percent, seconds, usd_per_1k
from toolkit.evaluate.goals import limited
from toolkit.policy.model import Goals
from toolkit.ui import drafts
from toolkit.ui.text import literal
from toolkit.ui.tradeoffs_form import write_link
from toolkit.ui.tradeoffs_view import OPENED, Swept, policies, take
from toolkit.ui.view import View

GOOD = "good"
"""Session key, and name in the link."""


@dataclass(frozen=True)
class Limit:
    """One goal that can be tried."""

    name: str
    label: str
    how: str
    """``at least`` or ``at most``, as the label goes on"""
    end: str
    """``min`` or ``max``"""
    show: Callable[[float], str]
    form: str
    """of the slider's numbers, once they are multiplied by ``factor``"""
    factor: float = 1


LIMITS = (
    Limit("quality", "Quality", "at least", "min", number, "%.3f"),
    Limit("cost_usd_per_1k", "Cost of 1,000", "at most", "max", usd_per_1k, "$%.4g"),
    Limit("latency_p95_s", "p95 latency", "at most", "max", seconds, "%.3g s"),
    Limit("error_rate", "Errors", "at most", "max", percent, "%.3g %%", 100),
)
STEPS = 200
"""Of a slider."""


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
    """A goal's own limits; those against a baseline need one, which a sweep has not."""
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
        kept = _Kept(owner, _from_link(st.query_params.get(GOOD, "")) or _own(view))
    elif kept.owner != owner:
        kept = _Kept(owner, _own(view))
    st.session_state[GOOD] = kept
    return kept


def _own(view: View) -> dict[str, float]:
    """Those of the policy's goals that have a slider."""
    found = {one.name: _plain(view, one.name)[one.end] for one in LIMITS}
    return {name: float(value) for name, value in found.items() if value is not None}


def _from_link(text: str) -> dict[str, float]:
    """The limits of a link; none where it cannot be read."""
    try:
        told = json.loads(text[:1_000])
        found = {one.name: float(told[one.name]) for one in LIMITS if one.name in told}
        _goals({one.name: {one.end: found.get(one.name)} for one in LIMITS})
    except (ValueError, TypeError, RecursionError, PolicyError):
        return {}
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
        st.caption("Goals against a baseline are judged by the command `gate`, not here.")
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


def _slider(swept: Swept, kept: _Kept, limit: Limit) -> None:
    """One limit; at its loose end there is none."""
    values = [getattr(point, limit.name).value * limit.factor for point in swept.points]
    values = [value for value in values if math.isfinite(value)]
    if not values:
        st.caption(f"{limit.label}: not measured.")
        return
    now = kept.limits.get(limit.name)
    if now is not None:
        values.append(now * limit.factor)
    step = _step(min(values), max(values))
    at_least = limit.end == "min"
    low = round(max((math.floor(min(values) / step) - at_least) * step, 0.0), 9)
    high = round((math.ceil(max(values) / step) + (not at_least)) * step, 9)
    loosest = low if at_least else high
    key = f"good-{limit.name}"
    st.session_state[key] = loosest if now is None else min(max(now * limit.factor, low), high)

    def moved() -> None:
        limits = {other: value for other, value in kept.limits.items() if other != limit.name}
        if st.session_state[key] != loosest:
            limits[limit.name] = round(st.session_state[key] / limit.factor, 9)
        st.session_state[GOOD] = _Kept(kept.owner, limits)

    st.slider(
        f"{limit.label}: any" if now is None else f"{limit.label}, {limit.how}",
        low,
        high,
        step=step,
        format=limit.form,
        key=key,
        on_change=moved,
    )


def _step(low: float, high: float) -> float:
    """One, two or five in some decimal place, so that at most STEPS lie between."""
    span = (high - low) or abs(high) or 1.0
    place = 10.0 ** math.floor(math.log10(span / STEPS))
    return next(place * one for one in (1, 2, 5, 10) if span / (place * one) <= STEPS)


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
        st.caption(f"The cheapest costs {cost} at quality {literal(number(best.quality.value))}.")


def _keep(view: View, limits: dict[str, float]) -> None:
    policy = view.policy
    for one in LIMITS:
        if _own(view).get(one.name) != limits.get(one.name):
            policy = drafts.set_goal(policy, one.name, one.end, limits.get(one.name))
    take(view, policy)
