"""What a text is about, as a vector: WordLlama's, whose weights come with its package.

A text's vector is the mean of its tokens' vectors, summed in their order, so it does not depend
on what else is embedded. No token of the vocabulary reaches across a line break or into the next
word, so a text is cut there and the tokens of each piece are remembered: words come again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DetourError
from toolkit.kernels import kernel
from toolkit.remembering import is_remembering, once

DIMENSIONS = 256
_PIECES = re.compile(r" +[^ \n]*|[^ \n]+|\n").findall
_WHOLE = re.compile("▁|<s>|</s>|<unk>").search
"""The tokenizer's own signs: a text with one of them is not cut."""
_BLOCK = 4_096
"""Texts at a time."""
_MOST = 200_000
"""Pieces that are remembered, at most (about 40 MB)."""
_LONGEST = 48
"""Characters of a piece that is worth remembering."""

_OTHER = "\0"


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors of some texts, (n, 256), of unit length; of an empty text all 0."""
    if is_remembering() and len(texts):
        return np.stack(once("vectors", texts, lambda new: list(_embed(new))))
    return _embed(texts)


def _embed(texts: Sequence[str]) -> NDArray[np.float32]:
    vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
    for first in range(0, len(texts), _BLOCK):
        block = vectors[first : first + _BLOCK]
        pieces = [_pieces(text) for text in texts[first : first + _BLOCK]]
        stops = np.cumsum([0, *map(len, pieces)], dtype=np.int64)[1:]
        known, number = _numbers(list(chain.from_iterable(pieces)))
        _means(_model().embedding, known.tokens, known.ends, number, stops, block)
    return vectors


class _Known:
    """The tokens of all pieces met so far: of piece number p, ``tokens[ends[p] : ends[p + 1]]``.

    Both grow at their ends only, so that who reads them is not disturbed by who adds to them.
    """

    def __init__(self) -> None:
        self.number: dict[str, int] = {}
        self.count = 0
        self.tokens = np.zeros(1 << 16, np.int32)
        self.ends = np.zeros(1 << 14, np.int64)

    def add(self, pieces: Sequence[str]) -> None:
        """Add pieces that are not there."""
        found = _encode(pieces)
        sizes = np.fromiter(map(len, found), np.int64, len(found))
        first, last = self.count, self.count + len(found)
        ends = self.ends[first] + np.cumsum(sizes)
        if last >= len(self.ends):
            self.ends = np.concatenate([self.ends, np.zeros(last + len(self.ends), np.int64)])
        if ends[-1] > len(self.tokens):
            room = np.zeros(int(ends[-1]) + len(self.tokens), np.int32)
            self.tokens = np.concatenate([self.tokens, room])
        self.tokens[self.ends[first] : ends[-1]] = list(chain.from_iterable(found))
        self.ends[first + 1 : last + 1] = ends
        self.count = last
        self.number.update(zip(pieces, range(first, last), strict=True))

    @property
    def is_full(self) -> bool:
        """There is more than is worth keeping."""
        return self.count > _MOST or int(self.ends[self.count]) > 4 * _MOST


_known = _Known()
_lock = Lock()


def _numbers(pieces: list[str]) -> tuple[_Known, NDArray[np.int64]]:
    """Where each piece stands, and in what."""
    global _known  # noqa: PLW0603 - replaced and not emptied, as others may be reading it
    with _lock:
        if _known.is_full:
            _known = _Known()
        known = _known
        found = list(map(known.number.get, pieces))
        if None in found:
            new = [piece for piece in dict.fromkeys(pieces) if piece not in known.number]
            known.add(new)
            found = list(map(known.number.get, pieces))
            for piece in new:
                if len(piece) > _LONGEST:
                    del known.number[piece]
    return known, np.array(found, np.int64)


def _pieces(text: str) -> list[str]:
    """A text cut up: words that stand behind one blank, without it; lines begin with their break.

    Any other piece, and all of a text that has such, begins with ``_OTHER``.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    if not text.strip():
        return []
    if _WHOLE(text):
        return [_OTHER + text]
    lines = text.replace("\n", " \n")  # the tokenizer puts a blank before each text
    if "  " in lines or _OTHER in text or lines[0] == " " or lines[-1] == " ":
        return [_OTHER + piece for piece in _PIECES(" " + text)]
    return lines.split(" ")


def _encode(pieces: Sequence[str]) -> list[list[int]]:
    """The tokens of each piece as it stands inside of a text, or of a whole text."""
    # Behind a line break a piece gets no blank of the tokenizer's own: that one, and the line
    # break where it is not the piece's, are the first tokens.
    lines, leave = [], []
    for piece in pieces:
        other = piece[:1] == _OTHER
        if other and _WHOLE(piece):
            line, first = piece[1:], 0
        elif piece[:1] == "\n":
            line, first = piece, 1
        else:
            line, first = "\n" + (piece[1:] if other else " " + piece), 2
        lines.append(line)
        leave.append(first)
    encoded = _model().tokenizer.encode_batch_fast(lines, add_special_tokens=False)
    return [e.ids[first:] for e, first in zip(encoded, leave, strict=True)]


@kernel
def _means(table: Any, tokens: Any, ends: Any, pieces: Any, stops: Any, out: Any) -> None:
    """Each text's mean of its tokens' rows of ``table`` (v, d), of unit length.

    Text i has the ``pieces`` up to ``stops[i]``, and piece p the ``tokens`` up to ``ends[p + 1]``.
    """
    sums = np.zeros(table.shape[1], np.float64)
    start = 0
    for i in range(len(stops)):
        count = 0
        sums[:] = 0.0
        for p in pieces[start : stops[i]]:
            for t in tokens[ends[p] : ends[p + 1]]:
                row = table[t]
                for c in range(len(sums)):
                    sums[c] += row[c]
            count += ends[p + 1] - ends[p]
        start = stops[i]
        if count == 0:
            continue
        squares = 0.0
        for c in range(len(sums)):
            sums[c] /= count
            squares += sums[c] * sums[c]
        length = np.sqrt(squares)
        if length == 0.0:
            length = 1.0
        for c in range(len(sums)):
            out[i, c] = sums[c] / length


@cache
def _model() -> Any:
    # The package would set up the program's logging as it is imported, if nothing had done so.
    root, nothing = logging.getLogger(), logging.NullHandler()
    root.addHandler(nothing)
    try:
        import wordllama  # type: ignore[import-untyped]
    except ImportError as error:
        raise DetourError(
            "similarity of texts needs the package wordllama, which is not installed; it has no"
            " wheel for Python 3.14 yet; allowed: an exact cache, or Python 3.11 to 3.13"
        ) from error
    finally:
        root.removeHandler(nothing)
    # It looks for its tokenizer in a cache folder only, and would download it otherwise.
    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, dim=DIMENSIONS, disable_download=True)
    model.tokenizer.no_padding()
    return model
