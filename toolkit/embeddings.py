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

_tokens_of: dict[str, tuple[int, ...]] = {}


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors of some texts, (n, 256), of unit length; of an empty text all 0."""
    if is_remembering() and len(texts):
        return np.stack(once("vectors", texts, lambda new: list(_embed(new))))
    return _embed(texts)


def _embed(texts: Sequence[str]) -> NDArray[np.float32]:
    vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
    for first in range(0, len(texts), _BLOCK):
        block = vectors[first : first + _BLOCK]
        tokens, ends = _tokens(texts[first : first + _BLOCK])
        _means(_model().embedding, tokens, ends, block)
    return vectors


def _tokens(texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The token numbers of all texts, one after the other, and where each text's end."""
    global _tokens_of  # noqa: PLW0603 - replaced and not emptied, as others may be reading it
    known = _tokens_of
    if len(known) > _MOST:
        known = _tokens_of = {}
    pieces = [_pieces(text) for text in texts]
    new = [piece for piece in set(chain.from_iterable(pieces)) if piece not in known]
    found = dict(zip(new, _encode(new), strict=True))
    known.update((p, tokens) for p, tokens in found.items() if len(p) <= _LONGEST)
    each = [[known.get(piece) or found[piece] for piece in of_text] for of_text in pieces]
    counts = [sum(map(len, of_text)) for of_text in each]
    flat = chain.from_iterable(chain.from_iterable(each))
    return np.fromiter(flat, np.int32, sum(counts)), np.cumsum(counts, dtype=np.int64)


def _pieces(text: str) -> list[str]:
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    if not text.strip():
        return []
    # The tokenizer puts a blank before each text.
    return [text] if _WHOLE(text) else _PIECES(" " + text)


def _encode(pieces: list[str]) -> list[tuple[int, ...]]:
    """The tokens of each piece as it stands inside of a text, or of a whole text."""
    # Behind a line break a piece gets no blank of the tokenizer's own: that one and the line
    # break are the first two tokens.
    whole = [_WHOLE(piece) is not None for piece in pieces]
    lines = [piece if w else "\n" + piece for piece, w in zip(pieces, whole, strict=True)]
    encoded = _model().tokenizer.encode_batch_fast(lines, add_special_tokens=False)
    return [tuple(e.ids[0 if w else 2 :]) for e, w in zip(encoded, whole, strict=True)]


@kernel
def _means(table: Any, tokens: Any, ends: Any, out: Any) -> None:
    """Each text's mean of the rows of ``table`` (v, d) that ``tokens`` name, of unit length."""
    sums = np.zeros(table.shape[1], np.float64)
    start = 0
    for i in range(len(ends)):
        end = ends[i]
        if end > start:
            sums[:] = 0.0
            for t in range(start, end):
                row = table[tokens[t]]
                for c in range(len(sums)):
                    sums[c] += row[c]
            squares = 0.0
            for c in range(len(sums)):
                sums[c] /= end - start
                squares += sums[c] * sums[c]
            length = np.sqrt(squares)
            if length == 0.0:
                length = 1.0
            for c in range(len(sums)):
                out[i, c] = sums[c] / length
        start = end


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
