"""Every error that Detour raises on purpose.

::

    DetourError
    ├── PolicyError      a policy file or value is wrong; carries every problem found
    ├── DataError        a log, dataset or prompt file is wrong, absent or in the way
    └── ProviderError    a model could not be reached or set up for live calls

A message says what is wrong, where (file and key, or row), what was found and what is allowed.
The command line prints it and exits with code 2; the app shows it in place.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in one place.

    ``where`` is a dotted key (``chains.cheap.steps.0.model``) or a row; ``got`` and ``allowed``
    are already formatted for people and empty where they do not apply.
    """

    what: str
    where: str = ""
    got: str = ""
    allowed: str = ""
    line: int | None = None
    """Line in the file, counted from 1, where known."""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.got:
            text += f"; got {self.got}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        return text


class DetourError(Exception):
    """Base of all errors that are meant to be read by a user."""


class PolicyError(DetourError):
    """A policy cannot be used; ``problems`` holds each reason and ``file`` where it stands."""

    def __init__(self, problems: Sequence[Problem], file: str = "") -> None:
        self.problems = tuple(problems)
        self.file = file
        super().__init__(str(self))

    def __reduce__(self) -> tuple[type[PolicyError], tuple[tuple[Problem, ...], str]]:
        return PolicyError, (self.problems, self.file)  # else pickle calls it with the text alone

    def __str__(self) -> str:
        place = self.file or "policy"
        return "\n".join(f"{place}{f':{p.line}' if p.line else ''}: {p}" for p in self.problems)


class DataError(DetourError):
    """A log, dataset or prompt file cannot be used as it is."""


class ProviderError(DetourError):
    """A model cannot be called as it is configured."""


def did_you_mean(got: str, allowed: Iterable[str]) -> str:
    """Format the allowed values, the one most like ``got`` first.

    >>> did_you_mean("smal", ["large", "small"])
    "'small' (did you mean this?), 'large'"
    """
    options = list(allowed)
    close = difflib.get_close_matches(got, options, n=1)
    if not close:
        return ", ".join(repr(o) for o in options[:20]) + (", …" if len(options) > 20 else "")
    rest = [o for o in options if o != close[0]][:19]
    more = ", …" if len(options) > 20 else ""
    return ", ".join([f"{close[0]!r} (did you mean this?)", *(repr(o) for o in rest)]) + more
