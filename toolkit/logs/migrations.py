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


def _decisions(con: duckdb.DuckDBPyConnection) -> None:
    # Moments are UTC without a zone, so that no setting of a session shifts them.
    con.execute(
        "CREATE TABLE decisions (decision_id VARCHAR NOT NULL, request_id VARCHAR NOT NULL,"
        ' "at" TIMESTAMP NOT NULL, policy VARCHAR, policy_digest VARCHAR, route VARCHAR,'
        " chain VARCHAR, propensity DOUBLE, status VARCHAR, model VARCHAR, error_type VARCHAR,"
        " quality DOUBLE, cost_usd DOUBLE, latency_s DOUBLE, seed BIGINT, request VARCHAR,"
        " prompt VARCHAR, answer VARCHAR)"
    ).fetchall()
    con.execute(
        "CREATE TABLE attempts (decision_id VARCHAR NOT NULL, attempt INTEGER NOT NULL,"
        " model VARCHAR, step INTEGER, wait_s DOUBLE, start_s DOUBLE, latency_s DOUBLE,"
        " cost_usd DOUBLE, quality DOUBLE, error_type VARCHAR)"
    ).fetchall()
    con.execute(
        "CREATE TABLE inbox (segment VARCHAR PRIMARY KEY, bytes BIGINT NOT NULL)"
    ).fetchall()


def _shelf(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE policies (name VARCHAR NOT NULL, digest VARCHAR NOT NULL,"
        " yaml VARCHAR NOT NULL, saved_at TIMESTAMP NOT NULL)"
    ).fetchall()
    con.execute(
        "CREATE TABLE routers (name VARCHAR NOT NULL, digest VARCHAR NOT NULL,"
        " created_at TIMESTAMP NOT NULL, metadata VARCHAR NOT NULL, blob BLOB NOT NULL)"
    ).fetchall()
    con.execute(
        "CREATE TABLE reviews (request_id VARCHAR NOT NULL, decision_id VARCHAR,"
        " verdict VARCHAR NOT NULL, note VARCHAR NOT NULL, reviewer VARCHAR NOT NULL,"
        ' "at" TIMESTAMP NOT NULL)'
    ).fetchall()


def _guards(con: duckdb.DuckDBPyConnection) -> None:
    # Null in rows from before: nobody noted it then.
    con.execute("ALTER TABLE decisions ADD COLUMN cached BOOLEAN").fetchall()
    con.execute("ALTER TABLE attempts ADD COLUMN hedge BOOLEAN").fetchall()


MIGRATIONS: tuple[Callable[[duckdb.DuckDBPyConnection], None], ...] = (
    _datasets,
    _formats,
    _decisions,
    _shelf,
    _guards,
)
