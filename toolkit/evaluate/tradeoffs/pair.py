"""A weak and a strong model: how much of the way between them each policy goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate import as_json
from toolkit.evaluate.curves.pair import pair_points
from toolkit.evaluate.tradeoffs.points import Point
from toolkit.policy.model import Policy


@dataclass(frozen=True)
class Pair:
    """How much of the way from a weak to a strong model the policies go, and at which share."""

    weak: str
    strong: str
    """names in the log"""
    apgr: float
    cpt20: float
    cpt50: float
    cpt80: float
    weak_quality: float
    strong_quality: float
    pgr: tuple[float, ...]
    """of each point, the share of the gap that it recovers"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; shares are 0..1."""
        numbers = ("apgr", "cpt20", "cpt50", "cpt80", "weak_quality", "strong_quality")
        return {
            "weak": self.weak,
            "strong": self.strong,
            **{name: as_json.plain(getattr(self, name)) for name in numbers},
            "pgr": [as_json.plain(value) for value in self.pgr],
        }


def log_model(name: str, policy: Policy, models: Sequence[str]) -> str:
    """The model of the log that a person means by its name there or in the policy.

    Raises:
        DataError: There is none.
    """
    found = policy.log_name(name) if name in policy.models else name
    if found not in models:
        allowed = did_you_mean(name, [*policy.models, *models])
        raise DataError(f"pair: there is no such model; got {name!r}; allowed: {allowed}")
    return found


def pair_of(
    models: Sequence[str] | None, points: Sequence[Point], singles: Sequence[Point]
) -> Pair | None:
    """Where the policies stand between two models of the log; None without a pair."""
    if models is None:
        return None
    quality = {point.name: point.quality.value for point in singles}
    weak, strong = (quality[name] for name in models)
    share = np.array([point.strong_share for point in points])
    line = pair_points(share, np.array([point.quality.value for point in points]), weak, strong)
    gap = strong - weak or np.nan
    return Pair(
        weak=models[0],
        strong=models[1],
        apgr=line.apgr,
        cpt20=line.cpt(0.2),
        cpt50=line.cpt(0.5),
        cpt80=line.cpt(0.8),
        weak_quality=weak,
        strong_quality=strong,
        pgr=tuple(float((point.quality.value - weak) / gap) for point in points),
    )
