"""On 500 simulated logs the doubly robust intervals cover the truth as often as they say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from tests.offpolicy_world import POLICY, REQUESTS, simulated, truth
from tests.small_logs import log
from toolkit.evaluate.offpolicy.difference import estimate_difference
from toolkit.evaluate.offpolicy.episodes import METRICS
from toolkit.evaluate.offpolicy.estimate import FRACTIONS
from toolkit.evaluate.offpolicy.evidence import gather, read_log
from toolkit.evaluate.offpolicy.uncertainty import interval
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType

LOGS = 500


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    """Values of ``ips``, and values, ``low`` and ``high`` ends of ``dr``, (logs, metrics) each."""
    out: dict[str, list[list[float]]] = {name: [] for name in ("ips", "dr", "low", "high")}
    rows = np.arange(REQUESTS)
    for seed in range(LOGS):
        evidence = gather(read_log(simulated(seed), seed=seed), POLICY)
        parts = [evidence.estimated(m, rows) for m in range(len(METRICS))]
        told = [
            interval(*part["dr"], fraction=metric in FRACTIONS)
            for part, metric in zip(parts, METRICS, strict=True)
        ]
        out["ips"].append([part["ips"][0].value for part in parts])
        out["dr"].append([part["dr"][0].value for part in parts])
        out["low"].append([e.low for e in told])
        out["high"].append([e.high for e in told])
    return {name: np.array(values) for name, values in out.items()}


def test_doubly_robust_intervals_cover_the_truth(found):
    """A 95 % interval holds the truth in 93 to 97 % of the logs, for every metric."""
    low, high, true = found["low"], found["high"], truth()
    covered = ((low <= true) & (true <= high)).mean(axis=0)
    assert (covered >= 0.93).all()
    assert (covered <= 0.97).all()


def test_doubly_robust_is_unbiased_and_nearer_than_weighing(found):
    """Its mean error is noise, and its typical error less than that of the weighted mean."""
    true = truth()
    error = found["dr"] - true
    noise = error.std(axis=0) / np.sqrt(LOGS)
    assert (np.abs(error.mean(axis=0)) < 3 * noise).all()
    weighed = found["ips"] - true
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
    equals = Policy.single("a"), Policy.single("b")
    shape = 400, 2
    for seed in range(200):
        rng = np.random.default_rng(seed)
        data = log(
            rng.random(shape) < 0.6,
            rng.lognormal(-8, 1, shape),
            rng.lognormal(0, 0.5, shape),
            np.where(rng.random(shape) < 0.1, int(ErrorType.SERVER_ERROR), 0),
            observed=np.eye(2, dtype=bool)[rng.integers(0, 2, 400)],
        )
        stated = data.requests.append_column("propensity", pa.array(np.full(400, 0.5)))
        served = dataclasses.replace(data, requests=stated)
        found = estimate_difference(*equals, served).differences
        different += any(d.distinguishable for d in found.values())
        alone += any(d.low > 0 or d.high < 0 for d in found.values())
    assert different <= 10
    assert alone > 20  # as one of four intervals leaves out 0 by chance
