"""How the engine's inner functions are compiled, and where the compiled code is kept.

Numba notices a change in a function's own file only, so code compiled against an older state
machine would be used after an upgrade. Therefore the folder that keeps it is named after the
sources of all compiled functions and of the codes that are compiled into them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from toolkit.threads import in_threads

__all__ = ["callable_inlined", "compiled", "in_threads", "inlined"]

_HERE = Path(__file__).parent
_CODES = ("schema.py", "policy/plan.py", "scenarios/faults.py")
"""Modules outside the engine whose constants and row types are compiled in."""


def _cache_folder() -> Path | None:
    digest = hashlib.sha256(numba.__version__.encode())
    sources = [source.read_bytes() for source in sorted(_HERE.glob("*.py"))]
    sources = [text for text in sources if b"toolkit.engine.compiled" in text]
    sources += [(_HERE.parent / name).read_bytes() for name in _CODES]
    for text in sources:
        digest.update(text)
    folder = _HERE / "__pycache__" / f"compiled-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


_FOLDER = _cache_folder()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop over rows; it runs without the interpreter's lock and must not allocate."""
    return _compile(function, nogil=True)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small function into its callers, so that passing many columns costs nothing.

    Only compiled code can call it: the code that unpacks Python's columns for each function would
    take as long to compile as all the rest.
    """
    return _compile(function, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def callable_inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile as `inlined`, for the few functions that Python calls as well."""
    return _compile(function, forceinline=True)


def _compile(function: Callable[..., Any], **options: bool) -> Callable[..., Any]:
    # Without `_nrt`, Numba counts references to every array at every access: five times slower.
    options["_nrt"] = False
    config: Any = numba.config
    njit: Any = numba.njit
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_FOLDER or before)
    try:
        result: Callable[..., Any] = njit(cache=_FOLDER is not None, **options)(function)
    finally:
        config.CACHE_DIR = before
    return result
