"""Rows that a live writer appends are in the store once, whatever happens on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.conftest import ROOT
from tests.test_store import put
from toolkit.errors import DataError
from toolkit.logs import absorb, database, inbox, store
from toolkit.logs.inbox import Inbox
from toolkit.logs.livelog import attempts, decisions


def row(name, **fields):
    """A row of the inbox: a decision of this name with two attempts."""
    filled = dict.fromkeys(absorb.ROW.names) | {
        "decision_id": name,
        "request_id": f"request of {name}",
        "at": "2026-01-02T03:04:05.000006+00:00",
        "attempts": [dict.fromkeys(absorb.ATTEMPT.names) | {"model": m} for m in ("a", "b")],
    }
    return filled | fields


def kept(path=None):
    """Names of the decisions in the store, sorted."""
    return sorted(decisions(path)["decision_id"].to_pylist())


def files(lab, kind="*"):
    """Names of the files in the inbox."""
    return sorted(file.name for file in inbox.folder_of(lab).glob(kind))


def raw(lab, data, name="1-dead.jsonl"):
    """A segment as a writer that is gone left it."""
    folder = inbox.folder_of(lab)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def line(name, **fields):
    """A row as the inbox writes it."""
    return json.dumps(row(name, **fields)).encode() + b"\n"


def test_a_row_is_there_for_the_next_reader(lab):
    """Rows are read while the writer goes on, each once, and the file goes with the writer."""
    with Inbox(lab) as writer:
        writer.append(row("1"))
        assert not lab.exists()
        assert kept() == ["1"]
        writer.append(row("2"))
        assert kept() == ["1", "2"]
        assert kept() == ["1", "2"]
        assert len(files(lab)) == 1
    assert kept() == ["1", "2"]
    assert files(lab) == []
    writer.append(row("3"))
    assert kept() == ["1", "2", "3"]


def test_an_import_takes_the_rows_in_too(lab):
    """The inbox does not wait for a reader of decisions only, even if the import then fails."""
    put("one")
    with Inbox(lab) as writer:
        writer.append(row("1"))
    with pytest.raises(DataError, match="'one' is there already"):
        put("one", sha256="2")
    assert files(lab) == []
    with store.connect() as con:
        assert con.execute("SELECT decision_id FROM decisions").fetchall() == [("1",)]
        assert con.execute("SELECT attempt, model FROM attempts").fetchall() == [(1, "a"), (2, "b")]
    assert kept() == ["1"]
    with store.connect() as con:
        assert con.execute("FROM inbox").fetchall() == []


def test_datasets_are_read_whatever_is_in_the_inbox(lab, monkeypatch):
    """Rows that cannot be taken in stop those who ask for them, and nobody else."""
    put("one")
    raw(lab, line("1"))
    monkeypatch.setattr(database, "absorb", Mock(side_effect=OSError(28, "No space left")))
    assert [e.name for e in store.entries()] == ["one"]
    assert store.read("one") is not None
    with pytest.raises(DataError, match=r"1-dead\.jsonl: rows that wait .* got No space left"):
        decisions()
    monkeypatch.undo()
    assert kept(lab) == ["1"]


def test_a_long_segment_is_left_for_a_new_one(lab, monkeypatch):
    """No segment grows forever, and the order of rows stays."""
    monkeypatch.setattr(inbox, "SEGMENT_BYTES", 2000)
    with Inbox(lab) as writer:
        for i in range(50):
            writer.append(row(f"{i:02}"))
        assert len(files(lab)) > 10
        with store.connect(live=True) as con:
            found = con.execute("SELECT decision_id FROM decisions").fetchall()
        assert found == [(f"{i:02}",) for i in range(50)]
        assert len(files(lab)) <= 1
    assert len(kept()) == 50


def test_half_a_line_is_no_row(lab):
    """What a killed writer was just writing is dropped; what stood before is kept."""
    raw(lab, line("1") + line("2") + line("3")[:-1])
    assert kept() == ["1", "2"]
    assert files(lab) == []


def test_half_a_line_of_a_living_writer_waits(lab):
    """A line is taken once it is whole, wherever a reader found its first half."""
    with Inbox(lab) as writer:
        writer.append(row("1"))
        whole = line("2")
        with (inbox.folder_of(lab) / files(lab)[0]).open("ab") as file:
            for part in (whole[:7], whole[7:]):
                file.write(part)
                file.flush()
                assert kept() == (["1"] if part == whole[:7] else ["1", "2"])
        writer.append(row("3"))
    assert kept() == ["1", "2", "3"]


def interrupted(function):
    """The function, and then the end of the process."""

    def run(*arguments, **kwargs):
        function(*arguments, **kwargs)
        raise KeyboardInterrupt

    return run


def test_a_row_may_be_long(lab):
    """A row of several megabytes is read whole, between short ones."""
    long = "word " * 2_000_000
    with Inbox(lab) as writer:
        for name, answer in (("1", "a"), ("2", long), ("3", "b")):
            writer.append(row(name, answer=answer))
    found = decisions().sort_by("decision_id")
    assert found["answer"].to_pylist() == ["a", long, "b"]
    assert files(lab) == []


BROKEN = (
    b"no JSON\n",
    b"\n",
    b"[1]\n",
    b"{}\n",
    b'{"decision_id":"x"}\n',
    b'{"a":1}{"b":2}\n',
    b"\x00\xff\xfe\n",
    line("x")[:100] + b"\n",
    line("x").replace(b'"x"', b'"\xff"'),
    line("x").replace(b'"x"', b"7"),
    line("x").replace(b'"x"', b"null"),
    line("x").replace(b'"x"', rb'"\ud800"'),
    line("x", at="yesterday"),
    line("x", at=None),
    line("x", cost_usd="much"),
    line("x", seed=2**63),
    line("x", attempts=None),
    line("x", attempts=[1]),
    line("x", tomorrow=1),
)


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_line_that_is_no_row_is_put_aside(lab, broken):
    """It stops no other row, and is in a file beside as it was."""
    raw(lab, line("1") + broken + line("2"))
    assert kept() == ["1", "2"]
    assert files(lab) == ["1-dead.0.rejected"]
    assert (inbox.folder_of(lab) / "1-dead.0.rejected").read_bytes() == broken


def test_many_broken_lines_are_put_aside_in_order(lab):
    """Broken lines between good ones: each ends in the one place or in the other."""
    lines = [BROKEN[i % len(BROKEN)] if i % 3 == 0 else line(f"{i:04}") for i in range(1000)]
    raw(lab, b"".join(lines))
    assert kept() == [f"{i:04}" for i in range(1000) if i % 3]
    aside = (inbox.folder_of(lab) / "1-dead.0.rejected").read_bytes()
    assert aside == b"".join(lines[::3])


@settings(max_examples=300)
@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([line("1"), line("2")[:-1], b"\n"])).map(
        lambda parts: b"".join(parts) + b"\n"
    )
)
def test_no_line_vanishes(data):
    """Whatever stands in a segment, a line is a row or is put aside as it would be alone."""

    def is_row(line):
        try:
            return absorb._parsed(line).num_rows == 1
        except ValueError:
            return False

    read = absorb._read(data)
    lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
    assert read.wrong == [line for line in lines if not is_row(line)]
    assert sum(table.num_rows for table in read.rows) == len(lines) - len(read.wrong)


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_crash_doubles_nothing(lab, monkeypatch, at):
    """Ending just before the commit, or between it and the deletion, is mended by the next use."""
    raw(lab, line("1") + b"broken\n")

    with monkeypatch.context() as crash:
        if at == "before":
            crash.setattr(database, "absorb", interrupted(absorb.absorb))
        else:
            crash.setattr(Path, "unlink", interrupted(lambda *_, **__: None))
        with pytest.raises(KeyboardInterrupt):
            kept()
    assert files(lab, "*.jsonl") == ["1-dead.jsonl"]
    assert kept() == ["1"]
    assert files(lab) == ["1-dead.0.rejected"]
    assert (inbox.folder_of(lab) / "1-dead.0.rejected").read_bytes() == b"broken\n"


def test_threads_share_a_log(lab):
    """Threads that append at once lose nothing, and lines never mix."""
    with Inbox(lab) as writer, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: writer.append(row(f"{i:04}")), range(800)))
        assert len(files(lab)) == 1
    assert kept() == [f"{i:04}" for i in range(800)]


def test_a_segment_that_was_deleted_is_left(lab):
    """Somebody who empties the folder does not make a living writer write into nowhere."""
    with Inbox(lab) as writer:
        writer.append(row("1"))
        assert kept() == ["1"]
        (inbox.folder_of(lab) / files(lab)[0]).unlink()
        writer.append(row("2"))
    assert kept() == ["1", "2"]


def test_a_write_that_is_cut_off_spoils_no_later_row(lab, monkeypatch):
    """Half a line of an interrupted write stays the last of its segment."""
    real = os.write

    def half(descriptor, data):
        real(descriptor, data[: len(data) // 2])
        raise KeyboardInterrupt

    with Inbox(lab) as writer:
        writer.append(row("1"))
        with monkeypatch.context() as interrupt:
            interrupt.setattr(os, "write", half)
            with pytest.raises(KeyboardInterrupt):
                writer.append(row("2"))
        writer.append(row("3"))
    assert kept() == ["1", "3"]
    assert files(lab) == []


def test_a_new_segment_may_be_taken_for_one_that_was_left(lab, monkeypatch):
    """A reader that comes between a file's making and its locking costs no row."""
    real, first = inbox.lock_descriptor, []

    def late(descriptor, *, blocking):
        if not first:
            first.append(files(lab))
            assert kept() == []  # deletes the empty file, as nobody holds it
        return real(descriptor, blocking=blocking)

    monkeypatch.setattr(inbox, "lock_descriptor", late)
    with Inbox(lab) as writer:
        writer.append(row("1"))
        (name,) = files(lab)
        assert first != [[name]]
    assert kept() == ["1"]


