"""Saved routers: a folder per name, in it the versions, each a file with its card.

::

    data/routers/easy/1.skops   the router
                      1.json    its card, with the digest of the file
                      current   the number of the version that `easy` stands for

A version never changes and its number is never given again, so ``easy@2`` in a policy means one
router for good. Files are written beside their place and renamed; a version is there once its card
is. Who writes holds a lock, who reads needs none.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError
from toolkit.learn.card import MOST_BYTES as MOST_CARD_BYTES
from toolkit.learn.card import Card, held_in, library_versions, limits_of, settings_of, to_text
from toolkit.learn.entries import RouterEntry, card_of, entry_of
from toolkit.learn.folder import (
    CURRENT,
    LAST,
    checked_name,
    current_in,
    explained,
    find,
    folders,
    no_twin,
    number_in,
    versions,
    write,
    writing,
)

if TYPE_CHECKING:
    from toolkit.learn.router import QualityRouter

_KEPT = 8
"""Loaded routers that are kept in memory."""

__all__ = [
    "RouterEntry",
    "delete_router",
    "list_routers",
    "load_router",
    "promote_router",
    "router_card",
    "router_problem",
    "save_router",
]

_loading = threading.RLock()
_loaded: dict[Path, tuple[tuple[int, ...], QualityRouter]] = {}


def save_router(
    router: QualityRouter, name: str, card: Mapping[str, Any], *, promote: bool | None = None
) -> RouterEntry:
    """Keep a fitted router as a new version of ``name``, with its card.

    The first version becomes the current one, a later one only with ``promote``. The card is
    completed by name, version, time, digest, models, settings and library versions.

    Raises:
        DataError: The name is not plain, the router cannot be saved, or the folder not written.
    """
    from toolkit.learn.packing import pack

    checked_name(name)
    content = pack(router)
    with writing(name) as folder:
        no_twin(name)
        present = versions(folder)
        version = max([0, number_in(folder / LAST) or 0, *present]) + 1
        filled = {
            "models": [str(model) for model in router.models_],
            "not_for": limits_of(card),
            "holds": held_in(router),
            **card,
            "router": settings_of(router),
            "name": name,
            "version": version,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "digest": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "library_versions": library_versions(),
        }
        text = to_text(filled).encode()
        if len(text) > MOST_CARD_BYTES:
            raise DataError(
                f"{name}: the card has {len(text):,} bytes; allowed: {MOST_CARD_BYTES:,}"
            )
        folder.mkdir(exist_ok=True)
        write(folder / f"{version}.skops", content)
        write(folder / f"{version}.json", text)
        if promote or current_in(folder) is None:
            write(folder / CURRENT, f"{version}\n".encode())
    return entry_of(folder, version)


def load_router(name: str) -> QualityRouter:
    """Load ``name``, or one of its versions as ``name@version``; the same object while unchanged.

    A router whose libraries differ from those here comes with a warning that names both.

    Raises:
        DataError: There is none, its file or card is missing, damaged or not its own, or the file
            asks for a type that a router has no need of.
    """
    folder, version = find(name)
    path = folder / f"{version}.skops"
    with explained(folder.name), _loading:
        stamp = _stamp(path, path.with_suffix(".json"))
        kept = _loaded.pop(path, None)
        if kept is None or kept[0] != stamp:
            kept = (stamp, _read(folder, version))
        _loaded[path] = kept  # the last used is the last to go
        while len(_loaded) > _KEPT:
            del _loaded[next(iter(_loaded))]
    return kept[1]


def router_card(name: str) -> Card:
    """The card of ``name`` or ``name@version``; DataError where it is missing or broken."""
    folder, version = find(name)
    with explained(folder.name):
        return card_of(folder, version)


def router_problem(name: str) -> str:
    """Why ``name`` or ``name@version`` cannot be used, found by loading it; empty: it can.

    Raises:
        DataError: There is no such router.
    """
    find(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            load_router(name)
        except DataError as error:
            return str(error)
    return ""


def list_routers() -> list[RouterEntry]:
    """Every version of every router, by name and version; one that is broken says why."""
    return [
        entry_of(folder, version)
        for folder in sorted(folders(), key=lambda path: path.name)
        for version in versions(folder)
    ]


def promote_router(name: str, version: int) -> RouterEntry:
    """Make a version the one that ``name`` stands for; it must be one that can be loaded.

    Raises:
        DataError: There is no such version, or it cannot be used.
    """
    load_router(f"{name}@{version}")
    with writing(name) as folder:
        find(f"{name}@{version}")
        write(folder / CURRENT, f"{version}\n".encode())
    return entry_of(folder, version)


def delete_router(name: str, version: int | None = None) -> int:
    """Delete one version, or the router with all of them; returns how many.

    Raises:
        DataError: There is no such version, or it is the current one.
    """
    with writing(name) as folder:
        present = versions(folder)
        if version is None:
            find(name, exists=True)
            gone = present
            (folder / CURRENT).unlink(missing_ok=True)
        else:
            find(f"{name}@{version}", exists=True)
            if version == current_in(folder):
                raise DataError(
                    f"{name}@{version} is the current version; promote another one first, or"
                    f" delete the router {name!r} with all its versions"
                )
            gone = [version]
            last = max(version, number_in(folder / LAST) or 0)
            write(folder / LAST, f"{last}\n".encode())
        for number in gone:
            # The card first: without it there is no such version.
            (folder / f"{number}.json").unlink(missing_ok=True)
            (folder / f"{number}.skops").unlink(missing_ok=True)
            with _loading:
                _loaded.pop(folder / f"{number}.skops", None)
        if version is None:
            (folder / LAST).unlink(missing_ok=True)
            for part in folder.glob(".*.part"):
                part.unlink()
            with suppress(OSError):  # someone keeps files of their own in it
                folder.rmdir()
    return len(gone)


def _read(folder: Path, version: int) -> QualityRouter:
    from toolkit.learn.packing import MOST_BYTES, inspect, unpack

    where, path = f"{folder.name}@{version}", folder / f"{version}.skops"
    card = card_of(folder, version)
    with path.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.digest:
        # What it is instead says more than that it is another.
        inspect(content, where)
        raise DataError(
            f"{where}: the file is not the one that its card describes;"
            f" got the digest {digest[:12]}…; allowed: {card.digest[:12]}…"
        )
    router = unpack(content, where)
    for text in card.version_warnings:
        warnings.warn(text, stacklevel=4)
    return router


def _stamp(*paths: Path) -> tuple[int, ...]:
    """What changes when a file is written anew; 0 for one that is not there."""
    found = []
    for path in paths:
        try:
            stat = path.stat()
            found += [stat.st_mtime_ns, stat.st_size, stat.st_ino]
        except FileNotFoundError:
            found += [0]
    return tuple(found)
