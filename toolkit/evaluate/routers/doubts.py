"""What should make a reader of a training doubt, and what its figures rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.format import count, counted, number, percent
from toolkit.evaluate.goals import listed

if TYPE_CHECKING:
    from toolkit.evaluate.routers.training import Training

FEW = 300
"""Fewer judged requests than this are told of."""
UNPRICED = 0.1
"""A model without a cost on more than this share of its answers is told of."""
STRANGE = 0.05
"""As many more requests than expected that are like nothing known are told of."""


def warnings(training: Training) -> tuple[str, ...]:
    """What should make a reader doubt, a sentence each."""
    found = list(training.leaks)
    if training.simulated:
        found.append("The data is simulated: what a router is worth on it says nothing of service.")
    if training.n_judged < FEW:
        found.append(
            f"Only {counted(training.n_judged, 'request')} judge the router: intervals are wide, "
            "and it has learned from little."
        )
    left = training.n - training.n_judged
    if left and not training.estimated and training.folds.kind != "time":
        found.append(
            f"{counted(left, 'request')} of {count(training.n)} are not graded for all of the "
            "models: learned from, not judged on."
        )
    bare = [
        m for m, share in zip(training.models, _unpriced(training), strict=True) if share > UNPRICED
    ]
    if bare and training.aiq is not None:
        found.append(
            f"Costs are missing for {listed(bare)}: what the router spends is told over the "
            "requests with a cost only."
        )
    if training.later is not None and training.later.gap.high < 0:
        found.append(training.later.words)
    off = [one.model for one in training.calibration if one.consistent is False]
    if off:
        found.append(
            f"The probabilities for {listed(off)} are off by more than chance: min_quality does "
            "not mean quite what it says for them."
        )
    far = float(np.mean(training.novelty[training.judged] > 0.99))
    if far > STRANGE:
        found.append(
            f"{percent(far)} of the requests are unlike all that the router of their fold had "
            "seen: a policy sends them to its default chain."
        )
    return tuple(dict.fromkeys(found))


def _unpriced(training: Training) -> list[float]:
    """(m,) share of each model's judged answers that have no cost; what was not asked is none."""
    at = training.judged
    there = ~np.isnan(training.quality[at])
    bare = there & np.isnan(training.cost_usd[at])
    return [float(s) for s in bare.sum(axis=0) / np.maximum(there.sum(axis=0), 1)]


def assumptions(training: Training) -> tuple[str, ...]:
    """What the figures rest on, a sentence each."""
    alike = _clustered(training)
    drawn = f"requests, all of one {alike} together" if alike else "requests"
    found = [
        f"Out of fold: {training.folds.note}",
        (
            "Cost and quality are of the first model that is asked; fallbacks, retries and "
            "abstaining come on top, and a replay measures them."
        ),
        (
            f"Intervals (95 %) draw {drawn}, not trainings: another training on as many requests "
            "would differ a little more."
        ),
        (
            "The router that is kept has learned from all requests; the figures are those of "
            "routers that have learned from the other folds."
        ),
    ]
    if training.aiq is not None:
        a, money = training.aiq, training.money
        found.append(
            f"AIQ is the mean quality over the budgets from {money.usd(a.low_cost)} to "
            f"{money.each(a.high_cost)}, mixing settings; the verdict goes by those up to "
            f"{money.usd(a.enough_cost)}, the cost of the best single model."
        )
    elif training.pair is None:
        found.append(
            "No costs are known: the order of the models by quality stands for their price."
        )
    if training.pair is not None:
        p = training.pair
        found.append(
            f"{p.strong} is taken for the strong model, {p.weak} for the weak one, as their grades "
            f"say ({number(p.strong_quality.value)} and {number(p.weak_quality.value)})."
        )
    if training.logged is not None:
        found.append(training.logged.words)
        if training.weighing is not None:
            found.append(training.weighing.words)
        found.append(
            "The log has one outcome per request: figures are doubly robust estimates, not what "
            "was observed, and there is no oracle."
        )
    return tuple(found)


def _clustered(training: Training) -> str:
    found = clusters(training.dataset)
    return "" if found is None else found.column