def test_a_row_is_on_the_disk_before_it_is_acknowledged(lab, monkeypatch):
    """Each row waits for the disk unless told not to; threads that wait at once share a wait."""
    synced, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (time.sleep(0.01), synced.append(fd), real(fd)))
    with Inbox(lab, fsync=False) as writer:
        for i in range(5):
            writer.append(row(f"a{i}"))
    assert len(synced) == 1  # the folder's, for the new file
    with Inbox(lab) as writer:
        for i in range(5):
            writer.append(row(f"b{i}"))
        assert len(synced) == 1 + 6
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda i: writer.append(row(f"c{i}")), range(20)))
    assert len(synced) < 1 + 6 + 20
    assert len(kept()) == 30


def test_a_failing_disk_is_told(lab, monkeypatch):
    """A row that may not be on the disk is not acknowledged, and what follows goes elsewhere."""
    with Inbox(lab) as writer:
        writer.append(row("1"))
        with monkeypatch.context() as failing:
            failing.setattr(os, "fsync", Mock(side_effect=OSError(5, "Input/output error")))
            with pytest.raises(DataError, match="cannot be kept; got Input/output error"):
                writer.append(row("2"))
        writer.append(row("3"))
        assert len(files(lab)) == 2
    assert {"1", "3"} <= set(kept())


