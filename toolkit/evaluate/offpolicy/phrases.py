"""Small parts of sentences: how many of what, and lists of names."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.evaluate.format import count, counted


def part_of(n: int, of: int, noun: str) -> str:
    """``1,700 requests`` where these are all, else ``258 of 1,313 requests``."""
    return counted(n, noun) if n == of else f"{count(n)} of {counted(of, noun)}"


def listed(names: Sequence[str]) -> str:
    """``A``, ``A and B``, ``A, B and C``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def some(names: Sequence[str], most: int = 5) -> list[str]:
    """The first names; where there are more, how many."""
    left = len(names) - most
    return [*names[:most], *([f"{count(left)} more"] if left > 0 else [])]
