"""Do 95 % intervals hold the truth in 95 % of simulated logs? The truth is that of their world.

All logs are estimated at once, each as a slice of its own: the same code, hundreds of times as fast
as one after the other. That it gives what a summary and a comparison give is tested, too.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from tests.small_logs import log
from toolkit.engine.replay import replay
from toolkit.evaluate.compare import METRICS, compare
from toolkit.evaluate.differences import Paired
from toolkit.evaluate.intervals import Bootstrap, Metric, Rows, bootstrap
from toolkit.evaluate.quantiles import quantiles
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType

LOGS = 500
REQUESTS = 400
USERS = 80
A, B = Policy.single("a"), Policy.single("b")
SERVER = int(ErrorType.SERVER_ERROR)
MEANS = ("quality", "cost_usd_per_1k", "latency_mean_s", "error_rate")


def draw(seed, logs, n, users=None):
    """Two models on ``logs`` x ``n`` requests of different difficulty and length.

    Those of one of ``users`` resemble each other. Returns (2, logs * n) by metric, and the users.
    """
    rng = np.random.default_rng(seed)
    size = logs * n
    user = np.arange(size) if users is None else rng.integers(0, users, size)
    person = np.arange(size) if users is None else np.repeat(np.arange(logs), n) * users + user
    alike = 0.0 if users is None else 0.5
    mood, wordy = rng.normal(size=(2, size if users is None else logs * users))[:, person]
    hard = np.sqrt(alike) * mood + np.sqrt(1 - alike) * rng.normal(size=size)
    length = np.exp(0.7 * (np.sqrt(alike) * wordy + np.sqrt(1 - alike) * rng.normal(size=size)))
    error = rng.random((2, size)) < 0.07 * np.exp(0.5 * mood) * [[1.0], [1.5]]
    right = rng.random((2, size)) < 1 / (1 + np.exp(hard - [[1.2], [1.0]]))
    cost = length * [[2.0], [1.2]] * np.exp(0.3 * rng.normal(size=(2, size)))
    latency = (0.3 + 0.5 * length) * np.exp(0.5 * rng.normal(size=(2, size)))
    values = (np.where(error, 0.0, right), cost, latency, error.astype(float))
    return dict(zip(MEANS, values, strict=True)), user


@cache
def truth(clustered):
    """What both are in the world at large, from two million requests; p95 under its own name."""
    n = 2_000_000
    world, _ = draw(99, 1, n, n // 20 if clustered else None)
    true = {name: values.mean(axis=1) for name, values in world.items()}
    return true | {"latency_p95_s": np.quantile(world["latency_mean_s"], 0.95, axis=1)}


def intervals(world, user, logs, users):
    """(logs, 2) ends of the interval of every estimate of a, and of every difference."""
    n = len(user) // logs
    code = np.repeat(np.arange(logs), n)
    boot, request = bootstrap(n), np.tile(np.arange(n), logs)
    if users is not None:
        boot, request = Bootstrap(user, bootstrap(users).weights, user, "user"), np.arange(n * logs)
    metrics = [Metric(world[m][0], m in {"quality", "error_rate"}) for m in MEANS]
    found = dict(zip(MEANS, Rows(boot, request, code, logs).means(*metrics), strict=True))
    latency = world["latency_mean_s"][0].reshape(logs, n)
    of_user = [None] * logs if users is None else user.reshape(logs, n)
    found["latency_p95_s"] = [
        quantiles(values, [0.95], row)[0] for values, row in zip(latency, of_user, strict=True)
    ]
    sides = [{m: world[m][i] for m in METRICS} for i in (0, 1)]
    differences = Paired(request, *sides, boot).differences(code, logs)
    for m in METRICS:
        found[f"{m}, b minus a"] = [d[m] for d in differences]
    return {name: np.array([(e.low, e.high) for e in all_]) for name, all_ in found.items()}


def held(logs, users, seed):
    """Share of simulated logs whose intervals hold the truth, by what they are of."""
    true, found = truth(users is not None), {}
    for name, ends in intervals(*draw(seed, logs, REQUESTS, users), logs, users).items():
        of, _, difference = name.partition(", ")
        value = true[of][1] - true[of][0] if difference else true[of][0]
        found[name] = float(np.mean((ends[:, 0] <= value) & (value <= ends[:, 1])))
    return found


@pytest.mark.parametrize("users", [None, USERS], ids=["requests", "users"])
def test_intervals_hold_the_truth(users):
    """Of the means, of p95 and of paired differences, over requests and over users."""
    shares = held(LOGS, users, seed=7)
    assert len(shares) == 9
    assert min(shares.values()) >= 0.93, shares
    assert max(shares.values()) <= 0.97, shares


def test_without_their_users_requests_would_be_believed_too_much():
    """Few talkative users, taken for independent requests, make intervals far too narrow."""
    world, user = draw(8, 200, REQUESTS, 20)
    ends = intervals(world, np.arange(len(user)), 200, None)["cost_usd_per_1k"]
    true = truth(True)["cost_usd_per_1k"][0]
    assert np.mean((ends[:, 0] <= true) & (true <= ends[:, 1])) < 0.8
    ends = intervals(world, user, 200, 20)["cost_usd_per_1k"]
    assert np.mean((ends[:, 0] <= true) & (true <= ends[:, 1])) > 0.9


@pytest.mark.parametrize("users", [None, USERS], ids=["requests", "users"])
def test_a_summary_and_a_comparison_give_these_intervals(users):
    """What is tested here is what people see."""
    world, user = draw(9, 2, REQUESTS, users)
    ends = intervals(world, user, 2, users)
    for i in range(2):
        part = slice(i * REQUESTS, (i + 1) * REQUESTS)
        quality, cost, latency, error = (world[m][:, part].T for m in MEANS)
        data = log(quality, cost / 1000, latency, np.where(error, SERVER, 0))
        if users is not None:
            names = pa.array([f"u{k}" for k in user[part]])
            object.__setattr__(data, "requests", data.requests.append_column("user", names))
        summary, compared = replay(A, data).summary(), compare(A, B, data)
        assert summary.clustered_by == compared.clustered_by == (users and "user")
        # Users are numbered in another order, so that others are drawn.
        close = {"rel": 1e-3} if users is None else {"rel": 0.1, "abs": 0.01}
        for name in (*MEANS, "latency_p95_s"):
            e = getattr(summary, name)
            assert (e.low, e.high) == pytest.approx(tuple(ends[name][i]), **close)
        for name in METRICS:
            d = getattr(compared, name)
            assert (d.low, d.high) == pytest.approx(tuple(ends[f"{name}, b minus a"][i]), **close)
