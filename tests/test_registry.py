from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import threading
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from operator import methodcaller
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skops.io import dumps

from toolkit.errors import DataError
from toolkit.learn import folder as places
from toolkit.learn import packing, registry
from toolkit.learn.registry import (
    delete_router,
    list_routers,
    load_router,
    promote_router,
    router_card,
    save_router,
)
from toolkit.learn.router import QualityRouter

ROOT = Path(__file__).parents[1]
N = 120
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
PROMPTS = [
    f"Please tell me, in case {7919 * i % 1000}, the {WORDS[i % 6]} of {WORDS[i // 6 % 6]} {i}"
    for i in range(N)
]


def requests():
    """120 requests of three categories, each with a prompt of its own."""
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "request_id": [f"r{i}" for i in range(N)],
            "prompt": PROMPTS,
            "category": [WORDS[i % 3] for i in range(N)],
            "input_tokens": rng.integers(5, 90, N).astype(float),
        }
    )


def fitted(**how):
    """A router that has learned something of two models."""
    rng = np.random.default_rng(1)
    easy = np.arange(N) % 3 == 0
    quality = np.column_stack([rng.random(N) < np.where(easy, 0.95, 0.2), rng.random(N) < 0.8])
    cost = np.tile([1e-4, 1e-3], (N, 1))
    router = QualityRouter(["small", "large"], folds=2, **how)
    return router.fit(requests(), quality.astype(float), cost_usd=cost, latency_s=1e3 * cost)


@pytest.fixture(scope="module")
def router():
    """One that reads columns alone, which is soon learned."""
    return fitted(text=None)


@pytest.fixture(scope="module")
def reader():
    """One that reads all there is: columns, embeddings and words."""
    return fitted(text="both", head="stack")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty registry of this test alone; its folder."""
    path = tmp_path / "routers"
    monkeypatch.setenv("DETOUR_ROUTERS", str(path))
    return path


@pytest.fixture
def saved(root, router):
    """``easy@1`` in it."""
    return save_router(router, "easy", {"dataset": "made up", "n": N})


def same(a, b):
    """Two routers forecast the same to the last digit."""
    one, other = (
        {name: getattr(r.forecast(requests()), name) for name in
         ("quality", "cost_usd", "latency_s", "novelty")}
        for r in (a, b)
    )  # fmt: skip
    assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def put(entry, content):
    """Put other content in the place of a router's file, with a card that vouches for it."""
    entry.path.write_bytes(content)
    path = entry.path.with_suffix(".json")
    card = json.loads(path.read_bytes())
    card |= {"digest": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    path.write_text(json.dumps(card))


def everything(root):
    """All files of a registry and what is in them."""
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != ".lock"}


def test_what_is_saved_comes_back(root, reader):
    """The router, its settings and its card are as they were, and no forecast differs."""
    entry = save_router(reader, "easy", {"dataset": "d", "score": float("nan"), "n": np.int64(9)})
    assert (entry.reference, entry.current, entry.problem) == ("easy@1", True, "")
    assert {p.name for p in (root / "easy").iterdir()} == {"1.skops", "1.json", "current"}
    back = load_router("easy")
    same(reader, back)
    assert back.get_params() == reader.get_params()
    assert back.request_ids_ == reader.request_ids_
    card = router_card("easy@1")
    assert card.models == ("small", "large")
    assert card.data["score"] is None
    assert card.data["n"] == 9
    assert card.digest == hashlib.sha256(entry.path.read_bytes()).hexdigest()
    assert card.data["router"]["columns"] == ["category", "input_tokens"]
    assert card.data["library_versions"].keys() >= {"toolkit", "scikit-learn", "skops", "numpy"}
    assert card.not_for
    assert card.unknown(("small", "other")) == ("other",)


