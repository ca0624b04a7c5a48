"""A training as people read it: tables of text, and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.evaluate.format import (
    UNDEFINED,
    count,
    html_list,
    html_table,
    number,
    number_interval,
    percent,
    points_interval,
    quality_interval,
    usd,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.routers.curve import CurvePoint, RouterCurve
from toolkit.evaluate.routers.words import skill

if TYPE_CHECKING:
    from toolkit.evaluate.routers.training import Training

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Head and rows."""
MOST_POINTS = 12
"""Points of a curve that are shown to people."""
MOST_MISSED = 5
"""Columns of which is told what their loss would cost."""
MOST_SHARED = 6
"""Of these the shares of the models are shown."""
KNOBS = {"tradeoff_usd_per_point": "USD per 1k a point", "min_quality": "min quality"}


def shown(curve: RouterCurve) -> list[CurvePoint]:
    """Some points of a curve that tell it: the corners of its hull, by rising cost."""
    points: Sequence[CurvePoint] = curve.hull
    if not points:
        points = [
            p for i, p in enumerate(curve.points) if not i or _differs(p, curve.points[i - 1])
        ]
    if len(points) > MOST_POINTS:
        step = (len(points) - 1) / (MOST_POINTS - 1)
        points = [points[round(i * step)] for i in range(MOST_POINTS)]
    return list(points)


def _differs(a: CurvePoint, b: CurvePoint) -> bool:
    return a.shares != b.shares


def curve_of(t: Training) -> RouterCurve:
    """By the one knob where there are costs, by the threshold where not."""
    return t.curve if t.curve.points else t.thresholds


def curve_rows(t: Training) -> Table:
    """Head and rows of the curve."""
    curve, money = curve_of(t), t.money
    priced = bool(t.curve.points)
    costs = (f"cost per {money.per} [95 %]",) if priced else ()
    above = ("points above a mix",) if priced else ()
    rows = [
        (
            _setting(curve, p),
            *((money.interval(p.cost_usd_per_1k),) if priced else ()),
            quality_interval(p.quality),
            *((_points(p.gain),) if priced else ()),
        )
        for p in shown(curve)
    ]
    return (KNOBS[curve.knob], *costs, "quality [95 %]", *above), rows


def share_rows(t: Training) -> Table:
    """Head and rows of what each model is asked first, at some settings; a column a setting."""
    curve = curve_of(t)
    some = shown(curve)
    if len(some) > MOST_SHARED:
        step = (len(some) - 1) / (MOST_SHARED - 1)
        some = [some[round(i * step)] for i in range(MOST_SHARED)]
    # What no request goes to has no row.
    used = [j for j in range(len(t.models)) if any(p.shares[j] for p in some)]
    head = ("asked first, share at", *(_setting(curve, p) for p in some))
    return head, [(t.models[j], *(percent(p.shares[j]) for p in some)) for j in used]


def _setting(curve: RouterCurve, p: CurvePoint) -> str:
    return usd(p.value) if curve.knob == "tradeoff_usd_per_point" else number(p.value)


def rival_rows(t: Training) -> Table:
    """Head and rows of the rivals: the best that each reaches."""
    money = t.money
    apgr = t.pair is not None
    rows = [
        (
            one.name,
            money.interval(one.point.cost_usd_per_1k),
            quality_interval(one.point.quality),
            *((quality_interval(one.apgr),) if apgr else ()),
        )
        for one in t.rivals
    ]
    head = ("alone", f"cost per {money.per} [95 %]", "quality [95 %]", *(("APGR",) if apgr else ()))
    return head, rows


def gain_rows(t: Training) -> Table:
    """Head and rows of the router above its rivals, paired; an area only against a curve."""
    apgr, areas = t.pair is not None, t.aiq is not None
    rows = [
        (
            one.name,
            _points(one.difference),
            *((_points(one.gain),) if areas else ()),
            *((quality_interval(one.apgr_gain),) if apgr else ()),
        )
        for one in t.rivals
    ]
    head = (
        "router above, in points",
        "at equal cost" if areas else "by quality",
        *(("over the budgets",) if areas else ()),
        *(("APGR above",) if apgr else ()),
    )
    return head, rows


def calibration_rows(t: Training) -> Table:
    """Head and rows of how far the probabilities can be taken at their word."""
    sizes = {one.n for one in t.calibration}
    same = len(sizes) == 1
    first = f"probabilities (n = {count(*sizes)})" if same else "probabilities of"
    head = (
        first,
        *(() if same else ("n",)),
        "ECE [95 %]",
        "if right",
        "Brier score [95 %]",
        "of the mean",
    )
    return head, [
        (
            one.model,
            *(() if same else (count(one.n),)),
            quality_interval(one.ece),
            # An ECE up to this is what predictions that are right show by chance.
            f"≤ {one.ece_if_right_most:.3f}" if math.isfinite(one.ece_if_right_most) else UNDEFINED,
            quality_interval(one.brier),
            f"{one.brier_base.value:.3f}" if math.isfinite(one.brier_base.value) else UNDEFINED,
        )
        for one in t.calibration
    ]


def _points(e: Estimate) -> str:
    """A difference in points, without the word, as the head says it."""
    return points_interval(e).replace(" points", "")


def scores(t: Training) -> list[str]:
    """AIQ, or APGR and CPT, a sentence each."""
    lines = []
    if t.aiq is not None:
        a, money = t.aiq, t.money
        lines.append(
            f"AIQ over {money.usd(a.low_cost)} to {money.each(a.high_cost)}: "
            f"{number_interval(a.value)}; "
            f"zero router {number_interval(a.zero_router)}; gain {points_interval(a.gain)}; up to "
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


def as_html(t: Training) -> str:
    """The verdict first, then the curve, the rivals and the calibration."""
    title = f"A router for {t.dataset.name}, {count(t.n)} requests, {len(t.models)} models"
    title += " (simulated data)" if t.simulated else ""
    tables = [
        html_table(head, rows, caption)
        for (head, rows), caption in (
            (curve_rows(t), title),
            (share_rows(t), ""),
            (rival_rows(t), ""),
            (gain_rows(t), ""),
            (calibration_rows(t), ""),
        )
    ]
    lead = html_list([t.verdict, *t.warnings])
    rest = html_list([*scores(t), *findings(t), *t.assumptions])
    return f"<div>{lead}{''.join(tables)}{rest}</div>"
