"""Reading JSON: an object on each line, several in a file, or an array of them."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from toolkit.logs.files import File, explained
from toolkit.logs.importers.unread import READ_TEXT, Unread, refused

# A raw unit separator stands in no JSON, so a line is one column.
_LINES = READ_TEXT.format(header="false", delim="e'\\x1f'", quote="''")
_DOCUMENTS = (
    "read_json_objects($path, format=$format, compression=$compression,"
    " maximum_object_size=$longest)"
)


def read_documents(
    con: duckdb.DuckDBPyConnection, files: Sequence[File]
) -> tuple[tuple[str, ...], list[Unread]]:
    """Make table ``document`` (file, line, doc) of all lines that are JSON objects.

    Returns every key in the order of first appearance, and the lines that are none. Lines count
    from 0; in an array they are its elements.
    """
    unread: list[Unread] = []
    con.execute("CREATE TEMP TABLE document (file INTEGER, line BIGINT, doc VARCHAR)").fetchall()
    for ix, file in enumerate(files):
        with explained(file):
            if file.is_json:
                parameters = {**file.parameters, "format": _layout(file)}
                con.execute(
                    "CREATE OR REPLACE TEMP TABLE one AS"  # noqa: S608
                    f" SELECT CAST(json AS VARCHAR) AS doc FROM {_DOCUMENTS}",
                    parameters,
                ).fetchall()
                bad = []
            else:
                parameters = {**file.parameters, "columns": {"doc": "VARCHAR"}}
                con.execute(
                    f"CREATE OR REPLACE TEMP TABLE one AS FROM {_LINES}",
                    parameters,
                ).fetchall()
                bad = [(line - 1, reason) for line, reason in refused(con, "line")]
            unread += [Unread(ix, line, reason) for line, reason in bad]
            unread += _number(con, ix, [line for line, _ in bad])
    names = con.execute(
        "SELECT key FROM (SELECT rowid AS row, unnest(json_keys(doc)) AS key FROM document)"
        " GROUP BY key ORDER BY min(row), key"
    ).fetchall()
    return tuple(name for (name,) in names), unread


def _layout(file: File) -> str:
    """How objects stand in a .json file: in an array, or one after the other."""
    with file.opened() as text:
        while (start := text.read(1)).isspace():
            pass
    return "array" if start == b"[" else "unstructured"


def _number(con: duckdb.DuckDBPyConnection, ix: int, skipped: list[int]) -> list[Unread]:
    """Move table ``one`` to ``document``, with line numbers that count the lines skipped there."""
    # The k-th line skipped stands before those lines whose number without it is at least this.
    before = [line - k for k, line in enumerate(skipped)]
    con.register("skip", pa.table({"place": pa.array(before, pa.int64())}))
    line = "one.rowid"
    if skipped:
        line += " + (SELECT count(*) FROM skip WHERE place <= one.rowid)"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE numbered AS SELECT {line} AS line, doc,"  # noqa: S608
        " CASE WHEN json_valid(doc) THEN json_type(doc) END AS kind FROM one"
        " WHERE trim(doc) <> ''"
    ).fetchall()
    con.execute(
        f"INSERT INTO document SELECT {ix}, line, doc FROM numbered WHERE kind = 'OBJECT'"  # noqa: S608
    ).fetchall()
    wrong = con.execute(
        "SELECT line, kind FROM numbered WHERE kind IS DISTINCT FROM 'OBJECT' ORDER BY line"
    ).fetchall()
    return [
        Unread(
            ix, line, "is not JSON" if kind is None else f"is no JSON object; got {kind.lower()}"
        )
        for line, kind in wrong
    ]


def load_documents(
    con: duckdb.DuckDBPyConnection, names: Sequence[str], wanted: Sequence[int]
) -> None:
    """Make table ``source`` (file, line, and c0, c1 … of the keys in ``wanted``) of them."""
    paths = [_pointer(names[i]) for i in wanted]
    listed = "".join(f", v[{k}] AS c{i}" for k, i in enumerate(wanted, 1))
    values = "json_extract_string(doc, $paths)" if paths else "NULL"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE source AS SELECT file, line{listed}"  # noqa: S608
        f" FROM (SELECT file, line, {values} AS v FROM document)",
        {"paths": paths} if paths else {},
    ).fetchall()
    con.execute("DROP TABLE document").fetchall()


def _pointer(key: str) -> str:
    """JSON pointer of a key of the top level."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
