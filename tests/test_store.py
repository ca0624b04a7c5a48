from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from filelock import FileLock

from tests.conftest import ROOT
from toolkit.errors import DataError
from toolkit.logs import database, store
from toolkit.logs.migrations import MIGRATIONS
from toolkit.logs.tables import Tables


def tables(**columns):
    """One request, one model, one outcome."""
    return Tables(
        requests=pa.table({"request_id": ["a"], **columns, "input_tokens": [1.0]}),
        models=("m",),
        outcomes=pa.table(
            {
                "request_ix": pa.array([0], pa.int32()),
                "model_ix": pa.array([0], pa.int32()),
                **dict.fromkeys(
                    ("quality", "cost_usd", "latency_s", "input_tokens", "output_tokens"),
                    pa.array([0.5]),
                ),
                "error": pa.array([0], pa.int8()),
            }
        ),
    )


def put(name="one", sha256="1", **kwargs):
    """Write the small tables under a name."""
    return store.write(name, tables(), source="log.csv", sha256=sha256, **kwargs)


def test_no_store_is_an_empty_store(lab):
    """Looking into a store that is not there makes none."""
    assert store.entries() == []
    assert store.read("one") is None
    assert not lab.exists()


def test_tables_come_back_as_they_were(lab):
    """Rows, models, column names and types come back exactly."""
    kept = tables(
        prompt=["p"],
        Prompt=["P"],
        ix=pa.array([7], pa.int8()),
        rowid=[[1, 2]],
        at=pa.array([5], pa.timestamp("ms", "Europe/Berlin")),
        none=pa.nulls(1),
        **{'a"; DROP TABLE datasets; --': ["x"]},
    )
    store.write("one", kept, source="log.csv", sha256="1", simulated=True)
    entry, found = store.read("one")
    assert (entry.name, entry.source, entry.sha256, entry.simulated) == (
        "one",
        "log.csv",
        "1",
        True,
    )
    assert found.requests.equals(kept.requests)
    assert found.outcomes.equals(kept.outcomes)
    assert found.models == kept.models


def test_format_and_notes_come_back(lab):
    """What is said of the way in is kept; a dataset of no file has neither."""
    put("said", format="long", notes=("two rows left out", "a 'quote'"))
    put("silent")
    said, silent = store.entries()
    assert (said.format, said.notes) == ("long", ("two rows left out", "a 'quote'"))
    assert (silent.format, silent.notes) == ("", ())
    assert store.read("said")[0] == said


def test_outcomes_may_come_as_a_stream(lab):
    """Batches that are never a table at once are stored as a table would be."""
    kept = tables()
    many = pa.concat_tables([kept.outcomes] * 1000)
    stream = pa.RecordBatchReader.from_batches(many.schema, many.to_batches())
    streamed = Tables(kept.requests, kept.models, stream)
    store.write("one", streamed, source="log.csv", sha256="1")
    entry, found = store.read("one")
    assert entry.n_outcomes == 1000
    assert found.outcomes.equals(many.combine_chunks())


def test_a_store_of_the_first_version_keeps_its_data(lab):
    """A store made before there were formats opens, and keeps its datasets."""
    kept = tables(prompt=["p"])
    lab.parent.mkdir()
    with duckdb.connect(lab) as con:
        first = MIGRATIONS[0]
        first(con)
        con.execute("CREATE TABLE migrations (name VARCHAR PRIMARY KEY)").fetchall()
        con.execute("INSERT INTO migrations VALUES ($n)", {"n": first.__name__}).fetchall()
        con.execute(
            "INSERT INTO datasets (id, name, source, sha256, n_requests, n_models, n_outcomes,"
            " simulated, models, request_schema) VALUES (nextval('dataset_id'), 'old',"
            " 'log.csv', 'abc', 1, 1, 1, true, ['m'], $schema)",
            {"schema": kept.requests.schema.serialize().to_pybytes()},
        ).fetchall()
        con.register("requests", kept.requests)
        con.register("outcomes", kept.outcomes)
        con.execute("CREATE TABLE requests_1 AS SELECT 1 AS ix, * FROM requests").fetchall()
        con.execute("CREATE TABLE outcomes_1 AS FROM outcomes").fetchall()
    assert store.entries() == [
        store.Entry(1, "old", "log.csv", "abc", 1, 1, 1, True, format="", notes=())
    ]
    _, found = store.read("old")
    assert found.requests.equals(kept.requests)
    assert found.outcomes.equals(kept.outcomes)
    put("new", format="long")
    assert [(e.id, e.format) for e in store.entries()] == [(2, "long"), (1, "")]