def test_another_process_forecasts_the_same(saved, router, tmp_path):
    """A router loaded elsewhere gives the same numbers to the last digit."""
    table = tmp_path / "requests.arrow"
    with pa.OSFile(str(table), "wb") as sink, pa.ipc.new_file(sink, requests().schema) as writer:
        writer.write_table(requests())
    code = (
        "import sys, pyarrow as pa; from toolkit import load_router;"
        " f = load_router('easy').forecast(pa.ipc.open_file(sys.argv[1]).read_all());"
        " [sys.stdout.buffer.write(x.tobytes())"
        " for x in (f.quality, f.cost_usd, f.latency_s, f.novelty)]"
    )
    command = [sys.executable, "-c", code, str(table)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    here = router.forecast(requests())
    parts = (here.quality, here.cost_usd, here.latency_s, here.novelty)
    assert done.stdout == b"".join(part.tobytes() for part in parts)


def test_a_router_file_holds_no_prompt(root, reader):
    """No prompt, nor a run of five words of one, is in the file or in the card."""
    entry = save_router(reader, "easy", {})
    with zipfile.ZipFile(entry.path) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    content += entry.path.with_suffix(".json").read_bytes()
    for kind in ("utf-8", "utf-16-le", "utf-32-le"):  # as text, and as arrays hold it
        assert not any(prompt.encode(kind) in content for prompt in PROMPTS)
        assert " ".join(PROMPTS[0].split()[:5]).encode(kind) not in content
    assert b"r17" in content  # ids are there, and so would prompts be


def test_versions_are_counted_and_the_first_is_current(root, router):
    """A later version is there under its number, and takes the name only when promoted."""
    for _ in range(2):
        save_router(router, "easy", {})
    assert [(e.reference, e.current) for e in list_routers()] == [
        ("easy@1", True), ("easy@2", False),
    ]  # fmt: skip
    assert router_card("easy").version == 1
    assert promote_router("easy", 2).current
    assert router_card("easy").version == 2
    assert save_router(router, "easy", {}, promote=True).current
    assert router_card("easy").version == 3
    save_router(router, "another.one", {})
    assert [e.reference for e in list_routers()] == ["another.one@1", "easy@1", "easy@2", "easy@3"]


def test_a_number_is_never_given_again(root, router):
    """A policy that names a deleted version must not get another router."""
    for _ in range(3):
        save_router(router, "easy", {})
    assert delete_router("easy", 3) == 1
    assert delete_router("easy", 2) == 1
    assert save_router(router, "easy", {}).version == 4
    with pytest.raises(DataError, match=r"easy: there is no such version; got '3'; allowed: 1, 4"):
        load_router("easy@3")


def test_the_current_version_is_not_deleted_alone(saved, root):
    """Nothing is left without a current version; the whole router can go."""
    with pytest.raises(DataError, match="easy@1 is the current version; promote another one"):
        delete_router("easy", 1)
    assert load_router("easy@1")
    assert delete_router("easy") == 1
    assert list_routers() == []
    assert not (root / "easy").exists()
    with pytest.raises(DataError, match="there is no router 'easy'; none is saved yet"):
        load_router("easy")


def test_deleting_leaves_what_is_not_ours(saved, root):
    """A note that someone keeps beside a router stays."""
    (root / "easy" / "notes.txt").write_text("mine")
    delete_router("easy")
    assert everything(root) == {root / "easy" / "notes.txt": b"mine"}


def test_a_router_that_is_not_there(saved):
    """A message names what there is, the most like first."""
    with pytest.raises(DataError, match=r"no router 'eassy'; allowed: 'easy' \(did you mean this"):
        load_router("eassy")
    for wrong in ("easy@9", "easy@0", "easy@", "easy@1x", "easy@-1", "easy@1@1", "easy@ 1"):
        with pytest.raises(DataError, match=r"there is no such version; got .*; allowed: 1"):
            load_router(wrong)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "C:x", "x\n", "\n", "a\x00b", "a b", "-x",
     ".x", "x.", "é", "a\u0455", "a" * 65, "CON", "nul", "com1.router", "LPT9", "~", "$HOME", "a*",
     "a\u202eb"],
)  # fmt: skip
def test_hostile_names_are_refused(name, root, router, tmp_path):
    """No name leads out of the folder, or is one that some system cannot keep."""
    (tmp_path / "x").mkdir()
    for work in (
        lambda: save_router(router, name, {}),
        lambda: load_router(name),
        lambda: load_router(f"{name}@1"),
        lambda: router_card(name),
        lambda: delete_router(name),
        lambda: promote_router(name, 1),
    ):
        with pytest.raises(DataError, match="this cannot be the name of a router; got"):
            work()
    assert sorted(p.name for p in tmp_path.rglob("*")) in (["x"], ["routers", "x"])


