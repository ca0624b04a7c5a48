"""Four numbers: cost, quality, latency, errors, each with interval, n and change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from toolkit.evaluate.compare import Difference
from toolkit.evaluate.format import (
    MINUS,
    count,
    percent,
    points_interval,
    quality_interval,
    seconds,
    seconds_interval,
    usd_interval,
    usd_per_1k,
)
from toolkit.evaluate.goals import GoalResult, judge_all, limited
from toolkit.evaluate.goals import verdict as in_words
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.relative import of_comparison
from toolkit.evaluate.summary import ESTIMATES
from toolkit.ui.text import bold, literal
from toolkit.ui.view import View


@dataclass(frozen=True)
class Tile:
    """One number as it is shown."""

    label: str
    help: str
    estimate: Estimate
    show: Callable[[float], str]
    change: str = ""
    """against the baseline, in words"""
    better: bool | None = None
    """None: could be chance, or no change"""
    goals: tuple[GoalResult, ...] = ()


def tiles(view: View) -> tuple[Tile, ...]:
    """The four numbers of a view."""
    s, c = view.summary, view.comparison
    goals = judged(view)
    p95 = of_comparison(c, [("latency_p95_s", "change")]).changes["latency_p95_s"]
    slower = p95.low > 0 if p95.low > 0 or p95.high < 0 else None
    return (
        Tile(
            "Cost per 1,000 requests",
            "All attempts together, also failed and repeated ones.",
            s.cost_usd_per_1k,
            usd_per_1k,
            _change(c.cost_usd_per_1k, usd_interval(c.cost_usd_per_1k, sign=True)),
            _better(c.cost_usd_per_1k, less=True),
            _of(goals, "cost_usd_per_1k"),
        ),
        Tile(
            "Quality, 0 to 1",
            "Mean grade of the answers. An error counts as 0, a message as its step states.",
            s.quality,
            quality,
            _change(c.quality, points_interval(c.quality)),
            _better(c.quality, less=False),
            _of(goals, "quality"),
        ),
        Tile(
            "p95 latency",
            "19 of 20 requests take no longer, with all their attempts and waits.",
            s.latency_p95_s,
            seconds,
            _change(p95, seconds_interval(p95, sign=True)),
            None if slower is None else not slower,
            _of(goals, "latency_p95_s"),
        ),
        Tile(
            "Errors",
            "Requests that ended without an answer and without a message.",
            s.error_rate,
            percent,
            _change(c.error_rate, points_interval(c.error_rate)),
            _better(c.error_rate, less=True),
            _of(goals, "error_rate"),
        ),
    )


def judged(view: View) -> tuple[GoalResult, ...]:
    """The goals of a view, those against a baseline held against the one that is chosen."""
    s = view.summary
    if not any(goal.reason == "needs a baseline" for goal in s.goals):
        return s.goals
    goals = view.policy.goals
    held = of_comparison(view.comparison, limited(goals))
    estimates = {name: getattr(s, name) for name in ESTIMATES}
    return judge_all(goals, estimates, held.changes, held.ratios)


def _of(goals: tuple[GoalResult, ...], name: str) -> tuple[GoalResult, ...]:
    return tuple(goal for goal in goals if goal.name == name)


def quality(value: float) -> str:
    """``0.870``: with as many decimals as in its interval."""
    return quality_interval(Estimate(value))


def _change(d: Estimate, words: str) -> str:
    return "" if math.isnan(d.value) else "no change" if not d.value else words


def _better(d: Difference, less: bool) -> bool | None:
    return (d.value < 0) is less if d.distinguishable else None


def tile_row(view: View) -> None:
    """Draw the four tiles; they wrap where the screen is narrow."""
    with st.grid(4, min_column_width=190):
        for tile in tiles(view):
            with st.container(border=True, gap="xsmall", height="stretch"):
                _draw(tile)
    n, of = count(view.comparison.paired), literal(view.baseline_name)
    st.caption(
        f"Changes are against {of}, request by request on the same {n}; grey ones could be chance."
    )


def _draw(tile: Tile) -> None:
    if not tile.estimate.n:
        st.metric(tile.label, "not measured", help=tile.help)
        st.caption("The log has no values of this for the requests that were served.")
        return
    arrow = "off"
    if tile.better is not None:
        arrow = "down" if tile.change.startswith(MINUS) else "up"
    change, _, bounds = tile.change.partition(" [")
    st.metric(
        tile.label,
        literal(tile.show(tile.estimate.value)),
        literal(change) or None,
        delta_color={True: "green", False: "orange", None: "gray"}[tile.better],  # type: ignore[arg-type]
        delta_arrow=arrow,  # type: ignore[arg-type]
        help=tile.help,
    )
    lines = [_interval(tile)]
    if bounds:
        lines.append(f"Change: {bounds.rstrip(']').replace(', ', ' to ')}")
    st.caption("  \n".join(map(literal, lines)))
    for goal in tile.goals:
        st.markdown(goal_words(goal, tile.show))


def _interval(tile: Tile) -> str:
    e, show = tile.estimate, tile.show
    low, high = show(e.low).removesuffix(" /1k"), show(e.high).removesuffix(" /1k")
    words = [] if math.isnan(e.low) else [f"95 %: {low} to {high}"]
    words.append(f"n = {count(e.n)}" + (f" ({percent(e.share)})" if e.share < 1 else ""))
    return " · ".join(words)


def goal_words(goal: GoalResult, show: Callable[[float], str]) -> str:
    """A goal as a badge: met, missed, or too close to tell."""
    limit = _limit(goal, show)
    what = "change" if goal.kind == "change" else "goal"
    icon, colour = {
        "yes": ("check", "green"),
        "probably": ("check", "gray"),
        "no": ("close", "orange"),
        "probably not": ("close", "gray"),
        "unknown": ("question_mark", "gray"),
    }[goal.answer]
    words = {
        "yes": "met",
        "probably": "probably met",
        "no": "missed",
        "probably not": "probably missed",
        "unknown": goal.reason,
    }[goal.answer]
    return f":{colour}-badge[:material/{icon}: {what} {literal(limit)}: {words}]"


def _limit(goal: GoalResult, show: Callable[[float], str]) -> str:
    """``≥ 0.85``, ``≤ $1.00 /1k``, ``≤ 0.5 × baseline``, of a change ``≥ −1 point``.

    A badge is cut where it is long.
    """
    if goal.kind != "value" or goal.name == "quality":
        show = goal.amount
    ends = (("≥", goal.lowest), ("≤", goal.highest))
    limit = " and ".join(f"{sign} {show(end)}" for sign, end in ends if math.isfinite(end))
    return f"{limit} × baseline" if goal.kind == "ratio" else limit


def verdict(view: View) -> None:
    """Whether the policy meets its goals, in one line."""
    s = view.summary
    where = f"{bold(view.name)} on {bold(view.dataset.name)}"
    if not s.goals:
        st.markdown(
            f"#### {where} has no goals yet: set some on the Policy page, "
            "and this line says whether they are met."
        )
        return
    goals = judged(view)
    met = [goal for goal in goals if goal.met]
    answer = in_words(goals)
    if 0 < len(met) < len(goals):
        answer = f"In part: {answer[:1].lower()}{answer[1:]}"
    if any(goal.kind != "value" for goal in goals):
        where += f", against {bold(view.baseline_name)},"
    st.markdown(f"#### Does {where} meet its goals? {literal(answer)}")
