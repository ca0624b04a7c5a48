"""What a format of logs is: how to tell it by its columns, and what its columns mean.

A format is data and SQL expressions, all of them constants of ours, over the table ``source`` that
``source.py`` reads: columns ``c0``, ``c1`` … in the order of the file. Text of the user, column
names included, is never part of SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Names
from dataclasses import dataclass, field

import duckdb


@dataclass(frozen=True)
class Columns:
    """The columns of ``source``: column i of the file is ``c{i}``."""

    names: tuple[str, ...]
    """As the file has them."""

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def has(self, *names: str) -> bool:
        """Whether all of these are there."""
        return all(name in self.names for name in names)

    def first(self, *names: str) -> str | None:
        """The first of these that the file has."""
        return next((name for name in names if name in self.names), None)

    def sql(self, *names: str) -> str:
        """SQL of the first of these columns that the file has, else of a missing text."""
        name = self.first(*names)
        return "NULL::VARCHAR" if name is None else f"c{self.names.index(name)}"

    def text(self, *names: str) -> str:
        """The same as text, missing where it is blank."""
        return f"blank_to_null({self.sql(*names)})"

    def json(self, name: str, *path: str) -> str:
        """SQL of the text at a path of constant keys in a column of JSON; missing where none is."""
        return json_text(self.sql(name), *path)


def json_text(column: str, *path: str) -> str:
    """SQL of the text at a path of constant keys in JSON text; missing where there is none."""
    keys = "".join(f'."{key}"' for key in path)
    return f"json_text({column}, '${keys}')"


@dataclass(frozen=True)
class Options:
    """What the user said about the file."""

    mapping: Names[str, str] = field(default_factory=dict)
    """Column of ours to column of the file (``--map``)."""
    scores: Columns | None = None
    """Columns ``s0``, ``s1`` … of table ``scores``, when a file of scores was given."""


@dataclass(frozen=True)
class Mapping:
    """What the columns of one file mean."""

    fields: Names[str, str]
    """Column of an outcome (KNOWN in ``logs/raw.py``) to SQL. Numbers may be text: what is no
    number rejects its row."""
    request_columns: Names[str, str] = field(default_factory=dict)
    """Further columns of the request: name to SQL. They keep the type of their SQL."""
    models: Names[str, Names[str, str]] = field(default_factory=dict)
    """For wide formats: model to the fields that are its own; ``fields`` has no model then."""
    left_out: tuple[tuple[str, str], ...] = ()
    """(SQL condition, why) of rows that are no call of a model: counted, never stored."""
    wrong: tuple[tuple[str, str], ...] = ()
    """(SQL condition, why) of rows to reject, beside those that every format rejects."""
    notes: tuple[str, ...] = ()
    """What a user should know of how the columns are read."""
    sources: tuple[tuple[str, str], ...] = ()
    """(column of ours, what it comes from, in words), for the preview."""


@dataclass(frozen=True)
class Format:
    """A format of logs."""

    name: str
    """As ``--format`` has it."""
    title: str
    """As people call it."""
    detect: Callable[[Columns], bool]
    """Whether a file with these columns is of this format, and of no other."""
    read: Callable[[Columns, Options], Mapping]
    prepare: Callable[[duckdb.DuckDBPyConnection, Columns, Options], Columns] | None = None
    """Makes table ``source`` anew where a row of the file is not a row of the log. Each new row
    keeps ``file`` (INTEGER) and ``line`` (BIGINT, counted from 0) of the row that it comes from."""
    takes: tuple[str, ...] | None = ()
    """Columns of ours for which ``read`` itself looks at what ``--map`` says; None for all."""
