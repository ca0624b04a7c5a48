"""From scores to probabilities that hold: of requests with P = 0.8, eight in ten are accepted.

Isotonic: the best rising steps through (score, outcome), over groups of at least 20 requests, with
straight lines between the middles of the steps (centred isotonic regression, Oron and Flournoy
2017), so that the order of requests is kept. Sigmoid: a logistic regression on the score (Platt
1999); also where a model was observed on fewer than 200 requests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.linear import Block, fit_linear, linear, logistic

Floats = NDArray[np.float64]
Curve = dict[str, Any]
"""One model's calibration: ``x`` and ``p``, rising, or ``coefficients``."""

FEW = 200
"""Fewer observed requests than this carry no steps."""
_GROUP = 20
_GROUPS = 500


def learn_curve(score: Floats, outcome: Floats, weight: Floats, how: str | None) -> Curve:
    """Calibrate one model's scores (log odds) (n,), outcomes and weights like them.

    Scores must come from heads that did not see the outcome of the same row.
    """
    seen = weight > 0
    if how is None or not seen.any():
        return {}
    score, outcome, weight = score[seen], outcome[seen], weight[seen]
    if how == "sigmoid" or len(score) < FEW:
        blocks = [Block(score[:, None])]
        found = fit_linear(blocks, outcome[:, None], weight[:, None], 1.0)
        return {"coefficients": found if found[0, 0] > 0 else np.array([[0.0], [found[1, 0]]])}
    order = np.argsort(score, kind="stable")
    groups = min(len(score) // _GROUP, _GROUPS)
    group = np.arange(len(score)) * groups // len(score)
    w = np.bincount(group, weight[order])
    x = np.bincount(group, (weight * score)[order]) / w
    y = np.bincount(group, (weight * outcome)[order]) / w
    return _centred(x, y, w)


def _centred(x: Floats, y: Floats, w: Floats) -> Curve:
    """Pool neighbours that do not rise; each pool's middle is a corner of the curve."""
    from sklearn.isotonic import isotonic_regression

    step = isotonic_regression(y, sample_weight=w, y_min=0.0, y_max=1.0)
    pool = np.concatenate([[0], np.cumsum(np.diff(step) > 0)])
    weight = np.bincount(pool, w)
    middle = np.bincount(pool, w * x) / weight
    return {"x": middle, "p": np.bincount(pool, w * step) / weight}


def calibrated(curve: Curve, score: Floats) -> Floats:
    """Probabilities 0..1 of scores (n,)."""
    if "coefficients" in curve:
        return logistic(linear([Block(score[:, None])], curve["coefficients"])[:, 0])
    p = logistic(score)
    return np.interp(score, curve["x"], curve["p"]) if curve else p
