"""Numbers from a text without knowing its language: what it looks like, and which words it holds.

A word is a run of letters, a single digit or a single sign. Words and pairs of neighbours are
known by a 64-bit hash (FNV-1a) and never by their letters, so what a router keeps holds no text.
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
    *("characters", "words", "lines", "numbers"),
    *("first_line", "last_line", "longest_line", "shortest_line"),
    *("word_length", "long_words", "line_spread", "bare_lines"),
    *("letters", "digits", "capitals", "non_ascii", "blanks"),
    *("operators", "code_marks", "brackets", "commas", "stops", "question_marks", "quotes"),
    "underscores",
)
"""What :func:`shapes` measures: logarithms of counts and of lengths of lines; the mean length of
words, the share of long ones, how unlike in length lines are, the share of lines with at most one
letter; then shares of all characters."""
_LENGTHS = 8
"""Of these, so many are logarithms."""
_SIGNS = ("+-*/=^<>%$", "{}\\`;|&#@~", "()[]", ",", ".:!", "?", "\"'", "_")
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
    out[:, :_LENGTHS] = np.log1p(out[:, :_LENGTHS])
    return out


def _classes() -> NDArray[np.uint8]:
    kinds = np.zeros(256, np.uint8)
    for kind, signs in enumerate(_SIGNS):
        kinds[[ord(sign) for sign in signs]] = kind + 1
    return kinds


_CLASSES = _classes()


@kernel
def _shapes(data: Any, starts: Any, classes: Any, out: Any) -> None:
    for i in range(len(starts) - 1):
        row = out[i]
        word, number, long, lettered = 0, 0, 0, 0
        length, letters = 0, 0
        lines, total, squares = 0, 0.0, 0.0
        shortest, bare = 1 << 40, 0
        for at in range(starts[i], starts[i + 1] + 1):
            over = at == starts[i + 1]
            byte = np.uint8(10) if over else data[at]
            if 0x80 <= byte < 0xC0:
                continue  # inside of a character
            digit = 48 <= byte <= 57
            capital = 65 <= byte <= 90
            letter = capital or 97 <= byte <= 122 or byte >= 0xC0
            if letter or digit:
                word += 1
            else:
                row[1] += word > 0
                lettered += word
                long += word > 8
                word = 0
            number = number + 1 if digit else 0
            row[3] += number == 1
            if byte == 10:
                if length > 0:
                    if lines == 0:
                        row[4] = length
                    row[5] = length
                    row[6] = max(row[6], length)
                    shortest = min(shortest, length)
                    lines += 1
                    total += length
                    squares += length * length
                    bare += letters <= 1
                length, letters = 0, 0
            else:
                length += 1
                letters += 1 if letter else 0
            if over:
                break
            row[0] += 1
            row[12] += letter
            row[13] += digit
            row[14] += capital
            row[15] += byte >= 0xC0
            row[16] += byte == 32
            if classes[byte]:
                row[16 + classes[byte]] += 1
        row[2] = lines
        if lines:
            row[7] = shortest
            mean = total / lines
            row[10] = np.sqrt(max(squares / lines - mean * mean, 0.0)) / mean
            row[11] = bare / lines
        if row[1] > 0:
            row[8] = lettered / row[1]
            row[9] = long / row[1]
        for c in range(12, len(row)):
            row[c] /= max(row[0], 1.0)


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
    import scipy.sparse as sp  # type: ignore[import-untyped]

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
    out = np.zeros(2 * int(starts[-1] - starts[0]), np.uint64)
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
        at = starts[i]
        while at < starts[i + 1]:
            byte = data[at]
            at += 1
            value = (value ^ np.uint64(byte)) * prime
            letter = 97 <= byte <= 122 or 65 <= byte <= 90 or byte >= 128
            if letter and at < starts[i + 1]:
                after = data[at]
                if 97 <= after <= 122 or 65 <= after <= 90 or after >= 128:
                    continue
            if byte > 32:
                out[filled] = value
                filled += 1
                if before != np.uint64(0):
                    pair = (before ^ (value >> np.uint64(7))) * prime
                    out[filled] = pair ^ (pair >> np.uint64(29))
                    filled += 1
                before = value
            value = offset
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
