"""A trained router under any rule of a policy: what it costs and gives, out of fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluate.intervals import UNDEFINED, bootstrap_of
from toolkit.evaluate.routers.curve import CurvePoint
from toolkit.evaluate.routers.measured import Sample
from toolkit.learn.choose import first
from toolkit.policy.router_rule import RouterRule

if TYPE_CHECKING:
    from toolkit.evaluate.routers.training import Training

LIMITS = 30
"""Limits of the cost to try."""


def cost_limits(training: Training) -> tuple[float, ...]:
    """Values of ``max_cost_usd`` worth trying, rising, USD per request; none without costs.

    Even ratios over what requests are expected to cost, with two digits, so that somebody can type
    them.
    """
    expected = training.predicted_cost[training.judged]
    known = expected[np.isfinite(expected) & (expected > 0)]
    if not known.size:
        return ()
    low, high = np.quantile(known, (0.01, 0.995)).tolist()
    steps = np.geomspace(low, max(high, low), LIMITS)
    return tuple(dict.fromkeys(float(f"{step:.1e}") for step in steps))


def by_cost_limit(training: Training) -> tuple[CurvePoint, ...]:
    """The router at every limit of ``cost_limits``, without what it gains over the zero router.

    Nothing for a log with one outcome per request: what was not logged there is not known.
    """
    at = np.flatnonzero(training.judged)
    limits = cost_limits(training)
    if training.estimated or not at.size or not limits:
        return ()
    chosen = [
        first(
            training.predicted[at],
            training.predicted_cost[at],
            RouterRule(name="trained", max_cost_usd=limit),
        )
        for limit in limits
    ]
    sample = Sample(
        training.rows[at],
        training.quality[at],
        training.cost_usd[at],
        bootstrap_of(training.dataset),
    )
    measured, m = sample.of(chosen), len(training.models)
    return tuple(
        CurvePoint(
            limit,
            measured.cost[i],
            measured.quality[i],
            tuple((np.bincount(chosen[i], minlength=m) / len(at)).tolist()),
            float("nan"),
            UNDEFINED,
        )
        for i, limit in enumerate(limits)
    )
