"""The Data page's queries on ten million outcomes, complete and of live traffic.

The reference, in the same run, is DuckDB adding up the same columns of the same table. Beside each
query's seconds stands its processor time over the number of cores: what it takes of a machine that
does nothing else. The store is made once, in the folder for temporary files, and later runs take
it again.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from toolkit.errors import DataError
from toolkit.logs import profile as look
from toolkit.logs import store
from toolkit.logs.tables import Tables

OUTCOMES = 10_000_000
SHAPES = {"complete": 8, "logged": 1}
"""Outcomes of each request."""
WANTED_S = 1.0
ROUNDS = 3
HOME = Path(tempfile.gettempdir()) / "detour-bench-data"

REQUESTS = """
SELECT 'request-' || i AS request_id,
    ['code', 'facts', 'maths', 'chat', 'tools', 'sums'][CAST(1 + hash(i, 12) % 6 AS BIGINT)]
        AS category,
    'Question ' || (hash(i) % ($n * 5)) || ': what would be the best way to tell a colleague,'
        || ' in a few words, that the report of last week has to be written anew?' AS prompt,
    TIMESTAMP '2025-06-01' + to_microseconds(CAST(i * (1209600e6 / $n) AS BIGINT)) AS timestamp,
    ['acme', 'beta', 'corp'][CAST(1 + hash(i, 1) % 3 AS BIGINT)] AS tenant,
    CAST(20 + hash(i, 2) % 900 AS DOUBLE) AS input_tokens
