"""Real outcomes: 1,700 prompts, 71 models, against numbers that others published or pandas gives.

The expected values come from the CSV by pandas alone, read and computed here, without the toolkit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from toolkit.engine.replay import replay
from toolkit.evaluate.baselines import baselines
from toolkit.evaluate.summary import Summary
from toolkit.logs.datasets import Dataset, dataset_from_frame
from toolkit.policy.model import Policy

SONNET, MINI, HAIKU = (
    "claude-3-5-sonnet-20240620",
    "gpt-4o-mini-2024-07-18",
    "claude-3-haiku-20240307",
)
XLAM = "Salesforce_xLAM-7b-fc-r"  # neither cost nor latency
RAVEN = "Nexusflow-Raven-v2"  # latency, no cost
TURBO = "gpt-4-turbo-2024-04-09"


@pytest.fixture(scope="module")
def frame(bfcl_dir: Path) -> pd.DataFrame:
    """The file as it is."""
    return pd.read_csv(bfcl_dir / "bfcl_long.csv.gz")


@pytest.fixture(scope="module")
def bfcl(frame: pd.DataFrame) -> Dataset:
    """The file as a dataset."""
    long = frame.assign(latency_s=frame.latency_ms / 1000)
    columns = ["request_id", "category", "model", "quality", "input_tokens", "output_tokens"]
    return dataset_from_frame("bfcl", long[[*columns, "cost_usd", "latency_s", "error"]])


@pytest.mark.parametrize(
    ("model", "quality", "cost", "latency"),
    [
        (SONNET, 0.9053, 2.205, 1.655),
        (MINI, 0.8735, 0.0836, None),
        (HAIKU, 0.7506, 0.1828, None),
    ],
)
def test_single_models_reproduce_the_published_figures(bfcl, model, quality, cost, latency):
    """A policy of one model is that model's line on the leaderboard."""
    s = replay(Policy.single(model), bfcl).summary()
    assert s.quality.value == pytest.approx(quality, abs=5e-5)
    assert s.cost_usd_per_1k.value == pytest.approx(cost, rel=5e-4)
    assert latency is None or s.latency_mean_s.value == pytest.approx(latency, abs=5e-4)
    assert (s.requests, s.unobserved, s.quality.n) == (1700, 0, 1700)
    assert s.quality.low < quality < s.quality.high


def test_a_fallback_reproduces_the_known_figures(bfcl):
    """Haiku, and on any error gpt-4o-mini."""
    s = replay(policy(HAIKU, MINI), bfcl).summary()
    assert s.quality.value == pytest.approx(0.8047, abs=5e-5)
    assert s.cost_usd_per_1k.value == pytest.approx(0.1923, abs=5e-5)
    assert s.latency_mean_s.value == pytest.approx(0.960, abs=5e-4)
    assert s.attempts_mean.value == pytest.approx(1.0735, abs=5e-5)
    assert s.imputed_share == 0


def step(model: str, timeout_s: float | None = None) -> dict[str, Any]:
    """One step of a chain."""
    return {"model": model} | ({"timeout_s": timeout_s} if timeout_s else {})


def policy(*steps: str | dict[str, Any], routes: Any = (), bill: str = "full", **chain: Any) -> Any:
    """A policy whose default chain has these steps; ``routes`` sends categories to one model."""
    written = [step(s) if isinstance(s, str) else s for s in steps]
    models = {s["model"] for s in written if "model" in s} | {model for _, model in routes}
    return Policy.model_validate(
        {
            "policy": "tested",
            "models": {model: {"bill_timeouts": bill} for model in sorted(models)},
            "routes": [
                {"name": f"to_{model}", "when": {"category": {"eq": category}}, "use": model}
                for category, model in routes
            ],
            "default": "main",
            "chains": {"main": {"steps": written, **chain}}
            | {model: {"steps": [{"model": model}]} for _, model in routes},
        }
    )


def expected(
    frame: pd.DataFrame,
    *models: str,
    timeouts: tuple[float, ...] = (),
    on: tuple[str, ...] = ("invalid_output", "api_error", "timeout"),
    billed: float = 1.0,
) -> pd.DataFrame:
    """Cost, latency, attempts and quality of each request, by pandas alone."""
    total = pd.DataFrame(
        {"quality": 0.0, "cost": 0.0, "latency": 0.0, "attempts": 0, "answered": False},
        index=frame.request_id.unique(),
    )
    waiting = total.index
    for model, timeout in zip(models, timeouts or [np.inf] * len(models), strict=True):
        row = frame[frame.model == model].set_index("request_id").loc[waiting]
        late = row.latency_ms / 1000 > timeout
        error = row.error.mask(late, "timeout")
        total.loc[waiting, "cost"] += row.cost_usd.where(~late, row.cost_usd * billed)
        total.loc[waiting, "latency"] += (row.latency_ms / 1000).clip(upper=timeout)
        total.loc[waiting, "attempts"] += 1
        total.loc[waiting, "quality"] = row.quality.where(error.isna(), 0.0)
        total.loc[waiting, "answered"] = error.isna()
        waiting = waiting[error.isin(on)]
    return total


