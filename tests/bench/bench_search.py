"""How many policies a search tries in a second, and what its result is worth on real outcomes.

Run it with ``python -m tests.bench.bench_search``; it needs BFCL beside the checkout.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd

from toolkit.evaluate.search.search import search
from toolkit.evaluate.search.tunables import suggested, tunables
from toolkit.logs.datasets import dataset_from_frame
from toolkit.policy import load_policy

ROOT = Path(__file__).resolve().parents[2]
BFCL = ROOT.parent / "shared" / "datasets" / "bfcl_2024_08" / "bfcl_long.csv.gz"
TRIALS = 1_200
SEEDS = 3


def main() -> None:
    """Print the time of each part, and each candidate where it was tuned and held out."""
    if not BFCL.exists():
        print(f"not there: {BFCL}")
        return
    frame = pd.read_csv(BFCL)
    long = frame.assign(latency_s=frame.latency_ms / 1000)
    columns = ["request_id", "category", "model", "quality", "input_tokens", "output_tokens"]
    data = dataset_from_frame("bfcl", long[[*columns, "cost_usd", "latency_s", "error"]])
    policy = load_policy(str(ROOT / "tests" / "bfcl_routes.yaml"))
    for name, work in (("tunables", tunables), ("suggested", suggested)):
        start = time.perf_counter()
        found = work(policy, data)
        print(f"{name}: {len(found)} places in {time.perf_counter() - start:.3f} s")
    for seed in range(SEEDS):
        wall, cpu = time.perf_counter(), time.process_time()
        result = search(policy, data, trials=TRIALS, seed=seed)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(
            f"seed {seed}: {result.different} different policies of {TRIALS} trials in {wall:.1f} s"
            f" ({cpu:.1f} s of processor, {1000 * cpu / TRIALS:.1f} ms a trial, all told)"
        )
        for kind, side in result.sides:
            tuned, held = side.tuned, side.held_out
            print(
                f"  {kind:>18}: quality {tuned.quality.value:.4f} tuned {held.quality.value:.4f} "
                f"held out, cost per 1k ${tuned.cost_usd_per_1k.value:.3f} and "
                f"${held.cost_usd_per_1k.value:.3f}"
            )


if __name__ == "__main__":
    main()