FROM range($n) t(i)
"""
RESULTS = """
SELECT CAST(i // $each AS INTEGER) AS request_ix,
    CAST(CASE WHEN $each = 1 THEN hash(i, 3) % 8 ELSE i % 8 END AS INTEGER) AS model_ix,
    CASE WHEN hash(i, 4) % 50 = 0 THEN NULL ELSE CAST(hash(i, 5) % 10 < 7 AS DOUBLE) END
        AS quality,
    exp(-8 + 2 * (hash(i, 6) % 10007) / 10007) AS cost_usd,
    exp(-2 + 4 * (hash(i, 7) % 10007) / 10007) AS latency_s,
    CAST(20 + hash(i, 8) % 900 AS DOUBLE) AS input_tokens,
    CAST(1 + hash(i, 9) % 300 AS DOUBLE) AS output_tokens,
    CAST(CASE WHEN hash(i, 10) % 20 = 0 THEN 1 + hash(i, 11) % 4 ELSE 0 END AS TINYINT) AS error
FROM range($k) t(i)
"""
REFERENCE = (
    "SELECT count(*), sum(request_ix), sum(model_ix), sum(quality), sum(cost_usd), sum(latency_s),"
    " sum(input_tokens), sum(output_tokens), sum(error) FROM {}"
)


def make(path: Path) -> None:
    """A store with both datasets."""
    models = tuple(f"model-{k}" for k in range(8))
    with duckdb.connect() as con:
        for name, each in SHAPES.items():
            n = {"n": OUTCOMES // each}
            requests = con.sql(REQUESTS, params=n).to_arrow_table()
            results = con.sql(RESULTS, params={"each": each, "k": OUTCOMES}).to_arrow_table()
            store.write(
                name, Tables(requests, models, results), source="made up", sha256=name, path=path
            )


def parts() -> dict[str, Callable[[look.Source], object]]:
    """What the page asks for, part by part."""

    def categories(source: look.Source) -> object:
        return look.category_quality(source, look.groups(source)[0])

    found: dict[str, Callable[[look.Source], object]] = {
        "models": look.model_facts,
        "coverage": look.coverage,
        "period": look.period,
        "groups": look.groups,
        "quality by category": categories,
        "oddities": look.oddities,
        "repeated prompts": look.duplicates,
        "rows of an oddity": lambda source: look.odd_rows(source, "free"),
    }
    for measure in look.MEASURES[1:]:
        found[measure] = lambda source, measure=measure: look.spread(source, measure)  # type: ignore[misc]
    return found


class Watched:
    """A connection that remembers how long each query took."""

    def __init__(self, con: Any) -> None:
        self.con = con
        self.seconds: list[float] = []
        self.of_cores: list[float] = []

    def _timed(self, found: Any) -> Any:
        start, busy = time.perf_counter(), time.process_time()

        def done() -> None:
            self.seconds.append(time.perf_counter() - start)
            self.of_cores.append((time.process_time() - busy) / (os.cpu_count() or 1))

        return _Read(found, done)

    def execute(self, *arguments: Any) -> Any:
        return self._timed(lambda: self.con.execute(*arguments))

    def sql(self, *arguments: Any) -> Any:
        return self._timed(lambda: self.con.sql(*arguments))


class _Read:
    """A result that says when it was read."""

    def __init__(self, found: Callable[[], Any], done: Callable[[], None]) -> None:
        self.found, self.done = found, done

    def fetchall(self) -> Any:
        rows = self.found().fetchall()
        self.done()
        return rows

    def to_arrow_table(self) -> Any:
        rows = self.found().to_arrow_table()
        self.done()
        return rows


def measure(name: str) -> None:
    """Look at one dataset, in a process of its own; print JSON."""
    from dataclasses import replace

    queries: dict[str, list[float]] = {}
    cores: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for part, function in parts().items():
            start = time.perf_counter()
            with look.opened(name) as source:
                watched = Watched(source.con)
                function(replace(source, con=watched))
            whole.setdefault(part, []).append(time.perf_counter() - start)
            queries.setdefault(part, []).append(max(watched.seconds))
            cores.setdefault(part, []).append(max(watched.of_cores))
        start = time.perf_counter()
        with look.opened(name) as source:
            source.rows(REFERENCE.format(source.outcomes))
            whole.setdefault("reference", []).append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"queries": queries, "cores": cores, "whole": whole, "peak_mb": peak}))


def run(what: str) -> str:
    """This file in another process; what it printed."""
    child = [sys.executable, __file__, what]
    return subprocess.run(child, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Print seconds and ratios of both datasets."""
    path = HOME / "lab.duckdb"
    os.environ["DETOUR_DB"] = str(path)
    HOME.mkdir(exist_ok=True)
    try:
        there = {entry.name for entry in store.entries()} == set(SHAPES)
    except DataError:
        there = False
    if not there:
        for old in HOME.glob("lab.duckdb*"):
            old.unlink()
        print(f"making {OUTCOMES:,} outcomes twice, once in a while …")
        # A process of its own, as a child's peak memory begins with that of its parent.
        run("make")
    for name, each in SHAPES.items():
        found = json.loads(run(name))
        seconds = {part: statistics.median(s) for part, s in found["whole"].items()}
        longest = {part: statistics.median(s) for part, s in found["queries"].items()}
        alone = {part: statistics.median(s) for part, s in found["cores"].items()}
        base = seconds.pop("reference")
        print(f"{name}: {OUTCOMES // each:,} requests, {OUTCOMES:,} outcomes of 8 models")
        print(f"  reference, DuckDB adds up the columns: {base:.3f} s")
        for part, spent in seconds.items():
            late = "" if longest[part] <= WANTED_S else f"  above {WANTED_S:g} s"
            print(
                f"  {part:20} {spent:6.3f} s with the store opened,"
                f" longest query {longest[part]:6.3f} s ({alone[part]:.3f} s of all cores),"
                f" ratio {longest[part] / base:5.1f}{late}"
            )
        print(
            f"  the whole page: {sum(seconds.values()):.1f} s; longest query of all:"
            f" {max(longest.values()):.3f} s (wanted at most {WANTED_S:g})"
        )
        print(f"  peak memory: {found['peak_mb']:,.0f} MB")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make"]:
            make(store.store_path())
        case [dataset]:
            measure(dataset)
        case _:
            main()
