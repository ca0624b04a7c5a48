"""Columns that hold answers: those that models gave, or those that they should have given.

What is asked for may well stand in the prompt ("which is larger, … or …?"), and a category may be
what is asked for, so that neither is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.evaluate.format import percent
from toolkit.evaluate.routers.draws import Floats
from toolkit.learn.tables import kind_of

FEWEST = 20
"""Outcomes of each kind that a model needs, for a column to be held against them."""
HELD = 0.3
"""A column that holds a model's answer in this share of the requests is told of."""
KEYED = 0.95
"""An answer that names a column's value as surely as this if and only if it is right was graded by
that column: the mean of both shares."""
LONG = 8
"""Shorter answers may stand anywhere by chance."""


def holding(
    requests: pa.Table, answers: Mapping[str, Sequence[str | None]], read: Sequence[str]
) -> list[str]:
    """Columns of text in which the answers of a model stand."""
    text = np.dtypes.StringDType()
    found = []
    for name in read:
        if name not in requests.column_names or kind_of(requests[name].type) != "category":
            continue
        held = np.array(_folded(requests[name].to_pylist()), text)
        for model, given in answers.items():
            answer = np.array(_folded(given), text)
            long = np.strings.str_len(answer) >= LONG
            inside = (np.strings.find(held[long], answer[long]) >= 0).mean() if long.any() else 0.0
            if inside >= HELD:
                found.append(
                    f"Column {name!r} holds the answer of {model} in {percent(float(inside))} of"
                    " the requests: a live request does not."
                )
                break
    return found


def keys(
    requests: pa.Table,
    quality: Floats,
    models: Sequence[str],
    answers: Mapping[str, Sequence[str | None]],
    read: Sequence[str],
) -> list[str]:
    """Columns that hold the correct answers: a model is right where it says what stands there.

    Such a column tells nothing of the model by itself, so its score may be poor.
    """
    found = []
    for name in read:
        if name not in requests.column_names or not kind_of(requests[name].type):
            continue
        key = _folded(pc.cast(requests[name], pa.string()).to_pylist())
        for j, model in enumerate(models):
            said = _folded(answers.get(model, ()))
            there = np.flatnonzero(np.isfinite(quality[:, j])) if said else ()
            same = np.array([bool(key[i]) and _says(said[i], key[i]) for i in there], bool)
            right = quality[there, j] >= 0.5 if len(there) else same
            if min(right.sum(), (~right).sum()) < FEWEST:
                continue
            if (same[right].mean() + (~same[~right]).mean()) / 2 >= KEYED:
                found.append(
                    f"Column {name!r} holds the correct answers: {model} is right where its answer"
                    " is what stands there. A live request does not have it."
                )
                break
    return found


def _says(answer: str, key: str) -> bool:
    """Whether an answer names a key as a word of its own."""
    at = answer.find(key)
    while at >= 0:
        end = at + len(key)
        if not (answer[at - 1 : at].isalnum() or answer[end : end + 1].isalnum()):
            return True
        at = answer.find(key, at + 1)
    return False


def _folded(texts: Sequence[str | None]) -> list[str]:
    return [(t or "").strip().casefold() for t in texts]