def child(code, *arguments, **kwargs):
    """Run Python code in a process of its own, with ``row`` and the inbox at hand."""
    start = (
        "import os, sys, threading; from pathlib import Path;"
        " from toolkit.errors import DataError; from toolkit.logs.inbox import Inbox\n"
        "lab = Path(sys.argv[1])\n"
        f"def row(name): return {row('?')!r} | {{'decision_id': str(name)}}\n"
    )
    return subprocess.run(
        [sys.executable, "-c", start + code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        **kwargs,
    ).stdout


def test_a_fork_begins_its_own_segment(lab):
    """Parent and child go on with the same log, also while a thread of the parent appends."""
    code = """
writer = Inbox(lab)
writer.append(row("before"))
many = threading.Thread(target=lambda: [writer.append(row(f"t{i}")) for i in range(300)])
many.start()
children = []
for c in range(5):
    pid = os.fork()
    if pid == 0:
        for i in range(20):
            writer.append(row(f"c{c}-{i}"))
        os._exit(0)
    children.append(pid)
    writer.append(row(f"p{c}"))
many.join()
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
writer.append(row("after"))
"""
    child(code, lab, timeout=60)
    assert len(files(lab)) == 6
    wanted = ["before", "after", *(f"t{i}" for i in range(300)), *(f"p{c}" for c in range(5))]
    wanted += [f"c{c}-{i}" for c in range(5) for i in range(20)]
    assert kept() == sorted(wanted)
    assert files(lab) == []


def test_a_child_does_not_hold_the_segment_of_its_parent(lab):
    """A child that lives on and appends nothing keeps no file alive."""
    code = """
writer = Inbox(lab)
writer.append(row("1"))
if os.fork() == 0:
    os.close(1), os.close(2)
    sys.stdin.read()
"""
    reading, writing = os.pipe()
    child(code, lab, stdin=reading)
    os.close(reading)
    assert kept() == ["1"]
    assert files(lab) == []
    os.close(writing)


def test_a_full_disk_is_told_and_keeps_what_was_there(lab):
    """A row that does not fit is an error; those before it stay, and it goes on once there is room.

    A limit on the size of a file stands for the full disk: a write that crosses it is cut short.
    """
    code = """
import resource
writer = Inbox(lab)
writer.append(row(0))
size = next(Path(f"{lab}.inbox").iterdir()).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (4 * size + 50, resource.RLIM_INFINITY))
for i in range(1, 9):
    try:
        writer.append(row(i))
    except DataError as error:
        print(i, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.append(row(9))
"""
    told = child(code, lab).splitlines()
    assert [text[0] for text in told] == list("45678")
    assert "the row cannot be kept; got File too large; rows before it are safe" in told[0]
    assert kept() == list("01239")
    assert files(lab) == []


def test_a_full_disk_stops_no_reader_for_good(lab):
    """A store that cannot grow tells it; nothing is lost, and all is there once there is room."""
    with store.connect():
        pass
    raw(lab, b"".join(line(f"{i:05}", prompt="x" * 2000 + str(i)) for i in range(3000)))
    code = """
import resource
from toolkit.logs.livelog import decisions
size = lab.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    decisions(lab)
except DataError as error:
    print(error)
"""
    told = child(code, lab)
    assert f"{lab}: the store failed; got" in told
    assert len(kept()) == 3000
    assert attempts().num_rows == 6000


class Inboxes(RuleBasedStateMachine):
    """Writers come, append, go and die, and readers die too: the store holds each row once."""

    @initialize()
    def start(self):
        self.folder = Path(self.make())
        self.lab = self.folder / "lab.duckdb"
        self.writers, self.told, self.count = [], [], 0

    @rule()
    def begin(self):
        if len(self.writers) < 3:
            self.writers.append(Inbox(self.lab, fsync=False))

    @rule(data=st.data(), n=st.integers(1, 5))
    def append(self, data, n):
        if self.writers:
            writer = data.draw(st.sampled_from(self.writers))
            for _ in range(n):
                self.count += 1
                writer.append(row(f"{self.count:04}"))
                self.told.append(f"{self.count:04}")

    @rule(data=st.data(), cut=st.integers(0, 400))
    def die(self, data, cut):
        """The writer ends within a line of which nobody was told."""
        if self.writers:
            writer = data.draw(st.sampled_from(self.writers))
            self.writers.remove(writer)
            if writer._segment is not None:
                os.write(writer._segment._fd, line("never")[:cut])
            writer.close()

    @rule()
    def look(self):
        assert kept(self.lab) == self.told

    @rule(when=st.sampled_from(["commit", "unlink"]))
    def look_and_die(self, when):
        with pytest.MonkeyPatch.context() as crash, suppress(KeyboardInterrupt):
            if when == "commit":
                crash.setattr(database, "absorb", interrupted(absorb.absorb))
            else:
                crash.setattr(Path, "unlink", interrupted(lambda *_, **__: None))
            kept(self.lab)

    @invariant()
    def nothing_is_aside(self):
        if self.writers or self.told:
            assert files(self.lab, "*.rejected") == []

    def teardown(self):
        for writer in self.writers:
            writer.close()
        assert kept(self.lab) == self.told
        assert files(self.lab) == []


def test_every_row_is_in_the_store_once(tmp_path_factory):
    """Any order of appending, dying and reading gives each acknowledged row once."""
    Inboxes.make = staticmethod(lambda: tmp_path_factory.mktemp("inbox"))
    Inboxes.TestCase.settings = settings(
        max_examples=25, stateful_step_count=20, suppress_health_check=list(HealthCheck)
    )
    Inboxes.TestCase().runTest()
