"""A training as people read it: tables of text, and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.evaluate.format import (
    count,
    html_list,
    html_table,
    number,
    number_interval,
    percent,
    points_interval,
    usd,
    usd_interval,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.routers.curve import CurvePoint, RouterCurve

if TYPE_CHECKING:
    from toolkit.evaluate.routers.training import Training

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Head and rows."""
MOST_POINTS = 12
"""Points of a curve that are shown to people."""
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


def curve_rows(t: Training) -> Table:
    """Head and rows of the curve: one knob where there are costs, the threshold where not."""
    curve = t.curve if t.curve.points else t.thresholds
    # What no request goes to has no column.
    used = [j for j in range(len(t.models)) if any(p.shares[j] for p in curve.points)]
    used = used if len(used) <= 6 else []
    head = (
        KNOBS[curve.knob],
        "cost per 1k [95 %]",
        "quality",
        "zero router",
        "above it",
        *(t.models[j] for j in used),
    )
    rows = [
        (
            usd(p.value) if curve.knob == "tradeoff_usd_per_point" else number(p.value),
            usd_interval(p.cost_usd_per_1k),
            number_interval(p.quality),
            number(p.zero_router) if math.isfinite(p.zero_router) else "–",
            points_interval(p.gain),
            *(percent(p.shares[j]) for j in used),
        )
        for p in shown(curve)
    ]
    return head, rows


def rival_rows(t: Training) -> Table:
    """Head and rows of the rivals: the best that each reaches, and the router above it."""
    pairs = ("APGR", "router above") if t.pair is not None else ()
    head = ("against", "cost per 1k [95 %]", "quality", "router at that cost", "over the budgets")
    rows = []
    for one in t.rivals:
        p = one.point
        row = [
            one.name,
            usd_interval(p.cost_usd_per_1k),
            number_interval(p.quality),
            points_interval(one.difference),
            points_interval(one.gain),
        ]
        if t.pair is not None:
            row += [number_interval(one.apgr), number_interval(one.apgr_gain)]
        rows.append(tuple(row))
    return (*head, *pairs), rows


def calibration_rows(t: Training) -> Table:
    """Head and rows of how far the probabilities can be taken at their word."""
    head = ("probabilities of", "n", "ECE [95 %]", "if right", "Brier score", "of the mean alone")
    return head, [
        (
            one.model,
            count(one.n),
            number_interval(one.ece),
            number(one.ece_if_right),
            number_interval(one.brier),
            number_interval(one.brier_base),
        )
        for one in t.calibration
    ]


def scores(t: Training) -> list[str]:
    """AIQ, or APGR and CPT, a sentence each."""
    lines = []
    if t.aiq is not None:
        a = t.aiq
        lines.append(
            f"AIQ over {usd(a.low_cost)} to {usd(a.high_cost)} per 1k: {number_interval(a.value)}; "
            f"zero router {number_interval(a.zero_router)}; gain {points_interval(a.gain)}; up to "
            f"{usd(a.enough_cost)}, the best single model's, {points_interval(a.gain_to_best)}."
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
    lines += [one.words for one in t.importance[:5]]
    if t.slices is not None:
        lines += t.slices.words
    if t.later is not None:
        lines.append(t.later.words)
    return lines


def as_html(t: Training) -> str:
    """The verdict first, then the curve, the rivals and the calibration."""
    title = f"A router for {t.dataset.name}, {count(t.n)} requests, {len(t.models)} models"
    title += " (simulated data)" if t.simulated else ""
    tables = [
        html_table(head, rows, caption)
        for (head, rows), caption in (
            (curve_rows(t), title),
            (rival_rows(t), ""),
            (calibration_rows(t), ""),
        )
    ]
    lead = html_list([t.verdict, *t.warnings])
    rest = html_list([*scores(t), *findings(t), *t.assumptions])
    return f"<div>{lead}{''.join(tables)}{rest}</div>"
