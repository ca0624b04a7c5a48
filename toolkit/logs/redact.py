"""Masking what is personal or secret in columns of text.

Of the libraries, presidio needs spaCy (hundreds of megabytes) even for its patterns, detect-secrets
tells that a key is there but not always where (of a GitHub token it gives the first letters), and
scrubadub is no longer kept. So the numbers are judged by python-stdnum (Luhn, IBAN) and by
phonenumbers (Google's numbering plans), both released monthly or so, small and pure; the few forms
of keys are in ``keys.py``. Arrow's RE2 first picks the texts that may have something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.logs import keys, personal

Texts = TypeVar("Texts", pa.Array, pa.ChunkedArray)


@dataclass(frozen=True)
class Kind:
    """Something to mask."""

    name: str
    likely: str
    """RE2 that every text with one matches."""
    find: Callable[[str], Iterator[tuple[int, int]]]
    """Where in a text they begin and end."""

    @property
    def mask(self) -> str:
        """What stands in their place."""
        return f"[{self.name.upper()}]"


KINDS = (
    Kind("key", keys.LIKELY, keys.keys),
    Kind("email", personal.LIKELY_EMAIL, personal.emails),
    Kind("iban", personal.LIKELY_IBAN, personal.ibans),
    Kind("card", personal.LIKELY_CARD, personal.cards),
    Kind("phone", personal.LIKELY_PHONE, personal.phones),
)
"""In the order in which they are masked: the surest first."""


def redact(texts: Texts) -> tuple[Texts, Counter[str]]:
    """Mask a column of text; null stays null, and masking twice changes nothing more.

    Returns the column with the type that it had, and how many of each kind (``email``, ``phone``,
    ``card``, ``iban``, ``key``) were masked. Each distinct text is looked at once.
    """
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    coded = whole.cast(pa.string()).dictionary_encode()
    distinct = coded.dictionary
    likely = np.array([pc.match_substring_regex(distinct, kind.likely) for kind in KINDS], bool)
    times = np.bincount(np.asarray(coded.indices.drop_null()), minlength=len(distinct))
    counts: Counter[str] = Counter()
    clean = distinct.to_pylist() if likely.any() else []
    for i in np.flatnonzero(likely.any(axis=0)):
        kinds = [kind for kind, hit in zip(KINDS, likely[:, i], strict=True) if hit]
        clean[i], found = redact_text(clean[i], kinds)
        for name, count in found.items():
            counts[name] += count * int(times[i])
    if not counts:
        return texts, counts
    masked = pa.array(clean, pa.string()).take(coded.indices).cast(texts.type)
    return pa.chunked_array([masked]) if isinstance(texts, pa.ChunkedArray) else masked, counts


def redact_text(text: str, kinds: Sequence[Kind] = KINDS) -> tuple[str, Counter[str]]:
    """Mask one text, in which these kinds may be; returns it and how many of each were masked."""
    counts: Counter[str] = Counter()
    before = None
    while kinds and text != before:
        before = text
        for kind in kinds:
            parts, end = [], 0
            for start, stop in sorted(kind.find(text)):
                if start >= end:
                    parts += [text[end:start], kind.mask]
                    counts[kind.name] += 1
                end = max(end, stop)
            text = "".join([*parts, text[end:]])
        kinds = KINDS  # a mask may lay bare what stood beside it
    return text, counts
