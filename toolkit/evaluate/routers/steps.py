"""How far a training is, in parts of which each counts for about the time that it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], None] | None

WEIGHTS = {
    "folds": 30,
    "neighbours": 15,
    "router": 8,
    "figures": 7,
    "importance": 15,
    "learning": 20,
    "rest": 5,
}


class Steps:
    """Tells ``progress`` of parts of the work; what it raises goes through."""

    def __init__(self, progress: Progress, *parts: str) -> None:
        self.progress = progress
        self.of = sum(WEIGHTS[part] for part in parts)
        self.before = dict(
            zip(parts, (sum(WEIGHTS[p] for p in parts[:i]) for i in range(len(parts))), strict=True)
        )

    def part(self, name: str) -> Callable[[int, int], None]:
        """What one part calls with (done, of)."""

        def told(done: int, of: int) -> None:
            if self.progress is not None:
                self.progress(self.before[name] + WEIGHTS[name] * done // max(of, 1), self.of)

        return told
