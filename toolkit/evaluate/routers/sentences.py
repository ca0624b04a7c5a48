"""What a training found out, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.evaluate.format import number_interval, percent, points_interval
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.routers.words import skill

if TYPE_CHECKING:
    from toolkit.evaluate.routers.training import Training

MOST_MISSED = 5
"""Columns of which is told what their loss would cost."""


def scores(t: Training) -> list[str]:
    """AIQ, or APGR and CPT, a sentence each."""
    lines = []
    if t.aiq is not None:
        a, money = t.aiq, t.money
        lines.append(
            f"AIQ over {money.usd(a.low_cost)} to {money.each(a.high_cost)}: "
            f"{number_interval(a.value)}; best mix of single models (zero router) "
            f"{number_interval(a.zero_router)}; gain {points_interval(a.gain)}; up to "
            f"{money.usd(a.enough_cost)}, the best single model's, "
            f"{points_interval(a.gain_to_best)}."
        )
    if t.pair is not None:
        p = t.pair
        lines.append(
            f"APGR {number_interval(p.apgr)} (chance 0.5) between {p.weak} and {p.strong}; "
            f"{_share(p.cpt50)} of strong calls recover half of the gap, {_share(p.cpt80)} recover "
            "80 % of it."
        )
    return lines


def _share(e: Estimate) -> str:
    if math.isnan(e.value):
        return "no share"
    bounds = f" [{100 * e.low:.1f}, {100 * e.high:.1f}]" if math.isfinite(e.low + e.high) else ""
    return percent(e.value) + bounds


def findings(t: Training) -> list[str]:
    """What else was found out, a sentence each."""
    lines = []
    if t.floor is not None:
        lines.append(t.floor.words())
    if t.learning is not None:
        lines.append(t.learning.words)
    lines += _missed(t)
    if t.slices is not None:
        lines += t.slices.words
    if t.later is not None and t.later.words not in t.warnings:
        lines.append(t.later.words)
    return lines


def _missed(t: Training) -> list[str]:
    """What the router would miss; of one that does not pay, nothing is told as a loss."""
    if not t.importance:
        return []
    if skill(t) is not True:
        first, rise = t.importance[0], t.importance[0].log_loss_rise
        told = f"{'+' if rise.value > 0 else ''}{number_interval(rise)}"
        words = f"Of what it reads {first.name} tells it most (without it log loss {told}), but as"
        return [f"{words} the router does not surely pay, nothing is surely lost without any."]
    sure = [one for one in t.importance if one.sure][:MOST_MISSED]
    others = [one.name for one in t.importance if not one.sure]
    lines = [one.words for one in sure]
    if others:
        lines.append(f"Without {_or(others)} alone, its choices are not surely worse.")
    return lines


def _or(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
