"""Numbers from a text without knowing its language: what it looks like, and which words it holds.

Words and pairs of words are known by a 64-bit hash (FNV-1a over lower-case bytes) and never by
their letters, so what a router keeps holds no text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.kernels import kernel

Floats = NDArray[np.float64]
Known = dict[str, NDArray[Any]]
"""``hashes`` (v,) uint64, rising, and ``idf`` (v,) how rare each is."""

SHAPES = (
    *("characters", "words", "lines", "word_length", "digits", "capitals", "non_ascii"),
    *("operators", "code_marks", "punctuation", "question_marks", "quotes", "blanks"),
)
"""What :func:`shapes` counts: logarithms of the first three, then shares of all characters."""
LEAST = 3
"""Texts that must hold a word for it to be kept."""
MOST = 100_000
"""Words and pairs that are kept, the most frequent ones."""


def text_bytes(texts: pa.ChunkedArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The UTF-8 bytes of all texts one after the other, and the n + 1 places where they begin."""
    whole = pa.concat_arrays(
        [pc.fill_null(chunk.cast(pa.large_string()), "") for chunk in texts.chunks]
        or [pa.array([], pa.large_string())]
    )
    _, offsets, data = whole.buffers()
    starts = np.zeros(1, np.int64)
    if len(whole):
        starts = np.frombuffer(offsets, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None and data.size else _NOTHING
    return held, starts


_NOTHING = np.zeros(0, np.uint8)


def shapes(data: NDArray[np.uint8], starts: NDArray[np.int64]) -> Floats:
    """What each text looks like, (n, len(SHAPES))."""
    out = np.zeros((len(starts) - 1, len(SHAPES)))
    _shapes(data, starts, _CLASSES, out)
    length = np.maximum(out[:, :1], 1.0)
    out[:, 3] /= np.maximum(out[:, 1], 1.0)
    out[:, 4:] /= length
    out[:, :3] = np.log1p(out[:, :3])
    return out


def _classes() -> NDArray[np.uint8]:
    kinds = np.zeros(256, np.uint8)
    for kind, signs in enumerate(("+-*/=^<>%$", "{}[]()\\_`;|&#@~", ".,:!'", "?", '"')):
        kinds[[ord(sign) for sign in signs]] = kind + 1
    return kinds


_CLASSES = _classes()


@kernel
def _shapes(data: Any, starts: Any, classes: Any, out: Any) -> None:
    for i in range(len(starts) - 1):
        inside = False
        for at in range(starts[i], starts[i + 1]):
            byte = data[at]
            if 0x80 <= byte < 0xC0:
                continue  # inside of a character
            digit = 48 <= byte <= 57
            capital = 65 <= byte <= 90
            word = digit or capital or 97 <= byte <= 122 or byte >= 0xC0
            kind = classes[byte]
            out[i, 0] += 1
            out[i, 1] += word and not inside
            out[i, 2] += byte == 10
            out[i, 3] += word
            out[i, 4] += digit
            out[i, 5] += capital
            out[i, 6] += byte >= 0xC0
            if kind:
                out[i, 6 + kind] += 1
            out[i, 12] += byte == 32
            inside = word


def learn_words(data: NDArray[np.uint8], starts: NDArray[np.int64]) -> Known:
    """Which words and pairs are frequent enough, and how rare each is.

    That is the logarithm of (1 + n) / (1 + texts that hold it), plus 1.
    """
    hashes, ends = _hashed(data, starts)
    found, counts = np.unique(hashes[: _distinct(hashes, ends)], return_counts=True)
    if (counts >= LEAST).sum() > MOST:
        kept = np.sort(np.lexsort((found, -counts))[:MOST])
    else:
        kept = np.flatnonzero(counts >= LEAST)
    idf = np.log((1 + len(ends)) / (1 + counts[kept])) + 1
    return {"hashes": found[kept], "idf": idf}


def words(known: Known, data: NDArray[np.uint8], starts: NDArray[np.int64]) -> Any:
    """TF-IDF of the known words: (n, v) SciPy CSR, rows of unit length, 1 + log of counts."""
    import scipy.sparse as sp

    hashes, ends = _hashed(data, starts)
    columns, values = np.zeros(len(hashes), np.int32), np.zeros(len(hashes))
    rows = np.zeros(len(ends) + 1, np.int32)
    filled = _tfidf(hashes, ends, known["hashes"], known["idf"], columns, values, rows)
    shape = (len(ends), len(known["hashes"]))
    return sp.csr_matrix((values[:filled], columns[:filled], rows), shape=shape)


def _hashed(
    data: NDArray[np.uint8], starts: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The words and pairs of all texts in their order, and where those of each text end."""
    out = np.zeros(int(starts[-1] - starts[0]) + len(starts), np.uint64)  # two letters make a word
    ends = np.zeros(len(starts) - 1, np.int64)
    return out[: _hash(data, starts, out, ends)], ends


@kernel
def _hash(data: Any, starts: Any, out: Any, ends: Any) -> int:
    prime = np.uint64(1099511628211)
    offset = np.uint64(14695981039346656037)
    filled = 0
    for i in range(len(starts) - 1):
        before = np.uint64(0)
        value = offset
        length = 0
        for at in range(starts[i], starts[i + 1] + 1):
            byte = data[at] if at < starts[i + 1] else np.uint8(32)
            if 65 <= byte <= 90:
                byte = np.uint8(byte + 32)
            if 97 <= byte <= 122 or 48 <= byte <= 57 or byte == 95 or byte >= 128:
                value = (value ^ np.uint64(byte)) * prime
                length += 1
                continue
            if length > 1:
                out[filled] = value
                filled += 1
                if before != np.uint64(0):
                    pair = (before ^ (value >> np.uint64(7))) * prime
                    out[filled] = pair ^ (pair >> np.uint64(29))
                    filled += 1
                before = value
            value = offset
            length = 0
        ends[i] = filled
    return filled


@kernel
def _distinct(hashes: Any, ends: Any) -> int:
    """Each text's hashes without repetition, moved to the front; how many are left."""
    filled = 0
    start = 0
    for i in range(len(ends)):
        some = np.sort(hashes[start : ends[i]])
        start = ends[i]
        for k in range(len(some)):
            if k == 0 or some[k] != some[k - 1]:
                hashes[filled] = some[k]
                filled += 1
    return filled


@kernel
def _tfidf(
    hashes: Any, ends: Any, known: Any, idf: Any, columns: Any, values: Any, rows: Any
) -> int:
    filled = 0
    start = 0
    for i in range(len(ends)):
        some = np.sort(hashes[start : ends[i]])
        start = ends[i]
        first = filled
        squares = 0.0
        k = 0
        while k < len(some):
            same = k + 1
            while same < len(some) and some[same] == some[k]:
                same += 1
            place = np.searchsorted(known, some[k])
            if place < len(known) and known[place] == some[k]:
                value = (1.0 + np.log(same - k)) * idf[place]
                columns[filled] = place
                values[filled] = value
                squares += value * value
                filled += 1
            k = same
        for e in range(first, filled):
            values[e] /= np.sqrt(squares)
        rows[i + 1] = filled
    return filled
