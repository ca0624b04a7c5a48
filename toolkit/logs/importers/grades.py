"""Which of the scores beside a log is its quality."""

from __future__ import annotations

from collections.abc import Mapping as Names
from dataclasses import dataclass

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.importers.format import Columns


@dataclass(frozen=True)
class Graded(Columns):
    """Columns of a log that was joined with its scores, and what is to be said of it."""

    notes: tuple[str, ...] = ()


def choose_score(counts: Names[str, int], wanted: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The name of the score that is the quality, and what to tell of the choice.

    ``counts`` says how often each score is there, ``wanted`` what ``--map quality=NAME`` chose.
    Without a choice the only score is it, and of several none. DataError when there is no
    score of the wanted name.
    """
    if wanted is not None and wanted not in counts:
        allowed = did_you_mean(wanted, counts) or "none, as there are no scores"
        raise DataError(f"no score {wanted!r} to take as quality; allowed: {allowed}")
    if wanted is None and len(counts) > 1:
        most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        listed = ", ".join(f"{name!r} ({count})" for name, count in most[:10])
        more = f" and {len(most) - 10} more" if len(most) > 10 else ""
        several = f"several scores, so none is the quality: {listed}{more}"
        return None, (f"{several}; choose one with --map quality=NAME",)
    name = wanted or next(iter(counts), None)
    if name is None:
        return None, ()
    return name, (f"quality is the score {name!r}, where it is from 0 to 1",)