def test_the_list_is_read_again_only_after_a_change(lab, monkeypatch):
    """Listing an unchanged store does not open it; any change of the file does."""
    put()
    assert len(store.entries()) == 1
    opened = []
    real = store.connect
    monkeypatch.setattr(store, "connect", lambda path: opened.append(path) or real(path))
    listed = store.entries()
    assert opened == []
    listed.clear()  # the list is the caller's own
    assert len(store.entries()) == 1
    code = "from tests.test_store import put; put('two')"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert [e.name for e in store.entries()] == ["one", "two"]
    assert len(opened) == 1


def test_rows_keep_their_order(lab):
    """Many requests and outcomes come back in the order in which they were written."""
    n = 300_000
    numbers = pa.array(range(n), pa.int32())
    kept = tables()
    outcomes = pa.table(
        {
            c: numbers if c == "request_ix" else kept.outcomes[c].take([0] * n)
            for c in kept.outcomes.column_names
        }
    )
    requests = pa.table({"request_id": numbers.cast(pa.string()), "input_tokens": numbers})
    store.write("big", Tables(requests, ("m",), outcomes), source="x", sha256="1")
    _, found = store.read("big")
    assert found.requests.equals(requests)
    assert found.outcomes["request_ix"].equals(outcomes["request_ix"])


def test_user_text_never_becomes_a_name(lab):
    """Tables are named by number, whatever the dataset is called."""
    put("x'; DROP TABLE datasets; --")
    with store.connect() as con:
        names = {
            name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        }
    assert {name for name in names if "_" in name} == {"requests_1", "outcomes_1"}


def test_a_failed_use_leaves_no_trace(lab):
    """What goes wrong in the middle of a use undoes all of it."""
    put()
    with pytest.raises(DataError, match="Catalog"), store.connect() as con:
        con.execute("DELETE FROM datasets; FROM nothing").fetchall()
    assert [e.name for e in store.entries()] == ["one"]


def test_replacing_and_deleting_remove_the_old_rows(lab):
    """Old tables go when a dataset is replaced or deleted."""
    put()
    assert put(sha256="1") is False
    with pytest.raises(DataError, match="'one' is there already with other content"):
        put(sha256="2")
    assert put(sha256="2", replace=True)
    with store.connect() as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert {name for (name,) in tables if "_" in name} == {"requests_2", "outcomes_2"}
    store.delete("one")
    assert store.entries() == []
    with pytest.raises(DataError, match="the store has no dataset 'one'"):
        store.delete("one")


def test_a_newer_store_is_refused(lab):
    """A store with migrations that are not known here is refused by name."""
    put()
    with store.connect() as con:
        con.execute("INSERT INTO migrations VALUES ('_tomorrow')").fetchall()
    with pytest.raises(DataError, match="made by a newer version of Detour; got _tomorrow"):
        store.entries()


def test_an_old_store_is_brought_up_to_date_once(lab, monkeypatch):
    """A migration that is new is applied to an existing store, once."""
    put()

    def _colours(con):
        con.execute("CREATE TABLE colours (name VARCHAR)").fetchall()

    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, _colours))
    for _ in range(2):
        with store.connect() as con:
            assert con.execute("FROM colours").fetchall() == []
    assert [e.name for e in store.entries()] == ["one"]


def test_what_is_no_database_is_refused(lab):
    """A file that is no database is left alone and told."""
    lab.parent.mkdir()
    lab.write_text("hello " * 1000)
    with pytest.raises(DataError, match=r"cannot be opened as a database.*not a valid DuckDB"):
        store.entries()
    assert lab.read_text().startswith("hello")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of a store with two columns of random numbers in it, 3 MB."""
    path = tmp_path_factory.mktemp("sound") / "lab.duckdb"
    kept, random = tables(), np.random.default_rng(0)
    columns = {c: kept.outcomes[c].take([0] * 200_000) for c in kept.outcomes.column_names}
    columns |= {c: random.random(200_000) for c in ("quality", "latency_s")}
    outcomes = Tables(kept.requests, kept.models, pa.table(columns))
    store.write("big", outcomes, source="x", sha256="1", path=path)
    return path.read_bytes()


@pytest.mark.parametrize("length", [0, 1, 5000, 12288, 0.5])
def test_a_torn_file_is_told_and_left_alone(lab, sound, length):
    """A store that lacks its end is refused, and stays as it is for whoever can mend it."""
    torn = sound[: length if isinstance(length, int) else int(length * len(sound))]
    lab.parent.mkdir()
    lab.write_bytes(torn)
    with pytest.raises(DataError, match=r"lab\.duckdb: the store .*; got IO Error"):
        store.read("big")
    assert lab.read_bytes() == torn


def test_a_damaged_file_is_told_and_left_alone(lab, sound):
    """Values that changed on the disk are never read as if they were right."""
    place = len(sound) // 2
    damaged = sound[:place] + bytes(8) + sound[place + 8 :]
    lab.parent.mkdir()
    lab.write_bytes(damaged)
    with pytest.raises(DataError, match=r"lab\.duckdb: the store failed; got Corrupt database"):
        store.read("big")
    assert lab.read_bytes() == damaged


def test_what_a_killed_program_committed_is_there(lab):
    """A commit counts though the program was killed before it closed the file."""
    put()
    code = """
