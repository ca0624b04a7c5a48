"""What is worked out of a text is kept while it is needed, and changes nothing but the time."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit import remembering as module
from toolkit.embeddings import embed
from toolkit.learn.words import learn_words, words
from toolkit.remembering import is_remembering, once, remembering

TEXTS = ["tax law of 1990", "tax law", "", "law, tax law", "tax law", "die Steuer\nund das Gesetz"]


def lengths(asked):
    """A work that notes what it was asked."""

    def work(texts):
        asked.append(list(texts))
        return [len(text) for text in texts]

    return work


def test_only_new_texts_are_worked_on():
    """Each text once, in the order of the texts; another kind of work has its own."""
    asked: list[list[str]] = []
    with remembering():
        assert once("length", ["a", "bb", "a"], lengths(asked)) == [1, 2, 1]
        assert once("length", ["ccc", "bb"], lengths(asked)) == [3, 2]
        assert once("length", ["a"], lengths(asked)) == [1]
        assert once("other", ["a"], lengths(asked)) == [1]
    assert asked == [["a", "bb"], ["ccc"], ["a"]]


def test_nothing_is_kept_outside_or_afterwards():
    """Also where the work within fails; one inside of another does not forget the outer's."""
    asked: list[list[str]] = []

    @remembering()
    def fails():
        once("length", ["a"], lengths(asked))
        with remembering():
            once("length", ["a"], lengths(asked))
        once("length", ["a"], lengths(asked))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not is_remembering()
    once("length", ["a"], lengths(asked))
    once("length", ["a"], lengths(asked))
    assert asked == [["a"]] * 4


def test_more_than_may_be_kept_is_worked_out_again(monkeypatch):
    """Results are right beyond the limit, too."""
    monkeypatch.setattr(module, "MOST", 2)
    asked: list[list[str]] = []
    with remembering():
        for _ in range(2):
            assert once("length", ["a", "bb", "ccc"], lengths(asked)) == [1, 2, 3]
    assert asked == [["a", "bb", "ccc"], ["ccc"]]


def test_embeddings_and_words_are_the_same():
    """Bit by bit, for new and for known texts, in any order."""
    vectors = embed(TEXTS)
    known, found = learn_words([*TEXTS, *TEXTS])
    again = words(known, TEXTS)
    with remembering():
        for order in (TEXTS[:3], TEXTS, TEXTS[::-1]):
            at = [TEXTS.index(text) for text in order]
            assert np.array_equal(embed(order), vectors[at])
            assert np.array_equal(words(known, order).toarray(), again[at].toarray())
        assert embed([]).shape == (0, 256)
        assert words(known, []).shape == (0, again.shape[1])
        inside, here = learn_words([*TEXTS, *TEXTS])
    assert all(np.array_equal(inside[name], known[name]) for name in known)
    assert np.array_equal(here.toarray(), found.toarray())
