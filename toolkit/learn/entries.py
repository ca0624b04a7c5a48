"""One version of a saved router as it stands in its folder: its card, and whether it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import DataError
from toolkit.learn.card import MOST_BYTES, Card, from_text
from toolkit.learn.folder import current_in


@dataclass(frozen=True, eq=False)
class RouterEntry:
    """One version of a saved router."""

    name: str
    version: int
    current: bool
    """Whether the name alone stands for it."""
    path: Path
    """Its file."""
    card: Card | None
    problem: str = ""
    """Why it cannot be used, where that can be told without opening it."""

    @property
    def reference(self) -> str:
        """``name@version``, as a policy writes it."""
        return f"{self.name}@{self.version}"


def card_of(folder: Path, version: int) -> Card:
    """The card of a version; DataError where it is missing, broken or another's."""
    where, path = f"{folder.name}@{version}", folder / f"{version}.json"
    if not path.is_file():
        raise DataError(
            f"{where}: its card is missing; a router is not used without; got no {path}"
        )
    with path.open("rb") as stream:
        text = stream.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise DataError(f"{where}: the card is too large; allowed: {MOST_BYTES:,} bytes")
    card = from_text(text, where)
    if card.reference != where:
        raise DataError(
            f"{where}: the card is of {card.reference}; was a file or folder renamed or copied?"
        )
    return card


def entry_of(folder: Path, version: int) -> RouterEntry:
    """What can be told of a version without opening its file."""
    name, path, card, problem = folder.name, folder / f"{version}.skops", None, ""
    current = version == current_in(folder)
    try:
        card = card_of(folder, version)
        if not path.is_file():
            problem = f"{name}@{version}: its file is missing; got no {path}"
        elif path.stat().st_size != card.data.get("bytes", path.stat().st_size):
            problem = f"{name}@{version}: the file is not the one that its card describes"
    except DataError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{name}@{version}: cannot be read; got {error.strerror}"
    return RouterEntry(name, version, current, path, card, problem)