def test_names_that_differ_in_case_only(saved, router):
    """Not every system would keep them apart."""
    with pytest.raises(DataError, match="'easy' differs from 'EASY' only in the case"):
        save_router(router, "EASY", {})


class Opened(Exception):  # noqa: N818 - it is no mistake that anyone makes
    """Raised by what opens a pickle."""

    def __reduce__(self):
        return _opened, ()


def _opened():
    raise Opened


def _zip(**parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def _bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        for i in range(9):
            archive.writestr(f"{i}.npy", bytes(2**20))
    return buffer.getvalue()


def _many_arrays():
    """One array of 1 MB, asked for a hundred times."""
    node = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode",
            "type": "numpy", "file": "a.npy"}  # fmt: skip
    whole = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode",
             "content": [node] * 100, "protocol": 2}  # fmt: skip
    return _zip(schema__json=json.dumps(whole), a__npy=bytes(2**20))


def _typed(loader, module, name, **more):
    node = {"__class__": name, "__module__": module, "__loader__": loader, **more}
    return _zip(schema__json=json.dumps(node | {"protocol": 2, "_skops_version": "0.16.0"}))


def _skops(value):
    return dumps(value)


def _estimator():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


FOREIGN = {
    "a pickle": (lambda: pickle.dumps(Opened()), "is a pickle, which could run code"),
    "an old pickle": (lambda: pickle.dumps(Opened(), 0), "is a pickle, which could run code"),
    "a packed pickle": (lambda: gzip.compress(pickle.dumps(Opened())), "perhaps a pickle"),
    "a pickle in a zip": (
        lambda: _zip(data__pkl=pickle.dumps(Opened())),
        "an archive with a pickle, which is never opened",
    ),
    "nothing": (lambda: b"", "the file is empty"),
    "a text": (lambda: b"hello world", "the file is no router"),
    "another zip": (lambda: _zip(a__txt=b"hello"), "the file is no router"),
    "zeros": (lambda: bytes(1000), "the file is no router"),
    "a bomb": (_bomb, "the file is too large; got 9,437,186 bytes in 10 parts; allowed: 8,388,608"),
    "arrays of one part": (_many_arrays, "the file is too large; got arrays of 104,857,600 bytes"),
    "no JSON": (lambda: _zip(schema__json=b"{"), "the file is damaged"),
    "a list": (lambda: _zip(schema__json=b"[]"), "the file is damaged"),
    "deep JSON": (lambda: _zip(schema__json=b"[" * 100_000), "the file is damaged"),
    "plain data": (lambda: _skops({"a": 1}), "the file holds a dict; allowed: a router"),
    "an array": (lambda: _skops(np.ones(3)), "the file holds a ndarray; allowed: a router"),
    "a function": (lambda: _skops(os.system), r"asks for posix\.system; allowed"),
    "a class": (lambda: _skops(threading.Thread), r"asks for threading\.Thread; allowed"),
    "a method": (lambda: _skops([].append), r"asks for builtins\.append|damaged|asks for"),
    "an operator": (lambda: _skops(methodcaller("kill")), r"asks for operator\.methodcaller"),
    "an estimator": (
        lambda: _skops(_estimator()),
        r"asks for sklearn\.linear_model\._logistic\.LogisticRegression; allowed",
    ),
    "a trusted class as function": (
        lambda: _typed("FunctionNode", "toolkit.learn.router", "QualityRouter"),
        r"asks for toolkit\.learn\.router\.QualityRouter as FunctionNode",
    ),
    "a router without content": (
        lambda: _typed("ObjectNode", "toolkit.learn.router", "QualityRouter"),
        "the file is damaged",
    ),
    "an unknown loader": (
        lambda: _typed("NewNode", "builtins", "dict"),
        r"asks for builtins\.dict",
    ),
    "a newer protocol": (
        lambda: _zip(schema__json=json.dumps(
            {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode",
             "content": "1", "protocol": 99}
        )),
        "the file is damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_is_no_router_is_refused(kind, saved, root, monkeypatch):
    """Its card vouches for it; still it is not opened, the message says why, nothing is lost."""
    monkeypatch.setattr(packing, "MOST_BYTES", 8 * 2**20)
    make, message = FOREIGN[kind]
    put(saved, make())
    before = everything(root)
    with pytest.raises(DataError, match=f"^easy@1: .*({message})"):
        load_router("easy")
    assert everything(root) == before
    with pytest.raises(DataError, match=r"^easy@1: "):
        promote_router("easy", 1)


def test_a_router_with_a_stowaway_is_refused(saved, router):
    """Among the right objects one of another type: it is named, and nothing is made of any."""
    with zipfile.ZipFile(saved.path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    schema["content"]["content"]["more"] = {
        "__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": 1,
    }  # fmt: skip
    parts["schema.json"] = json.dumps(schema).encode()
    put(saved, _zip(**parts))
    with pytest.raises(DataError, match=r"easy@1: the file asks for os\.system; allowed: plain"):
        load_router("easy")


def test_a_router_is_checked_before_it_is_saved(root, router):
    """What could not be read again is not written."""
    for wrong in (QualityRouter(), _estimator(), None):
        with pytest.raises(DataError, match="only a fitted QualityRouter can be saved"):
            save_router(wrong, "easy", {})
    odd = fitted(text=None, head="logistic")
    odd.helper_ = _estimator()
    with pytest.raises(DataError, match=r"asks for sklearn\.linear_model\._logistic\.Logistic"):
        save_router(odd, "easy", {})
    with pytest.raises(DataError, match="a card holds a object"):
        save_router(router, "easy", {"a": [object()]})
    assert list_routers() == []


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file(saved, keep):
    """It is refused by its digest; with a card that vouches for it, because it is damaged."""
    content = saved.path.read_bytes()
    content = content[: int(keep * len(content))]
    saved.path.write_bytes(content)
    assert "the file is not the one" in list_routers()[0].problem
    with pytest.raises(DataError, match=r"easy@1: the file is (damaged|empty)"):
        load_router("easy")
    put(saved, content)
    with pytest.raises(DataError, match=r"easy@1: the file is (damaged|empty)"):
        load_router("easy")


def test_another_routers_file(saved, root, router):
    """A good file in the wrong place is told by its digest."""
    other = save_router(router, "other", {})
    other.path.write_bytes(saved.path.read_bytes()[:-1] + b"\x00")
    saved.path.write_bytes(packing.pack(router) + b"")
    with pytest.raises(DataError, match="easy@1: the file is not the one that its card describes"):
        load_router("easy")


def test_a_renamed_router(saved, root):
    """A card stands for its own router and version."""
    (root / "easy").rename(root / "hard")
    with pytest.raises(DataError, match="hard@1: the card is of easy@1; was a file or folder ren"):
        load_router("hard")
    (root / "hard").rename(root / "easy")
    for ending in ("skops", "json"):
        (root / "easy" / f"1.{ending}").rename(root / "easy" / f"7.{ending}")
    with pytest.raises(DataError, match="easy@7: the card is of easy@1"):
        load_router("easy@7")
    with pytest.raises(DataError, match="easy: no version is the current one; promote one"):
        load_router("easy")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "easy@1: its card is missing"),
        (b"", "easy@1: the card is broken; got"),
        (b"{", "easy@1: the card is broken; got"),
        (b"\xff\xfe\x00", "easy@1: the card is broken; got"),
        (b"[" * 100_000, "easy@1: the card is broken; got"),
        (b"[1]", "the card is broken; got a list; allowed: a JSON object"),
        (b"{}", "the card is broken; allowed: a name, a version and the digest"),
        (b'{"name": ["easy"], "version": "1", "digest": 5}', "the card is broken; allowed: a name"),
        (b" " * (17 * 2**20), "easy@1: the card is too large"),
    ],
)
def test_a_card_that_is_missing_or_broken(saved, root, content, match):
    """A router without its card is not used, and the list says so."""
    path = saved.path.with_suffix(".json")
    path.unlink() if content is None else path.write_bytes(content)
    for work in (load_router, router_card):
        with pytest.raises(DataError, match=match):
            work("easy")
    (entry,) = list_routers()
    assert entry.card is None
    assert entry.problem
    assert saved.path.exists()


