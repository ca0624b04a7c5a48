"""The inbox: rows on their way into the store, kept without opening it.

One process at a time can write a DuckDB file, and opening it takes 25 ms. A program that serves
requests waits for neither: it appends each row as a line of JSON to a file of its own, a *segment*,
in the folder ``<store>.inbox``. Whoever reads decisions or imports next takes the lines in
(``absorb.py``).

- A row is acknowledged when ``append`` returns: its line is whole and, with ``fsync``, on the disk.
- The store notes in the transaction that takes lines in how far it has read a segment, so a line
  is in it once, wherever a program dies.
- A writer holds a lock on its segment, which ends with the process. A segment that nobody holds
  gets no further lines: it is deleted once all of it is in the store. What stands after its last
  newline was cut off while it was written, so nobody was told that it is kept: it is dropped.
- A line that is no row is put into a file ``*.rejected`` of the folder, and stops no other.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import lock_descriptor

from toolkit.errors import DataError

SUFFIX = ".jsonl"
SEGMENT_BYTES = 32 * 2**20
"""A longer segment is left for a new one, so that none has to be read for long or grows forever."""


def folder_of(store: Path) -> Path:
    """Where the inbox of a store is, whether or not it exists yet."""
    return Path(f"{store}.inbox")


class Inbox:
    """The rows that this process appends; threads may share one, and a fork begins its own segment.

    ``fsync`` waits until a row is on the disk, so that it outlives a power cut; without, it
    outlives the end of the process only. Threads that append at once share one wait.
    """

    def __init__(self, store: Path, *, fsync: bool = True) -> None:
        self.folder = folder_of(store)
        self.fsync = fsync
        self._begin()
        _inboxes.add(self)

    def _begin(self) -> None:
        self._segment: _Segment | None = None
        self._writing = threading.Lock()

    def append(self, row: Mapping[str, Any]) -> None:
        """Keep one row of JSON values; it is safe when this returns.

        Raises DataError when it cannot be kept, as on a full disk; earlier rows stay.
        """
        # A lone surrogate, which no text in a file can hold, becomes "?".
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
        line = text.encode("utf-8", "replace") + b"\n"
        try:
            with self._writing:
                if self._segment is None or not self._segment.has_room():
                    self._leave()
                    self._segment = _Segment(self.folder)
                segment = self._segment
                end = segment.write(line)
            if self.fsync:
                segment.sync(end)
        except OSError as error:
            raise DataError(
                f"{self.folder}: the row cannot be kept; got {error.strerror or error};"
                " rows before it are safe"
            ) from error

    def close(self) -> None:
        """Give the segment up; a later ``append`` begins a new one."""
        with self._writing:
            self._leave()

    def _leave(self) -> None:
        if self._segment is not None:
            self._segment.close(sync=self.fsync)
            self._segment = None

    def __enter__(self) -> Inbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Segment:
    """A file that this process alone appends to."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._fd = -1
        self._sound = True
        self._synced = 0
        self._syncing = threading.Lock()
        try:
            while not self._make(folder):
                self.close(sync=False)
            _sync_folder(folder)
        except BaseException:
            self.close(sync=False)
            raise

    def _make(self, folder: Path) -> bool:
        path = folder / f"{time.time_ns()}-{secrets.token_hex(4)}{SUFFIX}"
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
        # Before it is locked, a reader may take it for one that was left, and delete it.
        return lock_descriptor(self._fd, blocking=False) and os.fstat(self._fd).st_nlink > 0

    def has_room(self) -> bool:
        """Whether it may get a further line: it is whole, short, and still in the folder."""
        found = os.fstat(self._fd)
        return self._sound and found.st_size < SEGMENT_BYTES and found.st_nlink > 0

    def write(self, line: bytes) -> int:
        """Append a line whole or not at all; where it ends, in bytes."""
        start = os.fstat(self._fd).st_size
        done = 0
        self._sound = False  # whatever interrupts this: half a line must stay the last
        try:
            while done < len(line):
                done += os.write(self._fd, line[done:])
        except OSError:
            os.ftruncate(self._fd, start)
            self._sound = True
            raise
        self._sound = True
        return start + done

    def sync(self, end: int) -> None:
        """Wait until the disk has everything before ``end``."""
        with self._syncing:
            if self._synced < end:
                self._sync()

    def _sync(self) -> None:
        if self._fd < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        whole = os.fstat(self._fd).st_size
        try:
            os.fsync(self._fd)
        except OSError:
            self._sound = False  # the system may say so only once
            raise
        self._synced = whole

    def close(self, *, sync: bool) -> None:
        """Let go of the file; what cannot be synced is told to those who wait for it."""
        with self._syncing:
            if sync and self._fd >= 0:
                with suppress(OSError):
                    self._sync()
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    def forget(self) -> None:
        """Let go of the file in a fork, so that the lock is the parent's alone."""
        if self._fd >= 0:
            os.close(self._fd)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_inboxes: weakref.WeakSet[Inbox] = weakref.WeakSet()


def _after_fork() -> None:
    for inbox in _inboxes:
        if inbox._segment is not None:
            inbox._segment.forget()
        inbox._begin()


os.register_at_fork(after_in_child=_after_fork)
