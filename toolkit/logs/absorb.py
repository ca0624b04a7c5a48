"""From the inbox to the tables ``decisions`` and ``attempts``.

A line of a segment is one decision with its attempts. It is read by Arrow, strictly: what is not
exactly a row as ``ROW`` has it goes to a file ``*.rejected`` beside the segment, named after the
place where it was read, so that reading it again after a crash writes the same file.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from filelock import lock_descriptor

from toolkit.logs.inbox import SUFFIX, folder_of

DECISIONS = pa.schema(
    [
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", "UTC"), nullable=False),
        ("policy", pa.string()),
        ("policy_digest", pa.string()),
        ("route", pa.string()),
        ("chain", pa.string()),
        ("propensity", pa.float64()),
        ("status", pa.string()),
        ("model", pa.string()),
        ("error_type", pa.string()),
        ("quality", pa.float64()),
        ("cost_usd", pa.float64()),
        ("latency_s", pa.float64()),
        ("seed", pa.int64()),
        ("request", pa.string()),
        ("prompt", pa.string()),
        ("answer", pa.string()),
        ("cached", pa.bool_()),
    ]
)
ATTEMPT = pa.struct(
    [
        ("model", pa.string()),
        ("step", pa.int32()),
        ("wait_s", pa.float64()),
        ("start_s", pa.float64()),
        ("latency_s", pa.float64()),
        ("cost_usd", pa.float64()),
        ("quality", pa.float64()),
        ("error_type", pa.string()),
        ("hedge", pa.bool_()),
    ]
)
ATTEMPTS = pa.schema([("decision_id", pa.string()), ("attempt", pa.int32()), *ATTEMPT])
ROW = DECISIONS.append(pa.field("attempts", pa.list_(ATTEMPT), nullable=False))
"""A line of the inbox."""
BLOCK_BYTES = 4 * 2**20
"""So much is read at a time by each thread; a line is read whole."""


def segments(con: duckdb.DuckDBPyConnection, store: Path) -> list[Path]:
    """The files of the inbox, oldest first; forget how far those were read that are gone."""
    found = sorted(folder_of(store).glob(f"*{SUFFIX}"))
    known = {name for (name,) in con.execute("SELECT segment FROM inbox").fetchall()}
    for name in known - {path.name for path in found}:
        con.execute("DELETE FROM inbox WHERE segment = $s", {"s": name}).fetchall()
    return found


def absorb(con: duckdb.DuckDBPyConnection, segment: Path) -> bool:
    """Take in what is new in a segment; whether it can be deleted once that is committed."""
    seen = con.execute("SELECT bytes FROM inbox WHERE segment = $s", {"s": segment.name})
    offset = next((n for (n,) in seen.fetchall()), 0)
    with segment.open("r+b") as file:
        left = lock_descriptor(file.fileno(), blocking=False)
        if os.fstat(file.fileno()).st_size > offset:
            file.seek(offset)
            data = file.read()
            data = data[: data.rfind(b"\n") + 1]
            if data:
                _take(con, data, segment.with_suffix(f".{offset}.rejected"))
                con.execute(
                    "INSERT OR REPLACE INTO inbox VALUES ($s, $n)",
                    {"s": segment.name, "n": offset + len(data)},
                ).fetchall()
    return left


def _take(con: duckdb.DuckDBPyConnection, data: bytes, rejected: Path) -> None:
    lines = _read(data)
    if lines.rows:
        rows = pa.concat_tables(lines.rows)
        # The store keeps moments as UTC without a zone, so that no session's setting shifts them.
        at = rows["at"].cast(pa.timestamp("us"))
        decisions = rows.drop_columns("attempts").set_column(2, "at", at)
        for name, table in (("decisions", decisions), ("attempts", _attempts(rows))):
            con.register("taken", table)
            con.execute(f"INSERT INTO {name} BY NAME FROM taken").fetchall()
            con.unregister("taken")
    if lines.wrong:
        beside = rejected.with_suffix(".part")
        beside.write_bytes(b"".join(lines.wrong))
        beside.replace(rejected)


@dataclass(frozen=True)
class _Lines:
    rows: list[pa.Table]
    wrong: list[bytes]


def _read(data: bytes) -> _Lines:
    """Read whole lines, by halves where some cannot be read."""
    try:
        return _Lines([_parsed(data)], [])
    except ValueError:
        middle = data.rfind(b"\n", 0, len(data) // 2) + 1 or data.find(b"\n") + 1
        if middle == len(data):
            return _Lines([], [data])
        first, second = _read(data[:middle]), _read(data[middle:])
        return _Lines(first.rows + second.rows, first.wrong + second.wrong)


def _parsed(data: bytes) -> pa.Table:
    """Lines as ROW has them; ValueError when one is not."""
    data.decode()  # Arrow does not look whether text is UTF-8, and passes over blank lines
    marks = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(marks == ord("\n")) + 1
    starts = np.append(0, ends[:-1])
    if np.any(marks[starts] != ord("{")):
        raise ValueError("a line is no object")
    block = max(BLOCK_BYTES, int(np.max(ends - starts)))
    table = pa.json.read_json(
        io.BytesIO(data),
        pa.json.ReadOptions(block_size=block),
        pa.json.ParseOptions(explicit_schema=ROW, unexpected_field_behavior="error"),
    )
    if table.num_rows != len(ends):
        raise ValueError("a line holds more than one row")
    for field in ROW:
        if not field.nullable and table[field.name].null_count:
            raise ValueError(f"a row has no {field.name}")
    return table


def _attempts(rows: pa.Table) -> pa.Table:
    """The attempts of all rows (ATTEMPTS)."""
    lists = rows["attempts"].combine_chunks()
    counts = pc.list_value_length(lists).to_numpy()
    of = pc.list_parent_indices(lists)
    first = np.cumsum(counts) - counts
    numbers = np.arange(len(of)) - np.repeat(first, counts) + 1
    fields = pc.list_flatten(lists).flatten()
    columns = [rows["decision_id"].take(of), pa.array(numbers, pa.int32()), *fields]
    return pa.table(columns, schema=ATTEMPTS)
