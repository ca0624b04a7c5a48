"""Make the bundled dataset ``local`` again: ``PYTHONPATH=. python tests/bench/make_local_data.py``.

Starts the two local models, asks every target every prompt (an hour and more on one core; started
again it goes on where it was), writes ``data/local/*.parquet``, and prints the tables of its
README.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.local_model import running_model
from toolkit.engine.provider import complete
from toolkit.logs.collect import collect
from toolkit.logs.dataset import Dataset
from toolkit.logs.datasets import load_dataset
from toolkit.schema import ErrorType

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = ROOT / "data" / "prompts" / "local.jsonl"
TARGETS = ROOT / "data" / "prompts" / "targets.yaml"
FOLDER = ROOT / "data" / "local"
RUN = "local-again"
BARE = "smollm2-zero-shot"
"""The target that sends the prompt alone: its input tokens are what is known before a call."""

KEPT = 20
"""Requests that a server remembers: one for each category, whose examples are then at hand."""


def main() -> None:
    """Collect, pack and print."""
    with (
        running_model(port=8135, kept=KEPT),
        running_model(port=8136, kept=KEPT, name="gemma3"),
        tempfile.TemporaryDirectory() as store,
    ):
        os.environ["DETOUR_DB"] = str(Path(store) / "lab.duckdb")  # the tables are all it is for
        report = collect(PROMPTS, TARGETS, RUN, complete, progress=_print)
    pack(report.path.parent / RUN)
    print("\n".join(readme_tables(load_dataset("local"))))


def pack(run: Path) -> None:
    """Copy the tables of a finished run to ``data/local``, small, with ``input_tokens`` added."""
    outcomes = pq.read_table(run / "outcomes.parquet")
    bare = outcomes.filter(pc.equal(outcomes["model"], BARE))
    tokens = dict(
        zip(*bare.select(["request_id", "input_tokens"]).to_pydict().values(), strict=True)
    )
    requests = pq.read_table(run / "requests.parquet")
    counted = pa.array([tokens[i] for i in requests["request_id"].to_pylist()])
    FOLDER.mkdir(exist_ok=True)
    tables = {"requests": requests.append_column("input_tokens", counted), "outcomes": outcomes}
    for name, table in tables.items():
        pq.write_table(table, FOLDER / f"{name}.parquet", compression="zstd", compression_level=19)


def readme_tables(dataset: Dataset) -> Iterator[str]:
    """Yield the Markdown lines of quality by category, and of cost, latency and errors."""
    yield "| Category | Prompts | " + " | ".join(dataset.models) + " |"
    yield "|---|" + "--:|" * (1 + len(dataset.models))
    categories = np.asarray(dataset.column("category").to_pylist())
    for category in [*sorted(set(categories)), "all"]:
        rows = (categories == category) | (category == "all")
        means = dataset.quality[rows].mean(axis=0)
        yield f"| {category} | {rows.sum()} | " + " | ".join(f"{q:.3f}" for q in means) + " |"
    yield ""
    columns = ("$ /1k", "mean, s", "p50, s", "p95, s", "tokens in", "tokens out")
    columns += ("invalid_output", "bad_request")
    yield f"| Target | {' | '.join(columns)} |"
    yield "|---|" + "--:|" * len(columns)
    for i, model in enumerate(dataset.models):
        latency_s = dataset.latency_s[:, i]
        numbers = [
            _three_digits(dataset.cost_usd[:, i].mean() * 1000),
            *[_three_digits(v) for v in (latency_s.mean(), *np.quantile(latency_s, [0.5, 0.95]))],
            *[_mean(tokens[:, i]) for tokens in (dataset.input_tokens, dataset.output_tokens)],
            *[
                str(np.count_nonzero(dataset.error[:, i] == kind))
                for kind in (ErrorType.INVALID_OUTPUT, ErrorType.BAD_REQUEST)
            ],
        ]
        yield f"| {model} | " + " | ".join(numbers) + " |"


def _three_digits(value: float) -> str:
    return np.format_float_positional(value, 3, unique=False, fractional=False, trim="-")


def _mean(tokens: np.ndarray) -> str:
    """Mean of the measured values, or that there are none."""
    mean = np.nanmean(tokens) if not np.isnan(tokens).all() else math.nan
    return "none" if math.isnan(mean) else f"{mean:.1f}"


def _print(done: int, total: int, spent_usd: float, target: str) -> None:
    if done % 60 == 0 or done == total:
        print(f"{done} of {total}, ${spent_usd:.4f}, last: {target}", flush=True)


if __name__ == "__main__":
    main()
