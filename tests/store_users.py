"""Programs that use one store at once; each runs for so many seconds, or until it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

from toolkit.engine.trace import Attempt, Trace
from toolkit.logs.datasets import load_dataset
from toolkit.logs.importers import import_file
from toolkit.logs.livelog import LiveLog, attempts, decisions
from toolkit.logs.store import entries

CALL = Attempt("m", 1, 0.0, 0.0, 0.1, 0.05, 0.0, None, False)
TRACE = Trace("", "route", "chain", 0.5, (CALL, CALL), "accepted", None, 1.0, 0.1, 0.2)
POLICY = SimpleNamespace(policy="p", digest="0")
ROWS_PER_S = 200
THREADS = 4


def app(folder: Path, seconds: float) -> Iterator[None]:
    """Looks through the datasets again and again."""
    for _ in until(seconds):
        for entry in entries():
            found = load_dataset(entry.name)
            assert found.n_outcomes == found.n_requests >= 1000
        yield


def notebook(folder: Path, seconds: float) -> Iterator[None]:
    """Reads all live requests again and again."""
    seen = 0
    for _ in until(seconds):
        ids = decisions()["decision_id"].to_pylist()
        assert len(set(ids)) == len(ids) >= seen
        seen = len(ids)
        assert attempts().num_rows >= 2 * seen
        yield


def command_line(folder: Path, seconds: float) -> Iterator[None]:
    """Imports one log after another, each in a process of its own."""
    for i in until(seconds):
        log = write_log(folder, i)
        command = [sys.executable, "-m", "toolkit", "import", str(log), "--as", f"d{i % 3}"]
        subprocess.run([*command, "--replace"], check=True, stdout=subprocess.DEVNULL)
        yield


def importer(folder: Path, seconds: float) -> Iterator[None]:
    """Imports one log after another in this process."""
    for i in until(seconds):
        import_file(write_log(folder, i), f"d{i % 3}", replace=True)
        yield


def writer(folder: Path, seconds: float) -> Iterator[None]:
    """Records live requests from threads, ROWS_PER_S in all, and prints each that is kept."""
    start = time.monotonic()

    def record(i: int) -> None:
        name = f"{os.getpid()}-{i}"
        time.sleep(max(0.0, start + i / ROWS_PER_S - time.monotonic()))
        log.record(TRACE, {"request_id": name, "tenant": "acme"}, POLICY, answer="words " * 50)
        os.write(1, f"{name}\n".encode())

    with LiveLog(answers=True) as log, ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(record, range(int(seconds * ROWS_PER_S))):
            yield


def until(seconds: float) -> Iterator[int]:
    """Counts up for so long, with time for others in between."""
    end, i = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield i
        i += 1
        time.sleep(0.02)


def write_log(folder: Path, i: int) -> Path:
    """Write a log of at least 1000 requests, another for every number."""
    log = folder / f"log-{os.getpid()}.csv"
    rows = "".join(f"r{k},m,1\n" for k in range(1000 + i))
    log.write_text(f"request_id,model,quality\n{rows}")
    return log


def run(part: str, folder: Path, store: Path, seconds: float) -> None:
    """Be one of these programs; say in ``<part>.err`` how often it did its work."""
    os.environ["DETOUR_DB"] = str(store)
    err = os.open(folder / f"{part}.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    out = os.open(folder / f"{part}.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(err, 2)
    began = time.monotonic()
    times = sum(1 for _ in globals()[part](folder, seconds))
    sys.stderr.write(f"{times} times in {time.monotonic() - began:.1f} s")
