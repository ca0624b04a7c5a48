"""A large made-up log for the benchmarks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from toolkit import Dataset, Policy


def made_up_log(n: int, n_models: int = 8, seed: int = 0) -> Dataset:
    """Return n requests × models, every outcome observed, 5 % of them errors."""
    rng = np.random.default_rng(seed)
    shape = (n, n_models)
    error = np.where(rng.random(shape) < 0.05, rng.choice([1, 2, 3, 9], shape), 0).astype(np.int8)
    tokens = rng.integers(1, 900, n).astype(float)
    prompts = np.array(["my passport number?", "hello there, how are you", "what is an IBAN"])
    return Dataset(
        name="made-up",
        requests=pa.table(
            {
                "request_id": pa.array([f"r{i}" for i in range(n)]),
                "category": rng.choice(np.array(["code", "facts", "maths", "chat"]), n),
                "tenant": rng.choice(np.array(["acme", "beta", "corp"]), n),
                "prompt": rng.choice(prompts, n),
                "input_tokens": tokens,
            }
        ),
        models=tuple(f"m{k}" for k in range(n_models)),
        observed=np.ones(shape, bool),
        quality=np.where(error > 0, 0.0, rng.random(shape) < 0.7),
        cost_usd=rng.random(shape) / 1000,
        latency_s=rng.exponential(1.0, shape),
        input_tokens=np.repeat(tokens[:, None], n_models, axis=1),
        output_tokens=rng.integers(1, 300, shape).astype(float),
        error=error,
        simulated=True,
    )


def three_step_policy(n_models: int = 8) -> Policy:
    """Return three rules over three chains of three steps, each with timeouts and one retry."""
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
                            {"input_tokens": {"lt": 400}},
                        ]
                    },
                    "use": "chain0",
                },
                {"name": "beta", "when": {"tenant": {"eq": "beta"}}, "use": "chain1"},
                {
                    "name": "secret",
                    "when": {"prompt": {"matches": "(?i)passport|iban"}},
                    "use": "chain2",
                },
            ],
            "default": "chain1",
            "chains": chains,
        }
    )
