"""What protection changes is the difference on the same requests, with the interval of that."""

from __future__ import annotations

import numpy as np
import pytest

from tests.app_home import TIERED, shop
from toolkit.evaluate.incident import incident
from toolkit.evaluate.incident_change import changes
from toolkit.evaluate.measures import during
from toolkit.evaluate.protection import ALL, NO_FALLBACK
from toolkit.logs.datasets import dataset_from_frame
from toolkit.policy.loading import parse_policy
from toolkit.scenarios.loading import load_scenario
from toolkit.schema import Status


@pytest.fixture(scope="module")
def rows():
    """No fallback and all of it, in an outage, on a log that misses a third of the outcomes."""
    outcomes, requests = shop()
    data = dataset_from_frame("part", outcomes.sample(frac=0.65, random_state=3), requests)
    found = incident(parse_policy(TIERED), data, load_scenario("provider_outage"))
    return found[NO_FALLBACK], found[ALL]


def test_changes_are_means_over_the_requests_that_both_observed(rows):
    """Success, errors and degraded answers as an obvious loop counts them; they cancel out."""
    less, more = rows
    a, b = less.replay, more.replay
    pairs = [
        (x, y)
        for x, y, hit in zip(a.status, b.status, during(b), strict=True)
        if hit and Status.UNOBSERVED not in {x, y}
    ]
    found = changes(less, more)
    for name, status in (
        ("success_rate", Status.ACCEPTED),
        ("error_rate", Status.ERROR),
        ("degraded_rate", Status.DEGRADED),
    ):
        expected = np.mean([int(y == status) - int(x == status) for x, y in pairs])
        assert found[name].value == pytest.approx(expected)
        assert found[name].n == len(pairs)
        assert found[name].low <= expected <= found[name].high
    total = sum(found[name].value for name in ("success_rate", "error_rate", "degraded_rate"))
    assert total == pytest.approx(0, abs=1e-12)


def test_nothing_changes_against_itself(rows):
    """A rung minus itself is exactly nothing."""
    for change in changes(rows[1], rows[1]).values():
        assert (change.value, change.low, change.high) == (0, 0, 0)