def test_a_missing_file_and_a_broken_mark(saved, root, router):
    """Each message says what is not there; the list still shows the rest."""
    save_router(router, "easy", {})
    saved.path.unlink()
    with pytest.raises(DataError, match="easy: the file is missing; got no"):
        load_router("easy")
    assert [bool(e.problem) for e in list_routers()] == [True, False]
    for text in (b"", b"nine", b"-1", b"99", b"\xff" * 100):
        (root / "easy" / "current").write_bytes(text)
        with pytest.raises(DataError, match=r"no version is the current one; .*allowed: 1, 2"):
            load_router("easy")
    assert promote_router("easy", 2).current
    assert load_router("easy")


def test_a_folder_that_holds_other_things(root, saved):
    """Files and folders of other kinds are left alone and not listed."""
    for path in ("notes.txt", "b/README.md", "b/1.pkl", "c/x.skops", ".hidden/1.skops"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(b"x")
    assert [e.reference for e in list_routers()] == ["easy@1"]
    with pytest.raises(DataError, match="there is no router 'b'"):
        load_router("b")


def test_a_loaded_router_is_kept_until_it_changes(saved, router, monkeypatch):
    """The same object while the file is the same; another once it was written anew."""
    opened = []
    plain = packing.unpack
    monkeypatch.setattr(packing, "unpack", lambda *given: opened.append(1) or plain(*given))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(load_router, ["easy", "easy@1"] * 8))
    assert len({id(one) for one in found}) == 1
    assert len(opened) == 1
    put(saved, packing.pack(router))
    assert load_router("easy") is not found[0]
    assert len(opened) == 2


