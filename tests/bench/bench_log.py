"""Import the BFCL log and load it again; the reference is DuckDB reading the file into a table."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from toolkit import import_file, load_dataset

LOG = Path(__file__).parents[3] / "shared" / "datasets" / "bfcl_2024_08"
ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print seconds and the ratio."""
    if not LOG.is_dir():
        sys.exit(f"skipped: {LOG.name} is not beside this checkout")
    outcomes, prompts = LOG / "bfcl_long.csv.gz", LOG / "bfcl_prompts.csv.gz"
    reads, imports, loads = [], [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "lab.duckdb"
            os.environ["DETOUR_DB"] = str(store)
            with duckdb.connect(Path(folder) / "reference.duckdb") as database:
                reads.append(
                    seconds(
                        lambda con=database: con.execute(
                            "CREATE TABLE log AS FROM read_csv($path)", {"path": str(outcomes)}
                        ).fetchall()
                    )
                )
            imports.append(seconds(lambda: import_file(outcomes, "bfcl", prompts)))
            loads.append(seconds(lambda: load_dataset("bfcl")))
    read, imported, loaded = (statistics.median(s) for s in (reads, imports, loads))
    print(f"DuckDB reads the outcomes into a table: {read:.3f} s")
    print(f"import with prompts and all checks: {imported:.3f} s (wanted under 10)")
    print(f"load as a dataset: {loaded:.3f} s")
    ratio = statistics.median(i / r for i, r in zip(imports, reads, strict=True))
    print(f"ratio import / read: {ratio:.1f}")


if __name__ == "__main__":
    main()
