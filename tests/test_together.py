"""App, notebook, command line and a live writer use one store at once, and may be killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
import types

import pytest

from tests import store_users
from toolkit.logs import store
from toolkit.logs.datasets import load_dataset
from toolkit.logs.inbox import folder_of
from toolkit.logs.livelog import attempts, decisions

SECONDS = float(os.environ.get("DETOUR_TOGETHER_S", "12"))
"""How long the four programs run."""
KILLS = 20


@pytest.fixture
def start(tmp_path, lab, monkeypatch):
    """Start a program of ``store_users`` for so many seconds."""
    # A program begins by running the main module again, which Streamlit's tests leave to be a page.
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    # A server that has imported everything forks them, so that each is at work at once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([store_users.__name__])
    running = []

    def begin(part, seconds):
        process = context.Process(target=store_users.run, args=(part, tmp_path, lab, seconds))
        process.start()
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.join()


@pytest.fixture
def told(tmp_path):
    """Names of the requests that writers were told are kept; a last line may be cut off."""
    out = tmp_path / "writer.out"
    return lambda: out.read_text().rpartition("\n")[0].split() if out.exists() else []


def assert_holds(names):
    """The store holds each of these once, and no other request twice."""
    ids = decisions()["request_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    assert set(names) <= set(ids)
    assert attempts().num_rows == 2 * len(ids)


def test_four_programs_share_a_store(lab, start, told, tmp_path):
    """App, notebook, imports and a writer of 200 rows a second: no error, and no row lost."""
    parts = {name: start(name, SECONDS) for name in ("app", "notebook", "command_line", "writer")}
    for process in parts.values():
        process.join(SECONDS + 100)
    said = {name: (tmp_path / f"{name}.err").read_text() for name in parts}
    print(said)  # noqa: T201 -- to be seen with -s
    assert {name: process.exitcode for name, process in parts.items()} == dict.fromkeys(parts, 0)
    assert len(told()) == int(SECONDS * store_users.ROWS_PER_S)
    assert_holds(told())
    assert decisions().num_rows == len(told())
    assert list(folder_of(lab).iterdir()) == []
    assert {e.name for e in store.entries()} >= {"d0"}


def test_killed_programs_lose_and_double_nothing(lab, start, told):
    """Writers, readers and importers die at random moments; what was acknowledged is there once."""
    chance = random.Random(0)
    for kill in range(KILLS):
        victim = start(("notebook", "importer")[kill % 2], 60)
        before = len(told())
        writer = start("writer", 60)
        while len(told()) == before:
            assert writer.exitcode is None
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        for process in (victim, writer) if kill % 3 else (writer, victim):
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL
            time.sleep(chance.uniform(0, 0.05))
        assert_holds(told())
        for entry in store.entries():
            assert load_dataset(entry.name).n_outcomes == entry.n_outcomes
    assert len(told()) > KILLS
    assert list(folder_of(lab).iterdir()) == []
