"""Opening the store: one DuckDB file, ``DETOUR_DB`` or else ``data/lab.duckdb``.

DuckDB lets one process write at a time, so every use is short and holds a lock file beside it:
app, command line and notebook take turns. A use is one transaction, so nothing is half-written. A
live writer takes no turn: it appends to the inbox, which whoever reads decisions or imports takes
in first. Who reads datasets leaves it, so that a full disk or a broken inbox keeps no data from
being read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
from filelock import BaseFileLock, FileLock, Timeout

from toolkit.errors import DataError
from toolkit.logs.absorb import absorb, segments
from toolkit.logs.migrations import MIGRATIONS

ROOT = Path(__file__).resolve().parents[2]
LOCK_TIMEOUT_S = 30.0


def store_path() -> Path:
    """Where the store is, whether or not it exists yet."""
    return Path(os.environ.get("DETOUR_DB") or ROOT / "data" / "lab.duckdb")


@contextmanager
def connect(path: Path | None = None, *, live: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the store for one transaction, alone, and bring it up to date.

    ``live`` first takes in what waits in the inbox, each segment in a transaction of its own.
    Raises DataError when the file is in use for too long, is no database, cannot be written, or
    was made by a newer version.
    """
    path = (path or store_path()).resolve()
    lock = _lock(path)
    try:
        with _open(path) as con:
            with _transaction(con):
                _migrate(con, path)
                waiting = segments(con, path) if live else []
            for segment in waiting:
                _absorb(con, segment)
            with _transaction(con):
                yield con
    except duckdb.Error as error:
        raise DataError(f"{path}: the store failed; got {_first_line(error)}") from error
    finally:
        lock.release()


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.execute("BEGIN").fetchall()
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # a failed database has nothing to roll back any more
            con.execute("ROLLBACK").fetchall()
        raise
    con.execute("COMMIT").fetchall()


def _absorb(con: duckdb.DuckDBPyConnection, segment: Path) -> None:
    try:
        with _transaction(con):
            left = absorb(con, segment)
        if left:
            segment.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{segment}: rows that wait for the store cannot be taken in;"
            f" got {error.strerror or error}; mend that, or move the file away"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _lock(path: Path) -> BaseFileLock:
    lock = FileLock(f"{path}.lock", timeout=LOCK_TIMEOUT_S, poll_interval=0.01)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except Timeout as error:
        raise DataError(
            f"{path}: the store was in use for {LOCK_TIMEOUT_S:g} s; close what uses it, or set"
            " DETOUR_DB to another file"
        ) from error
    except OSError as error:
        lock.release()
        raise DataError(
            f"{path}: the store cannot be written; got {error.strerror or error};"
            " set DETOUR_DB to a file that can be"
        ) from error
    return lock


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        if not path.exists():
            # Made beside and moved: who is killed while making it leaves no torn file for a store.
            new = Path(f"{path}.new")
            new.unlink(missing_ok=True)
            duckdb.connect(new).close()
            new.replace(path)
        return duckdb.connect(path)
    except duckdb.Error as error:
        text = str(error)
        if "newer version of" in text:
            why = "was made by a newer version of DuckDB"
        elif "set lock on file" in text:
            why = "is open in another program"
        else:
            why = "cannot be opened as a database"
        raise DataError(
            f"{path}: the store {why}; got {_first_line(error)}; move the file away, or set"
            " DETOUR_DB to another one"
        ) from error


def _migrate(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    con.execute("CREATE TABLE IF NOT EXISTS migrations (name VARCHAR PRIMARY KEY)").fetchall()
    applied = {name for (name,) in con.execute("SELECT name FROM migrations").fetchall()}
    if strange := sorted(applied - {migration.__name__ for migration in MIGRATIONS}):
        raise DataError(
            f"{path}: the store was made by a newer version of Detour; got {', '.join(strange)};"
            " use that version, or set DETOUR_DB to another file"
        )
    for migration in MIGRATIONS:
        if migration.__name__ not in applied:
            migration(con)
            con.execute("INSERT INTO migrations VALUES ($n)", {"n": migration.__name__}).fetchall()
