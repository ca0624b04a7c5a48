"""Which requests share an answer: keys, scopes and neighbours."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from toolkit import embeddings
from toolkit.cache import similar
from toolkit.cache.keys import cache_keys, references
from toolkit.cache.similar import MOST_NEIGHBOURS, neighbours
from toolkit.cache.texts import normalised
from toolkit.embeddings import embed
from toolkit.errors import DataError, PolicyError
from toolkit.policy.guards import Cache

WORDS = ["red", "blue", "car", "car", "price", "of", "the", "capital", "France", "x", "", "naïve"]
PROMPTS = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
SPACES = st.sampled_from([" ", "  ", "\t", "\n", "\u00a0", " \r\n ", "\x1f", "\u2003"])


def keys_of(cache=None, **columns):
    """The keys of requests given as columns."""
    return cache_keys(cache or Cache(), pa.table(columns)).tolist()


def test_keys_count_from_0_as_they_first_appear():
    """Equal prompts have equal numbers, without gaps, in the order of the requests."""
    assert keys_of(prompt=["b", "a", "b", "c"]) == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what is it", "  what \t is\nit "),
        ("caf\u00e9", "cafe\u0301"),
        ("a\u00a0b", "a b"),
        ("a\u2003b", "a b"),
        ("a\x1fb", "a b"),
        ('[{"role": "user", "content": "hi"}]', '[{"content":" hi","role":"user"}]'),
        ('[{"role": "user", "content": "\\u00e9"}]', '[{"role": "user", "content": "e\u0301"}]'),
    ],
)
def test_texts_are_normalised(one, other):
    """White space, Unicode form and the layout of JSON make no difference, in columns or alone."""
    assert normalised(one) == normalised(other)
    assert keys_of(prompt=[one, "z", other]) == [0, 1, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a b", "ab"),
        ("A", "a"),
        ("a", ""),
        ("[1]", "[1 ]"),
        ('[{"a": 1, "a": 2}]', '[{"a": 2}]'),
        ('[{"role": "user", "content": "a"}]', '[{"role": "system", "content": "a"}]'),
        ("[" * 100_000, "[" * 100_001),
        ('{"a":' * 600 + "1" + "}" * 600, '{"a":' * 600 + "2" + "}" * 600),
        ('[{"role": "user", "content": "\\ud800"}]', '[{"role": "user", "content": "?"}]'),
    ],
)
def test_what_differs_is_kept_apart(one, other):
    """Case, words and what JSON says are part of the key; what is no JSON stays text."""
    assert normalised(one) != normalised(other)
    assert keys_of(prompt=[one, other]) == [0, 1]


@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.none(), st.lists(PROMPTS | SPACES, max_size=4).map("".join)),
            st.one_of(st.none(), st.sampled_from(["a", "a ", "b"])),
            st.one_of(st.none(), st.sampled_from([0, 1, 2])),
        ),
        max_size=30,
    ),
)
def test_keys_agree_with_a_loop_over_requests(rows):
    """Keys are equal exactly where a dictionary of normalised values says so."""
    table = pa.table(
        {
            "prompt": pa.array([p for p, _, _ in rows], pa.string()),
            "tenant": pa.array([t for _, t, _ in rows], pa.string()),
            "system": pa.array([s for _, _, s in rows], pa.int64()),
        }
    )
    table = pa.concat_tables([table.slice(i, 1) for i in range(table.num_rows)] or [table])
    numbers, expected = {}, []
    for prompt, tenant, system in rows:
        if prompt is None:
            expected.append(-1)
        else:
            text = " ".join(unicodedata.normalize("NFC", prompt).split())
            expected.append(numbers.setdefault((tenant, text, system), len(numbers)))
    assert cache_keys(Cache(), table).tolist() == expected


def test_nothing_is_shared_between_scopes():
    """A tenant's answers are for that tenant, to the letter; a missing tenant is one of its own."""
    tenants = ["a", "b", "a ", "A", None, "a"]
    prompts = ["same"] * 6
    for kind in ("exact", "semantic"):
        cache = Cache(kind=kind, threshold=0.5)
        requests = pa.table({"prompt": prompts, "tenant": tenants})
        keys = cache_keys(cache, requests)
        assert keys.tolist() == [0, 1, 2, 3, 4, 0]
        assert neighbours(cache, requests, keys).key.tolist() == [0, 1, 2, 3, 4]
    assert keys_of(Cache(scope=()), prompt=prompts, tenant=tenants) == [0] * 6
    assert keys_of(Cache(scope=("user",)), prompt=["p"] * 3, user=[1, 2, 1]) == [0, 1, 0]