def test_not_all_routers_are_kept(root, router, monkeypatch):
    """The last used stay in memory."""
    monkeypatch.setattr(registry, "_KEPT", 2)
    for _ in range(3):
        save_router(router, "easy", {})
    first, second = load_router("easy@1"), load_router("easy@2")
    assert load_router("easy@1") is first
    load_router("easy@3")
    assert load_router("easy@1") is first
    assert load_router("easy@2") is not second


def test_two_processes_that_save_at_once_get_two_versions(saved, root):
    """Nothing is overwritten, and every version can be loaded."""
    code = (
        "import sys; from toolkit.learn.registry import load_router, save_router;"
        " router = load_router('easy'); print('ready', flush=True); sys.stdin.readline();"
        " print(*[save_router(router, 'busy', {}).version for _ in range(4)])"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [run.stdout.readline() for run in runs] == ["ready\n"] * 2
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    given = [list(map(int, run.communicate()[0].split())) for run in runs]
    assert sorted(given[0] + given[1]) == list(range(1, 9))
    busy = [entry for entry in list_routers() if entry.name == "busy"]
    assert [entry.problem for entry in busy] == [""] * 8
    assert [entry.version for entry in busy if entry.current] == [1]
    assert not list(root.rglob("*.part"))
    for entry in busy:
        assert load_router(entry.reference)


@pytest.mark.parametrize("step", range(3))
def test_a_crash_while_saving_leaves_nothing_half_written(saved, root, router, monkeypatch, step):
    """Whichever file it happens at, what was there works, and the next save finds its place."""
    plain, written = places.write, []

    def crash(path, content):
        if len(written) == step:
            raise KeyboardInterrupt
        written.append(path)
        plain(path, content)

    before = everything(root)
    monkeypatch.setattr(registry, "write", crash)
    with pytest.raises(KeyboardInterrupt):
        save_router(router, "easy", {}, promote=True)
    monkeypatch.undo()
    os.environ["DETOUR_ROUTERS"] = str(root)
    assert {p: c for p, c in everything(root).items() if p in before} == before
    assert not list(root.rglob("*.part"))
    assert load_router("easy")
    entry = save_router(router, "easy", {}, promote=True)
    assert entry.version == (2 if step == 0 else 3)
    assert load_router("easy") is load_router(entry.reference)


def test_a_file_appears_as_a_whole(tmp_path, monkeypatch):
    """A crash while bytes are written leaves the old file and no other."""
    path = tmp_path / "a"
    places.write(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        places.write(path, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, router):
    """The message names the folder and the setting that moves it."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path / "file" / "routers"))
    with pytest.raises(DataError, match=r"cannot be written; got .*; set DETOUR_ROUTERS"):
        save_router(router, "easy", {})
    assert list_routers() == []


def test_other_library_versions_are_told(saved):
    """The card, and loading, name both versions; what is equal is not mentioned."""
    path = saved.path.with_suffix(".json")
    card = json.loads(path.read_bytes())
    here = card["library_versions"]["scikit-learn"]
    card["library_versions"]["scikit-learn"] = "1.0.2"
    path.write_text(json.dumps(card))
    (text,) = router_card("easy").version_warnings
    assert text.startswith(f"easy@1 was saved with scikit-learn 1.0.2, here is {here}: ")
    with pytest.warns(UserWarning, match=r"easy@1 was saved with scikit-learn 1\.0\.2"):
        load_router("easy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_router("easy")  # told once, while it is kept


original = {}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_never_ends_in_a_traceback(saved, data):
    """Bytes changed, cut or put in, with a card that vouches for them: a router or a DataError."""
    content = bytearray(original.setdefault("content", saved.path.read_bytes()))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["change", "cut", "put"])):
            case "change":
                content[at] = data.draw(st.integers(0, 255))
            case "cut":
                del content[at : at + data.draw(st.integers(1, 200))]
            case _:
                content[at:at] = data.draw(st.binary(min_size=1, max_size=20))
    put(saved, bytes(content))
    with suppress(DataError):
        assert isinstance(load_router("easy"), QualityRouter)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("root", 10**9, "a tree has no root"),
        ("root", -1, "a tree has no root"),
        ("left", 10**9, "a tree has a branch that leads nowhere"),
        ("left", 0, "a tree has a branch that leads nowhere"),  # round and round
        ("right", 3, "a tree has a branch that leads nowhere"),
        ("cut", None, "the parts of a tree differ in length"),
    ],
)
def test_trees_that_lead_nowhere(name, value, match):
    """They are refused before a compiled loop follows them."""
    tree = {
        "root": np.zeros(1, np.int64),
        "feature": np.array([0, -1, -1], np.int32),
        "cut": np.zeros(3),
        "left": np.array([1, -1, -1]),
        "right": np.array([2, -1, -1]),
        "value": np.zeros((3, 1)),
    }
    packing._check_trees({"head_": [{"trees": tree}]})
    wrong = {**tree, name: tree[name][:2] if value is None else np.full_like(tree[name], value)}
    with pytest.raises(ValueError, match=match):
        packing._check_trees({"head_": [{"trees": wrong}]})


@pytest.mark.parametrize("at", ["the folder", "above it", "its own"])
def test_a_place_is_tried_before_there_is_anything_to_save(root, tmp_path, monkeypatch, at):
    """A file in the way of a folder is found without writing, and told as saving would tell it."""
    assert places.checked_place("easy") == "easy"
    assert not root.exists()
    if at == "the folder":
        root.write_text("mine")
    elif at == "above it":
        (tmp_path / "file").write_text("mine")
        monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path / "file" / "routers"))
    else:
        root.mkdir()
        (root / "easy").write_text("mine")
    before = {path: path.is_file() for path in tmp_path.rglob("*")}
    with pytest.raises(DataError, match="set DETOUR_ROUTERS to a folder"):
        places.checked_place("easy")
    assert {path: path.is_file() for path in tmp_path.rglob("*")} == before


def test_a_place_that_the_system_refuses(monkeypatch):
    """Not even root writes into /proc."""
    monkeypatch.setenv("DETOUR_ROUTERS", "/proc/xx")
    with pytest.raises(DataError, match=r"/proc/xx: cannot be written; got .*; set DETOUR_ROUTERS"):
        places.checked_place("easy")


def test_a_name_that_differs_in_case_is_found_early(saved):
    """Before a training whose router could not be saved."""
    assert places.checked_place("easy") == "easy"
    with pytest.raises(DataError, match="'easy' differs from 'Easy' only in the case"):
        places.checked_place("Easy")


def test_a_router_that_is_asked_for_a_problem(saved):
    """Nothing of one that can be loaded; why not, of one that cannot."""
    assert registry.router_problem("easy") == ""
    saved.path.write_bytes(saved.path.read_bytes()[:-9])
    assert registry.router_problem("easy@1").startswith("easy")
    with pytest.raises(DataError, match="there is no router 'hard'"):
        registry.router_problem("hard")


def test_requests_as_a_list_of_dictionaries(router):
    """Rows foretell what columns do; what a row lacks, or has of another kind, is missing."""
    rows = requests().to_pylist()
    assert np.array_equal(router.predict(rows), router.predict(requests()))
    bare, odd = ({**rows[0]} for _ in range(2))
    del bare["category"]
    odd["category"] = 5
    mixed = [rows[1], bare, odd, {**rows[2], "input_tokens": "many"}, {}]
    found = router.predict(mixed)
    assert np.array_equal(found[1], found[2])
    for row, one in zip(mixed[:4], found, strict=False):
        assert np.array_equal(router.predict([row])[0], one)
    frame = pa.Table.from_pylist(rows[:4]).to_pandas()
    frame["category"] = [rows[1]["category"], None, 5, rows[2]["category"]]
    assert router.predict(frame).shape == (4, 2)
    rng = np.random.default_rng(1)
    again = QualityRouter(text=None, folds=2).fit(rows, rng.random((N, 1)))
    assert again.n_features_in_ == 4


def test_fitting_is_strict(router):
    """Values of a column that differ in kind, or a prompt of numbers, are a mistake there."""
    rows = requests().to_pylist()
    rows[3]["category"] = 5
    with pytest.raises(DataError, match="cannot be read as columns"):
        QualityRouter(text=None).fit(rows, np.zeros((N, 1)))
    numbers = requests().drop_columns(["prompt"]).append_column("prompt", pa.array(range(N)))
    with pytest.raises(DataError, match="column 'prompt': not text; got int64"):
        QualityRouter().fit(numbers, np.zeros((N, 1)))
    with pytest.raises(DataError, match="numbers of shape"):
        router.predict([[1.0, 2.0]])
