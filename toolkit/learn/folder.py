"""Where routers are saved: the folder, its names and versions, and how a file gets into it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import DataError, did_you_mean

LOCK_TIMEOUT_S = 30.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAMES = "letters, digits, dots, - and _, beginning with a letter or digit, at most 64"
_RESERVED = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{i}" for port in ("COM", "LPT") for i in range(10)),
}
"""Names of devices, which Windows has in every folder, with any ending."""
_VERSION = re.compile(r"([1-9][0-9]{0,8})\.(skops|json)")
CURRENT, LAST = "current", "last"


def routers_dir() -> Path:
    """The folder of saved routers: ``DETOUR_ROUTERS``, else ``data/routers``."""
    named = os.environ.get("DETOUR_ROUTERS")
    return Path(named) if named else Path(__file__).parents[2] / "data" / "routers"


def checked_name(name: str) -> str:
    """The name, if it can be one of a router on every system; else DataError."""
    if (
        not _NAME.fullmatch(name)
        or name.endswith(".")
        or name.partition(".")[0].upper() in _RESERVED
    ):
        got = repr(name if len(name) <= 80 else f"{name[:79]}…")
        raise DataError(f"this cannot be the name of a router; got {got}; allowed: {_NAMES}")
    return name


def checked_place(name: str) -> str:
    """The name, if a router of it could be saved now; nothing is written to find out.

    Raises:
        DataError: The name is not plain, or differs from another in case only, or the folder
            cannot be written.
    """
    folder = routers_dir() / checked_name(name)
    check_root()
    no_twin(name)
    for wanted in (folder.parent, folder):
        try:
            there = next(path for path in (wanted, *wanted.absolute().parents) if path.exists())
            # A file without a name: permissions alone do not tell of a read-only disk.
            tempfile.TemporaryFile(dir=there).close()
        except OSError as error:
            raise _unwritable(wanted, error) from error
    return name


def check_root() -> None:
    """DataError where the folder of routers is no folder."""
    root = routers_dir()
    if root.exists() and not root.is_dir():
        raise DataError(
            f"the folder of routers is none; got the file {root}; set DETOUR_ROUTERS to a folder"
        )


def no_twin(name: str) -> None:
    """DataError where another router's name is the same but for the case of letters."""
    twins = {path.name for path in folders() if path.name.lower() == name.lower()} - {name}
    if twins:
        raise DataError(
            f"the router {min(twins)!r} differs from {name!r} only in the case of letters,"
            " which not every system tells apart; allowed: the same name or quite another"
        )


def folders() -> list[Path]:
    """Those that may be of routers, in no order."""
    root = routers_dir()
    if not root.is_dir():
        return []
    return [path for path in root.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]


def versions(folder: Path) -> list[int]:
    """Numbers of the versions of which there is a file or a card, rising."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted({int(found[1]) for name in names if (found := _VERSION.fullmatch(name))})


def number_in(path: Path) -> int | None:
    """The number in a small file; None where there is none."""
    try:
        text = path.read_bytes()[:20].decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdecimal() and text.isascii() and int(text) > 0 else None


def current_in(folder: Path) -> int | None:
    """The version that the name stands for; None where none is named, or that cannot be read."""
    try:
        return number_in(folder / CURRENT)
    except OSError:
        return None


def find(reference: str, *, exists: bool = False) -> tuple[Path, int]:
    """Folder and version of ``name`` or ``name@version``; with ``exists`` any version will do."""
    name, at, number = reference.partition("@")
    folder = routers_dir() / checked_name(name)
    check_root()
    present = versions(folder)
    if not present:
        known = sorted({entry.name for entry in folders() if versions(entry)})
        hint = f"; allowed: {did_you_mean(name, known)}" if known else "; none is saved yet"
        raise DataError(f"there is no router {name!r}{hint}")
    allowed = ", ".join(map(str, present[-20:]))
    if at:
        if not re.fullmatch(r"[1-9][0-9]{0,8}", number) or int(number) not in present:
            got = repr(number[:20])
            raise DataError(f"{name}: there is no such version; got {got}; allowed: {allowed}")
        return folder, int(number)
    version = current_in(folder)
    if exists:
        return folder, version or present[-1]
    if version not in present:
        raise DataError(
            f"{name}: no version is the current one; promote one of them; allowed: {allowed}"
        )
    return folder, version


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Say in words why a file of this router cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{name}: the file is missing; got no {error.filename}") from error
    except OSError as error:
        raise DataError(f"{name}: {error.filename} cannot be read; got {error.strerror}") from error


@contextmanager
def writing(name: str) -> Iterator[Path]:
    """The folder of a router, while no other process writes to any."""
    from filelock import FileLock, Timeout

    folder = routers_dir() / checked_name(name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / ".lock", timeout=LOCK_TIMEOUT_S, poll_interval=0.01):
            yield folder
    except Timeout as error:
        raise DataError(
            f"{folder.parent}: another process has been saving routers for {LOCK_TIMEOUT_S:g} s"
        ) from error
    except OSError as error:
        raise _unwritable(folder.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"{folder}: cannot be written; got {error.strerror or error}; set DETOUR_ROUTERS to a"
        " folder that can be"
    )


def write(path: Path, content: bytes) -> None:
    """Write a file that appears as a whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
