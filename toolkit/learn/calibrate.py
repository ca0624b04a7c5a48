"""From scores to probabilities that hold: of requests with P = 0.8, eight in ten are accepted.

Isotonic: the best rising steps through (score, outcome), over groups of at least 20 requests, with
straight lines between the middles of the steps (centred isotonic regression, Oron and Flournoy
2017), so that the order of requests is kept. Sigmoid: a line through the log odds (Platt 1999),
which may make a score less sure but not surer; also where a model was observed on fewer than 2,000
requests, too few for steps: to be surer there makes more of small differences between models than
they are worth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.linear import logistic

Floats = NDArray[np.float64]
Curve = dict[str, Any]
"""One model's calibration: ``x`` and ``p``, rising, or a ``line``; empty: none."""

FEW = 2_000
"""Fewer observed requests than this carry no steps."""
_GROUP = 20
_GROUPS = 500
_PRIOR = 5.0
"""Strength with which a line is drawn to leaving scores as they are."""


def learn_curve(score: Floats, outcome: Floats, weight: Floats, how: str | None) -> Curve:
    """Calibrate one model's scores (log odds) (n,), outcomes and weights like them.

    Scores must come from heads that did not see the outcome of the same row.
    """
    seen = weight > 0
    if how is None or not seen.any():
        return {}
    score, outcome, weight = score[seen], outcome[seen], weight[seen]
    if how == "sigmoid" or len(score) < FEW:
        return {"line": _line(score, outcome, weight)}
    order = np.argsort(score, kind="stable")
    groups = min(len(score) // _GROUP, _GROUPS)
    group = np.arange(len(score)) * groups // len(score)
    w: Floats = np.bincount(group, weight[order]).astype(np.float64)
    x = np.bincount(group, (weight * score)[order]) / w
    y = np.bincount(group, (weight * outcome)[order]) / w
    return _centred(x, y, w)


def _centred(x: Floats, y: Floats, w: Floats) -> Curve:
    """Pool neighbours that do not rise; each pool's middle is a corner of the curve."""
    from sklearn.isotonic import isotonic_regression  # type: ignore[import-untyped]

    step = isotonic_regression(y, sample_weight=w, y_min=0.0, y_max=1.0)
    pool = np.concatenate([[0], np.cumsum(np.diff(step) > 0)])
    weight = np.bincount(pool, w)
    middle = np.bincount(pool, w * x) / weight
    return {"x": middle, "p": np.bincount(pool, w * step) / weight}


def _line(score: Floats, outcome: Floats, weight: Floats) -> Floats:
    """Slope 0..1 and intercept of the log odds, by Newton's method, drawn to 1 and 0."""
    line = np.array([1.0, 0.0])
    for free in ((True, True), (False, True)):
        which = np.flatnonzero(free)
        for _ in range(30):
            p = logistic(line[0] * score + line[1])
            x = np.stack([score, np.ones_like(score)])
            slope = x @ (weight * (p - outcome)) + _PRIOR * (line - [1.0, 0.0])
            bend = (x * (weight * p * (1 - p))) @ x.T + _PRIOR * np.eye(2)
            step = np.linalg.solve(bend[np.ix_(which, which)], slope[which])
            line[which] -= np.clip(step, -1.0, 1.0)
        if 0 <= line[0] <= 1:
            break
        line[0] = np.clip(line[0], 0.0, 1.0)
    return line


def calibrated(curve: Curve, score: Floats) -> Floats:
    """Probabilities 0..1 of scores (n,)."""
    if "line" in curve:
        return logistic(score * float(curve["line"][0]) + float(curve["line"][1]))
    return np.interp(score, curve["x"], curve["p"]) if curve else logistic(score)
