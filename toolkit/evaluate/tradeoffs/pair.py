"""A weak and a strong model: how much of the way between them each policy goes.

APGR and CPT are of policies that choose between two models. Where requests also go to others they
have no meaning, and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate import as_json
from toolkit.evaluate.curves.pair import PairCurve, apgr_ends, pair_points
from toolkit.evaluate.format import number, number_interval, percent
from toolkit.evaluate.intervals import Estimate, Floats
from toolkit.evaluate.tradeoffs.points import Point
from toolkit.evaluate.tradeoffs.sweep import Swept
from toolkit.policy.model import Policy


@dataclass(frozen=True)
class Pair:
    """How much of the way from a weak to a strong model the policies go, and at which share."""

    weak: str
    strong: str
    """names in the log"""
    apgr: Estimate
    cpt20: float
    cpt50: float
    cpt80: float
    weak_quality: float
    strong_quality: float
    pgr: tuple[float, ...]
    """of each point, the share of the gap that it recovers; NaN where it asks other models too"""
    reason: str
    """why APGR and CPT, or the interval of APGR, are left out"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; shares are 0..1."""
        numbers = ("cpt20", "cpt50", "cpt80", "weak_quality", "strong_quality")
        return {
            "weak": self.weak,
            "strong": self.strong,
            "apgr": as_json.plain(self.apgr.value),
            "apgr_ci95": [as_json.plain(self.apgr.low), as_json.plain(self.apgr.high)],
            **{name: as_json.plain(getattr(self, name)) for name in numbers},
            "pgr": [as_json.plain(value) for value in self.pgr],
            "reason": self.reason or None,
        }


def pair_in_words(p: Pair) -> str:
    """APGR and CPT, or why there are none."""
    lead = f"Between {p.weak} and {p.strong}"
    if math.isnan(p.apgr.value):
        return f"{lead} there is no APGR and no CPT: {p.reason}."
    shares = ", ".join(percent(cpt) for cpt in (p.cpt20, p.cpt50, p.cpt80))
    no_interval = f" (no interval: {p.reason})" if p.reason else ""
    return (
        f"{lead}: APGR {number_interval(p.apgr)}{no_interval}; shares of strong calls that recover "
        f"20, 50 and 80 % of the gap: {shares}."
    )


def pair_models(
    names: tuple[str, str] | None, policy: Policy, models: Sequence[str]
) -> tuple[str, str] | None:
    """The weak and the strong model of the log that a person means by names there or in the policy.

    Raises:
        DataError: There is no such model, or it is one model twice.
    """
    if names is None:
        return None
    try:
        one, other = names
    except (TypeError, ValueError):
        raise DataError(f"pair: needs a weak and a strong model; got {names!r}") from None
    weak, strong = (_log_model(name, policy, models) for name in (one, other))
    if weak == strong:
        raise DataError(f"pair: needs two models; got {weak!r} twice; allowed: WEAK,STRONG")
    return weak, strong


def _log_model(name: str, policy: Policy, models: Sequence[str]) -> str:
    found = policy.log_name(name) if name in policy.models else name
    if found not in models:
        allowed = did_you_mean(name, [*policy.models, *models])
        raise DataError(f"pair: there is no such model; got {name!r}; allowed: {allowed}")
    return found


def check_gap(models: tuple[str, str] | None, singles: Sequence[Point]) -> None:
    """Raise DataError where the strong model of a pair is not better than the weak one."""
    if models is None:
        return
    weak, strong = (_quality(singles, name) for name in models)
    if strong <= weak:
        raise DataError(
            f"pair: the strong model must be the better one; got {models[1]!r} at quality "
            f"{number(strong)} and {models[0]!r} at {number(weak)}; allowed: WEAK,STRONG"
        )


def pair_of(
    models: tuple[str, str] | None,
    points: Sequence[Point],
    singles: Sequence[Point],
    swept: Swept,
    alone: Swept,
) -> Pair | None:
    """Where the policies stand between two models of the log; None without a pair."""
    if models is None:
        return None
    weak, strong = (_quality(singles, name) for name in models)
    quality = np.array([point.quality.value for point in points])
    share = np.array([point.strong_share for point in points])
    elsewhere = np.array([one.other_share > 0 for one in swept.measured])
    pgr = np.where(elsewhere, np.nan, (quality - weak) / (strong - weak or np.nan))
    line = pair_points(share, quality, weak, strong)
    apgr, reason = Estimate(math.nan), ""
    if elsewhere.any():
        line = PairCurve(line.share, np.full(len(line.share), np.nan), math.nan, math.nan, line.n)
        reason = _elsewhere(elsewhere, swept)
    elif math.isnan(line.apgr):
        reason = "the quality of one of them was not measured"
    else:
        ends = _ends([point.name for point in singles], models, swept, alone)
        apgr = Estimate(line.apgr, *ends, points[0].quality.n)
        if math.isnan(ends[0]):
            reason = "that one is better than the other is not sure enough for an interval"
    return Pair(
        weak=models[0],
        strong=models[1],
        apgr=apgr,
        cpt20=line.cpt(0.2),
        cpt50=line.cpt(0.5),
        cpt80=line.cpt(0.8),
        weak_quality=weak,
        strong_quality=strong,
        pgr=tuple(pgr.tolist()),
        reason=reason,
    )


def _quality(singles: Sequence[Point], name: str) -> float:
    return next(point.quality.value for point in singles if point.name == name)


def _elsewhere(elsewhere: np.ndarray[Any, Any], swept: Swept) -> str:
    most = percent(max(swept.measured[i].other_share for i in np.flatnonzero(elsewhere)))
    if elsewhere.all():
        return f"the policies ask other models too, on up to {most} of the requests"
    of = f"{int(elsewhere.sum()):,} of {len(elsewhere):,} policies"
    return f"{of} ask other models too, on up to {most} of the requests"


def _ends(
    names: Sequence[str], models: tuple[str, str], swept: Swept, alone: Swept
) -> tuple[float, float]:
    """The ends of the interval of APGR: qualities and shares are drawn together."""
    weak, strong = (alone.quality[:, names.index(name)] for name in models)
    draws: Floats = np.array(
        [
            pair_points(*drawn).apgr
            for drawn in zip(swept.strong_share, swept.quality, weak, strong, strict=True)
        ]
    )
    return apgr_ends(draws)
