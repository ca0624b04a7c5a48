"""Whether a predicted 0.8 comes true in 80 of 100 requests: per model, on requests not trained on.

- Bins are of equal mass, and equal predictions stay in one bin: an isotonic calibration predicts
  in steps, and which half of a step a request falls into would be chance. A step goes where its
  middle is, so there may be fewer bins than asked for, and some larger than others.
- The expected calibration error (ECE) is above 0 even where every prediction is right, as a bin of
  100 requests never shows just what was predicted. Beside it stands what a router that is right
  would show (``ece_if_right``, 97.5 % of draws below ``ece_if_right_most``). Where the ECE is no
  larger than that, the lower end of its interval is 0. Drawn anew, an ECE has that excess twice;
  the interval takes it out, once above and twice below.
- The Brier score of the base rate is that of a router which says the same of every request: the
  mean of all of them, known beforehand, which flatters it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.format import number_interval
from toolkit.evaluate.intervals import UNDEFINED, Bootstrap, Estimate, wilson
from toolkit.evaluate.routers.draws import Floats, Ints, drawing, independent, mean

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Requests with predictions alike."""

    low: float
    """the smallest prediction, 0..1"""
    high: float
    """the largest"""
    predicted: float
    """mean"""
    observed: Estimate
    """mean quality; Wilson's interval"""

    @property
    def n(self) -> int:
        """Requests in it."""
        return self.observed.n

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "low": self.low,
            "high": self.high,
            "predicted": self.predicted,
            **as_json.estimates({"observed": self.observed}),
        }