def test_default_columns_are_those_that_are_there():
    """System prompt, tools and parameters belong to the key, and anything stated instead does."""
    columns = {"prompt": ["p"] * 4, "system": ["s", "t", "s", "s"], "tools": [None, None, "[]", ""]}
    assert keys_of(**columns) == [0, 1, 2, 3]
    assert keys_of(Cache(key=("prompt",)), **columns) == [0] * 4
    assert keys_of(Cache(key=("system",)), **columns) == [0, 1, 0, 0]
    assert keys_of(parameters=[{"t": 0, "k": 1}, {"t": 0, "k": 2}], prompt=["p"] * 2) == [0, 1]


def test_a_request_without_a_prompt_is_not_cached():
    """It has the key −1, unless the key does without the prompt."""
    columns = {"prompt": [None, "a", None, ""], "id": [1, 1, 2, 3]}
    assert keys_of(**columns) == [-1, 0, -1, 1]
    assert keys_of(Cache(key=("id",)), **columns) == [0, 0, 1, 2]
    assert keys_of(Cache(kind="semantic", key=("id",)), **columns) == [-1, 0, -1, 1]


def test_keys_of_any_type_of_column():
    """Dictionaries, times, numbers with NaN, lists: equal values have equal keys."""
    words = pa.array(["a", "b", "a"]).dictionary_encode()
    assert keys_of(prompt=words) == [0, 1, 0]
    assert keys_of(prompt=pa.chunked_array([["a"], [], ["b", "a"]])) == [0, 1, 0]
    numbers = pa.array([np.nan, None, 1.0])
    assert keys_of(Cache(key=("x",)), x=numbers) == [0, 0, 1]
    times = pa.array([1, 2, 1], pa.timestamp("us", "UTC"))
    assert keys_of(Cache(key=("x",)), x=times) == [0, 1, 0]
    assert keys_of(Cache(key=("x",)), x=[["a"], None, [" a "]]) == [0, 1, 0]
    assert keys_of(prompt=pa.array([], pa.string())) == []


def test_a_column_that_is_not_there_is_named():
    """Every wrong name is reported at once, with what it may have meant."""
    cache = Cache(key=("promt",), scope=("tenat",))
    with pytest.raises(PolicyError) as caught:
        keys_of(cache, prompt=["a"], tenant=["b"])
    scope, key = caught.value.problems
    assert (scope.where, scope.got) == ("cache.scope", "'tenat'")
    assert scope.allowed.startswith("'tenant' (did you mean this?)")
    assert (key.where, key.allowed[:8]) == ("cache.key", "'prompt'")
    with pytest.raises(PolicyError, match=r"cache\.key: the requests have no prompts"):
        keys_of(text=["a"])


def test_references_are_numbered():
    """Equal right answers share a number; an unknown one has none."""
    requests = pa.table({"reference": ["x", None, "y", "x", "x "]})
    assert references(requests).tolist() == [0, -1, 1, 0, 2]
    assert references(pa.table({"prompt": ["a", "b"]})).tolist() == [-1, -1]
    assert references(pa.table({"reference": [1.5, np.nan, 1.5]})).tolist() == [0, -1, 0]


