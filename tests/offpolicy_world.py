"""A world in which the truth about any policy is known, and logs drawn from it.

What a model does depends on the category and the length of a request, and nothing else is shared
between calls. The truth is the policy's value over all such requests, from exact expectations on a
million of them.
"""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa

from toolkit.logs.dataset import Dataset
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType

REQUESTS = 1_000
MODELS = ("large", "medium", "small")
CATEGORIES = np.array(["chat", "code", "math", "other"])
POLICY = Policy.model_validate(
    {
        "policy": "tested",
        "models": {name: {} for name in MODELS},
        "routes": [
            {"name": "code", "when": {"category": {"eq": "code"}}, "use": "strong"},
            {
                "name": "math",
                "when": {"category": {"eq": "math"}},
                "split": [{"use": "strong", "weight": 1}, {"use": "cheap", "weight": 3}],
            },
        ],
        "default": "cheap",
        "chains": {
            "cheap": {"steps": [{"model": "small"}, {"model": "medium"}]},
            "strong": {"steps": [{"model": "large"}]},
        },
    }
)


def requests(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Category and length of n requests."""
    return rng.integers(0, 4, n), rng.random(n)


def world(category: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, ...]:
    """Chance of failing, chance that an answer is right, cost and mean latency, (n, 3) each."""
    hard = np.array([0.0, 0.25, 0.4, 0.1])[category][:, None]
    skill = np.array([0.95, 0.85, 0.75])
    fails = np.array([0.08, 0.1, 0.2]) * (1 + 1.5 * length[:, None])
    right = skill - hard * np.array([0.5, 0.8, 1.0]) - 0.1 * length[:, None] ** 2
    cost = np.array([4.0, 1.0, 0.2]) * (0.5 + length[:, None]) / 1000
    latency = np.array([2.0, 1.2, 0.6]) * (1 + hard)
    return fails, right, cost, latency


def propensity(category: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(n, 3) chance of each model to serve: skewed, and against the policy."""
    score = np.column_stack([0.8 * length, 0.3 * (category == 0), 1.2 * (category == 1) - 0.3])
    raised = np.exp(score)
    return 0.15 + 0.55 * raised / raised.sum(axis=1, keepdims=True)


@functools.cache
def truth() -> np.ndarray:
    """Quality, cost per request, latency and error rate of the policy."""
    category, length = requests(np.random.default_rng(0), 1_000_000)
    fails, right, cost, latency = world(category, length)
    strong = np.array([0.0, 1.0, 0.25, 0.0])[category]
    large = [(1 - fails[:, 0]) * right[:, 0], cost[:, 0], latency[:, 0], fails[:, 0]]
    second = [(1 - fails[:, 1]) * right[:, 1], cost[:, 1], latency[:, 1], fails[:, 1]]
    cheap = [
        (1 - fails[:, 2]) * right[:, 2] + fails[:, 2] * second[0],
        cost[:, 2] + fails[:, 2] * second[1],
        latency[:, 2] + fails[:, 2] * second[2],
        fails[:, 2] * second[3],
    ]
    return np.array(
        [np.mean(strong * a + (1 - strong) * b) for a, b in zip(large, cheap, strict=True)]
    )


def simulated(seed: int, n: int = REQUESTS) -> Dataset:
    """One log of the world."""
    rng = np.random.default_rng([1, seed])
    category, length = requests(rng, n)
    chances = propensity(category, length)
    action = (rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1).clip(max=2)
    rows = np.arange(n)
    fails, right, cost, latency = (part[rows, action] for part in world(category, length))
    failed = rng.random(n) < fails
    quality = np.where(failed, 0.0, rng.random(n) < right)
    blank = np.full((n, 3), np.nan)
    matrices = {}
    for name, values in (
        ("quality", quality),
        ("cost_usd", cost * (0.8 + 0.4 * rng.random(n))),
        ("latency_s", latency * -np.log1p(-rng.random(n))),
    ):
        matrices[name] = blank.copy()
        matrices[name][rows, action] = values
    observed = np.zeros((n, 3), np.bool_)
    observed[rows, action] = True
    error = np.zeros((n, 3), np.int8)
    error[rows, action] = np.where(failed, int(ErrorType.SERVER_ERROR), 0)
    table = pa.table(
        {
            "request_id": [f"{seed}-{i}" for i in range(n)],
            "category": CATEGORIES[category],
            "length": length,
            "input_tokens": pa.nulls(n, pa.float64()),
            "propensity": chances[rows, action],
        }
    )
    return Dataset(
        "simulated", table, MODELS, observed, **matrices, input_tokens=blank, output_tokens=blank,
        error=error, simulated=True,
    )  # fmt: skip