def check(s: Summary, requests: pd.DataFrame) -> None:
    """Hold a summary against the means of its requests."""
    assert s.quality.value == pytest.approx(requests.quality.mean(), rel=1e-9)
    assert s.cost_usd_per_1k.value == pytest.approx(1000 * requests.cost.mean(), nan_ok=True)
    assert s.cost_usd_per_1k.share == pytest.approx(requests.cost.notna().mean())
    assert s.latency_mean_s.value == pytest.approx(requests.latency.mean(), nan_ok=True)
    assert s.latency_mean_s.share == pytest.approx(requests.latency.notna().mean())
    p95 = requests.latency.quantile(0.95)
    assert s.latency_p95_s.value == pytest.approx(p95, nan_ok=True)
    assert s.attempts_mean.value == pytest.approx(requests.attempts.mean())
    assert s.error_rate.value == pytest.approx(1 - requests.answered.mean())
    assert s.unobserved == 0


@pytest.mark.parametrize(
    ("models", "options", "chain"),
    [
        ((MINI, SONNET), {}, {}),
        ((HAIKU, MINI, SONNET), {}, {}),
        ((SONNET, TURBO), {"on": ("api_error",)}, {"fallback_on": ["server_error"]}),
        ((HAIKU, SONNET), {"on": ("invalid_output",)}, {"fallback_on": ["invalid_output"]}),
        ((MINI, HAIKU), {"timeouts": (1.0, np.inf)}, {}),
        ((MINI, HAIKU, SONNET), {"timeouts": (0.7, 0.8, 3.0)}, {}),
        ((SONNET, MINI), {"timeouts": (1.5, 2.0), "billed": 0.0}, {}),
        ((RAVEN, HAIKU), {}, {}),
        ((XLAM, MINI), {}, {}),
    ],
)
def test_fallbacks_agree_with_pandas(bfcl, frame, models, options, chain):
    """Quality, cost, latency, p95, attempts and errors of fallback policies."""
    timeouts = options.get("timeouts", (np.inf,) * len(models))
    steps = [step(m, None if t == np.inf else t) for m, t in zip(models, timeouts, strict=True)]
    bill = "none" if options.get("billed") == 0 else "full"
    s = replay(policy(*steps, bill=bill, **chain), bfcl).summary()
    check(s, expected(frame, *models, **options))


def test_routed_fallbacks_agree_with_pandas(bfcl, frame):
    """Two categories go straight to the strong model, the rest falls back to it."""
    routes = [("relevance", SONNET), ("simple", TURBO)]
    s = replay(policy(HAIKU, MINI, routes=routes), bfcl).summary()
    parts = {c: frame[frame.category == c] for c, _ in routes}
    rest = frame[~frame.category.isin(list(parts))]
    direct = [expected(parts[category], model) for category, model in routes]
    check(s, pd.concat([expected(rest, HAIKU, MINI), *direct]))
    for (category, model), requests in zip(routes, direct, strict=True):
        part = s.by_route[f"to_{model}"]
        assert part.requests == s.by_category[category].requests == len(requests)
        assert part.quality.value == pytest.approx(requests.quality.mean())
        assert part.latency_p95_s.value == pytest.approx(requests.latency.quantile(0.95))


def test_a_degrade_step_answers_what_is_left(bfcl, frame):
    """What no model answered gets the degrade step's quality, cost and time."""
    last = {"degrade": "message", "text": "Later.", "quality": 0.25, "latency_s": 0.1}
    s = replay(policy(step(HAIKU, 0.9), MINI, last), bfcl).summary()
    requests = expected(frame, HAIKU, MINI, timeouts=(0.9, np.inf))
    left = ~requests.answered
    assert s.degraded_rate.value == pytest.approx(left.mean())
    assert s.error_rate.value == 0
    assert s.quality.value == pytest.approx(requests.quality.mask(left, 0.25).mean())
    assert s.latency_mean_s.value == pytest.approx((requests.latency + 0.1 * left).mean())


def test_baselines_agree_with_pandas(bfcl, frame):
    """Singles, random mix and oracle of three models."""
    found = baselines(bfcl, [HAIKU, MINI, SONNET])
    mine = frame[frame.model.isin([HAIKU, MINI, SONNET])].copy()
    mine["quality"] = mine.quality.where(mine.error.isna(), 0)
    singles = mine.groupby("model")[["quality", "cost_usd"]].mean()
    for model in (HAIKU, MINI, SONNET):
        assert found[model].quality.value == pytest.approx(singles.quality[model])
    assert found.random.quality.value == pytest.approx(singles.quality.mean())
    assert found.random.cost_usd_per_1k.value == pytest.approx(1000 * singles.cost_usd.mean())
    best = mine.sort_values(["quality", "cost_usd"], ascending=[False, True])
    best = best.groupby("request_id").first()
    assert found.oracle.quality.value == pytest.approx(best.quality.mean())
    assert found.oracle.cost_usd_per_1k.value == pytest.approx(1000 * best.cost_usd.mean())
    assert found.n == 1700
