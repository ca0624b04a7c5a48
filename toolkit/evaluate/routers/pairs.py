"""A weak and a strong model, told apart by the data: how much of the gap the router recovers.

Requests are ranked by the difference of the two probabilities; every threshold of it is a point of
the curve. A call of the strong model counts 1 here and one of the weak model 0, whatever they cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from toolkit.evaluate import as_json
from toolkit.evaluate.curves.pair import PairCurve, PairDraws, apgr_ends, pair_curve, pair_draws
from toolkit.evaluate.intervals import UNDEFINED, Estimate, Floats
from toolkit.evaluate.routers.measured import Measured, Sample


@dataclass(frozen=True, eq=False)
class PairScores:
    """RouteLLM's figures, by the difference of the two probabilities, every threshold of it."""

    weak: str
    strong: str
    """names in the log; the strong one has the higher quality"""
    weak_quality: Estimate
    strong_quality: Estimate
    apgr: Estimate
    """0.5 is chance; an interval only where the strong model is surely better"""
    cpt50: Estimate
    """least share of strong calls that recovers half of the gap"""
    cpt80: Estimate
    curve: PairCurve
    """quality by the share of strong calls, out of fold"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; shares are 0..1."""
        named = {"apgr": self.apgr, "cpt50": self.cpt50, "cpt80": self.cpt80}
        qualities = {"weak_quality": self.weak_quality, "strong_quality": self.strong_quality}
        return {
            "weak": self.weak,
            "strong": self.strong,
            **as_json.estimates(named | qualities),
        }


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models on the requests that are judged, and how the router ranks these."""

    sample: Sample
    weak: int
    """column of the sample"""
    strong: int
    score: Floats
    """(k,) by how much the router wants the strong model"""

    def score_of(self, quality: Floats) -> Floats:
        """By how much qualities (k, m) speak for the strong model, (k,)."""
        return np.asarray(quality[:, self.strong] - quality[:, self.weak])

    def _curve(self, score: Floats) -> PairCurve:
        quality = self.sample.quality
        return pair_curve(score, quality[:, self.weak], quality[:, self.strong])

    def _draws(self, score: Floats) -> PairDraws:
        quality = self.sample.quality
        n, sides = len(self.sample.boot.unit), (quality[:, self.weak], quality[:, self.strong])
        spread = np.full((3, n), np.nan)  # requests that are not judged are drawn, too
        spread[:, self.sample.request] = (score, *sides)
        return pair_draws(spread[0], spread[1], spread[2], self.sample.boot)

    @cached_property
    def _mine(self) -> tuple[PairCurve, PairDraws]:
        return self._curve(self.score), self._draws(self.score)

    def against(self, score: Floats | None) -> tuple[Estimate, Estimate]:
        """APGR of another score (k,), and how much the router's is above it, paired."""
        if score is None:
            return UNDEFINED, UNDEFINED
        (mine, my_draws), theirs, draws = self._mine, self._curve(score), self._draws(score)
        return (
            self._estimate(theirs.apgr, draws.apgr),
            self._estimate(mine.apgr - theirs.apgr, my_draws.apgr - draws.apgr),
        )

    def scores(self, models: Sequence[str], singles: Measured) -> PairScores:
        """The figures of the router; ``singles`` are the models alone."""
        curve, draws = self._mine
        return PairScores(
            weak=models[self.weak],
            strong=models[self.strong],
            weak_quality=singles.quality[self.weak],
            strong_quality=singles.quality[self.strong],
            apgr=self._estimate(curve.apgr, draws.apgr),
            cpt50=self._estimate(curve.cpt(0.5), draws.cpt(0.5)),
            cpt80=self._estimate(curve.cpt(0.8), draws.cpt(0.8)),
            curve=curve,
        )

    def _estimate(self, value: float, draws: Floats) -> Estimate:
        if np.isnan(value):
            return UNDEFINED
        n = len(self.sample.request)
        low, high = apgr_ends(draws)
        return Estimate(value, min(low, value), max(high, value), n, 1.0)


def pair_of(sample: Sample, predicted: Floats, singles: Measured) -> Pair | None:
    """The weak and the strong of two models, by their quality, then their cost; None if not two."""
    if len(singles) != 2:
        return None
    weak, strong = (int(i) for i in np.lexsort((singles.costs, singles.qualities)))
    return Pair(sample, weak, strong, predicted[:, strong] - predicted[:, weak])
