"""A router as one file: skops, read as if a stranger had written it.

Nothing in a file may run code. So a pickle is not opened at all, and of a skops file every type
that it asks for is looked up first in a short list: plain data, arrays, and our two classes. Sizes
are checked before anything is unpacked, and trees are checked to lead somewhere. Not every number
is: a file made with care, and a card to match, may still give wrong answers or end the process.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError
from toolkit.schema import REQUEST_ID

if TYPE_CHECKING:
    from toolkit.learn.router import QualityRouter

MOST_BYTES = 512 * 2**20
"""Of a file, and of what is in it when it is unpacked."""
_MOST_SCHEMA = 64 * 2**20
"""Of the description of the objects in it, which unpacks to some ten times as much."""
_MOST_MEMBERS = 20_000
_SCHEMA = "schema.json"
TRUSTED = ("toolkit.learn.novelty.Familiar", "toolkit.learn.router.QualityRouter")
"""Classes whose objects a router consists of, beside plain data and arrays."""
_KINDS = ("str", "int", "float", "bool")
_NUMPY = ("bool", "str_", "intp", *(f"{k}{b}" for k in ("int", "uint") for b in (8, 16, 32, 64)))
_ALLOWED: dict[str, frozenset[str]] = {
    "JsonNode": frozenset({"builtins.str"}),
    "DictNode": frozenset({"builtins.dict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "TypeNode": frozenset(f"builtins.{kind}" for kind in _KINDS),
    "NdArrayNode": frozenset(
        f"numpy.{kind}" for kind in ("ndarray", *_NUMPY, "float16", "float32", "float64")
    ),
    "ObjectNode": frozenset(TRUSTED),
}
"""How skops may build objects, and which types each way may name."""
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What a damaged file may lead to in what reads it."""


def pack(router: QualityRouter) -> bytes:
    """The content of a router's file.

    Raises:
        DataError: It is not fitted, too large, or holds an object that could not be read again.
    """
    from skops.io import dumps  # type: ignore[import-untyped]
    from skops.io.exceptions import (  # type: ignore[import-untyped]
        UnsupportedTypeException,
    )

    if not hasattr(router, "models_"):
        kind = type(router).__name__
        raise DataError(f"only a fitted QualityRouter can be saved; got a {kind}")
    try:
        data: bytes = dumps(router, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    except UnsupportedTypeException as error:
        raise DataError(f"the router cannot be saved; got {error}") from error
    inspect(data, "the router")
    return data


def unpack(data: bytes, where: str) -> QualityRouter:
    """The router in the content of a file; ``where`` stands in messages.

    Raises:
        DataError: It is a pickle, no router's file, damaged, too large, or asks for a type that a
            router has no need of.
    """
    from skops.io import loads

    from toolkit.learn.router import QualityRouter

    inspect(data, where)
    try:
        router = loads(data, trusted=list(TRUSTED))
        if isinstance(router, QualityRouter):
            _check_trees(vars(router))
            _try(router)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    except _DAMAGE as error:
        raise DataError(f"{where}: {_damaged(error)}") from error
    if not isinstance(router, QualityRouter):
        raise DataError(f"{where}: the file holds a {type(router).__name__}; allowed: a router")
    return router


def _check_trees(state: Any) -> None:
    """Walk what a router holds: compiled loops follow trees without looking where they lead."""
    import numpy as np

    left = [state]
    while left:
        part = left.pop()
        if isinstance(part, list | tuple):
            left.extend(part)
        elif isinstance(part, dict):
            left.extend(part.values())
            if {"root", "feature", "cut", "value"} <= part.keys():
                root, inner = part["root"], part["feature"] >= 0
                n = len(inner)
                if not n == len(part["cut"]) == len(part["value"]):
                    raise ValueError("the parts of a tree differ in length")
                for child in (part["left"], part["right"]):
                    onwards = child[inner] > np.flatnonzero(inner)
                    if len(child) != n or not onwards.all() or (child[inner] >= n).any():
                        raise ValueError("a tree has a branch that leads nowhere")
                if not len(root) or root.min() < 0 or root.max() >= n:
                    raise ValueError("a tree has no root")


def _try(router: QualityRouter) -> None:
    """Ask it about a request of which nothing is known: what does not fit together fails now."""
    import numpy as np
    import pyarrow as pa

    numbers = "numbers" in router.features_
    nothing = np.zeros((1, router.n_features_in_)) if numbers else pa.table({REQUEST_ID: [""]})
    with np.errstate(all="ignore"):
        told = router.forecast(nothing)
    if told.quality.shape != (1, len(router.models_)):
        raise ValueError(f"{told.quality.shape[1]} qualities for {len(router.models_)} models")


def inspect(data: bytes, where: str) -> None:
    """Refuse, without making any object of it, what should not be opened.

    Raises:
        DataError: As for :func:`unpack`.
    """
    if not data.startswith(b"PK\x03\x04"):
        raise DataError(f"{where}: {_not_ours(data)}; allowed: a router's .skops file")
    if len(data) > MOST_BYTES:
        raise _too_large(where, f"{len(data):,} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            if _SCHEMA not in sizes:
                pickled = any(name.endswith((".pkl", ".pickle", ".joblib")) for name in sizes)
                what = "an archive with a pickle, which is never opened" if pickled else "no router"
                raise DataError(f"{where}: the file is {what}; allowed: a router's .skops file")
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > MOST_BYTES or sizes[_SCHEMA] > _MOST_SCHEMA or len(sizes) > _MOST_MEMBERS:
                raise _too_large(where, f"{unpacked:,} bytes in {len(sizes):,} parts")
            schema = json.loads(archive.read(_SCHEMA))
    except _DAMAGE as error:
        raise DataError(f"{where}: {_damaged(error)}") from error
    refused, read = set(), 0
    for node in _nodes(schema):
        name = f"{node.get('__module__')}.{node.get('__class__')}"
        if name not in _ALLOWED.get(node["__loader__"], ()):
            refused.add(name if name not in TRUSTED else f"{name} as {node['__loader__']}")
        # Of one part, many arrays could be made.
        file = node.get("file")
        read += sizes.get(file, 0) if isinstance(file, str) else 0
    if refused:
        raise DataError(
            f"{where}: the file asks for {', '.join(sorted(refused)[:5])}; allowed: plain data,"
            " arrays, and a router's own types. It is not opened: it could run code"
        )
    if read > MOST_BYTES:
        raise _too_large(where, f"arrays of {read:,} bytes")


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object that a schema describes, however deep."""
    left = [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            # A mapping may have a key of this name; its value is an object then.
            if isinstance(part.get("__loader__"), str):
                yield part
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)


def _not_ours(data: bytes) -> str:
    if not data:
        return "the file is empty"
    if data[:1] == b"\x80" or (data[:1] in b"(])}cl" and data[-1:] == b"."):
        return "the file is a pickle, which could run code and is never opened"
    packed = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x04\x22M\x18", b"x\x01", b"x\x9c", b"x\xda")
    if data.startswith(packed):
        return "the file is compressed, perhaps a pickle of joblib's, and is never opened"
    return "the file is no router"


def _damaged(error: BaseException) -> str:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return f"the file is damaged or not a router's; got {said}"


def _too_large(where: str, got: str) -> DataError:
    return DataError(f"{where}: the file is too large; got {got}; allowed: {MOST_BYTES:,} bytes")
