"""How the store came to be as it is: its tables, by named steps.

Each step is applied once to a store, in this order; the names of those applied are kept in it.
Append, never change: a store of any earlier version is brought up to date when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb


def _datasets(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE SEQUENCE dataset_id").fetchall()
    con.execute(
        "CREATE TABLE datasets (id INTEGER PRIMARY KEY, name VARCHAR UNIQUE NOT NULL,"
        " source VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, n_requests BIGINT NOT NULL,"
        " n_models BIGINT NOT NULL, n_outcomes BIGINT NOT NULL, simulated BOOLEAN NOT NULL,"
        " models VARCHAR[] NOT NULL, request_schema BLOB NOT NULL,"
        " created_at TIMESTAMPTZ NOT NULL DEFAULT now())"
    ).fetchall()


def _formats(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("ALTER TABLE datasets ADD COLUMN format VARCHAR DEFAULT ''").fetchall()
    con.execute("ALTER TABLE datasets ADD COLUMN notes VARCHAR[] DEFAULT []").fetchall()


MIGRATIONS: tuple[Callable[[duckdb.DuckDBPyConnection], None], ...] = (_datasets, _formats)
