"""Replay one million requests × 8 models; the reference is DuckDB summing the same columns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import duckdb
import pyarrow as pa

from tests.bench.logs import made_up_log, three_step_policy
from toolkit import Dataset, Policy, replay, summarize

REQUESTS = 1_000_000
ROUNDS = 9


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


def rounds(duck: Callable[[], object], dataset: Dataset, policies: list[Policy]) -> str:
    """Time DuckDB and one replay of each policy in turn; give the medians in words."""
    times = [
        (seconds(duck), seconds(lambda policy=policy: replay(policy, dataset)))
        for policy in policies
    ]
    reference, replayed = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(replayed / reference for reference, replayed in times)
    return (
        f"{replayed:.4f} s, {REQUESTS / replayed:,.0f} requests/s;"
        f" DuckDB {reference:.4f} s; ratio {ratio:.1f} (wanted at most 3)"
    )


def main() -> None:
    """Print seconds, requests per second and ratios, and how they change with the rules."""
    dataset, policy = made_up_log(REQUESTS), three_step_policy()
    duck = summing(dataset)
    replay(policy, made_up_log(1000))  # compile once
    duck()
    print(f"first replay of this log: {seconds(lambda: replay(policy, dataset)):.3f} s")
    done = replay(policy, dataset)
    print(f"{REQUESTS:,} requests × {dataset.n_models} models, {done.attempts.sum():,} attempts")
    print(f"against DuckDB, which sums the same {4 * dataset.n_models} columns:")
    moved = [three_step_policy(tokens=300 + 20 * i) for i in range(ROUNDS)]
    print(f"another number in a rule: {rounds(duck, dataset, moved)}")
    worded = [three_step_policy(pattern=f"(?i)passport|case 1{i}") for i in range(ROUNDS)]
    print(f"another pattern of prompts: {rounds(duck, dataset, worded)}")
    summed = statistics.median(seconds(lambda: summarize(done)) for _ in range(ROUNDS))
    print(f"summary with intervals of 2,000 resamples: {summed:.3f} s")


if __name__ == "__main__":
    main()
