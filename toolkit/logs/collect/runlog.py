"""The log of a collecting run: one JSON line per finished outcome, safe against being killed.

The first line says what is being asked (a digest of prompts and targets). A line counts once it is
on the disk. A line that was cut off at the end was never counted, so it is dropped. The file is
locked while a run writes it; the lock ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from toolkit.errors import DataError

Row = dict[str, Any]


class RunLog:
    """An open, locked run log; ``rows`` are the outcomes that it holds, in their order."""

    def __init__(self, file: BinaryIO, path: Path, rows: list[Row]) -> None:
        self._file = file
        self.path = path
        self.rows = rows

    def append(self, row: Row) -> None:
        """Write one outcome and wait until it is on the disk."""
        _write(self._file, row)
        self.rows.append(row)


@contextmanager
def open_run(path: Path, digest: str, targets: Sequence[str]) -> Iterator[RunLog]:
    """Open the run at ``path`` to go on, or begin it.

    Raises DataError when another process writes it, when it was begun with other prompts or
    targets, or when a line in its middle is damaged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"{path.stem!r} is being collected by another process; wait for it, or collect"
                " under another name"
            ) from None
        file.seek(0)
        whole, newline, torn = file.read().rpartition(b"\n")
        if torn:
            file.truncate(len(whole) + len(newline))
        rows = [_row(line, path, number) for number, line in enumerate(whole.splitlines(), 1)]
        if not rows:
            _write(file, {"run": path.stem, "digest": digest, "targets": list(targets)})
            _sync_folder(path.parent)
        elif rows[0].get("digest") != digest:
            raise DataError(
                f"{path} was begun with other prompts or targets and holds {len(rows) - 1} of their"
                " outcomes; collect under another name, or move that file away"
            )
        yield RunLog(file, path, rows[1:])


def _row(line: bytes, path: Path, number: int) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: this line is damaged; remove it to ask again for it")
    return row


def _write(file: BinaryIO, row: Row) -> None:
    file.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
