"""Rows a second into the inbox and from there into the store.

The reference of taking rows in is DuckDB itself: its ``read_json`` of the same lines into a table,
with the types given.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import duckdb

from toolkit.engine.trace import Attempt, Trace
from toolkit.logs import inbox, store
from toolkit.logs.livelog import LiveLog, decisions

ROWS = 100_000
SYNCED_ROWS = 2_000
ROUNDS = 3
CALL = Attempt("gpt-4o-mini", 1, 0.0, 0.01, 0.412, 0.00021, float("nan"), None, False)
FAILED = Attempt("gpt-4o-mini", 1, 0.5, 0.93, 4.0, 0.00021, 0.0, "timeout", False)
TRACE = Trace("", "short", "cheap", 0.9, (FAILED, CALL), "accepted", None, 0.5, 0.0004, 5.1)
POLICY = SimpleNamespace(policy="tiered", digest="0" * 64)
COLUMNS = """{decision_id: 'VARCHAR', request_id: 'VARCHAR', "at": 'TIMESTAMP', policy: 'VARCHAR',
 policy_digest: 'VARCHAR', route: 'VARCHAR', chain: 'VARCHAR', propensity: 'DOUBLE',
 status: 'VARCHAR', model: 'VARCHAR', error_type: 'VARCHAR', quality: 'DOUBLE',
 cost_usd: 'DOUBLE', latency_s: 'DOUBLE', seed: 'BIGINT', request: 'VARCHAR', prompt: 'VARCHAR',
 answer: 'VARCHAR', attempts: 'STRUCT(model VARCHAR, step INTEGER, wait_s DOUBLE, start_s DOUBLE,
 latency_s DOUBLE, cost_usd DOUBLE, quality DOUBLE, error_type VARCHAR)[]'}"""


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def use(path: Path) -> None:
    """Open the store, which takes in what waits for it."""
    with store.connect(path, live=True):
        pass


def read(path: Path, lines: list[Path]) -> None:
    """Read the same lines into a table of a database of its own."""
    query = f"CREATE TABLE line AS FROM read_json($files, columns={COLUMNS})"
    with duckdb.connect(path) as con:
        con.execute(query, {"files": [str(file) for file in lines]}).fetchall()


def append(path: Path, rows: int, *, fsync: bool, threads: int = 1) -> float:
    """Record so many rows of 1.1 kB."""
    prompt = "What is the capital of the country with the longest coast? " * 5

    def record(i: int) -> None:
        request = {"request_id": f"r{i}", "category": "facts", "tenant": "acme", "prompt": prompt}
        log.record(TRACE, request, POLICY, answer="Ottawa")

    def share(k: int) -> None:
        for i in range(k, rows, threads):
            record(i)

    with (
        LiveLog(path, prompts=True, answers=True, fsync=fsync) as log,
        ThreadPoolExecutor(threads) as pool,
    ):
        return seconds(lambda: list(pool.map(share, range(threads))))


def main() -> None:
    """Print the rates, and the ratio of the medians."""
    taken, alone = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(ROUNDS):
            path = Path(folder) / f"{i}.duckdb"
            use(path)
            plain = append(path, ROWS, fsync=False)
            lines = list(inbox.folder_of(path).iterdir())
            size = sum(file.stat().st_size for file in lines)
            alone.append(seconds(partial(read, Path(folder) / f"{i}-alone.duckdb", lines)))
            taken.append(seconds(partial(use, path)))
            assert decisions(path).num_rows == ROWS
        synced = append(path, SYNCED_ROWS, fsync=True)
        together = append(path, SYNCED_ROWS, fsync=True, threads=8)
    print(f"appended without fsync: {ROWS / plain:,.0f} rows/s of {size / ROWS:,.0f} bytes")
    print(f"appended with fsync: {SYNCED_ROWS / synced:,.0f} rows/s")
    print(f"appended with fsync by 8 threads: {SYNCED_ROWS / together:,.0f} rows/s")
    rates = (ROWS / statistics.median(each) for each in (taken, alone))
    print("taken in: {:,.0f} rows/s, DuckDB's read_json: {:,.0f} rows/s".format(*rates))
    ratio = statistics.median(t / a for t, a in zip(taken, alone, strict=True))
    print(f"ratio: {ratio:.2f}")


if __name__ == "__main__":
    main()
