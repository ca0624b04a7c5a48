"""A first policy for a log that no saved policy fits: a cheap model, then the best, then words."""

from __future__ import annotations

import math
from typing import Any

from toolkit.evaluate.baselines import Baseline, Baselines
from toolkit.policy.model import Policy

NAME = "+starter"
"""Its name in lists and links; no file can have it."""
NEARLY = 0.9
"""The cheap model has at least this part of the best quality."""


def starter(baselines: Baselines) -> Policy:
    """Ask the cheapest model that is nearly as good as the best, and the best where it fails."""
    singles = [row for row in baselines.rows if row.kind == "single"]
    best = max(singles, key=lambda row: (_known(row.quality.value, -1), -_cost(row)))
    floor = NEARLY * _known(best.quality.value, 0)
    good = [row for row in singles if _known(row.quality.value, 0) >= floor]
    cheap = min(good, key=_cost, default=best)
    names = tuple(dict.fromkeys((cheap.name, best.name)))
    message = {"degrade": "message", "text": "We could not answer right now. Please try again."}
    data: dict[str, Any] = {
        "policy": "starter",
        "description": "A suggestion from this data: cheap first, the best where that fails.",
        "goals": {"error_rate": {"max": 0.01}},
        "models": {name: {} for name in names},
        "default": "cheap_first",
        "chains": {"cheap_first": {"steps": [*({"model": name} for name in names), message]}},
    }
    if not math.isnan(best.quality.value):
        data["goals"]["quality"] = {"min": round(0.95 * best.quality.value, 2)}
    return Policy.model_validate(data)


def _cost(row: Baseline) -> float:
    return _known(row.cost_usd_per_1k.value, math.inf)


def _known(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value
