"""Fetching public datasets from their homes, to be imported like any log."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import DataError
from toolkit.logs.fetch.sources import SOURCES, Source, find_source
from toolkit.logs.store import ROOT

__all__ = ["SOURCES", "FetchReport", "Source", "fetch", "find_source"]

Progress = Callable[[int, int, str], None]
"""Called with the bytes that are here, the bytes in all, and the file that is coming."""


@dataclass(frozen=True)
class FetchReport:
    """What a fetch brought."""

    name: str
    folder: str
    n_files: int
    n_there: int
    """Files that were there already."""
    n_bytes: int
    licence: str
    next_step: str
    """What to do with the files, commands included."""


def fetch(
    name: str,
    to: str | Path | None = None,
    progress: Progress = lambda *_: None,
    *,
    stall_s: float = 30.0,
    pause_s: float = 1.0,
) -> FetchReport:
    """Fetch a public dataset into a folder, by default ``data/fetched/NAME``.

    What an earlier fetch brought stays, and what it left half done is taken up. A connection
    without a byte for ``stall_s`` seconds counts as broken; the first retry waits ``pause_s``
    seconds, each further one twice as long. Raises DataError when it is not a name of SOURCES, and
    when a file cannot be had, has the wrong checksum or cannot be written.
    """
    from filelock import FileLock, Timeout

    source = find_source(name)
    folder = Path(to) if to is not None else default_folder() / name
    _refuse_small_disk(source, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".fetch.lock", timeout=0):
            n_there = _fetch(source, folder, progress, stall_s, pause_s)
    except Timeout as error:
        raise DataError(f"{folder}: another fetch is at work in this folder") from error
    except OSError as error:
        raise DataError(f"{folder}: cannot be written; got: {error.strerror or error}") from error
    return FetchReport(
        name=source.name,
        folder=str(folder),
        n_files=len(source.files),
        n_there=n_there,
        n_bytes=source.n_bytes,
        licence=source.licence,
        next_step=source.next_step(folder),
    )


def _fetch(source: Source, folder: Path, progress: Progress, stall_s: float, pause_s: float) -> int:
    """Get every file; returns how many were there already."""
    from toolkit.logs.fetch.download import download, new_client

    done = there = 0
    with new_client(stall_s) as client:
        for file in source.files:

            def moved(here: int, path: str = file.path, before: int = done) -> None:
                progress(before + here, source.n_bytes, path)

            address = source.address(file)
            there += not download(client, address, file, folder / file.path, moved, pause_s)
            done += file.n_bytes
    return there


def default_folder() -> Path:
    """Where fetched datasets go."""
    return ROOT / "data" / "fetched"


def _refuse_small_disk(source: Source, folder: Path) -> None:
    """Say before the first byte that the disk has not enough room."""
    missing = sum(
        file.n_bytes - _length(folder / file.path)
        for file in source.files
        if not (folder / file.path).exists()
    )
    near = next((p for p in (folder, *folder.absolute().parents) if p.is_dir()), Path.cwd())
    free = shutil.disk_usage(near).free
    if missing > free:
        raise DataError(
            f"{folder}: not enough room; {source.name} needs {missing / 1e6:,.0f} MB more,"
            f" got {free / 1e6:,.0f} MB"
        )


def _length(path: Path) -> int:
    """Bytes of a file that an earlier fetch left half done."""
    part = path.with_name(f"{path.name}.part")
    return part.stat().st_size if part.is_file() else 0