def test_an_exact_cache_answers_from_the_same_key_alone():
    """Each key is its only neighbour."""
    found = neighbours(Cache(), pa.table({"prompt": ["a"]}), np.array([0, 1, -1, 0, 2]))
    assert found.start.tolist() == [0, 1, 2, 3]
    assert found.key.tolist() == [0, 1, 2]
    assert found.similarity.tolist() == [1, 1, 1]


@settings(max_examples=60)
@given(
    rows=st.lists(
        st.tuples(st.none() | PROMPTS, st.sampled_from(["a", "b"]), st.sampled_from(["s", None])),
        max_size=25,
    ),
    threshold=st.sampled_from([0.5, 0.7, 0.9, 0.999]),
    block=st.sampled_from([1, 7, 10_000]),
)
def test_neighbours_agree_with_all_pairs(rows, threshold, block):
    """Pairs found in blocks are those of an obvious loop, in its order, whatever the blocks."""
    cache = Cache(kind="semantic", threshold=threshold)
    requests = pa.table(
        {
            "prompt": pa.array([p for p, _, _ in rows], pa.string()),
            "tenant": pa.array([t for _, t, _ in rows], pa.string()),
            "system": pa.array([s for _, _, s in rows], pa.string()),
        }
    )
    keys = cache_keys(cache, requests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similar, "_BLOCK", block)
        found = neighbours(cache, requests, keys)
    of_key = {key: row for key, row in zip(keys.tolist(), rows, strict=True) if key >= 0}
    vectors = {key: embed([" ".join(of_key[key][0].split())])[0] for key in of_key}
    for key in range(len(of_key)):
        expected = []
        for other in range(len(of_key)):
            dot = float(np.dot(vectors[key].astype(float), vectors[other].astype(float)))
            cosine = np.float32(min(dot, 1.0))
            if other == key:
                expected.append((0, -1.0, other))
            elif of_key[key][1:] == of_key[other][1:] and cosine >= np.float32(threshold):
                expected.append((1, -cosine, other))
        part = slice(found.start[key], found.start[key + 1])
        assert found.key[part].tolist() == [other for *_, other in sorted(expected)]
        assert np.allclose(found.similarity[part], [-s for _, s, _ in sorted(expected)], atol=1e-7)


def test_a_higher_threshold_takes_from_what_is_known():
    """Neighbours of a threshold are the same whether a lower one was asked for before or not."""
    prompts = [f"What is {a} plus {b}?" for a in range(12) for b in range(12)]

    def ask(*thresholds):
        requests = pa.table({"prompt": prompts})
        for threshold in thresholds:
            cache = Cache(kind="semantic", threshold=threshold)
            found = neighbours(cache, requests, cache_keys(cache, requests))
        return found

    direct, later, last = ask(0.9), ask(0.5, 0.9), ask(0.95, 0.9)
    for found in (later, last):
        assert found.start.tolist() == direct.start.tolist()
        assert found.key.tolist() == direct.key.tolist()
        assert found.similarity.tolist() == direct.similarity.tolist()
        assert found.cut == direct.cut
    assert ask(0.5).cut
    assert np.diff(ask(0.5).start).max() == MOST_NEIGHBOURS
    assert not ask(0.9999).cut


def test_similar_prompts_need_the_same_key_columns():
    """Only the prompts may differ: another system prompt is another question."""
    cache = Cache(kind="semantic", threshold=0.5)
    prompts = ["the capital of France", "capital of France", "capital of France"]
    requests = pa.table({"prompt": prompts, "system": ["a", "a", "b"]})
    found = neighbours(cache, requests, cache_keys(cache, requests))
    assert found.key.tolist() == [0, 1, 1, 0, 2]


def test_too_many_requests_for_a_semantic_cache_are_an_error():
    """Comparing them all would take minutes, which is said instead."""
    cache = Cache(kind="semantic")
    keys = np.arange(similar.MOST_KEYS + 1)
    with pytest.raises(DataError, match="50,001 of them; allowed: 50,000"):
        neighbours(cache, pa.table({"prompt": pa.array([], pa.string())}), keys)


