"""What a text looks like, in numbers that need no language: its lengths, lines and signs.

Nothing that NumPy or Arrow has goes over all texts once: each of these counts would be a pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.kernels import kernel

Floats = NDArray[np.float64]

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
_NOTHING = np.zeros(0, np.uint8)


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
