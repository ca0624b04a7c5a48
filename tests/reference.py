"""The semantics of a policy once more, as obvious as possible: one request at a time, plain Python.

Slow and readable on purpose. It shares no code with the engine but the names of the error types;
``test_replay`` asserts that the compiled machine gives the same results.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from toolkit.logs.datasets import Dataset
from toolkit.policy.model import DegradeStep, Policy
from toolkit.schema import ERROR_LABELS, NEVER_FALL_BACK, TRANSIENT, ErrorType

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


class Log:
    """A dataset as cells, with what a retry is drawn from."""

    def __init__(self, dataset: Dataset) -> None:
        self.rows = dataset.requests.to_pylist()
        self.models = dataset.models
        self.cells: dict[tuple[int, str], Cell] = {}
        for i in range(dataset.n_requests):
            for k, model in enumerate(dataset.models):
                if dataset.observed[i, k]:
                    code = int(dataset.error[i, k])
                    self.cells[i, model] = Cell(
                        ErrorType(code).label if code else None,
                        float(dataset.latency_s[i, k]),
                        float(dataset.cost_usd[i, k]),
                        float(dataset.quality[i, k]),
                    )
        answers = [cell for cell in self.cells.values() if cell.error is None]
        self.graded = not answers or any(not math.isnan(cell.quality) for cell in answers)
        stamps = [row.get("timestamp") for row in self.rows]
        self.window = [None if t is None else math.floor(t / 600) for t in stamps]

    def of(self, model: str) -> list[tuple[int, Cell]]:
        return [(i, c) for (i, m), c in self.cells.items() if m == model]

    def error_rate(self, model: str, error: str, row: int) -> float:
        seen = self.of(model)
        near = [(i, c) for i, c in seen if self.window[i] == self.window[row]]
        chosen = near or seen
        return sum(c.error == error for _, c in chosen) / len(chosen)

    def mean_quality(self, model: str, row: int) -> float:
        graded = [
            (i, c) for i, c in self.of(model) if c.error is None and not math.isnan(c.quality)
        ]
        category = self.rows[row].get("category")
        alike = [(i, c) for i, c in graded if self.rows[i].get("category") == category]
        chosen = alike or graded
        return sum(c.quality for _, c in chosen) / len(chosen) if chosen else NAN

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
        if error is None:
            pool = [c for _, c in self.of(model) if c.error is None]
        else:
            pool = [c for _, c in self.of(model) if c.error in TRANSIENT_NAMES]
        pool = [c for c in pool if not math.isnan(c.latency_s)] or pool
        drawn = Cell(None, NAN, NAN, NAN)
        if pool:
            drawn = pool[int(uniform(seed, request, model, attempt, 1) * len(pool))]
        if error is not None:
            return Cell(error, drawn.latency_s, drawn.cost_usd, 0.0)
        if first.error is None:  # the log holds an answer that only came too late
            return Cell(None, drawn.latency_s, first.cost_usd if pool else NAN, first.quality)
        return Cell(None, drawn.latency_s, drawn.cost_usd, self.mean_quality(model, row))


# --- one request ----------------------------------------------------------------------------


@dataclass
class Result:
    """How one request ended."""

    route: str
    chain: str
    status: str = ""
    model: str | None = None
    quality: float = NAN
    cost_usd: float = 0.0
    latency_s: float = 0.0
    error: str | None = None
    fallback: bool = False
    imputed: bool = False
    attempts: list[tuple[str, float, float, str | None]] = field(default_factory=list)
    """(model, start, latency, error)"""


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


def play(policy: Policy, log: Log, i: int, seed: int) -> Result:
    """Play one request: follow its chain until something answers or nothing is left."""
    row = log.rows[i]
    rule, name = route(policy, row, seed)
    chain = policy.chains[name]
    out = Result(rule, name)
    deadline = math.inf if chain.deadline_s is None else chain.deadline_s
    budget = math.inf if chain.max_cost_usd is None else chain.max_cost_usd
    retry_on = TRANSIENT_NAMES if chain.retry_on is None else chain.retry_on
    fallback_on = chain.fallback_on
    if fallback_on is None:
        never = [e.label for e in NEVER_FALL_BACK]
        fallback_on = [name for name in ERROR_LABELS if name not in never]

    now, spent, called = 0.0, 0.0, set()
    latency_known = cost_known = True
    error: str | None = None

    def end(status: str, quality: float) -> Result:
        out.status, out.error = status, error
        out.quality = quality if log.graded else NAN
        out.latency_s = now if latency_known else NAN
        out.cost_usd = spent if cost_known else NAN
        return out

    for position, step in enumerate(chain.steps):
        out.fallback = position > 0 and bool(out.attempts)
        if isinstance(step, DegradeStep):
            now, spent = now + step.latency_s, spent + step.cost_usd
            return end("degraded", step.quality)
        retry, skipped = 0, False
        while True:
            if deadline - now <= 1e-9:
                error, skipped = "timeout", True
                break
            if spent >= budget:
                error, skipped = "budget", True
                break
            log_name = policy.models[step.model].log or step.model
            if (i, log_name) not in log.cells:
                error = None
                end("unobserved", NAN)
                out.latency_s = out.cost_usd = NAN
                return out
            attempt = len(out.attempts)
            if log_name in called:
                cell = log.again(i, log_name, attempt, seed)
                out.imputed = True
            else:
                cell = log.cells[i, log_name]
            called.add(log_name)
            timeout = min(math.inf if step.timeout_s is None else step.timeout_s, deadline - now)
            error, took, cost = cell.error, cell.latency_s, cell.cost_usd
            if took > timeout:
                error, took = "timeout", timeout
                if policy.models[step.model].bill_timeouts == "none":
                    cost = 0.0
            out.attempts.append((step.model, now, took, error))
            if math.isnan(took):
                latency_known = False
            else:
                now += took
            if math.isnan(cost):
                cost_known = False
            else:
                spent += cost
            if error is None:
                out.model = step.model
                return end("accepted", cell.quality)
            if retry >= step.retries or error not in retry_on or spent >= budget:
                break
            u = uniform(seed, row["request_id"], log_name, len(out.attempts), 2)
            wait = step.backoff_s * 2**retry * (0.5 + 0.5 * u)
            if now + wait >= deadline:
                break
            now += wait
            retry += 1
        if not skipped and error not in fallback_on:
            return end("error", 0.0)
    return end("error", 0.0)
