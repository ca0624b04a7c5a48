"""A bar on a terminal for long work; nothing where standard error is a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress_bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """What to call with (done, of), counted in ``unit``."""
    from tqdm import tqdm

    bar: Any = None

    def move(done: int, of: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=of, unit=f" {unit}", disable=None, leave=False)
        bar.update(done - bar.n)

    try:
        yield move
    finally:
        if bar is not None:
            bar.close()
