"""Columns that know the answer: what makes a router look good and then fails.

A column that is written after the answer, or from it, predicts nothing when a request comes in.
Signs of it: its name; that by itself, out of fold, it all but tells which answers were accepted
while no other column comes near; that it holds what a model answered, or should have. A prompt that
stands on both sides of a split is known by heart. None of these is proof, so they warn and do not
stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.evaluate.format import counted, number, percent
from toolkit.evaluate.routers.draws import Floats, Ints
from toolkit.evaluate.routers.holding import holding, keys
from toolkit.schema import CATEGORY, PROMPT, REQUEST_ID

SURE = 0.98
"""An area under the ROC curve above this all but tells the outcome, ..."""
CERTAIN = 0.995
"""A column that the router does not read is told of only above this."""
MARGIN = 0.05
"""... which is suspicious where no other column comes within this."""
FEWEST = 20
"""Outcomes of each kind that a model needs, for a column to be held against them."""
MOST_ROWS = 5_000
"""Requests that are looked at, drawn evenly."""
BINS = 50
"""A number is told by so many steps of equal mass."""
FOLDS = 5
GIVEN = (REQUEST_ID, CATEGORY)
"""Known of any request; a converter of units answers one category and no other, and rightly so."""
WORDS = 2**14
"""Words and pairs of words are told apart by so many hashes."""
AFTERWARDS = (
    *("answer", "expected", "label", "target", "truth", "gold", "reference", "solution"),
    *("grade", "grader", "score", "correct", "accepted", "quality", "outcome", "judge", "winner"),
    *("output", "response", "completion", "feedback", "rating", "verdict"),
)
"""The last word in the name of a column that is known only afterwards."""


def leaks(
    requests: pa.Table,
    quality: Floats,
    models: Sequence[str],
    *,
    read: Sequence[str] = (),
    fold: Ints | None = None,
    group: Ints | None = None,
    answers: Mapping[str, Sequence[str | None]] | None = None,
    seed: int = 0,
) -> tuple[str, ...]:
    """Warnings, a sentence each; none where nothing is suspicious.

    ``requests`` (n rows) with all their columns and ``quality`` (n, m); ``read`` names the columns
    that the router reads. ``fold`` (n,) and ``group`` (n,), requests that say nearly the same,
    show what stands on both sides. ``answers`` holds the texts (n) of each model.
    """
    found = [_by_name(name) for name in read if named_afterwards(name)]
    for name, model, area, next_best in determining(requests, quality, models, seed=seed):
        if name not in read and area < CERTAIN:
            continue
        how = f"; no other column is above {number(next_best)}" if next_best > 0.5 else ""
        out = "" if name in read else " The router does not read it."
        found.append(
            f"Column {name!r} by itself all but tells whether {model} is right (AUC"
            f" {number(area)}{how}): it may have been made from the answers.{out}"
        )
    if answers:
        own = [name for name in read if name not in (PROMPT, *GIVEN)]
        found += holding(requests, answers, own)
        found += keys(requests, quality, models, answers, own)
    if fold is not None:
        same = group if group is not None else _same_prompt(requests)
        found += _both_sides(fold, same) if same is not None else []
    return tuple(dict.fromkeys(found))


def named_afterwards(name: str) -> bool:
    """Whether a column's name says that it is known only after the answer."""
    # The last word says what it is: a target language is known before.
    word = name.lower().replace("-", "_").replace(".", "_").split("_")[-1]
    return word in AFTERWARDS or word.removesuffix("s") in AFTERWARDS


def determining(
    requests: pa.Table, quality: Floats, models: Sequence[str], *, seed: int = 0
) -> list[tuple[str, str, float, float]]:
    """Columns that alone tell an outcome: (column, model, its AUC, the best of the others').

    One entry per column, for the model that it tells best.
    """
    n = len(quality)
    rng = np.random.default_rng([seed, n])
    rows = np.sort(rng.permutation(n)[:MOST_ROWS])
    good = np.where(np.isnan(quality[rows]), np.nan, quality[rows] >= 0.5)
    few = np.minimum((good == 1).sum(axis=0), (good == 0).sum(axis=0))
    judged = np.flatnonzero(few >= FEWEST)
    if not len(judged):
        return []
    fold = rng.permutation(len(rows)) % FOLDS
    table = requests.take(pa.array(rows))
    names = [c for c in table.column_names if c not in GIVEN and _readable(table[c].type)]
    area = np.array([_areas(table[c], good[:, judged], fold) for c in names])
    area = area.reshape(len(names), len(judged))
    found = []
    plain = np.where(area > SURE, 0.5, area).max(axis=0, initial=0.5)
    for name, own in zip(names, area, strict=True):
        suspicious = (own > SURE) & (own - plain > MARGIN)
        if suspicious.any():
            j = int(np.where(suspicious, own, 0).argmax())
            found.append((name, models[int(judged[j])], float(own[j]), float(plain[j])))
    return found


