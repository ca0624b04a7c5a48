"""On 500 simulated logs the doubly robust intervals cover the truth as often as they say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.offpolicy_world import POLICY, REQUESTS, simulated, truth
from tests.small_logs import log
from toolkit.evaluate.offpolicy.difference import estimate_difference
from toolkit.evaluate.offpolicy.episodes import METRICS
from toolkit.evaluate.offpolicy.estimate import FRACTIONS
from toolkit.evaluate.offpolicy.evidence import gather, read_log
from toolkit.evaluate.offpolicy.sampling import sample_log
from toolkit.evaluate.offpolicy.uncertainty import interval
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType

LOGS = 500


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    """(logs, metrics, 3) value, low and high of each estimator."""
    out: dict[str, list[list[tuple[float, float, float]]]] = {}
    rows = np.arange(REQUESTS)
    for seed in range(LOGS):
        evidence = gather(read_log(simulated(seed), seed=seed), POLICY)
        each: dict[str, list[tuple[float, float, float]]] = {}
        for m, metric in enumerate(METRICS):
            for name, part in evidence.estimated(m, rows).items():
                e = interval(*part, fraction=metric in FRACTIONS)
                each.setdefault(name, []).append((e.value, e.low, e.high))
        for name, values in each.items():
            out.setdefault(name, []).append(values)
    return {name: np.array(values) for name, values in out.items()}


def test_doubly_robust_intervals_cover_the_truth(found):
    """A 95 % interval holds the truth in 93 to 97 % of the logs, for every metric."""
    low, high, true = found["dr"][..., 1], found["dr"][..., 2], truth()
    covered = ((low <= true) & (true <= high)).mean(axis=0)
    assert (covered >= 0.93).all()
    assert (covered <= 0.97).all()


def test_doubly_robust_is_unbiased_and_nearer_than_weighing(found):
    """Its mean error is noise, and its typical error less than that of the weighted mean."""
    true = truth()
    error = found["dr"][..., 0] - true
    noise = error.std(axis=0) / np.sqrt(LOGS)
    assert (np.abs(error.mean(axis=0)) < 3 * noise).all()
    weighed = found["ips"][..., 0] - true
    assert (np.abs(error).mean(axis=0) < np.abs(weighed).mean(axis=0)).all()


def test_grades_that_are_missing_for_answers_alone_bias_nothing():
    """Failures are always known to be 0; the graded answers stand for the others, in every step."""
    true, error = truth()[0], []
    for seed in range(40):
        log = simulated(seed)
        blank = (np.random.default_rng(seed).random(log.quality.shape) < 0.6) & (log.error == 0)
        log = dataclasses.replace(log, quality=np.where(blank, np.nan, log.quality))
        evidence = gather(read_log(log, seed=seed), POLICY)
        found = evidence.estimated(0, np.arange(REQUESTS))["dr"][0]
        error.append(found.value - true)
    assert abs(np.mean(error)) < 2.5 * np.std(error) / np.sqrt(len(error))


def test_equal_policies_are_not_called_different():
    """Of 200 logs of two models that do the same at most one in twenty tells them apart."""
    different = alone = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shape = 400, 2
        data = log(
            rng.random(shape) < 0.6,
            rng.lognormal(-8, 1, shape),
            rng.lognormal(0, 0.5, shape),
            np.where(rng.random(shape) < 0.1, int(ErrorType.SERVER_ERROR), 0),
        )
        served = sample_log(data, seed=seed)
        found = estimate_difference(Policy.single("a"), Policy.single("b"), served).differences
        different += any(d.distinguishable for d in found.values())
        alone += any(d.low > 0 or d.high < 0 for d in found.values())
    assert different <= 10
    assert alone > 20  # as one of four intervals leaves out 0 by chance