def test_vectors_go_with_the_table():
    """What is kept for a table is kept no longer than the table, and embedded only once."""
    cache = Cache(kind="semantic")
    requests = pa.table({"prompt": ["one", "two"]})
    before = len(similar._memory._of)
    with pytest.MonkeyPatch.context() as patch:
        calls = []
        patch.setattr(similar, "embed", lambda texts: calls.append(len(texts)) or embed(texts))
        for threshold in (0.9, 0.6, 0.8):
            for ttl in (1, 2):
                cache = Cache(kind="semantic", threshold=threshold, ttl_s=ttl)
                neighbours(cache, requests, cache_keys(cache, requests))
    assert calls == [2]
    assert len(similar._memory._of) == before + 1
    del requests
    gc.collect()
    assert len(similar._memory._of) == before


def test_vectors_do_not_depend_on_the_batch():
    """A text has one vector, of unit length, alone or among others; an empty text has none."""
    texts = [
        "a",
        "What is the capital of France?",
        "",
        "  ",
        "long " * 500,
        "\0",
        "日本語",
        "\ud800",
    ]
    together = embed(texts)
    alone = np.vstack([embed([text]) for text in texts])
    assert together.dtype == np.float32
    assert np.abs(together - alone).max() < 1e-6
    lengths = np.linalg.norm(together, axis=1)
    assert np.allclose(lengths, [1, 1, 0, 0, 1, 1, 1, 1], atol=1e-6)
    assert embed([]).shape == (0, 256)


def test_prompts_that_are_messages_are_compared_by_what_they_say():
    """The names of JSON's fields are no part of the meaning."""
    prompt = "What is the capital of France?"
    messages = json.dumps([{"role": "user", "content": prompt}])
    blocks = json.dumps([{"role": "user", "content": [{"type": "text", "text": prompt}]}])
    for other in (messages, blocks):
        assert similar.vector(other).tolist() == similar.vector(prompt).tolist()


SIGNS = [*" \n\t\r\0ab1-é。▁\u2028", "  ", "word", "<s>", "x" * 60]
TEXTS = st.lists(st.sampled_from(SIGNS), max_size=12).map("".join)


@settings(max_examples=200)
@given(st.lists(TEXTS, max_size=6))
def test_a_text_is_embedded_as_wordllama_does(texts):
    """However it is cut into remembered pieces, the mean is that of the tokenizer's own tokens."""
    model = embeddings._model()
    found = embed(texts)
    for text, vector in zip(texts, found, strict=True):
        ids = model.tokenizer.encode(text, add_special_tokens=False).ids if text.strip() else []
        mean = model.embedding[ids].mean(axis=0) if ids else np.zeros(256)
        length = np.linalg.norm(mean) or 1.0
        assert vector == pytest.approx(mean / length, abs=1e-5)


def test_threads_may_embed_while_what_is_remembered_grows_and_is_let_go(monkeypatch):
    """Each gets the vectors of its own texts, also at the moment of a fresh start."""
    monkeypatch.setattr(embeddings, "_MOST", 300)
    texts = [f"word{i} of {i % 7}\nand {'long' * 20}{i}" for i in range(400)]
    expected = [embed([text])[0] for text in texts]

    def ask(start: int) -> bool:
        some = list(range(start, 400, 8))
        return np.array_equal(embed([texts[i] for i in some]), [expected[i] for i in some])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, [i % 8 for i in range(64)]))


def test_embedding_is_quiet_and_offline():
    """Loading the model warns of nothing, opens no connection and leaves logging as it was."""
    code = """
import logging, socket, sys
from toolkit.embeddings import embed
assert "wordllama" not in sys.modules
def closed(*args, **options):
    raise AssertionError("a connection")
socket.socket.connect = closed
embed(["hello"])
assert logging.getLogger().handlers == [], logging.getLogger().handlers
assert logging.getLogger().level == logging.WARNING
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
