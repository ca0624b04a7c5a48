"""Fetching public datasets: whole and right, or not at all, from a server that does its worst."""

from __future__ import annotations

import hashlib
import json
import random
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from tests.bad_files_server import Fault, bad_files
from toolkit.cli import app
from toolkit.errors import DataError
from toolkit.logs.fetch import SOURCES, fetch, find_source
from toolkit.logs.fetch import download as download_module
from toolkit.logs.fetch import sources as sources_module
from toolkit.logs.fetch.download import TRIES, download, new_client
from toolkit.logs.fetch.sources import RemoteFile, Source

ROOT = Path(__file__).parents[1]
CONTENT = random.Random(1).randbytes(300_000)
FILE = RemoteFile("answers.csv", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def server():
    """A server that has the file and may be told to misbehave."""
    with bad_files() as state:
        state.files["/answers.csv"] = CONTENT
        yield state


@pytest.fixture
def get(server, tmp_path):
    """Downloads the file; retries wait next to nothing, a stall is short."""
    seen = []

    def run():
        with new_client(stall_s=0.4) as client:
            address = f"{server.url}/answers.csv"
            return download(client, address, FILE, tmp_path / "answers.csv", seen.append, 0.001)

    run.seen = seen
    return run


def left(folder):
    """Names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def whole(folder):
    """The file is there, as published, and nothing else is."""
    return left(folder) == ["answers.csv"] and (folder / "answers.csv").read_bytes() == CONTENT


def test_a_file_comes_whole_and_only_once(server, get, tmp_path):
    """A good server is asked once; a file that is there is not fetched again."""
    assert get() is True
    assert whole(tmp_path)
    assert get() is False
    assert server.ranges == [None]
    assert get.seen[-1] == len(CONTENT)


@pytest.mark.parametrize("etag", ["strong", "weak", "none"])
@pytest.mark.parametrize("kind", ["stall", "cut"])
def test_a_broken_connection_is_taken_up_where_it_stopped(server, get, tmp_path, kind, etag):
    """After a stall or a cut only the rest is asked for."""
    server.etag = etag
    server.faults += [Fault(kind, 100_000), Fault(kind, 50_000)]
    assert get()
    assert whole(tmp_path)
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_run_goes_on(server, get, tmp_path):
    """What a given-up fetch has stays as .part, never as the file, and is gone on with."""
    server.faults += [Fault("cut", 1000)] * TRIES
    with pytest.raises(DataError, match=r"broke off 5 times; got: .*; run again to go on"):
        get()
    assert left(tmp_path) == ["answers.csv.part", "answers.csv.part.etag"]
    assert get()
    assert whole(tmp_path)
    assert server.ranges[-1] == f"bytes={1000 * TRIES}-"


def test_a_server_without_ranges_starts_anew(server, get, tmp_path):
    """A server that ignores what was asked for sends the whole file, and that is what is kept."""
    server.faults += [Fault("cut", 70_000), Fault("ignore_range")]
    assert get()
    assert whole(tmp_path)


@pytest.mark.parametrize("etag", ["strong", "weak", "none"])
def test_two_versions_are_never_put_together(server, get, tmp_path, etag):
    """A file that changes between the parts is fetched again from its beginning."""
    old = random.Random(2).randbytes(len(CONTENT))
    server.etag = etag
    server.files["/answers.csv"], server.changes["/answers.csv"] = old, CONTENT
    server.faults += [Fault("cut", 70_000)]
    assert get()
    assert whole(tmp_path)


@pytest.mark.parametrize("length", [0, 7, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 5])
def test_a_wrong_part_is_thrown_away(server, get, tmp_path, length):
    """Whatever stands in .part, of any length, the file is right in the end."""
    (tmp_path / "answers.csv.part").write_bytes(b"x" * length)
    assert get()
    assert whole(tmp_path)


def test_a_whole_part_needs_no_server(server, get, tmp_path):
    """A fetch that was killed before its last step is finished without a request."""
    (tmp_path / "answers.csv.part").write_bytes(CONTENT)
    assert get()
    assert whole(tmp_path)
    assert server.ranges == []


@pytest.mark.parametrize(
    "content", [CONTENT[:-1] + b"!", CONTENT + b"!", b"<html>not found</html>" * 20_000]
)
def test_a_lie_about_the_content_is_removed_and_said(server, get, tmp_path, content):
    """Other bytes than were published never become the file, and nothing of them stays."""
    server.files["/answers.csv"] = content
    with pytest.raises(DataError, match=r"not what was published, so it was removed; got SHA-256"):
        get()
    assert left(tmp_path) == []


def test_a_file_cut_short_at_its_home_is_no_endless_loop(server, get, tmp_path):
    """A home that has only half of the file ends in a sentence."""
    server.files["/answers.csv"] = CONTENT[:1000]
    with pytest.raises(DataError, match="broke off 5 times"):
        get()
    assert "answers.csv" not in left(tmp_path)


@pytest.mark.parametrize("ranged", [True, False])
def test_progress_earns_patience_but_beginning_anew_does_not(
    server, get, tmp_path, monkeypatch, ranged
):
    """A connection may break as often as it brings more; without ranges it never does."""
    monkeypatch.setattr(download_module, "_PROGRESS_BYTES", 10_000)
    server.ranged = ranged
    server.faults += [Fault("cut", 20_000)] * 14
    if ranged:
        assert get()
        assert whole(tmp_path)
    else:
        with pytest.raises(DataError, match="broke off 5 times"):
            get()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_answer_is_asked_again(server, get, tmp_path, status):
    """A busy server is waited for, as long as it says."""
    server.faults += [Fault("status", status, {"Retry-After": "0"})] * 2
    assert get()
    assert whole(tmp_path)


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        (Fault("status", 404), "cannot be had; the server answered 404"),
        (Fault("status", 403), "cannot be had; the server answered 403"),
        (Fault("status", 500), "broke off 5 times; got: the server answered 500"),
        (Fault("redirect"), "leads from one place to the next without end"),
        (Fault("stall", 0), "broke off 5 times; got: no byte for a while"),
    ],
)
def test_a_hopeless_answer_is_one_sentence(server, get, tmp_path, fault, match):
    """What retries do not cure is said, and leaves no file."""
    server.faults += [fault] * 30
    with pytest.raises(DataError, match=match):
        get()
    assert "answers.csv" not in left(tmp_path)


def test_a_redirect_is_followed_with_its_range(server, get, tmp_path):
    """A home that sends on to another place is followed, also for the rest of a file."""
    server.files["/cdn"] = CONTENT
    there = Fault("redirect", headers={"Location": f"{server.url}/cdn"})
    server.faults += [there, Fault("cut", 9_000), there]
    assert get()
    assert whole(tmp_path)
    assert server.ranges[-1] == "bytes=9000-"


def test_another_file_of_the_name_is_left_alone(server, get, tmp_path):
    """A file that is there with other content is not overwritten."""
    (tmp_path / "answers.csv").write_text("mine")
    with pytest.raises(DataError, match="is there, but is not what was published; move it away"):
        get()
    assert (tmp_path / "answers.csv").read_text() == "mine"
    assert server.ranges == []


@pytest.mark.parametrize("address", ["nowhere", "ftp://a/b", "http://[::1", "http://"])
def test_an_address_that_is_none_is_said(tmp_path, address):
    """A mirror that is no address is told as such."""
    with new_client(1) as client, pytest.raises(DataError, match="not an address of a file"):
        download(client, address, FILE, tmp_path / "x", pause_s=0)


@pytest.fixture
def tiny(server, monkeypatch):
    """A public dataset of two small files, whose mirror is the server."""
    files = {"a.csv": b"prompt,m\nhi,True\n", "sub/b.csv": b"prompt,m\n" * 1000}
    for path, content in files.items():
        server.files[f"/tiny/{path}"] = content
    remote = tuple(
        RemoteFile(path, len(content), hashlib.sha256(content).hexdigest())
        for path, content in files.items()
    )
    made = Source(
        "tiny", "Tiny", "CC0-1.0", "https://home.invalid/", remote, lambda f: f"import {f}/a.csv"
    )
    monkeypatch.setattr(sources_module, "SOURCES", (made,))
    monkeypatch.setenv("DETOUR_MIRROR", f"{server.url}/")
    return made


def test_a_dataset_is_fetched_and_resumed_file_by_file(tiny, tmp_path):
    """Each file comes once; progress runs over all of them; the report says what is next."""
    seen = []
    report = fetch("tiny", tmp_path / "to", lambda *now: seen.append(now), pause_s=0.001)
    assert (tmp_path / "to" / "sub" / "b.csv").stat().st_size == 9000
    assert seen[-1] == (tiny.n_bytes, tiny.n_bytes, "sub/b.csv")
    assert [now[0] for now in seen] == sorted(now[0] for now in seen)
    assert (report.n_files, report.n_there) == (2, 0)
    (tmp_path / "to" / "a.csv").unlink()
    assert fetch("tiny", tmp_path / "to").n_there == 1


def test_a_small_disk_is_said_before_the_first_byte(tiny, server, tmp_path, monkeypatch):
    """A dataset that cannot fit is not begun."""
    room = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    with pytest.raises(DataError, match=r"not enough room; tiny needs 0 MB more"):
        fetch("tiny", tmp_path / "to")
    assert server.ranges == []


def test_a_disk_that_fills_up_keeps_the_half(server, tmp_path):
    """A write that fails ends in a sentence; what was written stays, and a later run goes on."""
    code = (
        "import resource, sys; from pathlib import Path;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536));"
        "from tests.test_fetch import FILE; from toolkit.logs.fetch.download import *;"
        f"download(new_client(), {f'{server.url}/answers.csv'!r}, FILE, Path(sys.argv[1]))"
    )
    target = tmp_path / "answers.csv"
    done = subprocess.run(
        [sys.executable, "-c", code, target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "answers.csv: cannot be written; got: File too large" in done.stderr
    assert (tmp_path / "answers.csv.part").stat().st_size == 65536
    with new_client() as client:
        assert download(client, f"{server.url}/answers.csv", FILE, target)
    assert server.ranges[-1] == "bytes=65536-"


def test_the_command_says_what_came_and_what_is_next(tiny, tmp_path):
    """The command prints the folder, the licence and the next command; as JSON too."""
    done = CliRunner().invoke(app, ["fetch", "tiny", "--to", str(tmp_path / "to")])
    assert done.exit_code == 0
    assert "2 files" in done.stdout
    assert "Licence: CC0-1.0." in done.stdout
    assert f"import {tmp_path}/to/a.csv" in done.stdout
    done = CliRunner().invoke(app, ["fetch", "tiny", "--to", str(tmp_path / "to"), "--json"])
    assert json.loads(done.stdout)["n_there"] == 2


@pytest.mark.parametrize("offline", ["refused", "no name"])
def test_offline_is_one_sentence_and_exit_2(tmp_path, monkeypatch, offline):
    """Without a network the command says so in one line, without a traceback, and ends with 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        port = taken.getsockname()[1]
        host = f"http://127.0.0.1:{port}" if offline == "refused" else "http://nowhere.invalid"
        done = subprocess.run(
            [sys.executable, "-m", "toolkit", "fetch", "routerbench", "--to", tmp_path / "to"],
            cwd=ROOT,
            env={"PATH": "", "PYTHONWARNINGS": "error", "DETOUR_MIRROR": host},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be reached" in done.stderr
    assert "is this machine online?" in done.stderr


def test_two_fetches_do_not_write_one_folder(tiny, tmp_path):
    """A folder that another process is fetching into is left to it."""
    with FileLock(tmp_path / ".fetch.lock"), pytest.raises(DataError, match="another fetch is at"):
        fetch("tiny", tmp_path)


def test_a_pickle_is_converted_outside_by_commands_that_are_whole(tmp_path):
    """The shell sees the conversion as three commands; the container has no network."""
    said = find_source("routerbench").next_step(tmp_path / "my data")
    assert "nothing here opens it" in said
    build, run, bring = said.splitlines()[1:]
    assert shlex.split(build)[-5:] == ["docker", "build", "-t", "unpickle", "-"]
    words = shlex.split(run)
    assert words[3:5] == ["--network", "none"]
    assert words[6] == f"{tmp_path}/my data:/data"
    compile(words[-1], "code", "exec")
    assert shlex.split(bring)[4] == f"{tmp_path}/my data/routerbench_0shot.parquet"


def test_an_unknown_name_lists_what_there_is(tmp_path):
    """A misspelt dataset is answered with the names."""
    with pytest.raises(DataError, match=r"got 'routelm'; allowed: 'routellm' \(did you mean"):
        fetch("routelm", tmp_path)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_each_home_is_pinned(source):
    """A home names a revision, each file a checksum and a place inside the folder."""
    revisions = [part for part in source.home.split("/") if len(part) == 40]
    assert len(revisions) == 1
    int(revisions[0], 16)
    assert source.home.startswith("https://")
    assert source.home.endswith("/")
    for file in source.files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert file.n_bytes > 0
        assert not Path(file.path).is_absolute()
        assert ".." not in file.path
    assert "python -m toolkit import" in source.next_step(Path("to"))


def test_routellm_comes_whole_from_a_mirror(server, shared_datasets, tmp_path, monkeypatch):
    """All 58 files of RouteLLM's MMLU answers pass their checksums, on a shaky connection."""
    home = shared_datasets / "routellm_mmlu"
    for file in find_source("routellm").files:
        server.files[f"/routellm/{file.path}"] = (home / file.path).read_bytes()
    server.faults += [Fault("cut", 5000), Fault(""), Fault("status", 503), Fault("cut", 1)]
    monkeypatch.setenv("DETOUR_MIRROR", server.url)
    report = fetch("routellm", tmp_path, pause_s=0.001)
    assert (report.n_files, report.n_there) == (58, 0)
    assert sorted(p.name for p in (tmp_path / "responses").iterdir()) == sorted(
        p.name for p in (home / "responses").iterdir()
    )
