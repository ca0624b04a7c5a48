"""A large made-up log for the benchmarks, and the policies that are played on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit import Dataset, Policy

PER_S = 200
"""Requests that arrive in a second."""
_TOPICS = ("my passport", "the house insurance", "a delayed train", "an IBAN", "a wrong invoice")


def made_up_log(n: int, n_models: int = 8, seed: int = 0) -> Dataset:
    """Return n requests × models, every outcome observed, 5 % of them errors.

    Two thirds of the prompts are asked once, the others a few times. Columns are filled in place,
    so that a log of ten million requests needs little more than its own memory.
    """
    rng = np.random.default_rng(seed)
    shape = (n, n_models)
    failed = rng.random(shape, np.float32) < 0.05
    error = np.zeros(shape, np.int8)
    error[failed] = rng.choice(np.array([1, 2, 3, 9], np.int8), np.count_nonzero(failed))
    quality = np.empty(shape)
    np.less(rng.random(shape, np.float32), 0.7, out=quality)
    quality[failed] = 0.0
    cost, latency, output_tokens = rng.random(shape), np.empty(shape), np.empty(shape)
    cost /= 1000
    rng.standard_exponential(out=latency)
    output_tokens[:] = rng.integers(1, 300, shape, np.int16)
    tokens = rng.integers(1, 900, n).astype(float)
    return Dataset(
        name="made-up",
        requests=pa.table(
            {
                "request_id": _numbered("r", np.arange(n), ""),
                "category": _one_of(rng, ("code", "facts", "maths", "chat"), n),
                "tenant": _one_of(rng, ("acme", "beta", "corp"), n),
                "prompt": _prompts(rng, n),
                "timestamp": pa.array(np.arange(n) * (1_000_000 // PER_S)).cast(
                    pa.timestamp("us", "UTC")
                ),
                "input_tokens": tokens,
            }
        ),
        models=tuple(f"m{k}" for k in range(n_models)),
        observed=np.ones(shape, bool),
        quality=quality,
        cost_usd=cost,
        latency_s=latency,
        input_tokens=np.repeat(tokens[:, None], n_models, axis=1),
        output_tokens=output_tokens,
        error=error,
        simulated=True,
    )


def _one_of(rng: np.random.Generator, texts: tuple[str, ...], n: int) -> pa.Array:
    return pa.array(texts).take(pa.array(rng.integers(0, len(texts), n, np.int8)))


def _numbered(before: str, number: NDArray[np.int64], after: str | pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(before, pa.array(number).cast(pa.string()), after, "")


def _prompts(rng: np.random.Generator, n: int) -> pa.Array:
    case = rng.integers(0, n, n)
    topic = pa.array(_TOPICS).take(pa.array(case % len(_TOPICS)))
    return _numbered(
        "Please have a look at case ", case, pc.binary_join_element_wise("", topic, ": ")
    )


def three_step_policy(n_models: int = 8, **rules: Any) -> Policy:
    """Return three rules over three chains of three steps, each with timeouts and one retry.

    ``rules`` may state another limit of ``tokens`` and another ``pattern`` of the prompts.
    """
    chains = {
        f"chain{c}": {
            "deadline_s": 20,
            "steps": [
                {"model": f"m{(c + 3 * i) % n_models}", "timeout_s": 3, "retries": 1}
                for i in range(3)
            ],
        }
        for c in range(3)
    }
    return Policy.model_validate(
        {
            "policy": "three steps",
            "models": {f"m{k}": {} for k in range(n_models)},
            "routes": [
                {
                    "name": "short",
                    "when": {
                        "all": [
                            {"category": {"in": ["code", "facts"]}},
                            {"input_tokens": {"lt": rules.get("tokens", 400)}},
                        ]
                    },
                    "use": "chain0",
                },
                {"name": "beta", "when": {"tenant": {"eq": "beta"}}, "use": "chain1"},
                {
                    "name": "secret",
                    "when": {"prompt": {"matches": rules.get("pattern", "(?i)passport|iban")}},
                    "use": "chain2",
                },
            ],
            "default": "chain1",
            "chains": chains,
        }
    )


def guarded_policy(n_models: int = 8) -> Policy:
    """Return the same rules and chains with everything that protects them.

    The limits leave room for the normal load and not for that of an outage.
    """
    data = three_step_policy(n_models).to_data()
    for k, model in enumerate(data["models"].values()):
        model |= {
            "provider": f"provider{k % 4}",
            "breaker": {"failure_rate": 0.5, "window_s": 30, "min_calls": 50, "open_s": 30},
            "limits": {"requests_per_min": 9_000, "tokens_per_min": 6_000_000, "concurrency": 300},
            "context_window_tokens": 890,
        }
    for c, chain in enumerate(data["chains"].values()):
        for i, step in enumerate(chain["steps"]):
            step["hedge"] = {"after_s": 2.0, "model": f"m{(c + 3 * i + 1) % n_models}"}
        chain["steps"] += [
            {"degrade": "stale_cache"},
            {"degrade": "message", "text": "We could not answer right now."},
        ]
        chain["max_cost_usd"] = 0.01
    data |= {
        "cache": {
            "ttl_s": 1800,
            "stale_if_error_s": 7200,
            "max_entries": 100_000,
            "latency_s": 0.005,
        },
        "retry_budget": {"share": 0.2, "min_retries": 10},
        "shedding": {
            "max_in_progress": 1_000,
            "priority_by": "tenant",
            "limits": {"corp": 800},
        },
        "daily_cost_usd": 50_000,
    }
    return Policy.model_validate(data)
