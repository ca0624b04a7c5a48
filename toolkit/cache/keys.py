"""Which requests ask the same, as numbers.

Two requests have one key where their scope columns are equal to the letter (so that nothing is
ever shared between tenants) and their key columns are equal once normalised: Unicode NFC, no white
space around, one space for a run of it; and a list of messages, or any other JSON object or list of
objects, in canonical form. A missing value is a value of its own.
"""

from __future__ import annotations

import json
import math
import unicodedata
import weakref
from collections.abc import Callable, Collection, Hashable
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.model import Cache
from toolkit.schema import PROMPT

REFERENCE = "reference"
"""Column with the right answer."""
TENANT = "tenant"
FURTHER = ("system", "tools", "parameters")
"""Columns that belong to the key, where there, beside the prompt."""
UNCACHED = -1
"""Key of a request that no answer is kept for: it has no prompt."""

_UNTIDY = r"^[\s\[{]|\s$|\s\s|[\t\n\v\f\r\x1c-\x1f]|[^\x00-\x7f]"
"""Texts that normalising may change; Unicode's further white space is beyond ASCII."""

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


def normalised(value: Any, *, exact: bool = False) -> Hashable:
    """One value as keys compare it: texts and JSON as text, None for a missing value.

    ``exact`` leaves texts as they are.
    """
    if isinstance(value, str):
        return value if exact else _text(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, dict | list | tuple):
        return _canonical(_tidy_json(value))
    return type(value).__name__, value  # else 1, True and 1.0 would be one value


def wording(prompt: str) -> str:
    """What a prompt says: the contents, where it is a list of messages."""
    said = _json(prompt)
    if not isinstance(said, list) or not all("role" in message for message in said):
        return prompt
    parts = []
    for message in said:
        content = message.get("content")
        blocks = content if isinstance(content, list) else [content]
        for block in blocks:
            text = block.get("text") if isinstance(block, dict) else block
            if isinstance(text, str):
                parts.append(text)
    return "\n".join(parts)


def _tidied(values: pa.Array) -> pa.Array | None:
    """The normalised texts; None if all of them are normal already."""
    untidy = np.flatnonzero(
        pc.match_substring_regex(values, _UNTIDY).to_numpy(zero_copy_only=False)
    )
    if not len(untidy):
        return None
    mask = np.zeros(len(values), np.bool_)
    mask[untidy] = True
    texts = [_text(text) for text in values.take(pa.array(untidy)).to_pylist()]
    return pc.replace_with_mask(values, pa.array(mask), pa.array(texts, values.type))


def _text(text: str) -> str:
    found = _json(text)
    return _tidy(text) if found is None else _canonical(_tidy_json(found))


def _tidy(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _json(text: str) -> Any:
    """The JSON object or list of objects that a text is; None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    objects = found if isinstance(found, list) else [found]
    return found if objects and all(isinstance(one, dict) for one in objects) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice: which one counts is not for us to say")
    return found


def _tidy_json(value: Any) -> Any:
    if isinstance(value, str):
        return _tidy(value)
    if isinstance(value, dict):
        return {str(name): _tidy_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tidy_json(item) for item in value]
    return value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array of texts or plain values."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if pa.types.is_nested(column.type):
        texts = [None if v is None else _canonical(_tidy_json(v)) for v in column.to_pylist()]
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