import duckdb, os, signal, sys
con = duckdb.connect(sys.argv[1])
con.execute("UPDATE datasets SET name = 'two'").fetchall()
con.execute("BEGIN").fetchall()
con.execute("UPDATE datasets SET name = 'three'").fetchall()
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code, str(lab)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert Path(f"{lab}.wal").stat().st_size
    assert [e.name for e in store.entries()] == ["two"]
    assert store.read("two")[1].outcomes.equals(tables().outcomes)


def test_a_full_disk_keeps_what_was_there(lab):
    """A dataset that does not fit is an error; the store keeps the others and goes on."""
    put()
    code = """
import resource, sys
import numpy as np, pyarrow as pa
from tests.test_store import store, tables, Tables
from toolkit.errors import DataError
size = store.store_path().stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 2**20, resource.RLIM_INFINITY))
small = tables()
columns = {c: small.outcomes[c].take([0] * 500_000) for c in small.outcomes.column_names}
columns |= {"quality": np.random.default_rng(0).random(500_000)}
try:
    store.write("big", Tables(small.requests, small.models, pa.table(columns)), source="x",
                sha256="2")
except DataError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert "lab.duckdb: the store failed; got" in told
    assert [e.name for e in store.entries()] == ["one"]
    assert store.read("one")[1].outcomes.equals(tables().outcomes)
    assert put("two")


def test_no_torn_store_is_ever_made(lab, monkeypatch):
    """A program that dies while it makes the store leaves none, so that the next one makes it."""

    def die(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as crash:
        crash.setattr(duckdb, "connect", die)
        with pytest.raises(KeyboardInterrupt):
            put()
    assert not lab.exists()
    assert put()
    assert sorted(file.name for file in lab.parent.iterdir()) == ["lab.duckdb", "lab.duckdb.lock"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    """A store in a place that cannot be a folder is told as such."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="the store cannot be written"):
        put(path=tmp_path / "file" / "lab.duckdb")


def test_a_store_in_use_is_told_after_a_while(lab, monkeypatch):
    """A store that another holds for too long is told instead of waited for."""
    put()
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.1)
    with FileLock(f"{lab}.lock"), pytest.raises(DataError, match=r"was in use for 0\.1 s"):
        store.entries()
    assert len(store.entries()) == 1


def test_a_foreign_program_in_the_file_is_told(lab):
    """A program that opened the file without our lock is told of."""
    put()
    code = (
        "import duckdb, sys; con = duckdb.connect(sys.argv[1]);"
        " print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lab)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        with pytest.raises(DataError, match="is open in another program"):
            store.entries()
        other.communicate()
    assert len(store.entries()) == 1


def test_threads_take_turns(lab):
    """Threads that write at once all succeed."""
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda i: put(f"d{i}"), range(8)))
    assert len(store.entries()) == 8


def test_processes_take_turns(lab):
    """Programs that import at once all succeed."""
    lab.parent.mkdir()
    log = lab.parent / "log.csv"
    log.write_text("request_id,model,quality\na,m,1\n")
    code = (
        "import sys; from toolkit.logs.importers import import_file;"
        " import_file(sys.argv[1], sys.argv[2])"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(log), f"d{i}"], cwd=ROOT)
        for i in range(3)
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert [e.name for e in store.entries()] == ["d0", "d1", "d2"]


def test_the_place_follows_the_environment(monkeypatch):
    """The store is DETOUR_DB, else data/lab.duckdb of the project."""
    monkeypatch.delenv("DETOUR_DB", raising=False)
    assert store.store_path() == ROOT / "data" / "lab.duckdb"
    monkeypatch.setenv("DETOUR_DB", "/x/y.duckdb")
    assert str(store.store_path()) == "/x/y.duckdb"


def test_a_failing_statement_is_told(lab):
    """An error of the database is told with the file."""
    with pytest.raises(DataError, match="the store failed; got Catalog"), store.connect() as con:
        con.execute("FROM nothing").fetchall()