def _areas(column: pa.ChunkedArray, good: Floats, fold: Ints) -> Floats:
    """(m,) AUC of each model's outcomes (n, m), told out of fold by this column alone."""
    from scipy import sparse  # type: ignore[import-untyped]
    from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

    kind = _plain(column.type)
    n = len(column)
    if _is_text(kind) and pc.count_distinct(column).as_py() > n / 4:
        from sklearn.feature_extraction.text import HashingVectorizer  # type: ignore[import-untyped]

        hashed = HashingVectorizer(
            n_features=WORDS, ngram_range=(1, 2), binary=True, norm=None, alternate_sign=False
        )
        text = pc.fill_null(pc.cast(column, pa.string()), "").to_pylist()
        x = sparse.csr_array(hashed.transform(text))
    else:
        code = _coded(column, kind)
        x = sparse.csr_array((np.ones(n), (np.arange(n), code)))
    there = ~np.isnan(good)
    yes, no = np.where(there, good, 0.0), np.where(there, 1 - good, 0.0)
    score = np.zeros(good.shape)
    for f in range(FOLDS):
        # Naive Bayes: of each value or word, how much oftener it stands by an accepted answer.
        train, test = fold != f, fold == f
        up, down = x[train].T @ yes[train], x[train].T @ no[train]
        odds = np.log((up + 0.5) / (yes[train].sum(axis=0) + 1))
        odds -= np.log((down + 0.5) / (no[train].sum(axis=0) + 1))
        score[test] = x[test] @ odds
    return np.array([roc_auc_score(good[t, j], score[t, j]) for j, t in enumerate(there.T)])


def _coded(column: pa.ChunkedArray, kind: pa.DataType) -> NDArray[np.intp]:
    """Values as codes (n,); a number with many values by its steps."""
    if not _is_text(kind) and not pa.types.is_boolean(kind):
        if pa.types.is_temporal(kind):
            column = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64())
        x = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        known = np.isfinite(x)
        edges = (
            np.unique(np.quantile(x[known], np.arange(1, BINS) / BINS)) if known.any() else x[:0]
        )
        if len(np.unique(x[known])) > BINS:
            return np.where(known, np.searchsorted(edges, x, side="right"), BINS + 1)
    text = pc.fill_null(pc.cast(column, pa.string()), "").combine_chunks()
    code = pc.dictionary_encode(text).indices.to_numpy(zero_copy_only=False)
    return np.asarray(code, np.intp)


def _by_name(name: str) -> str:
    return (
        f"Column {name!r} is read by the router, and by its name it is known only after the"
        " answer: a live request does not have it."
    )


def _both_sides(fold: Ints, group: Ints) -> list[str]:
    """Requests that say nearly the same as one in another fold."""
    inside = fold >= 0
    fold, group = fold[inside], np.unique(group[inside], return_inverse=True)[1]
    if not len(group):
        return []
    low, high = np.full(group.max() + 1, fold.max()), np.zeros(group.max() + 1, fold.dtype)
    np.minimum.at(low, group, fold)
    np.maximum.at(high, group, fold)
    split = (low != high)[group]
    if not split.any():
        return []
    n = int(split.sum())
    text = (
        f"{counted(n, 'request')} ({percent(n / len(split))}) say nearly the same as one in"
        " another fold: the router knows them by heart, and looks better than it is. Split by"
        " group, not at random."
    )
    return [text]


def _same_prompt(requests: pa.Table) -> Ints | None:
    if PROMPT not in requests.column_names:
        return None
    text = pc.cast(requests[PROMPT], pa.string()).combine_chunks()
    code = pc.dictionary_encode(text).indices
    known = pc.is_valid(code).to_numpy(zero_copy_only=False)
    group: NDArray[np.intp] = pc.fill_null(code, 0).to_numpy(zero_copy_only=False).astype(np.intp)
    group[~known] = len(group) + np.arange(int((~known).sum()))
    return group


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _readable(kind: pa.DataType) -> bool:
    kind = _plain(kind)
    return bool(
        _is_text(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_timestamp(kind)
        or pa.types.is_date(kind)
    )
