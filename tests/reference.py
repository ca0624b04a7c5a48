"""The semantics of a policy once more, as obvious as possible: draws, conditions, log and routes.

Slow and readable on purpose. It shares no code with the engine but the names of the error types.
``reference_parts`` has what requests share, ``reference_world`` plays requests with it;
``test_replay`` and ``test_resilience`` assert that the compiled machine gives the same results.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from toolkit.logs.datasets import Dataset
from toolkit.policy.model import Policy
from toolkit.schema import TRANSIENT, ErrorType

NAN = math.nan
TRANSIENT_NAMES = [e.label for e in TRANSIENT]
U64 = 2**64 - 1


# --- random numbers -------------------------------------------------------------------------


def text_key(text: str) -> int:
    """FNV-1a, 64 bits."""
    key = 0xCBF29CE484222325
    for byte in text.encode():
        key = ((key ^ byte) * 0x100000001B3) & U64
    return key


def mix(key: int) -> int:
    """SplitMix64's finaliser."""
    key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & U64
    key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) & U64
    return key ^ (key >> 31)


def uniform(seed: int, request: str, model: str, attempt: int, purpose: int) -> float:
    """The number in [0, 1) for this attempt and purpose."""
    key = mix((seed * 0x9E3779B97F4A7C15 + text_key(request)) & U64)
    key = mix((key + text_key(model)) & U64)
    key = mix((key + attempt * 16 + purpose) & U64)
    return (key >> 11) * 2.0**-53


# --- conditions -----------------------------------------------------------------------------


def holds(condition: dict[str, Any], row: dict[str, Any]) -> bool:
    """Evaluate a condition, as it stands in a policy file, on one request."""
    for key, body in condition.items():
        if key == "all":
            ok = all(holds(c, row) for c in body)
        elif key == "any":
            ok = any(holds(c, row) for c in body)
        elif key == "not":
            ok = not holds(body, row)
        else:
            ok = all(test(row.get(key), op, value) for op, value in body.items())
        if not ok:
            return False
    return True


def test(got: Any, op: str, value: Any) -> bool:
    """One operator on one value."""
    if op == "exists":
        return (got is not None) == value
    if op == "ne":
        return got is None or got != value
    if op == "not_in":
        return got is None or got not in value
    if got is None:
        return False
    return {
        "eq": lambda: got == value,
        "in": lambda: got in value,
        "lt": lambda: got < value,
        "lte": lambda: got <= value,
        "gt": lambda: got > value,
        "gte": lambda: got >= value,
        "contains": lambda: value in got,
        "matches": lambda: re.search(value, got) is not None,
    }[op]()


test.__test__ = False  # type: ignore[attr-defined]


# --- the log --------------------------------------------------------------------------------


@dataclass
class Cell:
    """One logged outcome."""

    error: str | None
    latency_s: float
    cost_usd: float
    quality: float
    input_usd: float = NAN
    """The part of the cost that is due for the input."""


def seconds(stamp: float | datetime | None) -> float | None:
    """A timestamp as seconds since 1970, UTC where it says no zone."""
    if isinstance(stamp, datetime):
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    return stamp


