"""Which requests ask the same, as numbers.

Two requests have one key where their scope columns are equal to the letter (so that nothing is
ever shared between tenants) and their key columns are equal in normal form. A missing value is a
value of its own.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Hashable
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.cache.texts import UNTIDY, canonical, tidy
from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.guards import Cache
from toolkit.schema import PROMPT

REFERENCE = "reference"
"""Column with the right answer."""
TENANT = "tenant"
FURTHER = ("system", "tools", "parameters")
"""Columns that belong to the key, where there, beside the prompt."""
UNCACHED = -1
"""Key of a request that no answer is kept for: it has no prompt."""

Kept = TypeVar("Kept")


class Memory:
    """Results that belong to a table of requests and go with it."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[weakref.ref[pa.Table], dict[Hashable, Any]]] = {}

    def get(self, requests: pa.Table, name: Hashable, work: Callable[[], Kept]) -> Kept:
        """What ``work`` returns, worked out once for this table object and name."""
        found = self.of(requests)
        if name not in found:
            found[name] = work()
        result: Kept = found[name]
        return result

    def of(self, requests: pa.Table) -> dict[Hashable, Any]:
        """The results kept for one table."""
        at = id(requests)  # a table has no hash
        if at not in self._of:
            gone = weakref.ref(requests, lambda _: self._of.pop(at, None))
            self._of[at] = (gone, {})
        return self._of[at][1]


_memory = Memory()


def cache_keys(cache: Cache, requests: pa.Table) -> NDArray[np.int64]:
    """Number each request's key, (n,): equal numbers for equal keys, from 0 as they first appear.

    −1 for a request that has no prompt where the prompt belongs to its key. Kept as long as the
    table is.

    Raises:
        PolicyError: The cache names a column that the requests do not have, or needs prompts and
            there are none.
    """
    scope, key = columns_of(cache, requests.column_names)

    def number() -> NDArray[np.int64]:
        codes = grouped(
            [codes_of(requests, name, exact=True) for name in scope]
            + [codes_of(requests, name) for name in key],
            requests.num_rows,
        )
        if PROMPT not in key:
            return codes
        unknown = requests[PROMPT].is_null().to_numpy()
        if unknown.any():
            known = np.flatnonzero(~unknown)
            codes = codes.copy()
            codes[known] = grouped([codes[known]], len(known))
            codes[unknown] = UNCACHED
        return codes

    return _memory.get(requests, ("keys", scope, key), number)


def references(requests: pa.Table) -> NDArray[np.int32]:
    """Number each request's right answer, (n,): equal numbers for equal answers, −1 for unknown."""

    def number() -> NDArray[np.int32]:
        if REFERENCE not in requests.column_names:
            return np.full(requests.num_rows, -1, np.int32)
        codes = codes_of(requests, REFERENCE, exact=True).astype(np.int32)
        unknown = requests[REFERENCE].is_null(nan_is_null=True).to_numpy()
        codes[unknown] = -1
        return codes

    return _memory.get(requests, "references", number)


def columns_of(cache: Cache, there: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The scope columns and the key columns among the columns that are ``there``.

    Raises:
        PolicyError: A column that the cache names is not there.
    """
    scope = (TENANT,) * (TENANT in there) if cache.scope is None else cache.scope
    key = cache.key or (PROMPT, *(name for name in FURTHER if name in there))
    if cache.kind == "semantic" and PROMPT not in key:
        key = (PROMPT, *key)
    problems = []
    for place, names in (("cache.scope", scope), ("cache.key", key)):
        for name in names:
            if name not in there:
                what = "the requests have no such column"
                if place == "cache.key" and name not in (cache.key or ()):
                    what = "the requests have no prompts, and no other column is named"
                problems.append(Problem(what, place, repr(name), did_you_mean(name, there)))
    if problems:
        raise PolicyError(problems)
    return tuple(dict.fromkeys(scope)), tuple(dict.fromkeys(key))


def codes_of(requests: pa.Table, name: str, *, exact: bool = False) -> NDArray[np.int64]:
    """Number the values of one column, (n,), as they first appear; a missing one has a number too.

    Values are normalised first unless they are to be ``exact``. Kept as long as the table is.
    """

    def number() -> NDArray[np.int64]:
        encoded = _encode(_flat(requests[name]))
        codes, values = _numbers(encoded), encoded.dictionary
        changed = None if exact or not pa.types.is_large_string(values.type) else _tidied(values)
        if changed is None:
            return codes
        # Distinct texts may have become one, so their numbers are numbered again.
        again = _numbers(_encode(pa.concat_arrays([changed, pa.nulls(1, changed.type)])))
        return again[codes]

    return _memory.get(requests, ("codes", name, exact), number)


def grouped(codes: list[NDArray[np.int64]], n: int) -> NDArray[np.int64]:
    """Number the rows of several columns of numbers, (n,), as they first appear."""
    result = np.zeros(n, np.int64)
    for column in codes:
        # Both are below n here, so their pair fits one number as long as n is below 3e9.
        pairs = result * (int(column.max(initial=0)) + 1) + column
        result = _numbers(_encode(pa.array(pairs)))
    return result


def _tidied(values: pa.Array) -> pa.Array | None:
    """The normalised texts; None if all of them are normal already."""
    untidy = np.flatnonzero(pc.match_substring_regex(values, UNTIDY).to_numpy(zero_copy_only=False))
    if not len(untidy):
        return None
    mask = np.zeros(len(values), np.bool_)
    mask[untidy] = True
    texts = [tidy(text) for text in values.take(pa.array(untidy)).to_pylist()]
    return pc.replace_with_mask(values, pa.array(mask), pa.array(texts, values.type))


def _flat(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array of texts or plain values."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if pa.types.is_nested(column.type):
        texts = [None if v is None else canonical(v) for v in column.to_pylist()]
        return pa.array(texts, pa.large_string())
    if pa.types.is_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())  # one array may then hold any length of text
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _encode(values: pa.Array) -> pa.DictionaryArray:
    return values.dictionary_encode()


def _numbers(encoded: pa.DictionaryArray) -> NDArray[np.int64]:
    """Number of each row's value; missing values have the number after the last."""
    numbers = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    return np.asarray(numbers, np.int64)
