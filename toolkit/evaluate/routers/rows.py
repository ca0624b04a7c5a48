"""A training as people read it, in tables of text."""

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
    percent,
    points_interval,
    quality_interval,
    usd,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.routers.curve import CurvePoint, RouterCurve
from toolkit.evaluate.routers.min_quality import min_quality_rows
from toolkit.evaluate.routers.sentences import findings, scores

if TYPE_CHECKING:
    from toolkit.evaluate.routers.training import Training

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Head and rows."""
MOST_POINTS = 12
"""Points of a curve that are shown to people."""
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
    above = ("above the best mix, points",) if priced else ()
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
    """Head and rows of the router and each rival at one cost, with the paired difference."""
    priced, money = t.aiq is not None, t.money
    rows = [
        (
            one.name,
            *((money.usd(one.at_usd_per_1k),) if priced else ()),
            quality_interval(one.quality_at),
            quality_interval(one.router_at),
            _points(one.difference),
        )
        for one in t.rivals
    ]
    first = "at equal cost" if priced else "at their best"
    cost = (f"per {money.per}",) if priced else ()
    return (first, *cost, "its quality", "the router's", "router above, points"), rows


def area_rows(t: Training) -> Table:
    """Head and rows of the router above whatever has a curve, over all of it; or nothing."""
    shown = [
        (title, show, name)
        for title, show, name in (
            ("over the budgets, points", _points, "gain"),
            ("APGR", quality_interval, "apgr_gain"),
        )
        if any(math.isfinite(getattr(one, name).value) for one in t.rivals)
    ]
    rows = [
        (one.name, *(show(getattr(one, name)) for _, show, name in shown))
        for one in t.rivals
        if any(math.isfinite(getattr(one, name).value) for _, _, name in shown)
    ]
    return ("router above", *(title for title, _, _ in shown)), rows


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


def learned_from(t: Training) -> str:
    """``1,313 requests``, and how many of them are judged, where not all are."""
    told = f"{count(t.n)} requests"
    return told if t.n_judged == t.n else f"{told} to learn from, {count(t.n_judged)} judged"


def as_html(t: Training) -> str:
    """The verdict first, then the curve, the rivals and the calibration."""
    title = f"A router for {t.dataset.name}, {learned_from(t)}, {len(t.models)} models"
    title += " (simulated data)" if t.simulated else ""
    tables = [
        html_table(head, rows, caption)
        for (head, rows), caption in (
            (curve_rows(t), title),
            (share_rows(t), ""),
            (rival_rows(t), ""),
            (gain_rows(t), ""),
            (area_rows(t), ""),
            (min_quality_rows(t), ""),
            (calibration_rows(t), ""),
        )
        if rows
    ]
    lead = html_list([t.verdict, *t.warnings])
    rest = html_list([*scores(t), *findings(t), *t.assumptions])
    return f"<div>{lead}{''.join(tables)}{rest}</div>"
