"""What a policy would have earned, estimated from what another one logged: five estimators.

Each takes arrays over the n requests and returns the estimate with its influence function ψ: the
estimate is the mean of ψ, and its standard error sd(ψ)/√n. ``weight`` is π(a|x)/π_b(a|x) of the
action that was logged, ``reward`` what it earned, ``q_logged`` the outcome model's prediction of
that, and ``q_target`` its prediction for what the policy would do, Σ_a π(a|x) q̂(x, a).

- ``ips`` weighs each reward (Horvitz and Thompson, 1952): unbiased, with a wide spread.
- ``snips`` divides by the weights' mean (Swaminathan and Joachims, 2015): a little bias, less
  spread, and never outside the range of the rewards.
- ``dm`` trusts the outcome model alone.
- ``dr`` corrects the model by the weighted errors that it made (Dudík, Langford and Li, 2011):
  right if either the propensities or the model are, and narrower than ``ips`` if both are.
- ``switch_dr`` leaves the correction out where the weight exceeds τ (Wang, Agarwal and Dudík,
  2017).

A request whose reward was not measured has weight 0 here, and those that were weigh more in turn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TAU = 10.0
"""Switch-DR's default limit: a request that stands for more than ten is left to the model."""


class Estimated(NamedTuple):
    """An estimate and what each request adds to it."""

    value: float
    influence: Floats
    """(n,) ψ; its mean is ``value``"""


def _mean(influence: Floats) -> Estimated:
    return Estimated(float(influence.mean()) if influence.size else float("nan"), influence)


def ips(weight: Floats, reward: Floats) -> Estimated:
    """Inverse propensity scoring, mean(w r)."""
    return _mean(weight * reward)


def clipped_ips(weight: Floats, reward: Floats, most: float) -> Estimated:
    """``ips`` with no weight above ``most``: biased towards 0, with less spread."""
    return ips(np.minimum(weight, most), reward)


def snips(weight: Floats, reward: Floats) -> Estimated:
    """Self-normalised ``ips``, Σ w r / Σ w; NaN where all weights are 0. ψ is its linearisation."""
    total = float(weight.sum())
    if not total:
        return Estimated(float("nan"), np.full(weight.shape, np.nan))
    value = float((weight * reward).sum()) / total
    return Estimated(value, value + weight * (reward - value) * (weight.size / total))


def dm(q_target: Floats) -> Estimated:
    """The direct method, mean(Σ_a π(a|x) q̂(x, a))."""
    return _mean(q_target)


def dr(weight: Floats, reward: Floats, q_logged: Floats, q_target: Floats) -> Estimated:
    """Doubly robust, the direct method + mean(w (r − q̂)). Predictions must be cross-fitted."""
    return _mean(q_target + weight * (reward - q_logged))


def switch_dr(
    weight: Floats, reward: Floats, q_logged: Floats, q_target: Floats, tau: float = TAU
) -> Estimated:
    """``dr`` without the correction where the weight exceeds ``tau``."""
    return dr(np.where(weight <= tau, weight, 0.0), reward, q_logged, q_target)


def effective_sample_size(weight: Floats) -> float:
    """(Σw)²/Σw²: as many evenly weighted requests would tell as much (Kish, 1965)."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares else 0.0
