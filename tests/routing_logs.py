"""Small made-up logs of routed requests, with what is true of them known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.logs.datasets import Dataset, dataset_from_frame

COSTS = {"small": 0.0001, "middle": 0.0004, "large": 0.002}
CATEGORIES = np.array(["chat", "code", "math", "law"])

Chance = Callable[[pd.DataFrame, str], NDArray[np.float64]]


def by_length(requests: pd.DataFrame, model: str) -> NDArray[np.float64]:
    """Long requests need the large model; categories say nothing."""
    hard = (requests.length.to_numpy() > 500).astype(float)
    return {"small": 0.9 - 0.6 * hard, "middle": 0.85 - 0.3 * hard, "large": 0.9 + 0 * hard}[model]


def by_category(requests: pd.DataFrame, model: str) -> NDArray[np.float64]:
    """What is code or math needs the large model; nothing else matters."""
    hard = requests.category.isin(["code", "math"]).to_numpy().astype(float)
    return {"small": 0.9 - 0.6 * hard, "middle": 0.85 - 0.3 * hard, "large": 0.9 + 0 * hard}[model]


def by_chance(requests: pd.DataFrame, model: str) -> NDArray[np.float64]:
    """Nothing about a request matters."""
    return np.full(len(requests), {"small": 0.6, "middle": 0.65, "large": 0.75}[model])


def requests_of(n: int, seed: int = 0) -> pd.DataFrame:
    """Make requests with a category, a length, a user, a moment."""
    rng = np.random.default_rng([seed, n])
    return pd.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(n)],
            "category": rng.choice(CATEGORIES, n),
            "length": rng.integers(1, 1_000, n),
            "user": [f"u{u}" for u in rng.integers(0, n // 4, n)],
            "timestamp": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n), "min"),
        }
    )


def log(
    n: int,
    chance: Chance,
    *,
    models: tuple[str, ...] = ("small", "middle", "large"),
    costs: bool = True,
    seed: int = 0,
    drop: tuple[str, ...] = (),
    requests: pd.DataFrame | None = None,
) -> Dataset:
    """A complete log whose answers are right with a known chance; ``drop`` leaves columns out."""
    asked = requests_of(n, seed) if requests is None else requests
    rng = np.random.default_rng([seed, n, 1])
    parts = []
    for model in models:
        right = rng.random(len(asked)) < chance(asked, model)
        part = {"request_id": asked.request_id, "model": model, "quality": right.astype(float)}
        if costs:
            part["cost_usd"] = COSTS[model] * rng.uniform(0.5, 1.5, len(asked))
        parts.append(pd.DataFrame(part))
    return dataset_from_frame("made up", pd.concat(parts), asked.drop(columns=list(drop)))
