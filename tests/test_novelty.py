from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import DataError
from toolkit.learn import novelty
from toolkit.learn.novelty import Familiar

ROOT = Path(__file__).parents[1]


def rows(n, d, seed=0):
    """Rows in a few clouds, as texts on a few subjects are; some equal, one of zeros."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.standard_normal((7, d))
    found = centres[rng.integers(0, 7, n)] + rng.standard_normal((n, d))
    found[n // 3] = found[n // 2]
    found[n // 4] = 0
    return found.astype(np.float32)


def cosine(a, b):
    """One pair, as one would write it; a row of zeros is like another one only."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    if not a.any() or not b.any():
        return float(not a.any() and not b.any())
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


@cache
def small():
    """700 remembered rows of 19 numbers."""
    return Familiar.fit(rows(700, 19, seed=1), list(map(str, range(700))), seed=0)


@pytest.fixture(scope="module")
def known():
    """2,500 remembered rows of 24 numbers: more than there are landmarks."""
    train = rows(2_500, 24)
    return train, Familiar.fit(train, [f"r{i}" for i in range(len(train))], seed=3)


def test_novelty_is_the_share_of_training_rows_nearer_to_a_landmark(known):
    """Every distance equals the plain one, and so does the quantile, for rows near and far."""
    train, familiar = known
    query = np.vstack([rows(40, 24, seed=9), train[:20], 50 * np.eye(24)[:3]])
    marks = familiar.row[familiar.landmark]
    assert len(marks) == novelty.LANDMARKS
    usual = [
        min(1 - cosine(row, train[m]) for m in marks if m != i)
        for i, row in list(enumerate(train))[::50]
    ]
    for value in usual:
        at = (
            np.searchsorted(familiar.usual, value - 1e-6),
            np.searchsorted(familiar.usual, value + 1e-6),
        )
        assert at[0] < at[1], "a training row's leave-one-out distance is among the usual ones"
    for row, got in zip(query, familiar.novelty(query), strict=True):
        distance = min(1 - cosine(row, train[m]) for m in marks)
        low, high = (np.mean(familiar.usual < distance + e) for e in (-1e-6, 1e-6))
        assert low <= got <= high


def test_novelty_of_unseen_rows_like_the_training_rows_is_uniform():
    """Of further rows of the same kind about a tenth lies in each tenth; noise is beyond them."""
    rng = np.random.default_rng(0)
    both = rows(5_000, 24)[rng.permutation(5_000)]
    familiar = Familiar.fit(both[:2_500], ["x"] * 2_500, seed=0)
    shares = np.histogram(familiar.novelty(both[2_500:]), bins=10, range=(0, 1))[0] / 2_500
    assert shares == pytest.approx(0.1, abs=0.03)
    assert (familiar.novelty(rng.standard_normal((50, 24))) > 0.95).mean() > 0.9


def test_nearest_is_that_of_a_plain_loop(known):
    """The most similar rows, best first, equally similar ones by number."""
    train, familiar = known
    query = rows(12, 24, seed=5)
    at, similarity = familiar.nearest(query, k=7)
    for i, row in enumerate(query):
        exact = np.array([cosine(row, other) for other in train])
        order = np.lexsort((np.arange(len(train)), -exact))[:7]
        # A row of zeros is as unlike all others but for rounding, so their order means nothing.
        assert at[i].tolist() == order.tolist() or not row.any()
        assert similarity[i] == pytest.approx(exact[order], abs=1e-6)


