"""What is worked out of a text, kept while somebody comes back to the same texts again and again.

A training fits a router per fold, each on nearly the same prompts. A text's embedding and its
words depend on that text alone, so within :func:`remembering` they are worked out once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Result = TypeVar("Result")

MOST = 100_000
"""Texts of a kind that are kept, so that memory stays bounded."""

_kept: ContextVar[dict[str, dict[str, Any]] | None] = ContextVar("kept", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Within this, :func:`once` keeps what it has worked out; also a decorator."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def is_remembering() -> bool:
    """Whether :func:`once` keeps anything."""
    return _kept.get() is not None


def once(
    kind: str, texts: Sequence[str], work: Callable[[list[str]], Sequence[Result]]
) -> list[Result]:
    """Each text's result of ``work``, which is called with those that are new.

    ``kind`` names the work; a result must depend on its own text alone.
    """
    kept = _kept.get()
    known: dict[str, Result] = {} if kept is None else kept.setdefault(kind, {})
    new = [text for text in dict.fromkeys(texts) if text not in known]
    found = dict(zip(new, work(new), strict=True)) if new else {}
    results = [found[text] if text in found else known[text] for text in texts]
    room = max(MOST - len(known), 0)
    known.update(list(found.items())[:room])
    return results
