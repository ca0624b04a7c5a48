"""Print the tables of ``data/fleet/README.md``.

``PYTHONPATH=. python tests/bench/make_fleet_readme.py``

They come from the parameters and from the shipped files, and a test holds the page to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from toolkit.logs.dataset import Dataset
from toolkit.logs.datasets import load_dataset
from toolkit.logs.simulate.ability import accuracies
from toolkit.logs.simulate.models import MODELS
from toolkit.logs.simulate.parameters import (
    CATEGORIES,
    DAYS,
    DRIFT,
    OUTAGES,
    TENANTS,
)
from toolkit.logs.simulate.report import correlations, in_outage, realised, seconds
from toolkit.logs.simulate.traffic import at

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "data" / "fleet" / "README.md"
BFCL_NAMES = {
    "gpt-4o-2024-08-06": "gpt-4o-2024-08-06-FC",
    "mistral-large-2407": "mistral-large-2407-FC-Auto",
}
"""Where the leaderboard's raw results have another name for a model."""


def tables(dataset: Dataset) -> Iterator[str]:
    """Yield each table of the page as Markdown."""
    yield _published()
    yield _derived()
    yield _categories()
    yield _tenants()
    yield _accuracies(dataset)
    yield _realised(dataset)
    yield _events(dataset)


def _published() -> str:
    head = ("Model", "Row of the leaderboard", "accuracy", "AST", "Exec", "Relevance", "$ /1k")
    rows = [
        (
            f"`{m.name}`",
            m.row,
            *(f"{100 * v:.2f} %" for v in (m.accuracy, *m.ast_executed_relevance)),
            f"{m.cost_usd_per_1k:.2f}",
            *(f"{v:.2f}" for v in (m.latency_mean_s, m.latency_sd_s, m.latency_p95_s)),
        )
        for m in MODELS
    ]
    return _table((*head, "mean, s", "SD, s", "P95, s"), rows, words=2)


def _derived() -> str:
    head = ("Model", "Provider", "$ /M in", "$ /M out", "tokens in", "tokens out", "available")
    rows = [
        (
            f"`{m.name}`",
            m.provider,
            f"{m.input_usd_per_mtok:g}",
            f"{m.output_usd_per_mtok:g}",
            f"× {m.input_ratio:.3f}",
            f"{m.output_tokens_mean:.1f}",
            f"{100 * m.availability:.2f} %",
            str(m.quota_per_minute),
        )
        for m in MODELS
    ]
    return _table((*head, "calls a minute"), rows, words=2)


def _categories() -> str:
    head = ("Category", "share", "ease", "AST, Exec, Rel.", "in", "SD", "out", "SD")
    rows = [
        (
            f"`{c.name}`",
            f"{100 * c.share:.0f} %",
            f"{c.ease:+.1f}",
            ", ".join(f"{w:g}" for w in c.scores),
            *(f"{v:g}" for v in (c.input_scale, c.input_sigma, c.output_scale, c.output_sigma)),
        )
        for c in CATEGORIES
    ]
    return _table(head, rows)


def _tenants() -> str:
    rows = [
        (
            f"`{t.name}`",
            f"{100 * t.share:.0f} %",
            str(t.users),
            ", ".join(f"{name} × {factor:g}" for name, factor in t.liking.items()),
            "yes" if t.batches else "no",
        )
        for t in TENANTS
    ]
    return _table(("Tenant", "share", "users", "likes", "batches"), rows)


def _accuracies(dataset: Dataset) -> str:
    """Meant and come out, of answers, before the drift."""
    category = np.asarray(dataset.column("category").to_pylist())
    steady = seconds(dataset) < DRIFT.start_s
    rows = []
    for model, name, meant in zip(range(len(MODELS)), dataset.models, accuracies(), strict=True):
        use = (dataset.error[:, model] == 0) & (steady | (name != DRIFT.model))
        found = [dataset.quality[use & (category == c.name), model].mean() for c in CATEGORIES]
        cells = [f"{m:.3f} / {f:.3f}" for m, f in zip(meant, found, strict=True)]
        rows.append((f"`{name}`", *cells))
    return _table(("Model", *(c.name for c in CATEGORIES)), rows)


def _realised(dataset: Dataset) -> str:
    head = ("Model", "accuracy", "$ /1k", "mean, s", "SD, s", "P95, s", "available", "limited")
    rows = [
        (
            f"`{m.name}`",
            f"{m.accuracy:.3f} / {r.accuracy:.3f}",
            f"{m.expected_cost_usd_per_1k:.3f} / {r.cost_usd_per_1k:.3f}",
            f"{m.latency_mean_s:.2f} / {r.latency_mean_s:.2f}",
            f"{m.latency_sd_s:.2f} / {r.latency_sd_s:.2f}",
            f"{m.latency_p95_s:.2f} / {r.latency_p95_s:.2f}",
            f"{100 * m.availability:.2f} / {100 * r.availability:.2f} %",
            f"{100 * r.rate_limited:.2f} %",
            f"{100 * r.error_rate:.2f} %",
        )
        for m, r in zip(MODELS, realised(dataset), strict=True)
    ]
    return _table((*head, "failed"), rows)


def _events(dataset: Dataset) -> str:
    when, down = seconds(dataset), in_outage(dataset)
    rows = []
    for outage in OUTAGES:
        columns = np.isin(dataset.models, outage.models)
        during = down[:, columns] & (when >= outage.start_s)[:, None]
        during &= (when < outage.start_s + 60 * outage.minutes)[:, None]
        failed = dataset.error[:, columns][during] > 0
        rows.append(
            (
                "outage",
                ", ".join(f"`{m}`" for m in outage.models),
                f"{at(outage.start_s)}, {outage.minutes:g} min",
                f"{failed.mean():.3f} of {failed.size} calls fail",
            )
        )
    model = dataset.models.index(DRIFT.model)
    answered = dataset.error[:, model] == 0
    days = [
        dataset.quality[answered & (when >= start * 86_400) & (when < (start + 1) * 86_400), model]
        for start in range(int(DRIFT.start_s // 86_400) - 1, DAYS)
    ]
    rows.append(
        (
            "drift",
            f"`{DRIFT.model}`",
            f"{at(DRIFT.start_s)} to the end",
            "accuracy by day " + ", ".join(f"{day.mean():.3f}" for day in days),
        )
    )
    return _table(("What", "Models", "When, UTC", "What is seen"), rows, words=4)


def dependence(quality: np.ndarray) -> str:
    """How models (n, m) are right and wrong together, in one row of numbers."""
    pairs = correlations(quality)
    numbers = (np.median(pairs), pairs[0], pairs[-1], quality.max(axis=1).mean())
    rest = (quality.mean(axis=0).max(), quality.min(axis=1).mean())
    return " | ".join(f"{v:.3f}" for v in (*numbers, *rest))


def answered(dataset: Dataset) -> np.ndarray:
    """Quality (n', m) of the requests that every model answered, before the drift."""
    rows = (dataset.error == 0).all(axis=1) & (seconds(dataset) < DRIFT.start_s)
    return dataset.quality[rows]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    lines = [f"| {' | '.join(head)} |"]
    lines.append("|" + "---|" * words + "--:|" * (len(head) - words))
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


if __name__ == "__main__":
    fleet = load_dataset("fleet")
    print("\n\n".join(tables(fleet)), f"\n\n{dependence(answered(fleet))}")
