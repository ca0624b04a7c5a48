"""Generated policies with what requests share, on dense logs, in a world with faults."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from tests.strategies import CATEGORIES, MODELS, TIMES_S
from toolkit.errors import PolicyError
from toolkit.logs.datasets import Dataset
from toolkit.policy.model import Policy
from toolkit.scenarios import faults as codes
from toolkit.scenarios.faults import Faults, no_faults
from toolkit.schema import ERROR_LABELS, ErrorType

FEATURES = (
    "breaker",
    "limits",
    "hedge",
    "cache",
    "semantic",
    "retry_budget",
    "shedding",
    "daily",
    "capabilities",
    "faults",
)
"""What `cases` can switch on."""

PROMPTS = ("iban please", "the iban, please", "2+2", "what is 2+2?", "why?")
"""Some are alike."""

DAY_S = 86_400.0


@dataclass(frozen=True)
class Case:
    """A policy, a log with arrivals, and a world."""

    policy: Policy
    dataset: Dataset
    arrival_s: np.ndarray
    """(n,) dense, so that requests overlap"""
    origin_s: float
    """time of day at which the replay starts"""
    faults: Faults
    seed: int


@st.composite
def cases(draw: st.DrawFn, features: frozenset[str]) -> Case:
    """A policy with these features on, its log and its world, small and full of ties.

    Hypothesis draws the size and one seed: a hundred small choices would take it longer than
    playing what they make.
    """
    return made(draw(st.integers(1, 20)), draw(st.integers(0, 2**48)), features)


def made(n: int, seed: int, features: frozenset[str]) -> Case:
    """A case of n requests. All its numbers are dyadic, so that times meet exactly."""
    rnd = random.Random(seed)
    dataset, arrival_s = _dense_log(rnd, n)
    while True:
        try:
            policy = Policy.model_validate(_protected(rnd, dataset.models, features))
            break
        except PolicyError:  # now and then a generated rule is unreachable
            continue
    faults = no_faults(len(policy.models))
    if "faults" in features:
        faults = _faults(rnd, len(policy.models))
    origin_s = rnd.choice([0.0, DAY_S - 2.0]) if "daily" in features else 0.0
    return Case(policy, dataset, arrival_s, origin_s, faults, rnd.randrange(4))


def _dense_log(rnd: random.Random, n: int) -> tuple[Dataset, np.ndarray]:
    models = MODELS[: rnd.randint(1, 3)]
    shape = (n, len(models))

    def matrix(*values: float) -> np.ndarray:
        return np.array([[rnd.choice(values) for _ in models] for _ in range(n)], float)

    gappy = rnd.random() < 0.2
    gap = [np.nan] if gappy else []
    observed = matrix(1, 1, 1, 0 if gappy else 1) > 0
    failing = rnd.choice([0, 3, 8])
    kinds = rnd.choice([[1, 2, 3, 4], [3], list(range(1, 13))])
    error = np.where(matrix(*range(10)) < failing, matrix(*kinds), 0)
    error = np.where(observed, error, 0).astype(np.int8)
    tokens = np.array([rnd.choice([64, 128, 256, 512]) for _ in range(n)], float)
    output = matrix(32, 64, *gap)
    cost = tokens[:, None] / 1024 + np.where(np.isnan(output), 32, output) / 512
    quality = np.where(error > 0, 0.0, matrix(0, 0.5, 1, *gap))

    def seen(values: np.ndarray) -> np.ndarray:
        return np.where(observed, values, np.nan)

    prompts = rnd.choices(PROMPTS, k=n)
    columns: dict[str, Any] = {
        "request_id": [f"r{i}" for i in range(n)],
        "category": rnd.choices(CATEGORIES, k=n),
        "tenant": pa.array(rnd.choices(["a", "b", None], k=n), pa.string()),
        "prompt": pa.array([p if rnd.random() < 0.95 else None for p in prompts], pa.string()),
        "input_tokens": pa.array([t if rnd.random() < 0.9 else None for t in tokens], pa.float64()),
    }
    if rnd.random() < 0.5:
        columns["reference"] = pa.array(rnd.choices(["4", "yes", None], k=n), pa.string())
    arrival_s = np.cumsum([rnd.choice([0, 0, 0.25, 0.25, 0.5, 1, 2]) for _ in range(n)])
    if rnd.random() < 0.3:  # not in the order of time, as in a log of several servers
        arrival_s = arrival_s[rnd.sample(range(n), n)]
    if rnd.random() < 0.5:
        columns["timestamp"] = arrival_s + 700_000.0
    dataset = Dataset(
        name="dense",
        requests=pa.table(columns),
        models=tuple(sorted(models)),
        observed=observed,
        quality=seen(quality),
        cost_usd=seen(cost * matrix(1, 1, 1, 1, *gap)),
        latency_s=seen(matrix(*TIMES_S, *gap)),
        input_tokens=seen(np.broadcast_to(tokens[:, None], shape)),
        output_tokens=seen(output),
        error=error,
    )
    return dataset, arrival_s


def _protected(
    rnd: random.Random, log_models: Sequence[str], features: frozenset[str]
) -> dict[str, Any]:
    """A policy as plain data; no feature leaves timeouts, retries, routes and degrade steps."""
    models: dict[str, dict[str, Any]] = {name: {} for name in log_models}
    crowd = len(features) > 4  # each by itself would stop most requests, and all of them all
    if rnd.random() < 0.3:  # two names for one model of the log
        models["again"] = {"log": rnd.choice(log_models)}
    for model in models.values():
        model["bill_timeouts"] = rnd.choice(["full", "input_only", "none"])
        if "breaker" in features and rnd.random() < 0.8:
            model["breaker"] = _breaker(rnd)
        if "limits" in features and rnd.random() < 0.8:
            model["limits"] = _limits(rnd)
        if "capabilities" in features:
            share = 0.2 if crowd else 0.5
            model.update(_maybe(rnd, "context_window_tokens", 128, 256, share=share))
            able = ([], ["tools"], ["eu"], ["tools", "eu"])
            model.update(_maybe(rnd, "supports", *able, share=share))
    caching = bool(features & {"cache", "semantic"})
    chains = {
        f"chain{i}": _dense_chain(rnd, list(models), "hedge" in features, caching)
        for i in range(rnd.randint(1, 2))
    }
    data: dict[str, Any] = {"policy": "generated", "models": models, "chains": chains}
    data["default"] = "chain0"
    if rnd.random() < 0.5:
        test = rnd.choice([{"tenant": {"eq": "a"}}, {"input_tokens": {"gt": 100}}])
        data["routes"] = [{"name": "rule", "when": test, "use": rnd.choice(list(chains))}]
    if "capabilities" in features:
        data["requires"] = {
            "tools": rnd.choice([{"tenant": {"eq": "a"}}, {"prompt": {"contains": "2"}}]),
            "eu": {"category": {"ne": "code"}},
        }
    if caching:
        data["cache"] = _cache(rnd, "semantic" if "semantic" in features else "exact")
    if "retry_budget" in features:
        share, least = rnd.choice([0, 0.25, 0.5]), rnd.choice([0, 1, 1, 2])
        data["retry_budget"] = {"share": share, "min_retries": least}
    if "shedding" in features:
        data["shedding"] = {"max_in_progress": rnd.randint(*((3, 12) if crowd else (1, 4)))}
        if rnd.random() < 0.5:
            data["shedding"] |= {"priority_by": "tenant", "limits": {"a": rnd.randint(0, 5)}}
    if "daily" in features:
        data["daily_cost_usd"] = rnd.choice([2.0, 8.0] if crowd else [0.25, 0.5, 1.0, 2.0])
    return data


def _maybe(rnd: random.Random, key: str, *values: Any, share: float = 0.5) -> dict[str, Any]:
    return {key: rnd.choice(values)} if rnd.random() < share else {}


def _breaker(rnd: random.Random) -> dict[str, Any]:
    return {
        "failure_rate": rnd.choice([0.25, 0.5, 1.0]),
        "window_s": rnd.choice([2.5, 5.0, 20.0]),
        "min_calls": rnd.randint(1, 3),
        "open_s": rnd.choice([0.5, 1.0, 2.0]),
        "probes": rnd.choice([1, 1, 2, 3]),
    } | _maybe(rnd, "on", ["server_error"], ["timeout", "invalid_output", "rate_limited"])


def _limits(rnd: random.Random) -> dict[str, Any]:
    limits = {"burst_s": rnd.choice([0.5, 1.0, 2.0, 4.0])}
    kind = rnd.choice(["requests_per_min", "tokens_per_min", "concurrency", "all"])
    if kind in {"requests_per_min", "all"}:
        limits["requests_per_min"] = rnd.choice([15.0, 30.0, 60.0, 120.0])
    if kind in {"tokens_per_min", "all"}:
        limits["tokens_per_min"] = 60.0 * rnd.choice([64, 128, 512])
    if kind in {"concurrency", "all"}:
        limits["concurrency"] = rnd.randint(1, 2)
    return limits


def _cache(rnd: random.Random, kind: str) -> dict[str, Any]:
    cache = {
        "kind": kind,
        "threshold": rnd.choice([0.5, 0.9, 1.0]),
        "ttl_s": rnd.choice([1.0, 4.0, 16.0]),
        "stale_if_error_s": rnd.choice([0.0, 2.0, 60.0]),
        "max_entries": rnd.choice([1, 2, 2, 3, 100]),
        "latency_s": rnd.choice([0.0, 0.25]),
        "cost_usd": rnd.choice([0.0, 1 / 1024]),
    }
    cache |= _maybe(rnd, "key", ["prompt"], ["prompt", "category"], ["category"])
    return cache | _maybe(rnd, "scope", [], ["tenant"], ["category"])


def _dense_chain(
    rnd: random.Random, models: list[str], hedging: bool, caching: bool
) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    for _ in range(rnd.randint(1, 3)):
        step: dict[str, Any] = {"model": rnd.choice(models)}
        step |= _maybe(rnd, "timeout_s", *TIMES_S)
        step |= _maybe(rnd, "retries", 1, 2, 3)
        step |= _maybe(rnd, "backoff_s", 0.0, 0.5, 2.0)
        if hedging and rnd.random() < 0.7:
            step["hedge"] = {"after_s": rnd.choice([0.25, 0.5, 1.0, 2.0])}
            step["hedge"] |= _maybe(rnd, "model", *models)
        steps.append(step)
    if caching and rnd.random() < 0.6:
        stale = {"degrade": "stale_cache"} | _maybe(rnd, "quality", 0.5)
        steps.insert(rnd.randint(0, len(steps)), stale)
    if rnd.random() < 0.4:
        kind = rnd.choice(["message", "refusal"])
        steps.append({"degrade": kind, "text": "Not now.", "latency_s": 0.25, "cost_usd": 0.125})
    chain: dict[str, Any] = {"steps": steps}
    chain |= _maybe(rnd, "deadline_s", *TIMES_S, 6.0)
    if rnd.random() < 0.3:
        chain["max_cost_usd"] = rnd.choice([0.125, 0.25, 1.0])
    if rnd.random() < 0.2:
        chain["fallback_on"] = rnd.sample(ERROR_LABELS, 4)
    if rnd.random() < 0.2:
        chain["retry_on"] = ["rate_limited", "invalid_output", "timeout"]
    if caching and rnd.random() < 0.15:
        chain["cache"] = False
    return chain


def _faults(rnd: random.Random, k: int) -> Faults:
    """One to four faults of any kind on k models."""
    f = rnd.randint(1, 4)
    kind = np.array([rnd.randrange(7) for _ in range(f)])
    values = {
        codes.OUTAGE: [np.nan],
        codes.RATE_LIMIT: [15.0, 30.0, 60.0],
        codes.OVERLOAD: [1.0, 2.0],
        codes.BROWNOUT: [0.5, 2.0, 4.0],
        codes.INVALID: [0.5, 1.0],
        codes.WRONG: [0.5, 1.0],
        codes.PRICE: [0.5, 4.0],
    }
    down = [ErrorType.SERVER_ERROR, ErrorType.CONNECTION, ErrorType.AUTH, ErrorType.TIMEOUT]
    fails = {
        codes.OUTAGE: down,
        codes.RATE_LIMIT: [ErrorType.RATE_LIMITED],
        codes.INVALID: [ErrorType.INVALID_OUTPUT],
    }
    start = np.array([rnd.choice([0.0, 0.0, 0.5, 1.0, 3.0]) for _ in range(f)])
    lasts = np.array([rnd.choice([0.5, 1.0, 2.0, 8.0, np.inf]) for _ in range(f)])
    flaps = np.array([rnd.random() < 0.2 for _ in range(f)])
    slow = np.array([rnd.choice([0.0, 0.25, 0.5, 1.0]) for _ in range(f)])
    after = np.array([rnd.choice([np.nan, 0.5, 2.0]) for _ in range(f)])
    return Faults(
        kind=kind.astype(np.int64),
        hits=np.array([[rnd.random() < 0.6 for _ in range(k)] for _ in range(f)]),
        start_s=start,
        end_s=start + lasts,
        value=np.array([rnd.choice(values[x]) for x in kind.tolist()]),
        latency_s=np.where((kind == codes.OUTAGE) | (kind == codes.RATE_LIMIT), slow, 0.0),
        retry_after_s=np.where(kind == codes.RATE_LIMIT, after, np.nan),
        period_s=np.where(flaps, 1.0, np.inf),
        down_s=np.where(flaps, 0.5, np.inf),
        error=np.array([int(rnd.choice(fails.get(x, [0]))) for x in kind.tolist()], np.int64),
        seed=rnd.randrange(3),
    )