def test_a_known_row_is_its_own_nearest(known):
    """It is there with similarity 1, and of two equal rows the first comes first."""
    train, familiar = known
    at, similarity = familiar.nearest(train[[7, len(train) // 2, len(train) // 4]], k=2)
    assert similarity[:, 0].tolist() == [1, 1, 1]
    assert at[0, 0] == 7
    assert at[1].tolist() == [len(train) // 3, len(train) // 2]
    assert at[2, 0] == len(train) // 4  # the row of zeros
    assert similarity[2, 1] == pytest.approx(0, abs=1e-6)


@given(
    st.lists(st.integers(0, 399), min_size=1, max_size=60),
    st.integers(1, 300),
    st.sampled_from(["C", "F", "strided", "float64"]),
)
def test_a_row_is_the_same_alone_and_in_any_batch(picked, k, layout):
    """To the last digit, however the batch is made up or laid out in memory."""
    familiar = small()
    batch = rows(400, 19, seed=2)[picked]
    laid = {
        "C": batch,
        "F": np.asfortranarray(batch),
        "strided": np.repeat(batch, 2, axis=1)[:, ::2],
        "float64": batch.astype(np.float64),
    }[layout]
    together, (at, similarity) = familiar.novelty(laid), familiar.nearest(laid, k)
    i = len(picked) // 2
    one, (at_one, similarity_one) = familiar.novelty(batch[[i]]), familiar.nearest(batch[[i]], k)
    assert together[i] == one[0]
    assert at[i].tolist() == at_one[0].tolist()
    assert similarity[i].tolist() == similarity_one[0].tolist()


def test_threads_agree(known):
    """Rows shared among threads, and several threads at once, give what one gives."""
    train, familiar = known
    whole = familiar.novelty(train)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(familiar.novelty, [train] * 4))
    assert all((one == whole).all() for one in again)
    parts = [familiar.novelty(train[i : i + 100]) for i in range(0, len(train), 100)]
    assert (np.concatenate(parts) == whole).all()


def test_another_process_gives_the_same(known, tmp_path):
    """After a way through a file, in a process of its own, nothing differs."""
    train, familiar = known
    (tmp_path / "familiar").write_bytes(pickle.dumps((familiar, train[:50])))
    code = (
        "import pickle, sys; f, q = pickle.load(open(sys.argv[1], 'rb'));"
        " sys.stdout.buffer.write(f.novelty(q).tobytes() + f.nearest(q)[1].tobytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "familiar")],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    here = familiar.novelty(train[:50]).tobytes() + familiar.nearest(train[:50])[1].tobytes()
    assert done.stdout == here


def test_the_same_seed_remembers_the_same(known):
    """Fitting twice gives equal rows and landmarks; another seed draws other landmarks."""
    train, familiar = known
    ids = [f"r{i}" for i in range(len(train))]
    again, other = Familiar.fit(train, ids, seed=3), Familiar.fit(train, ids, seed=4)
    assert (again.landmark == familiar.landmark).all()
    assert (again.usual == familiar.usual).all()
    assert (other.landmark != familiar.landmark).any()


def test_of_many_rows_some_are_remembered(monkeypatch):
    """Numbers and ids are those of the training data, also where only a part is kept."""
    monkeypatch.setattr(novelty, "REMEMBERED", 50)
    train = rows(300, 6)
    familiar = Familiar.fit(train, [f"request {i} ü" for i in range(300)], seed=0)
    assert len(familiar.row) == len(familiar.ids) == 50
    assert (np.diff(familiar.row) > 0).all()
    assert familiar.ids == tuple(f"request {i} ü" for i in familiar.row)
    at, similarity = familiar.nearest(train[familiar.row], k=1)
    assert (train[at[:, 0]] == train[familiar.row]).all()
    assert (similarity == 1).all()


@pytest.mark.parametrize(
    ("train", "query", "expected"),
    [
        ([[1, 2]], [[2, 4], [2, -1], [0, 0]], [0, 1, 1]),  # one row only
        ([[1, 2]] * 5, [[1, 2], [1, 2.5]], [0, 1]),  # all equal
        ([[0, 0]] * 3, [[0, 0], [1, 0]], [0, 1]),  # empty prompts only
        ([[1, 0], [0, 1]], [[1, 1], [1, 0], [-1, -1]], [0, 0, 1]),
        ([[1e300, 1e300], [1e-300, 0]], [[1, 1], [-1, 0]], [0, 1]),  # squares beyond all numbers
    ],
)
def test_few_and_equal_rows(train, query, expected):
    """With hardly anything to compare with, what is known is familiar and the rest is new."""
    familiar = Familiar.fit(np.array(train, float), ["x"] * len(train), seed=0)
    assert familiar.novelty(np.array(query, float)).tolist() == expected


def test_no_rows_to_ask_about(known):
    """An empty batch has an empty answer, and no neighbours are wanted of k = 0."""
    _, familiar = known
    assert familiar.novelty(np.empty((0, 24))).shape == (0,)
    assert familiar.nearest(np.empty((0, 24)), 5)[0].shape == (0, 5)
    assert familiar.nearest(np.ones((3, 24)), 0)[1].shape == (3, 0)
    assert familiar.nearest(np.ones((1, 24)), 10**9)[0].shape == (1, 2_500)


@pytest.mark.parametrize(
    ("vectors", "ids", "match"),
    [
        (np.empty((0, 3)), [], "nothing to remember; got 0 rows"),
        (np.empty((3, 0)), ["a"] * 3, "nothing to remember; got 3 rows of 0"),
        (np.ones(3), ["a"] * 3, r"got the shape \(3,\)"),
        (np.ones((3, 2)), ["a"], "got 1 ids for 3 rows"),
        (np.array([[1.0, 2], [3, np.nan]]), ["a", "b"], "row 1 has numbers that are not finite"),
        (np.array([[1.0, np.inf]]), ["a"], "row 0 has numbers that are not finite"),
    ],
)
def test_what_cannot_be_remembered(vectors, ids, match):
    """A message says what was wrong with the rows."""
    with pytest.raises(DataError, match=match):
        Familiar.fit(vectors, ids, seed=0)


def test_rows_of_another_width_are_refused(known):
    """A vector of another embedding is no vector here."""
    _, familiar = known
    with pytest.raises(DataError, match="got 5 numbers; allowed: 24"):
        familiar.novelty(np.ones((2, 5)))
    with pytest.raises(DataError, match="row 1 has numbers"):
        familiar.nearest(np.array([[0.0] * 24, [np.nan] * 24]))


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("landmark", np.array([10**9]), "landmark names rows"),
        ("landmark", np.array([-1]), "landmark names rows"),
        ("landmark", np.empty(0, np.int64), "landmark names rows"),
        ("unit", np.ones((2_500, 8), np.float32), "unit has the shape"),
        ("unit", np.full((2_500, 32), np.nan, np.float32), "not finite"),
        ("unit", np.ones((2_500, 32)), "no array of float32"),
        ("row", np.arange(3), "differ in length"),
        ("row", [1, 2], "row is no array of int64"),
        ("width", 10**6, "unit has the shape"),
        ("width", "24", "got the fields"),
        ("more", 1, "got the fields"),
    ],
)
def test_fields_that_do_not_fit_are_refused(known, field, value, match):
    """Whatever a file says, a compiled loop is never sent beyond its rows."""
    state = known[1].__getstate__() | {field: value}
    with pytest.raises(DataError, match=match):
        Familiar.__new__(Familiar).__setstate__(state)
