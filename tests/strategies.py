"""Generated logs and policies, small but mean: gaps, ties, every error, every limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import assume
from hypothesis import strategies as st

from toolkit.engine.replay import Replay, replay
from toolkit.errors import PolicyError
from toolkit.logs.datasets import Dataset
from toolkit.policy.model import Policy
from toolkit.schema import ERROR_LABELS

MODELS = ("small", "large", "tool", "other")
CATEGORIES = ("maths", "facts", "code")
TIMES_S = (0.5, 1.0, 2.0, 4.0)
"""Latencies and limits come from one short list, so that they often meet exactly."""


@st.composite
def datasets(draw: st.DrawFn, complete: bool = False) -> Dataset:
    """A log of 1 to 12 requests over 1 to 4 models, some cells blank unless ``complete``."""
    n = draw(st.integers(1, 12))
    models = MODELS[: draw(st.integers(1, 4))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (n, len(models))

    def gaps(values: np.ndarray, share: float) -> np.ndarray:
        return np.where(rng.random(shape) < share, np.nan, values)

    missing = draw(st.sampled_from([0.0, 0.3]))
    observed = np.ones(shape, bool) if complete else rng.random(shape) >= missing
    failing = draw(st.sampled_from([0.0, 0.3, 0.8]))
    kinds = draw(st.sampled_from([[1, 2, 3, 4], list(range(1, 13)), [6, 9]]))
    error = np.where(rng.random(shape) < failing, rng.choice(kinds, shape), 0)
    error = np.where(observed, error, 0).astype(np.int8)
    unmeasured = 0.0 if complete else draw(st.sampled_from([0.0, 0.2]))
    quality = np.where(error > 0, 0.0, gaps(rng.choice([0.0, 0.5, 1.0], shape), unmeasured))
    output = rng.integers(1, 50, shape).astype(float)
    tokens = np.repeat(rng.integers(1, 900, (n, 1)), len(models), axis=1).astype(float)

    def seen(values: np.ndarray) -> np.ndarray:
        return np.where(observed, values, np.nan)

    stamped = draw(st.booleans())
    columns: dict[str, Any] = {
        "request_id": [f"r{i}" for i in range(n)],
        "category": pa.array(rng.choice(CATEGORIES, n).tolist(), pa.string()),
        "tenant": pa.array([draw(st.sampled_from(["a", "b", None])) for _ in range(n)]).cast(
            pa.string()
        ),
        "prompt": [draw(st.sampled_from(["iban please", "2+2", "why?"])) for _ in range(n)],
        "input_tokens": tokens[:, 0],
    }
    if stamped:
        columns["timestamp"] = rng.choice([0.0, 10.0, 599.9, 600.0, 5000.0], n)
    return Dataset(
        name="generated",
        requests=pa.table(columns),
        models=tuple(models),
        observed=observed,
        quality=seen(quality),
        cost_usd=seen(gaps(0.001 * tokens + 0.002 * output, unmeasured)),
        latency_s=seen(gaps(rng.choice(TIMES_S, shape), unmeasured)),
        input_tokens=seen(tokens),
        output_tokens=seen(output),
        error=error,
    )


_tests = st.one_of(
    st.fixed_dictionaries({"category": st.fixed_dictionaries({"eq": st.sampled_from(CATEGORIES)})}),
    st.fixed_dictionaries(
        {
            "category": st.fixed_dictionaries(
                {"not_in": st.lists(st.sampled_from(CATEGORIES), min_size=1, max_size=2)}
            )
        }
    ),
    st.fixed_dictionaries(
        {"input_tokens": st.fixed_dictionaries({"lt": st.sampled_from([100.0, 400.0, 800.0])})}
    ),
    st.fixed_dictionaries({"tenant": st.fixed_dictionaries({"ne": st.sampled_from(["a", "b"])})}),
    st.fixed_dictionaries({"tenant": st.fixed_dictionaries({"exists": st.booleans()})}),
    st.fixed_dictionaries({"prompt": st.fixed_dictionaries({"matches": st.just("(?i)IBAN|why")})}),
    st.fixed_dictionaries({"prompt": st.fixed_dictionaries({"contains": st.just("2+")})}),
)
conditions = st.recursive(
    _tests,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=3,
)
_errors = st.lists(st.sampled_from(ERROR_LABELS), unique=True, max_size=6)


def _optional(key: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(st.just({}), values.map(lambda v: {key: v}))


def _limits(
    low: st.SearchStrategy[float], change: st.SearchStrategy[float]
) -> st.SearchStrategy[dict[str, float]]:
    """Any of the limits of a goal, those of one kind in their order."""

    def ordered(values: tuple[dict[str, float], dict[str, float], dict[str, float]]) -> Any:
        limits: dict[str, float] = {}
        for ends in values:
            low_first = sorted(ends, reverse=True)  # min… before max…
            limits |= dict(zip(low_first, sorted(ends.values()), strict=True))
        return limits

    return (
        st.tuples(
            st.fixed_dictionaries({}, optional={"min": low, "max": low}),
            st.fixed_dictionaries({}, optional={"min_change": change, "max_change": change}),
            st.fixed_dictionaries({}, optional={"max_ratio": st.floats(0.01, 9)}),
        )
        .map(ordered)
        .filter(bool)
    )


_of_fraction = _limits(st.floats(0, 1), st.floats(-1, 1))
_of_amount = _limits(st.floats(0, 1e6), st.floats(-1e6, 1e6))
goals = st.fixed_dictionaries(
    {},
    optional={
        "quality": _of_fraction,
        "error_rate": _of_fraction,
        "degraded_rate": _of_fraction,
        "cost_usd_per_1k": _of_amount,
        "latency_mean_s": _of_amount,
        "latency_p95_s": _of_amount,
    },
)
"""Goals with every kind of limit."""


@st.composite
def _steps(draw: st.DrawFn, models: tuple[str, ...]) -> list[dict[str, Any]]:
    steps = []
    for _ in range(draw(st.integers(1, 3))):
        step: dict[str, Any] = {"model": draw(st.sampled_from(models))}
        step |= draw(_optional("timeout_s", st.sampled_from(TIMES_S)))
        step |= draw(_optional("retries", st.integers(1, 2)))
        step |= draw(_optional("backoff_s", st.sampled_from([0.0, 0.5, 2.0])))
        steps.append(step)
    if draw(st.booleans()):
        step = {"degrade": "message", "text": "Not now.", "quality": draw(st.sampled_from([0, 1]))}
        steps.append(step | {"latency_s": 0.25, "cost_usd": 0.0001})
    return steps


@st.composite
def policies(draw: st.DrawFn, models: tuple[str, ...]) -> Policy:
    """A valid policy over these models: up to three chains and three rules."""
    names = [f"chain{i}" for i in range(draw(st.integers(1, 3)))]
    chains = {}
    for name in names:
        chain = draw(_optional("deadline_s", st.sampled_from([*TIMES_S, 3.0, 6.0])))
        chain |= draw(_optional("max_cost_usd", st.sampled_from([0.05, 0.4, 1.0])))
        chain |= draw(_optional("retry_on", _errors)) | draw(_optional("fallback_on", _errors))
        chains[name] = chain | {"steps": draw(_steps(models))}
    routes = []
    for i in range(draw(st.integers(0, 2))):
        route: dict[str, Any] = {"name": f"rule{i}", "when": draw(conditions)}
        if draw(st.booleans()):
            route["use"] = draw(st.sampled_from(names))
        else:
            route["split"] = [
                {"use": name, "weight": draw(st.sampled_from([1.0, 3.0]))} for name in names
            ]
            route |= draw(_optional("sticky_by", st.just("tenant")))
        routes.append(route)
    bills = st.sampled_from(["full", "none"])
    return Policy.model_validate(
        {
            "policy": "generated",
            "goals": draw(st.one_of(st.just({}), goals)),
            "models": {m: {"bill_timeouts": draw(bills)} for m in models},
            "routes": routes,
            "default": names[0],
            "chains": chains,
        }
    )


@st.composite
def replays(draw: st.DrawFn, complete: bool = False) -> Replay:
    """A generated policy played on a generated log."""
    dataset = draw(datasets(complete=complete))
    try:
        policy = draw(policies(dataset.models))
    except PolicyError:  # now and then a generated rule is unreachable
        assume(False)
        raise
    return replay(policy, dataset, draw(st.integers(0, 5)))
