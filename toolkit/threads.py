"""Sharing rows among threads, for work that runs without the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_SMALL = 20_000
"""Fewer rows than this are not worth a second thread."""


def in_threads(work: Callable[[int, int], None], n: int, small: int = _SMALL) -> None:
    """Call ``work(first, end)`` for slices that make up the rows 0 to n, on all processors.

    Below ``small`` rows this thread does all: rows that cost much are worth a second one sooner.
    Threads of our own and not Numba's, whose pool may not be entered by two sessions at once.
    """
    workers = 1 if n < small else (os.cpu_count() or 1)
    if workers == 1:
        work(0, n)
        return
    bounds = [n * i // (4 * workers) for i in range(4 * workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, bounds[:-1], bounds[1:]))
