"""A frontier of 1,000 policies on BFCL; the reference is pandas, policy by policy.

The pandas implementation reads the long table as anyone would: the rows of two models, a rule, a
time limit, means; and with intervals, 2,000 resamples of the requests. Both are timed in turn, and
must agree. Ratios are of processor seconds, which other work on the machine changes less.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.test_frontier_data import by_pandas, policy
from toolkit.evaluate.intervals import RESAMPLES, bootstrap_of
from toolkit.evaluate.tradeoffs.frontier import Frontier, frontier
from toolkit.evaluate.tradeoffs.sweep import World
from toolkit.evaluate.tradeoffs.vary import Vary, variants
from toolkit.logs.datasets import Dataset, dataset_from_frame
from toolkit.scenarios.aim import aim
from toolkit.scenarios.arrivals import traffic

FILE = Path(__file__).parents[3] / "shared" / "datasets" / "bfcl_2024_08" / "bfcl_long.csv.gz"
WEAK, STRONG = "gpt-4o-mini-2024-07-18", "claude-3-5-sonnet-20240620"
THRESHOLD, LIMIT = "routes.0.when.input_tokens.gte", "chains.cheap.steps.0.timeout_s"
ROUNDS = 3
FEW = 10
"""Policies that pandas plays in each round, and 1 with intervals."""
WITHOUT = 2
"""So few resamples cost nothing."""


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call, of all its threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def log() -> tuple[pd.DataFrame, pd.DataFrame, Dataset]:
    """The long table, the requests, and both as a dataset."""
    long = pd.read_csv(FILE).assign(latency_s=lambda table: table.latency_ms / 1000)
    long["error"] = long.error.replace("api_error", "server_error")
    tokens = long.groupby("request_id", sort=False).input_tokens.median().reset_index()
    columns = ["request_id", "category", "model", "quality", "cost_usd", "latency_s", "error"]
    return long, tokens, dataset_from_frame("bfcl", long[columns], tokens)


def grid(n: int) -> list[Vary]:
    """40 thresholds and as many limits as it takes."""
    limits = np.geomspace(0.3, 6.0, n // 40).round(4).tolist()
    return [Vary(THRESHOLD, tuple(range(50, 2050, 50))), Vary(LIMIT, tuple(limits))]


def resampled(table: pd.DataFrame) -> pd.DataFrame:
    """The ends of 95 % intervals over requests, by pandas."""
    draws = [table.sample(frac=1, replace=True).mean() for _ in range(RESAMPLES)]
    return pd.DataFrame(draws).quantile([0.025, 0.975])


def main() -> None:
    """Print seconds per sweep, milliseconds per policy, and how often faster than pandas."""
    if not FILE.is_file():
        print(f"BFCL is not there: {FILE}")
        return
    long, tokens, dataset = log()
    base, many = policy(WEAK, STRONG), grid(1000)
    frontier(base, dataset, many[:1])  # compile once
    rng = np.random.default_rng(0)
    ours, bare, theirs, theirs_bare, clock = [], [], [], [], []
    for _ in range(ROUNDS):
        found: list[Frontier] = []
        start = time.perf_counter()
        ours.append(seconds(lambda found=found: found.append(frontier(base, dataset, many))))
        clock.append(time.perf_counter() - start)
        bare.append(seconds(lambda: frontier(base, dataset, many, resamples=WITHOUT)))
        points = found[0].points
        some = [points[i] for i in rng.integers(1, len(points), FEW)]
        tables: list[pd.DataFrame] = []

        def play(some=some, tables=tables) -> None:  # type: ignore[no-untyped-def]
            for point in some:
                at, limit = point.values.values()
                tables.append(by_pandas(long, tokens, WEAK, STRONG, at, limit))
                tables[-1].mean()
                tables[-1].latency.quantile([0.5, 0.95, 0.99])

        theirs_bare.append(seconds(play) / FEW)
        theirs.append(theirs_bare[-1] + seconds(lambda tables=tables: resampled(tables[0])))
        for point, table in zip(some, tables, strict=True):
            pairs = ((point.quality, table.quality), (point.latency_mean_s, table.latency))
            assert all(np.isclose(mine.value, other.mean()) for mine, other in pairs)
    n = len(points)
    print(
        f"{n:,} policies on {dataset.n_requests:,} requests, {dataset.n_models} single models:"
        f" {statistics.median(clock):.2f} s by the clock"
    )
    for words, own, other in (
        (f"with intervals of {RESAMPLES:,} resamples", ours, theirs),
        ("without intervals", bare, theirs_bare),
    ):
        mine, reference = statistics.median(own), statistics.median(other)
        ratio = statistics.median(o / (t / n) for t, o in zip(own, other, strict=True))
        print(
            f"{words}: {mine:.2f} s, {1000 * mine / n:.2f} ms a policy;"
            f" pandas {1000 * reference:.1f} ms; {ratio:.0f} times as fast (wanted at least 100)"
        )
    print(intervals(dataset))


def intervals(dataset: Dataset) -> str:
    """The time that the intervals of 101 policies take, replays left out."""
    arrivals = traffic(None, dataset)
    boot = bootstrap_of(arrivals)
    world = World(arrivals, boot, np.ones(dataset.n_requests, np.bool_), 0, None)
    vary = [Vary(LIMIT, tuple(np.geomspace(0.3, 4.0, 100).round(4).tolist()))]
    tried = variants(policy(WEAK, STRONG), vary)
    jobs = [(one.policy, aim(None, one.policy, dataset.models)) for one in tried]
    ends = world.endings(jobs, lambda: None)
    taken = statistics.median(seconds(lambda: world.estimates(ends)) for _ in range(5))
    return (
        f"intervals of {len(ends)} policies × {RESAMPLES:,} resamples, six means each:"
        f" {taken:.3f} s (wanted at most 1 s)"
    )


if __name__ == "__main__":
    sys.exit(main())
