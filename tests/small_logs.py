"""Logs small enough to check by eye, and policies for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from toolkit.logs.datasets import Dataset
from toolkit.policy.model import Policy


def log(
    quality: Any,
    cost_usd: Any = 0.001,
    latency_s: Any = 1.0,
    error: Any = 0,
    *,
    observed: Any = True,
    category: list[str | None] | None = None,
    simulated: bool = False,
    digest: str = "",
) -> Dataset:
    """A log of models a, b, c, … from (n, m) values or what broadcasts to them."""
    quality = np.asarray(quality, float)
    n, m = quality.shape

    def matrix(values: Any, dtype: Any = float) -> np.ndarray:
        return np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype), (n, m)))

    seen = matrix(observed, bool)
    errors = np.where(seen, matrix(error, np.int8), 0).astype(np.int8)

    def known(values: Any) -> np.ndarray:
        return np.where(seen, matrix(values), np.nan)

    columns: dict[str, Any] = {"request_id": [f"r{i}" for i in range(n)]}
    if category is not None:
        columns["category"] = pa.array(category, pa.string())
    columns["input_tokens"] = np.full(n, 100.0)
    return Dataset(
        name="small",
        requests=pa.table(columns),
        models=tuple("abcdefgh"[:m]),
        observed=seen,
        quality=known(np.where(errors > 0, 0.0, quality)),
        cost_usd=known(cost_usd),
        latency_s=known(latency_s),
        input_tokens=known(100.0),
        output_tokens=known(10.0),
        error=errors,
        simulated=simulated,
        digest=digest,
    )


def chain(*models: str, name: str = "policy", goals: Any = None, **chain_values: Any) -> Policy:
    """The policy that asks these models one after the other."""
    return Policy.model_validate(
        {
            "policy": name,
            "goals": goals or {},
            "models": {model: {} for model in models},
            "default": "only",
            "chains": {"only": {"steps": [{"model": m} for m in models], **chain_values}},
        }
    )
