"""TF-IDF of a text's words and pairs of words, as scikit-learn has it, without knowing the words.

A word is a run of letters of any language, a single digit or a single sign. It is known by the
column that ``HashingVectorizer`` gives it and never by its letters, so what a router keeps holds no
text. Of the 2**22 columns only those are kept that enough texts share.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.remembering import is_remembering, once

Known = dict[str, NDArray[Any]]
"""``columns`` (v,) of the vectorizer that are kept, rising, and ``idf`` (v,) how rare each is."""

LEAST = 3
"""Texts that must hold a word for it to be kept."""
MOST = 100_000
"""Words and pairs that are kept, those of the most texts."""
_WORD = r"[^\W\d_]+|[\d_]|[^\w\s]"


def learn_words(texts: Sequence[str]) -> tuple[Known, Any]:
    """Which words and pairs are frequent enough, how rare each is, and the texts' own TF-IDF."""
    from sklearn.feature_extraction.text import TfidfTransformer  # type: ignore[import-untyped]

    hashed = _hashed(texts)
    held = np.bincount(hashed.indices)
    kept = np.flatnonzero(held >= LEAST)
    if len(kept) > MOST:
        kept = np.sort(kept[np.argsort(-held[kept], kind="stable")[:MOST]])
    known: Known = {"columns": kept.astype(np.int32), "idf": np.zeros(0)}
    counts = _of(known, hashed)
    if len(kept):
        known["idf"] = TfidfTransformer().fit(counts).idf_
    return known, _weighed(known, counts)


def words(known: Known, texts: Sequence[str]) -> Any:
    """TF-IDF of the known words: (n, v) SciPy CSR, rows of unit length, 1 + log of counts."""
    return _weighed(known, _of(known, _hashed(texts)))


def _weighed(known: Known, counts: Any) -> Any:
    """As TfidfTransformer does it, without its checks, which take longer than one text."""
    from sklearn.utils.sparsefuncs_fast import (  # type: ignore[import-untyped]
        inplace_csr_row_normalize_l2,
    )

    counts.data = (np.log(counts.data) + 1.0) * known["idf"][counts.indices]
    inplace_csr_row_normalize_l2(counts)
    return counts


def _hashed(texts: Sequence[str]) -> Any:
    """How often each column's words stand in each text, (n, 2**22) SciPy CSR."""
    import scipy.sparse as sp  # type: ignore[import-untyped]

    vectorizer = _vectorizer()
    shape = (len(texts), vectorizer.n_features)
    if not len(texts):  # which scikit-learn refuses
        return sp.csr_matrix(shape)
    if not is_remembering():
        return vectorizer.transform(texts)
    columns, counts = zip(*once("words", texts, _rows), strict=True)
    ends = np.cumsum([0, *map(len, columns)])
    return sp.csr_matrix((np.concatenate(counts), np.concatenate(columns), ends), shape=shape)


def _rows(texts: Sequence[str]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The columns and counts of each text."""
    hashed = _vectorizer().transform(texts)
    ends = hashed.indptr[1:-1]
    each = np.split(hashed.indices, ends), np.split(hashed.data, ends)
    return list(zip(*each, strict=True))


def _of(known: Known, hashed: Any) -> Any:
    """The known ones of all columns, (n, v); work only for what stands in the texts."""
    import scipy.sparse as sp

    kept = known["columns"]
    place = np.searchsorted(kept, hashed.indices)
    there = place < len(kept)
    there[there] = kept[place[there]] == hashed.indices[there]
    rows = np.concatenate([[0], np.cumsum(there)])[hashed.indptr]
    shape = (hashed.shape[0], len(kept))
    return sp.csr_matrix((hashed.data[there], place[there], rows), shape=shape)


@cache
def _vectorizer() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        token_pattern=_WORD,
        lowercase=False,
        ngram_range=(1, 2),
        alternate_sign=False,
        norm=None,
        n_features=2**22,  # in 2**20, words of MMLU share columns, which costs 0.001 of APGR
    )
