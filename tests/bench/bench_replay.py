"""Replay one million requests × 8 models; the reference is DuckDB summing the same columns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import duckdb
import pyarrow as pa

from tests.bench.logs import made_up_log, three_step_policy
from toolkit import Dataset, replay, summarize

REQUESTS = 1_000_000
ROUNDS = 7


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def summing(dataset: Dataset) -> Callable[[], object]:
    """Return a call in which DuckDB sums quality, cost, latency and error of every model."""
    columns = {
        f"{name}_{k}": getattr(dataset, name)[:, k].copy()
        for name in ("quality", "cost_usd", "latency_s", "error")
        for k in range(dataset.n_models)
    }
    database = duckdb.connect()
    database.register("arrays", pa.table(columns))
    database.execute("CREATE TABLE log AS FROM arrays")
    query = f"SELECT {', '.join(f'sum({name})' for name in columns)} FROM log"  # noqa: S608
    return lambda: database.execute(query).fetchall()


def main() -> None:
    """Print seconds, requests per second and ratios."""
    dataset, policy = made_up_log(REQUESTS), three_step_policy()
    duck = summing(dataset)
    replay(policy, made_up_log(1000))  # compile once
    print(f"first replay of this log: {seconds(lambda: replay(policy, dataset)):.3f} s")
    duck()
    done = replay(policy, dataset)
    times = [
        (
            seconds(duck),
            seconds(lambda: replay(policy, dataset)),
            seconds(lambda: summarize(done)),
        )
        for _ in range(ROUNDS)
    ]
    reference, replayed, summed = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(r / d for d, r, _ in times)
    print(f"{REQUESTS:,} requests × {dataset.n_models} models, {done.attempts.sum():,} attempts")
    print(f"DuckDB sums the same {4 * dataset.n_models} columns: {reference:.4f} s")
    print(f"replay: {replayed:.4f} s, {REQUESTS / replayed:,.0f} requests/s")
    print(f"summary with intervals of 2,000 resamples: {summed:.3f} s")
    print(f"ratio replay / DuckDB: {ratio:.1f} (wanted at most 10)")


if __name__ == "__main__":
    main()
