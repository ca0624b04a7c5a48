"""The lowest quality that a setting of a router may be promised to keep on the next requests.

A setting is a value of the decision's knob (``min_quality``), and was tried on n requests that the
router had not seen, with c answers accepted. Of the next N requests, drawn like these, fewer than t
are accepted with a probability that an exact test bounds: of n + N exchangeable requests with
c + t − 1 accepted answers in all, at least c would be among the first n with the probability of a
hypergeometric tail. The highest t for which that is at most 1 − confidence is the floor, t / N.

Trying many settings and taking the cheapest that passes would be picking luck. So they are tried in
an order fixed beforehand, from the most expensive to the cheapest, up to the first that fails
(fixed-sequence testing; Learn then Test, Angelopoulos et al. 2021): the floor of a setting is the
lowest among those up to it. For the mean of endlessly many requests that is exact; for the next N
it is exact for a setting chosen beforehand, and holds for the chosen one as measured in
``tests/test_floor.py``: decisions of neighbouring settings are nearly the same.

- Requests of one user are alike: n and N count for as many as are independent (design effect). A
  sample that is lucky in its users also looks less alike than it is: of simulated users whose
  answers correlate by 0.3, promises broke in up to 10 % of draws, so what the design effect adds
  counts twice, and they break in 2 to 7 % (5 % is due). Of few users little can be promised.
- Grades between 0 and 1 spread less than successes with the same mean; their sum is rounded down.
  That this errs on the safe side is measured, not proven.
- "Like these" is meant: the promise ends where traffic, models or prices change. The router that is
  kept is trained on all requests; those that were judged, on the other folds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.format import count, counted, number, percent
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.routers.draws import Floats, Ints, drawing, independent, means
from toolkit.evaluate.routers.money import money_of

CONFIDENCE = 0.95
CAUTION = 2.0
"""How often the excess of a design effect over 1 counts."""


@dataclass(frozen=True)
class FloorPoint:
    """One setting of the decision."""

    value: float
    """of the knob"""
    quality: Estimate
    """mean over the requests, 0..1"""
    cost_usd_per_1k: Estimate
    floor: float
    """the highest quality that can be promised of the next requests, if the setting is chosen from
    the sequence; NaN without grades"""
    alone: float
    """the same, had this setting been chosen before looking"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        named = {"quality": self.quality, "cost_usd_per_1k": self.cost_usd_per_1k}
        return {
            "value": self.value,
            **as_json.estimates(named),
            "floor": as_json.plain(self.floor),
            "floor_alone": as_json.plain(self.alone),
        }


@dataclass(frozen=True)
class Floor:
    """What each setting may promise, and the cheapest that promises what is wanted."""

    rule: str
    """the knob"""
    wanted: float | None
    """quality, 0..1"""
    confidence: float
    n: int
    """requests behind it"""
    next_n: int
    """requests of which it speaks"""
    design_effect: float
    """how many requests count as one independent one, at the chosen setting (else that of the
    highest floor)"""
    points: tuple[FloorPoint, ...]
    """from the most expensive setting to the cheapest"""

    @property
    def highest(self) -> FloorPoint | None:
        """The cheapest of the settings with the highest floor."""
        known = [p for p in self.points if not math.isnan(p.floor)]
        top = max((p.floor for p in known), default=math.nan)
        return _cheapest([p for p in known if p.floor >= top])

    @property
    def chosen(self) -> FloorPoint | None:
        """The cheapest setting that promises what is wanted, if there is one."""
        return None if self.wanted is None else self.at(self.wanted)

    def at(self, wanted: float) -> FloorPoint | None:
        """The cheapest setting that promises a quality of ``wanted``; None where none does."""
        # All settings that pass are sure together, so that the cheapest may be picked.
        return _cheapest([p for p in self.points if p.floor >= wanted])

    def promise(self, floor: float) -> str:
        """``quality ≥ 0.85 on the next 1,700 requests like these, with 95 % confidence``."""
        return (
            f"quality ≥ {number(floor)} on the next {counted(self.next_n, 'request')} like these,"
            f" with {percent(self.confidence).replace('.0 %', ' %')} confidence"
        )

    def words(self, wanted: float | None = None) -> str:
        """What can be promised, in a sentence."""
        wanted = self.wanted if wanted is None else wanted
        top = self.highest
        if top is None:
            return "No floor: no request has a grade."
        point = top if wanted is None else self.at(wanted)
        if point is None:
            return (
                f"No setting promises {self.promise(wanted or 0)}: the highest floor is"
                f" {_down(top.floor)}, at {self.rule} {number(top.value)}. Judged on"
                f" {counted(self.n, 'request')}{self._alike}."
            )
        floor = _down(point.floor) if wanted is None else wanted
        cost = point.cost_usd_per_1k.value
        money = money_of(p.cost_usd_per_1k.value for p in self.points)
        price = f" ({money.each(cost)})" if math.isfinite(cost) else ""
        return (
            f"{self.rule} {number(point.value)}{price} promises {self.promise(float(floor))}."
            f" Judged on {counted(self.n, 'request')}{self._alike}."
        )

    @property
    def _alike(self) -> str:
        if self.design_effect <= 1.0 + 1e-9:
            return ""
        few = count(max(int(self.n / self.design_effect), 0))
        return f", counted as {few} independent ones as those of one user are alike (approximate)"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        chosen = self.chosen
        return {
            "rule": self.rule,
            "wanted": self.wanted,
            "confidence": self.confidence,
            "n": self.n,
            "next_n": self.next_n,
            "design_effect": as_json.plain(self.design_effect),
            "chosen": chosen.to_dict() if chosen else None,
            "words": self.words(),
            "points": [p.to_dict() for p in self.points],
        }


