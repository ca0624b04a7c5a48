"""The store's datasets: what was imported, by name.

Tables of a dataset carry its number in their names, never its name: user text is only ever a
``$`` parameter or a registered column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from toolkit.errors import DataError
from toolkit.logs.database import ROOT, connect, store_path
from toolkit.logs.tables import Tables

__all__ = [
    "ROOT",
    "Entry",
    "connect",
    "delete",
    "entries",
    "is_same",
    "read",
    "store_path",
    "write",
]


@dataclass(frozen=True)
class Entry:
    """One dataset of the store, without its rows."""

    id: int
    name: str
    source: str
    """Name of the file that it was read from."""
    sha256: str
    """Of the content of that file, and of the prompts file if there was one."""
    n_requests: int
    n_models: int
    n_outcomes: int
    simulated: bool
    format: str
    """Name of the format that it was read as; blank when it was not imported from a file."""
    notes: tuple[str, ...]
    """What was changed or left out on the way in, in words."""


_seen: dict[Path, tuple[object, tuple[Entry, ...]]] = {}


def entries(path: Path | None = None) -> list[Entry]:
    """All datasets of the store by name; none when there is no store yet.

    The list is read once for each state of the file, as opening that takes 25 ms and more.
    """
    path = path or store_path()
    # Taken before the file is read: what another program writes later makes it differ.
    state = _state(path)
    if state is None:
        return []
    known, found = _seen.get(path, (None, ()))
    if state != known:
        with connect(path) as con:
            found = tuple(_entries(con))
        _seen[path] = state, found
    return list(found)


def _state(path: Path) -> object:
    """What changes whenever the store does; None when there is no store."""

    def of(file: Path) -> tuple[int, int, int] | None:
        try:
            found = file.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    state = of(path)
    return state and (state, of(Path(f"{path}.wal")))


def _entries(con: duckdb.DuckDBPyConnection) -> list[Entry]:
    rows = con.execute(
        "SELECT id, name, source, sha256, n_requests, n_models, n_outcomes, simulated, format,"
        " notes FROM datasets ORDER BY name"
    ).fetchall()
    return [Entry(*(*fields, tuple(notes))) for *fields, notes in rows]


def read(name: str, path: Path | None = None) -> tuple[Entry, Tables] | None:
    """The dataset called ``name``, or None."""
    if not (path or store_path()).exists():
        return None
    with connect(path) as con:
        entry = next((e for e in _entries(con) if e.name == name), None)
        if entry is None:
            return None
        models, schema = con.execute(
            "SELECT models, request_schema FROM datasets WHERE id = $id", {"id": entry.id}
        ).fetchall()[0]
        requests = con.sql(f"FROM requests_{entry.id} ORDER BY ix").to_arrow_table()
        # Written in order, and DuckDB keeps the order of insertion.
        outcomes = con.sql(f"FROM outcomes_{entry.id}").to_arrow_table()
    columns = pa.ipc.read_schema(pa.py_buffer(schema))
    requests = requests.drop_columns(["ix"]).rename_columns(columns.names).cast(columns)
    return entry, Tables(requests, tuple(models), outcomes)


def write(
    name: str,
    tables: Tables,
    *,
    source: str,
    sha256: str,
    simulated: bool = False,
    format: str = "",  # noqa: A002 -- the word for it everywhere
    notes: Sequence[str] = (),
    replace: bool = False,
    path: Path | None = None,
) -> bool:
    """Keep a dataset; False when this content is there under this name already.

    ``tables.outcomes`` may be a ``pyarrow.RecordBatchReader``, so that ten million rows are never
    in memory at once. DuckDB keeps their order, so they must come sorted by request_ix, model_ix.
    Raises DataError when the name is taken by other content, unless ``replace`` is set.
    """
    with connect(path, live=True) as con:
        entry = next((e for e in _entries(con) if e.name == name), None)
        if is_same(entry, sha256, replace=replace):
            return False
        if entry is not None:
            _drop(con, entry)
        number = con.execute(
            "INSERT INTO datasets (id, name, source, sha256, n_requests, n_models, n_outcomes,"
            " simulated, format, notes, models, request_schema) VALUES (nextval('dataset_id'),"
            " $name, $source, $sha256, $n, $m, 0, $simulated, $format, $notes, $models, $schema)"
            " RETURNING id",
            {
                "name": name,
                "source": source,
                "sha256": sha256,
                "n": tables.requests.num_rows,
                "m": len(tables.models),
                "simulated": simulated,
                "format": format,
                "notes": list(notes),
                "models": list(tables.models),
                "schema": tables.requests.schema.remove_metadata().serialize().to_pybytes(),
            },
        ).fetchall()[0][0]
        # Column names that differ in case only get a suffix here; the schema knows the right ones.
        con.register("rows", tables.requests)
        numbered = "SELECT row_number() OVER () AS ix, * FROM rows"
        con.execute(f"CREATE TABLE requests_{number} AS {numbered}").fetchall()
        con.register("rows", tables.outcomes)
        con.execute(f"CREATE TABLE outcomes_{number} AS FROM rows").fetchall()
        con.unregister("rows")
        con.execute(
            f"UPDATE datasets SET n_outcomes = (SELECT count(*) FROM outcomes_{number})"  # noqa: S608
            " WHERE id = $id",
            {"id": number},
        ).fetchall()
    return True


def is_same(entry: Entry | None, sha256: str, *, replace: bool = False) -> bool:
    """Whether ``entry`` has this content; DataError when it has other content to keep."""
    if entry is None:
        return False
    if entry.sha256 == sha256:
        return True
    if not replace:
        raise DataError(
            f"dataset {entry.name!r} is there already with other content (from {entry.source});"
            " choose another name, or replace it"
        )
    return False


def delete(name: str, path: Path | None = None) -> None:
    """Remove a dataset; DataError when there is none of that name."""
    with connect(path) as con:
        entry = next((e for e in _entries(con) if e.name == name), None)
        if entry is None:
            raise DataError(f"the store has no dataset {name!r}")
        _drop(con, entry)


def _drop(con: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    con.execute(f"DROP TABLE requests_{entry.id}").fetchall()
    con.execute(f"DROP TABLE outcomes_{entry.id}").fetchall()
    con.execute("DELETE FROM datasets WHERE id = $id", {"id": entry.id}).fetchall()
