"""Which requests are judged by which part of the data: folds that share nothing with training.

Who has seen a request, or nearly the same one, knows its answer by heart. So the requests of one
user or session, and prompts that say nearly the same, are in one fold: ``grouped``. ``time`` judges
each block of time by a router of the blocks before it. ``random`` splits request by request, as
published comparisons do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.format import count, counted, percent
from toolkit.evaluate.routers.duplicates import equal_prompts, near_duplicates
from toolkit.logs.dataset import Dataset
from toolkit.scenarios.arrivals import traffic
from toolkit.schema import PROMPT, TIMESTAMP

Split: TypeAlias = Literal["grouped", "time", "random"]
LOPSIDED = 0.3
"""Where a group would be more than this share of the requests, less is held together."""


@dataclass(frozen=True, eq=False)
class Folds:
    """The n requests by the fold that judges them."""

    kind: Split
    code: NDArray[np.intp]
    """(n,) fold of each request, from 0; −1: never judged, as the first block of time is"""
    groups: int
    """of requests that stay together; as many as requests where none do"""
    largest_group: int
    """requests in the largest of them"""
    note: str
    """how they were made, a sentence"""

    @property
    def count(self) -> int:
        """Folds that judge."""
        return int(self.code.max(initial=-1)) + 1

    def training(self, fold: int) -> NDArray[np.intp]:
        """Rows that the router of ``fold`` learns from."""
        if self.kind == "time":
            return np.flatnonzero(self.code < fold)
        return np.flatnonzero(self.code != fold)

    def judged(self, fold: int) -> NDArray[np.intp]:
        """Rows that it is judged on."""
        return np.flatnonzero(self.code == fold)

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "kind": self.kind,
            "folds": self.count,
            "groups": self.groups,
            "largest_group": self.largest_group,
            "note": self.note,
        }


def make_folds(
    dataset: Dataset,
    rows: NDArray[np.intp],
    split: Split = "grouped",
    folds: int = 5,
    seed: int = 0,
) -> Folds:
    """Put the rows of a dataset (n,) into so many folds.

    Raises:
        DataError: There are too few requests or groups, or no times to split by.
    """
    if split == "time":
        return _by_time(dataset, rows, folds)
    if split == "random":
        _enough(len(rows), "requests", folds, dataset)
        return _random(len(rows), folds, seed)
    return _grouped(dataset, rows, folds, seed)


def has_times(dataset: Dataset) -> bool:
    """Whether at least two moments are known."""
    if TIMESTAMP not in dataset.requests.column_names:
        return False
    return bool(pc.count_distinct(dataset.requests[TIMESTAMP], mode="only_valid").as_py() > 1)


def _random(n: int, folds: int, seed: int) -> Folds:
    from sklearn.model_selection import KFold  # type: ignore[import-untyped]

    made = KFold(folds, shuffle=True, random_state=seed)
    note = (
        f"{folds} folds request by request (scikit-learn's KFold, shuffled, seed {seed}): what is "
        "nearly the same may stand on both sides."
    )
    return Folds("random", _code(made.split(np.empty((n, 1))), n), n, 1, note)


def _by_time(dataset: Dataset, rows: NDArray[np.intp], folds: int) -> Folds:
    if not has_times(dataset):
        raise DataError(
            f"split: dataset {dataset.name!r} has no times to split by; got 'time'; allowed: "
            "'grouped', 'random'"
        )
    when = traffic(None, dataset).arrival_s[rows]
    _enough(len(np.unique(when)), "moments", folds, dataset)
    # Requests of one moment are in one block.
    block = np.searchsorted(np.sort(when), when) * folds // len(rows)
    code = np.unique(block, return_inverse=True)[1] - 1
    note = (
        f"{folds} blocks of time; each is judged by a router of all blocks before it, the first "
        "only teaches."
    )
    return Folds("time", np.asarray(code), len(rows), 1, note)


def _grouped(dataset: Dataset, rows: NDArray[np.intp], folds: int, seed: int) -> Folds:
    ways = _ways(dataset, rows)
    sizes = [np.bincount(group) for _, group in ways]
    able = [len(size) >= 2 * folds for size in sizes]
    even = [
        ok and int(size.max()) <= LOPSIDED * len(rows) for ok, size in zip(able, sizes, strict=True)
    ]
    # The first that leaves folds to speak of; the last holds nothing together.
    place = even.index(True) if True in even else able.index(True) if True in able else -1
    _enough(len(sizes[place]), "requests", folds, dataset)
    (together, group), size = ways[place], sizes[place]
    largest = int(size.max())
    note = f"{folds} folds, shuffled with seed {seed}"
    if together:
        note += (
            f"; {together} stay in one fold ({counted(len(size), 'group')}, the largest of "
            f"{count(largest)})"
        )
    if place:
        wanted, share = ways[0][0], sizes[0].max() / len(rows)
        note += (
            f"; to hold {wanted} together would put {percent(share)} of the requests into one fold"
            f", so {'only this is' if together else 'nothing is'}"
        )
    return Folds("grouped", _balanced(group, folds, seed), len(size), largest, note + ".")


def _ways(dataset: Dataset, rows: NDArray[np.intp]) -> list[tuple[str, NDArray[np.intp]]]:
    """What may be held together: (words, group of each row), from the most to nothing."""
    found, alone = clusters(dataset), np.arange(len(rows))
    ways: list[tuple[str, NDArray[np.intp]]] = [("", alone)]
    texts = None
    if PROMPT in dataset.requests.column_names:
        column = dataset.requests[PROMPT].take(pa.array(rows))
        texts = pc.cast(column, pa.string()).to_pylist()
        equal, alike = equal_prompts(texts), near_duplicates(texts)
        for words, group in (
            ("equal prompts", equal),
            ("prompts that say nearly the same", alike),
        ):
            if len(np.unique(group)) < len(rows):
                ways.insert(0, (words, group))
    if found is not None:
        who = f"requests of one {found.column}"
        group = np.unique(found.code[rows], return_inverse=True)[1]
        both = [(f"{who} and {words}", joined(group, other)) for words, other in ways if words]
        ways = [*both, (who, group), *ways]
    return ways


def joined(a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.intp]:
    """Groups (n,) of what is together in ``a`` or in ``b`` (n,), or connected by such."""
    from scipy.sparse import coo_array  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

    k = int(a.max()) + 1
    size = k + int(b.max()) + 1
    links = coo_array((np.ones(len(a), np.bool_), (a, b + k)), shape=(size, size))
    of_a = np.asarray(connected_components(links, directed=False)[1])[a]
    return np.asarray(np.unique(of_a, return_inverse=True)[1])


def _balanced(group: NDArray[np.intp], folds: int, seed: int) -> NDArray[np.intp]:
    """The fold of each request (n,): large groups first, each into the emptiest fold."""
    from sklearn.model_selection import GroupKFold

    k = int(group.max()) + 1
    # It goes by number where groups are of one size, so the numbers are drawn.
    drawn = np.random.default_rng([seed, k]).permutation(k)
    return _code(GroupKFold(folds).split(group, groups=drawn[group]), len(group))


def _code(splits: Iterable[tuple[Any, Any]], n: int) -> NDArray[np.intp]:
    """The fold (n,) that judges each request."""
    code = np.empty(n, np.intp)
    for fold, (_, judged) in enumerate(splits):
        code[judged] = fold
    return code


def _enough(n: int, what: str, folds: int, dataset: Dataset) -> None:
    if n < 2 * folds:
        raise DataError(
            f"train: dataset {dataset.name!r} has too few to split into {folds} folds; got {n} "
            f"{what}; allowed: {2 * folds} or more"
        )