def floors(
    values: Sequence[float],
    chosen: Ints,
    quality: Floats,
    cost_usd: Floats,
    *,
    wanted: float | None = None,
    confidence: float = CONFIDENCE,
    next_n: int | None = None,
    cluster: Ints | None = None,
    rule: str = "min_quality",
    seed: int = 0,
) -> Floor:
    """The floor of every setting of a router.

    ``values`` (k,) of the knob and ``chosen`` (k, n), the model that each setting asks first on
    each request, out of fold; ``quality`` and ``cost_usd`` (n, m) of all models. A larger value of
    the knob is taken for the more expensive. ``next_n`` is how many requests the promise is about,
    as many as these if not said; ``cluster`` (n,) who belongs together.
    """
    order = np.argsort(-np.asarray(values, np.float64), kind="stable")
    chosen = np.asarray(chosen)[order]
    n = chosen.shape[1]
    boot = drawing(n, cluster, seed=seed)
    rows = np.arange(n)
    got = [quality[rows, one] for one in chosen]
    paid = [cost_usd[rows, one] * 1_000 for one in chosen]
    next_n = n if next_n is None else next_n
    means_of = means(boot, got, fraction=True)
    design = np.ones(len(order))
    for i, values_of in enumerate(got):
        there = ~np.isnan(values_of)
        if cluster is not None and there.any():
            worth = max(independent(boot, there, values_of), 1e-9)
            design[i] = 1 + CAUTION * max(there.sum() / worth - 1, 0)
    held = np.maximum([e.n for e in means_of] / design, 0)
    alone = highest_floors(
        np.array([e.value for e in means_of]) * held, held, next_n / design, confidence
    )
    running = np.minimum.accumulate(np.where(np.isnan(alone), -np.inf, alone))
    running[np.isinf(running)] = np.nan
    points = tuple(
        FloorPoint(float(np.asarray(values)[order[i]]), q, c, float(running[i]), float(alone[i]))
        for i, (q, c) in enumerate(zip(means_of, means(boot, paid), strict=True))
    )
    found = Floor(rule, wanted, confidence, n, next_n, 1.0, points)
    at = found.chosen or found.highest
    effect = float(design[points.index(at)]) if at else 1.0
    return replace(found, design_effect=effect)


def highest_floors(
    accepted: Floats, n: Floats, next_n: Floats, confidence: float = CONFIDENCE
) -> Floats:
    """The highest share of the next ``next_n`` (k,) that ``accepted`` (k,) of ``n`` (k,) promise.

    Numbers are rounded down (k,); NaN where n is 0. See :func:`tail`.
    """
    c, had = np.floor(accepted + 1e-9), np.floor(n + 1e-9)
    coming = np.maximum(np.floor(next_n + 1e-9), 1)
    known = had > 0
    c, had = np.where(known, c, 0), np.where(known, had, 1)
    # low passes, high does not: t = 0 is no promise, and t = next_n + 1 cannot be.
    low, high = np.zeros(len(c)), coming + 1
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        passes = tail(c, had, middle, coming) <= 1 - confidence
        low, high = np.where(passes, middle, low), np.where(passes, high, middle)
    return np.where(known, low / coming, np.nan)


def tail(accepted: Floats, n: Floats, needed: Floats, next_n: Floats) -> NDArray[np.float64]:
    """How likely ``accepted`` or more of ``n`` are (k,), if the next lack one of ``needed``.

    At most this often are so many accepted among n requests, and fewer than ``needed`` among the
    ``next_n`` that follow, whatever the quality is: the n + next_n requests are exchangeable.
    """
    from scipy.stats import hypergeom  # type: ignore[import-untyped]

    in_all = np.maximum(accepted + needed - 1, 0)
    sure = in_all > n + next_n  # more than there are: nothing follows
    found = hypergeom.sf(accepted - 1, n + next_n, np.minimum(in_all, n + next_n), n)
    return np.where(sure, 1.0, found)


def _cheapest(points: Sequence[FloorPoint]) -> FloorPoint | None:
    """The cheapest; the smallest value of the knob where costs are equal or not known."""

    def key(point: FloorPoint) -> tuple[float, float]:
        cost = point.cost_usd_per_1k.value
        return (math.inf if math.isnan(cost) else cost, point.value)

    return min(points, key=key, default=None)


def _down(floor: float) -> str:
    """Three decimals, rounded down: a promise is not rounded up."""
    return number(math.floor(floor * 1_000 + 1e-9) / 1_000)
