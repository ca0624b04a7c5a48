"""Replay with everything on: breakers, limits, hedges, budgets, shedding, a cache, and faults.

One million requests × 8 models against DuckDB summing the same columns, once without anything
that requests share and once with all of it; then 10⁵, 10⁶ and 10⁷ requests, each in a process of
its own, for seconds and memory per million.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.bench.bench_replay import seconds, summing
from tests.bench.logs import PER_S, guarded_policy, made_up_log, three_step_policy
from toolkit import Dataset, Policy, Replay, replay
from toolkit.scenarios import Scenario, parse_scenario

REQUESTS = 1_000_000
SIZES = (100_000, 1_000_000, 10_000_000)
ROUNDS = 5
_NEEDS_BYTES = 1_300
"""Memory that a request takes, with 8 models, their log and the replay."""

SCENARIO = """
scenario: outage and brown-out
description: One provider is down for a fifth of the time, another is slow for a quarter.
faults:
  - {outage: {error: server_error, latency_s: 0.3}, models: [m0, m4], at_s: START, for_s: FIFTH}
  - {brownout: {factor: 4}, models: [m1, m5], at_s: START, for_s: FOURTH}
"""


def trouble(n: int) -> Scenario:
    """Return the scenario for a log of n requests, which lasts as long as they arrive."""
    lasts = n / PER_S
    text = SCENARIO.replace("START", f"{lasts / 5:g}")
    return parse_scenario(
        text.replace("FIFTH", f"{lasts / 5:g}").replace("FOURTH", f"{lasts / 4:g}")
    )


def against_duckdb() -> None:
    """Print both ratios, from interleaved rounds."""
    dataset, scenario = made_up_log(REQUESTS), trouble(REQUESTS)
    plain, guarded = three_step_policy(), guarded_policy()
    duck = summing(dataset)
    duck()
    replay(plain, dataset)
    first = seconds(lambda: replay(guarded, dataset, scenario=scenario))
    print(f"first replay with everything on: {first:.2f} s, compiling included if it was not")
    print(told(replay(guarded, dataset, scenario=scenario)))
    times = [
        (
            seconds(duck),
            seconds(lambda: replay(plain, dataset)),
            seconds(lambda: replay(guarded, dataset, scenario=scenario)),
        )
        for _ in range(ROUNDS)
    ]
    reference, without, everything = (statistics.median(c) for c in zip(*times, strict=True))
    print(f"DuckDB sums the same {4 * dataset.n_models} columns: {reference:.4f} s")
    for what, took, wanted, column in (
        ("nothing shared", without, 3, 1),
        ("everything on", everything, 20, 2),
    ):
        ratio = statistics.median(row[column] / row[0] for row in times)
        speed = f"{took:.3f} s, {REQUESTS / took:,.0f} requests/s"
        print(f"{what}: {speed}, ratio {ratio:.1f} (wanted at most {wanted})")


def told(done: Replay) -> str:
    """What happened, so that a replay in which nothing happens does not pass for a fast one."""
    n = done.status.size
    table = done.attempt_table
    shares = {
        "attempts": done.attempts.sum() / n,
        "hedges": table["hedge"].to_numpy().sum() / n,
        "skipped steps": done.skips.sum() / n,
        "from the cache": done.cached.mean(),
        "degraded": (done.status == 1).mean(),
        "failed": (done.status == 2).mean(),
    }
    words = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
    return f"per request: {words}; {len(done.changes.time_s):,} changes of breakers"


def measured(n: int, policy: Policy, scenario: Scenario) -> dict[str, float]:
    """Replay a log of n requests in this process: seconds, and MiB above what the log takes."""
    small = made_up_log(1000)
    replay(policy, small, scenario=trouble(1000))  # compile
    dataset: Dataset = made_up_log(n)
    gc.collect()
    before = _peak_from_here()
    first = seconds(lambda: replay(policy, dataset, scenario=scenario))
    peak = _peak()
    busy = time.process_time()
    again = [seconds(lambda: replay(policy, dataset, scenario=scenario)) for _ in range(2)]
    return {
        "first_s": first,
        "again_s": min(again),
        "processor_s": (time.process_time() - busy) / len(again),
        "log_mib": before,
        "peak_mib": peak,
    }


def _peak_from_here() -> float:
    """Forget the greatest resident size so far; return the present one, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return psutil.Process().memory_info().rss / 2**20


def _peak() -> float:
    """The greatest resident size since then, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def growth() -> None:
    """Print seconds and memory per million requests, of each size in its own process."""
    for n in SIZES:
        free = psutil.virtual_memory().available
        if free < n * _NEEDS_BYTES:
            print(f"{n:>10,} requests: left out, {free / 2**30:.1f} GiB of memory are free")
            continue
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.bench_resilience", str(n)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        for what, found in json.loads(done.stdout).items():
            millions = n / 1e6
            above = found["peak_mib"] - found["log_mib"]
            print(
                f"{n:>10,} requests, {what}: first {found['first_s']:.2f} s,"
                f" then {found['again_s']:.2f} s; {found['again_s'] / millions:.2f} s per million,"
                f" {found['processor_s'] / millions:.2f} s of a processor;"
                f" peak {found['peak_mib']:,.0f} MiB, {above / millions:,.0f} MiB per million"
                f" above the log"
            )
        print(f"{'':>10} {time.perf_counter() - start:.0f} s with making the log")


def main() -> None:
    """Print everything; with a number of requests, measure that size and print JSON."""
    if len(sys.argv) > 1:
        n = int(sys.argv[1])
        print(json.dumps({"everything on": measured(n, guarded_policy(), trouble(n))}))
        return
    against_duckdb()
    growth()


if __name__ == "__main__":
    main()
