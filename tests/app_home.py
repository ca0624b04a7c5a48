"""A home for the app in tests: bundled data, policies and store of their own, made up in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from toolkit.policy.model import Policy

NASTY = "<script>alert(1)</script> $x$ :red[no] **bold** [a](http://b.c) :material/home: `c`"
"""A name that HTML, Markdown, TeX and Streamlit would all like to read in their own way."""

TIERED = """\
policy: tiered
description: Small first, large where it fails.
goals:
  quality: {min: 0.6}
  cost_usd_per_1k: {max: 5}
  error_rate: {max: 0.02}
models:
  small: {log: small-1}
  large: {log: large-1}
routes:
  - {name: sums, when: {category: {eq: sums}}, use: strong}
  - {name: brief, when: {input_tokens: {lt: 100}}, use: cheap_first}
default: cheap_first
chains:
  cheap_first:
    deadline_s: 20
    steps:
      - {model: small, timeout_s: 2, retries: 1, backoff_s: 0.5}
      - {model: large, timeout_s: 10}
      - {degrade: message, text: "Sorry."}
  strong:
    steps: [{model: large, timeout_s: 10}]
"""


@dataclass(frozen=True)
class Home:
    """Folders of one app."""

    bundled: Path
    policies: Path
    store: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead the toolkit here."""
        return {
            "DETOUR_BUNDLED": str(self.bundled),
            "DETOUR_POLICIES": str(self.policies),
            "DETOUR_DB": str(self.store),
            "DETOUR_ROUTERS": str(self.store.with_name("routers")),
        }

    def dataset(self, name: str, frame: pd.DataFrame, requests: pd.DataFrame) -> None:
        """Add a bundled dataset."""
        folder = self.bundled / name
        folder.mkdir(parents=True)
        frame.to_parquet(folder / "outcomes.parquet")
        requests.to_parquet(folder / "requests.parquet")
        (folder / "README.md").write_text(f"# {name}\n\nMade up to show {name}.\n", "utf-8")


def make_home(folder: Path) -> Home:
    """A home with two policies and one dataset, ``shop``; a third policy is for other models."""
    home = Home(folder / "data", folder / "policies", folder / "lab.duckdb")
    home.policies.mkdir(parents=True)
    (home.policies / "tiered.yaml").write_text(TIERED, "utf-8")
    (home.policies / "plain.yaml").write_text(_renamed(Policy.single("large-1"), "plain"), "utf-8")
    (home.policies / "elsewhere.yaml").write_text(
        _renamed(Policy.single("unheard-of"), "elsewhere"), "utf-8"
    )
    home.dataset("shop", *shop())
    return home


def _renamed(policy: Policy, name: str) -> str:
    return policy.with_value("policy", name).to_yaml()


def shop(
    models: tuple[str, ...] = ("large-1", "small-1", "tool-1"),
    categories: tuple[str, ...] = ("facts", "sums", "tone"),
    n: int = 120,
    drop: tuple[str, ...] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Outcomes and requests of a little shop, always the same; without the columns to ``drop``."""
    rng = np.random.default_rng(7)
    requests = pd.DataFrame(
        {
            "request_id": [f"r{i:03}" for i in range(n)],
            "category": [categories[i % len(categories)] for i in range(n)],
            "prompt": [f"Question {i}: is **this** <b>plain</b> $x$?" for i in range(n)],
            "input_tokens": rng.integers(20, 300, n).astype(float),
        }
    )
    rows: list[dict[str, Any]] = []
    for model, right, cost, pace in zip(
        models, (0.9, 0.7, 0.3), (0.004, 0.001, 0.0001), (1.4, 0.8, 0.1), strict=True
    ):
        for request in requests.itertuples():
            error = rng.choice(["timeout", "invalid_output", None], p=[0.05, 0.05, 0.9])
            rows.append(
                {
                    "request_id": request.request_id,
                    "model": model,
                    "quality": 0.0 if error else float(rng.random() < right),
                    "input_tokens": request.input_tokens,
                    "output_tokens": 30.0,
                    "cost_usd": cost * rng.lognormal(0, 0.2),
                    "latency_s": pace * rng.lognormal(0, 0.4),
                    "error": error,
                    "answer": "" if error else "An <i>answer</i> with :red[marks].",
                }
            )
    return pd.DataFrame(rows).drop(columns=list(drop)), requests