@dataclass(frozen=True)
class Calibration:
    """What one model was predicted to do, and did."""

    model: str
    n: int
    """requests with a grade and a prediction"""
    ece: Estimate
    """mean distance of observed from predicted over the bins, 0..1"""
    ece_if_right: float
    """what it would be on average, were every prediction right"""
    ece_if_right_most: float
    """of routers whose predictions are right 97.5 % show less"""
    brier: Estimate
    """mean square of quality minus prediction"""
    brier_base: Estimate
    """the same of the mean quality as the only prediction"""
    brier_gain: Estimate
    """brier_base − brier, paired: above 0, the router knows more than the mean"""
    bins: tuple[Bin, ...]
    """by rising prediction"""

    @property
    def consistent(self) -> bool | None:
        """Whether a router whose predictions are right could show this; None: not measured."""
        return None if math.isnan(self.ece.value) else self.ece.value <= self.ece_if_right_most

    @property
    def words(self) -> str:
        """How far the predictions can be taken at their word, in a sentence."""
        if not self.n:
            return f"{self.model}: no grades to hold the predictions against."
        off = f"ECE {number_interval(self.ece)}"
        right = "no more than were every prediction right"
        word = right if self.consistent else "more than chance explains"
        gain = self.brier_gain
        skill = "better" if gain.low > 0 else "worse" if gain.high < 0 else "not surely better"
        return (
            f"{self.model}: {off}, {word}; Brier score {number_interval(self.brier)}, {skill} than"
            f" the mean's {number_interval(self.brier_base)}."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        named = {name: getattr(self, name) for name in ("ece", "brier", "brier_base", "brier_gain")}
        return {
            "model": self.model,
            "n": self.n,
            **as_json.estimates(named),
            "ece_if_right": as_json.plain(self.ece_if_right),
            "ece_if_right_most": as_json.plain(self.ece_if_right_most),
            "bins": [b.to_dict() for b in self.bins],
        }


def calibration(
    predicted: Floats,
    quality: Floats,
    models: Sequence[str],
    *,
    bins: int = BINS,
    weight: Floats | None = None,
    cluster: Ints | None = None,
    seed: int = 0,
) -> tuple[Calibration, ...]:
    """Hold out-of-fold predictions (n, m) against the quality (n, m), NaN where not known.

    ``weight`` (n, m) says how many requests an outcome stands for (a log with one outcome each);
    ``cluster`` (n,) who belongs together.
    """
    boot = drawing(len(predicted), cluster, seed=seed)
    return tuple(
        _of_model(
            model,
            predicted[:, j],
            quality[:, j],
            None if weight is None else weight[:, j],
            boot,
            bins,
            seed,
        )
        for j, model in enumerate(models)
    )


def equal_mass(predicted: Floats, bins: int = BINS) -> NDArray[np.intp]:
    """The bin of each prediction (n,), from 0 without gaps; equal predictions share one."""
    _, step, size = np.unique(predicted, return_inverse=True, return_counts=True)
    middle = np.cumsum(size) - size / 2
    coarse = np.minimum((middle * bins / max(len(predicted), 1)).astype(np.intp), bins - 1)
    return np.unique(coarse, return_inverse=True)[1][step]


def _of_model(
    model: str,
    predicted: Floats,
    quality: Floats,
    weight: Floats | None,
    boot: Bootstrap,
    bins: int,
    seed: int,
) -> Calibration:
    there = ~np.isnan(predicted) & ~np.isnan(quality)
    if weight is not None:
        there &= weight > 0
    n = int(there.sum())
    if not n:
        nothing = (UNDEFINED, math.nan, math.nan, UNDEFINED, UNDEFINED, UNDEFINED, ())
        return Calibration(model, 0, *nothing)
    p, y = predicted[there], quality[there]
    w = np.ones(n) if weight is None else weight[there]
    code = equal_mass(p, bins)
    k = int(code.max()) + 1
    mass = np.bincount(code, w)
    base = float(np.average(y, weights=w))

    def everywhere(values: Floats) -> Floats:
        out = np.full(len(there), np.nan)
        out[there] = values
        return out

    off, off_base = everywhere(np.square(y - p)), everywhere(np.square(y - base))
    ece, if_right, most = _ece(p, y, w, code, boot, there, seed)
    mean_p, mean_y = np.bincount(code, w * p) / mass, np.bincount(code, w * y) / mass
    every = everywhere(y)
    rows = np.flatnonzero(there)
    found = []
    for b in range(k):
        inside = np.zeros(len(there), np.bool_)
        inside[rows[code == b]] = True
        members = w[code == b]
        # Uneven weights tell as much as fewer even ones (Kish's effective sample size).
        even = members.sum() ** 2 / (np.square(members).sum() * len(members))
        ends = wilson(float(mean_y[b]), float(independent(boot, inside, every) * even))
        size = len(members)
        observed = Estimate(float(mean_y[b]), *ends, size, size / n)
        spread = p[code == b]
        found.append(Bin(float(spread.min()), float(spread.max()), float(mean_p[b]), observed))
    return Calibration(
        model,
        n,
        ece,
        if_right,
        most,
        mean(boot, off, weight, fraction=True),
        mean(boot, off_base, weight, fraction=True),
        mean(boot, off_base - off, weight),
        tuple(found),
    )


def _ece(
    p: Floats,
    y: Floats,
    w: Floats,
    code: Ints,
    boot: Bootstrap,
    there: NDArray[np.bool_],
    seed: int,
) -> tuple[Estimate, float, float]:
    """The ECE with its interval, and the mean and 97.5 % point of what a right router shows."""
    k, units = int(code.max()) + 1, boot.weights.shape[1]
    unit = boot.unit[there]
    cell = unit * k + code
    gaps = np.bincount(cell, w * (y - p), minlength=units * k).reshape(units, k)
    mass = np.bincount(unit, w, minlength=units)
    ece = float(np.abs(gaps.sum(axis=0)).sum() / mass.sum())
    drawn_mass = boot.weights @ mass.astype(np.float32)
    drawn = np.abs(boot.weights @ gaps.astype(np.float32)).sum(axis=1)
    drawn = drawn[drawn_mass > 0] / drawn_mass[drawn_mass > 0]
    excess = max(float(drawn.mean()) - ece, 0.0)
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    # Were the predictions right, each bin's gap would spread as much as its members do.
    around = gaps if boot.row is not None else None
    variance = (
        np.square(around - around.sum(axis=0) / units).sum(axis=0)
        if around is not None
        else np.bincount(code, w * w * p * (1 - p))
    )
    normal = np.random.default_rng([seed, k]).standard_normal((2_000, k))
    right = np.abs(normal * np.sqrt(variance)).sum(axis=1) / mass.sum()
    most = float(np.quantile(right, 0.975))
    low = 0.0 if ece <= most else max(low - 2 * excess, 0.0)
    high = max(high - excess, ece)
    n = len(p)
    return (
        Estimate(ece, min(low, ece), min(high, 1.0), n, n / len(there)),
        float(right.mean()),
        most,
    )
