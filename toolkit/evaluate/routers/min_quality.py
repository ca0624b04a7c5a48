"""The threshold that a policy is written with: which to take, and what others cost and give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.evaluate.format import number, quality_interval

if TYPE_CHECKING:
    from toolkit.evaluate.routers.curve import CurvePoint
    from toolkit.evaluate.routers.training import Training

MOST = 8
"""Thresholds that are shown to people, beside the one that is advised."""


def advised_point(t: Training) -> CurvePoint:
    """The cheapest threshold that is as good as the best single model; else the best there is."""
    best, points = t.rival("single"), t.thresholds.points
    wanted = best.point.quality.value if best is not None else 1.0
    enough = [p for p in points if p.quality.value >= wanted]
    if enough:
        return min(enough, key=lambda p: (p.cost_usd_per_1k.value, p.value))
    return max(points, key=lambda p: p.quality.value)


def min_quality_rows(t: Training) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of some thresholds; nothing where the curve itself is by threshold."""
    points, money = t.thresholds.points, t.money
    head = ("min_quality", f"cost per {money.per} [95 %]", "quality [95 %]", "n")
    if not t.curve.points:
        return head, []
    # Where two settings ask the same models, one of them tells it all.
    kept = [i for i, p in enumerate(points) if not i or p.shares != points[i - 1].shares]
    if len(kept) > MOST:
        step = (len(kept) - 1) / (MOST - 1)
        kept = [kept[round(i * step)] for i in range(MOST)]
    kept = sorted({*kept, points.index(advised_point(t))})
    return head, [
        (
            number(points[i].value),
            money.interval(points[i].cost_usd_per_1k),
            quality_interval(points[i].quality),
            f"{points[i].quality.n:,}",
        )
        for i in kept
    ]
