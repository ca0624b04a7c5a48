"""Stable keys and counter-based random numbers.

A draw depends only on what it is for (seed, request, model, attempt, purpose), never on the order
in which requests are processed, so any request can be replayed alone and gives the same trace.
The mixing function is SplitMix64's finaliser (Steele, Lea and Flood, 2014); texts become keys by
64-bit FNV-1a over their UTF-8 bytes. Both are fixed for good: a user who is sticky to a canary
must stay there after an upgrade.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.engine.compiled import callable_inlined, compiled, inlined

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


class Purpose(IntEnum):
    """What a random number is for, so that two draws for one attempt are independent."""

    ERROR = 0
    OUTCOME = 1
    BACKOFF = 2
    SPLIT = 3
    FAULT = 4


@inlined
def mix(key: Any) -> Any:
    """Scramble a uint64 so that near keys give unrelated numbers."""
    key = (key ^ (key >> np.uint64(30))) * _MIX_A
    key = (key ^ (key >> np.uint64(27))) * _MIX_B
    return key ^ (key >> np.uint64(31))


@callable_inlined
def uniform(seed: Any, request_key: Any, model_key: Any, attempt: Any, purpose: Any) -> Any:
    """Return the number in [0, 1) that belongs to this seed, request, model, attempt, purpose."""
    key = mix(np.uint64(seed) * _GOLDEN + request_key)
    key = mix(key + model_key)
    key = mix(key + np.uint64(attempt) * np.uint64(16) + np.uint64(purpose))
    return np.float64(key >> np.uint64(11)) * 2.0**-53


@compiled
def _uniforms(seeds: Any, request_keys: Any, model_key: Any, purpose: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        out[i] = uniform(seeds[i], request_keys[i], model_key, 0, purpose)


def uniforms(
    seeds: NDArray[np.uint64],
    request_keys: NDArray[np.uint64],
    model_key: np.uint64,
    purpose: Purpose,
) -> NDArray[np.float64]:
    """Return ``uniform`` of each request's first attempt, shape (n,)."""
    out = np.empty(len(request_keys))
    _uniforms(seeds, request_keys, model_key, int(purpose), out)
    return out


@compiled
def _fnv1a(data: Any, offsets: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        key = _FNV_OFFSET
        for j in range(offsets[i], offsets[i + 1]):
            key = (key ^ np.uint64(data[j])) * _FNV_PRIME
        out[i] = key


def text_keys(column: pa.ChunkedArray | pa.Array) -> NDArray[np.uint64]:
    """Hash each value's text to a uint64, shape (n,); a missing value hashes as the empty text."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # a table of no rows may stay chunked
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
    text = pc.fill_null(pc.cast(column, pa.large_string()), "")
    out = np.empty(len(text), np.uint64)
    if len(text):
        _, offset_buffer, data_buffer = text.buffers()
        offsets = np.frombuffer(offset_buffer, np.int64)[text.offset : text.offset + len(text) + 1]
        data = np.frombuffer(data_buffer or b"", np.uint8)
        _fnv1a(data, offsets, out)
    return out
