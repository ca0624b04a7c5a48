"""What `check` proves is never passed, whatever the log and the world: generated cases, played."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies_cases import FEATURES, Case, cases
from toolkit.engine.replay import Replay, replay_traffic
from toolkit.policy.audience import DEFAULT
from toolkit.policy.check import Check, check
from toolkit.scenarios.arrivals import Traffic
from toolkit.scenarios.faults import PRICE
from toolkit.schema import ErrorType, Status


def played(case: Case) -> Replay:
    """The case on the compiled machine."""
    rows = range(case.dataset.n_requests)
    traffic = Traffic(case.dataset, case.arrival_s, case.origin_s, drawn=False, row=rows)
    return replay_traffic(case.policy, traffic, case.faults, case.seed)


def proved(case: Case) -> Check:
    """The case's policy, with the dearest call of the log at the highest price of the world."""
    risen = case.faults.value[case.faults.kind == PRICE]
    dearest = np.fmax.reduce(case.dataset.cost_usd, axis=0, initial=np.nan)
    dearest = dearest * np.prod(np.maximum(risen, 1.0))
    return check(case.policy, None, dict(zip(case.dataset.models, dearest.tolist(), strict=True)))


def holds(case: Case) -> None:
    """No request passes the bounds of its chain and route, or goes where none should."""
    done, found = played(case), proved(case)
    chains = list(case.policy.chains)
    for i, code in enumerate(done.chain):
        chain = found.proofs[chains[code]]
        rule = int(done.route[i])
        route = found.routes[DEFAULT if rule < 0 else case.policy.routes[rule].name]
        for worst in (chain.worst, route.worst):
            assert done.attempts[i] <= worst.attempts
            # What was not measured, or not observed, is NaN and compares with nothing.
            assert not done.latency_s[i] > worst.seconds + 1e-6
            assert not done.cost_usd[i] > (math.inf if worst.usd is None else worst.usd) + 1e-9
        if done.status[i] == Status.ERROR:
            assert ErrorType(int(done.error[i])).label in chain.ends_in_errors
    attempts = done.attempt_table
    for i, step in zip(
        attempts["request_ix"].to_pylist(), attempts["step"].to_pylist(), strict=True
    ):
        assert not found.proofs[chains[done.chain[i]]].steps[step].why_unreachable


@pytest.mark.parametrize("feature", FEATURES)
def test_bounds_hold_with_each_feature_alone(feature):
    """Attempts, seconds, dollars, reach and errors, with one feature on."""

    @settings(max_examples=40, deadline=None)
    @given(cases(frozenset({feature})))
    def one(case: Case) -> None:
        holds(case)

    one()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_bounds_hold_with_features_together(data):
    """The same with any of them on, up to all."""
    some = data.draw(st.sets(st.sampled_from(FEATURES), min_size=2))
    holds(data.draw(cases(frozenset(some))))