class Log:
    """A dataset as cells, with what a retry is drawn from."""

    def __init__(self, dataset: Dataset) -> None:
        self.rows = dataset.requests.to_pylist()
        self.columns = dataset.requests.column_names
        self.models = dataset.models
        self.output_tokens = dataset.output_tokens
        self.cells: dict[tuple[int, str], Cell] = {}
        input_usd = input_costs(dataset)
        for i in range(dataset.n_requests):
            for k, model in enumerate(dataset.models):
                if dataset.observed[i, k]:
                    code = int(dataset.error[i, k])
                    self.cells[i, model] = Cell(
                        ErrorType(code).label if code else None,
                        float(dataset.latency_s[i, k]),
                        float(dataset.cost_usd[i, k]),
                        float(dataset.quality[i, k]),
                        float(input_usd[i, k]),
                    )
        answers = [cell for cell in self.cells.values() if cell.error is None]
        self.graded = not answers or any(not math.isnan(cell.quality) for cell in answers)
        cells = self.cells.values()
        self.timed = not cells or any(not math.isnan(cell.latency_s) for cell in cells)
        self.priced = not cells or any(not math.isnan(cell.cost_usd) for cell in cells)
        stamps = [seconds(row.get("timestamp")) for row in self.rows]
        self.window = [None if t is None else math.floor(t / 600) for t in stamps]
        # What was worked out once is kept; a log does not change.
        self.columns_of: dict[str, list[tuple[int, Cell]]] = {}
        self.rates: dict[tuple[str, str, int | None], float] = {}
        self.pools: dict[tuple[str, bool], list[Cell]] = {}

    def of(self, model: str) -> list[tuple[int, Cell]]:
        """All outcomes of a model."""
        if model not in self.columns_of:
            self.columns_of[model] = [(i, c) for (i, m), c in self.cells.items() if m == model]
        return self.columns_of[model]

    def error_rate(self, model: str, error: str, row: int) -> float:
        """How often a model failed in this way around this time, or ever."""
        what = (model, error, self.window[row])
        if what not in self.rates:
            seen = self.of(model)
            near = [(i, c) for i, c in seen if self.window[i] == self.window[row]]
            chosen = near or seen
            self.rates[what] = sum(c.error == error for _, c in chosen) / len(chosen)
        return self.rates[what]

    def mean_quality(self, model: str, row: int) -> float:
        """What answers of a model were worth to requests of this category, or to any."""
        graded = [
            (i, c) for i, c in self.of(model) if c.error is None and not math.isnan(c.quality)
        ]
        category = self.rows[row].get("category")
        alike = [(i, c) for i, c in graded if self.rows[i].get("category") == category]
        chosen = alike or graded
        return sum(c.quality for _, c in chosen) / len(chosen) if chosen else NAN

    def pool(self, model: str, failed: bool) -> list[Cell]:
        """Outcomes of a model that a further call may be like: answers, or passing errors."""
        what = (model, failed)
        if what not in self.pools:
            errors = TRANSIENT_NAMES if failed else [None]
            pool = [c for _, c in self.of(model) if c.error in errors]
            self.pools[what] = [c for c in pool if not math.isnan(c.latency_s)] or pool
        return self.pools[what]

    def again(self, row: int, model: str, attempt: int, seed: int) -> Cell:
        """A further call to a model for the same request, which the log does not hold."""
        first = self.cells[row, model]
        if first.error is not None and first.error not in TRANSIENT_NAMES:
            return first
        request = self.rows[row]["request_id"]
        u, total, error = uniform(seed, request, model, attempt, 0), 0.0, None
        for name in TRANSIENT_NAMES:
            total += self.error_rate(model, name, row)
            if u < total:
                error = name
                break
        pool = self.pool(model, error is not None)
        drawn = Cell(None, NAN, NAN, NAN)
        if pool:
            drawn = pool[int(uniform(seed, request, model, attempt, 1) * len(pool))]
        if error is not None:
            return Cell(error, drawn.latency_s, drawn.cost_usd, 0.0, drawn.input_usd)
        if first.error is None:  # the log holds an answer that only came too late
            cost = first.cost_usd if pool else NAN
            return Cell(None, drawn.latency_s, cost, first.quality, first.input_usd)
        quality = self.mean_quality(model, row)
        return Cell(None, drawn.latency_s, drawn.cost_usd, quality, drawn.input_usd)

    def tokens_out(self, row: int, model: str) -> float:
        """The length of a logged answer; 0 where not measured."""
        tokens = float(self.output_tokens[row, self.models.index(model)])
        return 0.0 if math.isnan(tokens) else tokens


def input_costs(dataset: Dataset) -> np.ndarray:
    """Each cost's part for the input, by prices per token that fit a model's costs best."""
    costs = np.full(dataset.cost_usd.shape, NAN)
    for k in range(dataset.n_models):
        tokens = np.stack([dataset.input_tokens[:, k], dataset.output_tokens[:, k]], axis=1)
        cost = dataset.cost_usd[:, k]
        known = np.isfinite(cost) & np.isfinite(tokens).all(axis=1)
        if known.sum() >= 2:
            price_in, price_out = np.linalg.lstsq(tokens[known], cost[known], rcond=None)[0]
            if price_in >= 0 and price_out >= 0:
                costs[:, k] = np.minimum(tokens[:, 0] * price_in, cost)
    return costs


# --- where a request goes --------------------------------------------------------------------


def route(policy: Policy, row: dict[str, Any], seed: int) -> tuple[str, str]:
    """Return the names of the rule that matches first and of the chain it leads to."""
    for rule in policy.routes:
        if not holds(rule.when.to_data(), row):
            continue
        if rule.split is None:
            return rule.name, rule.use
        sticky = row.get(rule.sticky_by) if rule.sticky_by else None
        if sticky is None:
            u = uniform(seed, row["request_id"], rule.name, 0, 3)
        else:
            u = uniform(0, str(sticky), rule.name, 0, 3)
        total, weights = 0.0, sum(share.weight for share in rule.split)
        for share in rule.split[:-1]:
            total += share.weight / weights
            if u < total:
                return rule.name, share.use
        return rule.name, rule.split[-1].use
    return "default", policy.default
