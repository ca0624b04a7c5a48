"""Loops over numbers that are compiled when they are first called, and kept on disk.

They run without the interpreter's lock and add up in the order in which they are written, so that
a row's result depends on that row alone. (The engine compiles its own, which call each other.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

Loop = TypeVar("Loop", bound=Callable[..., Any])


def kernel(loop: Loop) -> Loop:
    """Compile a function of arrays and numbers with Numba, which takes a moment to import."""

    @cache
    def compiled() -> Callable[..., Any]:
        import numba

        njit: Any = numba.njit
        try:
            made: Callable[..., Any] = njit(nogil=True, cache=True)(loop)
        except RuntimeError:  # no folder to keep it in may be written to
            made = njit(nogil=True)(loop)
        return made

    @wraps(loop)
    def call(*args: Any) -> Any:
        return compiled()(*args)

    return call  # type: ignore[return-value]
