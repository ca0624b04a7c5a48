"""Where a profile reads: the store's tables of one dataset, or those of a dataset in memory.

Columns of the requests are named by position (``c0``, ``c1`` …), so that no name of the user's
reaches SQL, nor two that differ in case only meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.logs import store
from toolkit.logs.dataset import Dataset
from toolkit.logs.gaps import Kind, kind_of
from toolkit.schema import TIMESTAMP


@dataclass(frozen=True)
class Source:
    """One dataset in DuckDB: n requests, m models, k outcomes."""

    con: duckdb.DuckDBPyConnection
    outcomes: str
    """Table of the outcomes, in the order of the requests; see :class:`toolkit.logs.tables.Tables`
    for its columns."""
    requests_table: str
    columns: pa.Schema
    """Of the requests."""
    models: tuple[str, ...]
    n_requests: int
    n_outcomes: int
    texts: frozenset[str]
    """Columns of the outcomes beyond those that every dataset has."""

    @property
    def n_models(self) -> int:
        """How many models there are (m)."""
        return len(self.models)

    @property
    def kind(self) -> Kind:
        """Whether every model was observed on every request, or one on each."""
        return kind_of(self.n_requests, self.n_models, self.n_outcomes)

    @property
    def requests(self) -> str:
        """SQL of the requests as ``r``: ``ix`` (from 1), then ``c0`` and so on."""
        names = ", ".join(["ix", *(f"c{i}" for i in range(len(self.columns)))])
        return f"(FROM {self.requests_table}) AS r({names})"

    def request(self, name: str) -> str | None:
        """SQL of a column of the requests; None where there is none of this name."""
        at = self.columns.get_field_index(name)
        return None if at < 0 else f"r.c{at}"

    def text(self, name: str) -> str | None:
        """The same, as text."""
        column = self.request(name)
        if column is None or _is_text(self.columns.field(name).type):
            return column
        return f"CAST({column} AS VARCHAR)"

    def moment(self) -> str | None:
        """SQL of the time of a request, UTC; None where the log has no times."""
        column = self.request(TIMESTAMP)
        if column is None:
            return None
        kind = self.columns.field(TIMESTAMP).type
        if pa.types.is_timestamp(kind):
            return column if kind.tz is None else f"make_timestamp(epoch_us({column}))"
        if pa.types.is_date(kind):
            return f"CAST({column} AS TIMESTAMP)"
        return f"TRY_CAST({column} AS TIMESTAMP)" if _is_text(kind) else None

    def rows(self, sql: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run SQL of ours with ``$`` parameters."""
        found: list[tuple[Any, ...]] = self.con.execute(sql, parameters or {}).fetchall()
        return found

    def columns_of(self, sql: str) -> list[NDArray[Any]]:
        """Run SQL of ours; a NumPy array per column, NaN for null."""
        table = self.con.sql(sql).to_arrow_table()
        return [column.to_numpy() for column in table.columns]


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


@contextmanager
def opened(dataset: Dataset | str) -> Iterator[Source]:
    """Open a dataset in memory, or by name in the store; DataError when it is not there."""
    if isinstance(dataset, Dataset):
        with duckdb.connect() as con:
            yield _in_memory(con, dataset)
        return
    if not store.store_path().exists():
        raise DataError(f"the store has no dataset {dataset!r}")
    with store.connect() as con:
        yield _in_store(con, dataset)


def _in_memory(con: duckdb.DuckDBPyConnection, data: Dataset) -> Source:
    ix = pa.array(np.arange(1, data.n_requests + 1))
    # Two of the user's columns may have one name but for the case, which DuckDB would refuse.
    names = ["ix", *(f"c{i}" for i in range(data.requests.num_columns))]
    con.register("requests_0", pa.table([ix, *data.requests.columns], names))
    outcomes = data.outcomes_table()
    con.register("outcomes_0", outcomes)
    return Source(
        con=con,
        outcomes="outcomes_0",
        requests_table="requests_0",
        columns=data.requests.schema,
        models=data.models,
        n_requests=data.n_requests,
        n_outcomes=data.n_outcomes,
        texts=frozenset(outcomes.column_names[8:]),
    )


def _in_store(con: duckdb.DuckDBPyConnection, name: str) -> Source:
    found = con.execute(
        "SELECT id, models, request_schema, n_requests, n_outcomes FROM datasets"
        " WHERE name = $name",
        {"name": name},
    ).fetchall()
    if not found:
        raise DataError(f"the store has no dataset {name!r}")
    number, models, schema, n_requests, n_outcomes = found[0]
    outcomes = f"outcomes_{int(number)}"
    described = con.execute(f"DESCRIBE {outcomes}").fetchall()
    return Source(
        con=con,
        outcomes=outcomes,
        requests_table=f"requests_{int(number)}",
        columns=pa.ipc.read_schema(pa.py_buffer(schema)),
        models=tuple(models),
        n_requests=n_requests,
        n_outcomes=n_outcomes,
        texts=frozenset(row[0] for row in described[8:]),
    )
