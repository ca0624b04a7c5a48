"""Reading a log of any format into checked tables, step by step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Names
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from toolkit.errors import DataError
from toolkit.logs.checks import refuse, wrong_prompts
from toolkit.logs.estimates import with_estimated_costs
from toolkit.logs.files import File, gather, in_utf8, open_file
from toolkit.logs.importers.drops import read_drops
from toolkit.logs.importers.format import Columns, Format, Mapping, Options
from toolkit.logs.importers.overlay import overlaid
from toolkit.logs.importers.pickles import refuse_pickle
from toolkit.logs.importers.registry import choose, detect
from toolkit.logs.importers.rejects import first_of
from toolkit.logs.importers.sift import Sifted, refuse_if_nothing, sift
from toolkit.logs.importers.source import Source, connect, load, open_source, used_columns
from toolkit.logs.raw import load_requests
from toolkit.logs.readers import read_requests
from toolkit.logs.tables import Tables, tabulate


@dataclass(frozen=True)
class Choices:
    """What the user said about a log; see :func:`toolkit.logs.importers.import_file`."""

    prompts: str | Path | None = None
    format: str | None = None
    mapping: Names[str, str] = field(default_factory=dict)
    scores: str | Path | None = None
    drop_prompts: str | Path | None = None
    encoding: str | None = None
    redact: bool = False
    estimate_costs: bool = True


@dataclass(frozen=True, eq=False)
class Reading:
    """A log that was read, and how."""

    source: Source
    format: Format
    fitting: tuple[Format, ...]
    """All formats that its columns fit."""
    sources: tuple[tuple[str, str], ...]
    sifted: Sifted
    tables: Tables

    @property
    def n_rejected(self) -> int:
        """Rows that could not be read, or not be used."""
        return self.sifted.n_rejected + len(self.source.unread)

    @property
    def n_rows(self) -> int:
        """Rows of the log, as its format counts them."""
        return self.sifted.n_stored + self.sifted.n_left_out + self.n_rejected


@contextmanager
def read(path: str | Path, choices: Choices, folder: Path) -> Iterator[Reading]:
    """Read a log; its connection is open inside the block. ``folder`` is for temporary files."""
    refuse_pickles(Path(path))
    files = [in_utf8(file, choices.encoding, folder) for file in gather(path)]
    with connect() as con:
        yield _read(con, files, choices, folder, Path(path).name)


def _read(
    con: duckdb.DuckDBPyConnection, files: list[File], choices: Choices, folder: Path, name: str
) -> Reading:
    source = open_source(con, files)
    if not source.columns.names:
        unread = next((f"; line {u.offset + 1} {u.reason}" for u in source.unread), "")
        raise DataError(f"{name}: no outcomes{unread}; allowed: a row for each outcome")
    format_ = choose(choices.format, source.columns, name, choices.mapping)
    fitting = detect(source.columns)
    options = Options(choices.mapping, _scores(con, choices, folder))
    prompts_file = None if choices.prompts is None else open_file(choices.prompts)
    requests = None if prompts_file is None else read_requests(con, prompts_file)
    load_requests(con, requests, (prompts_file or files[0]).rows)
    if prompts_file is not None:
        refuse(wrong_prompts(con, prompts_file.rows))
    if choices.drop_prompts is not None:
        read_drops(con, Path(choices.drop_prompts))
    with _told(name):
        columns = source.columns
        if format_.prepare is None:
            mapping = overlaid(format_, format_.read(columns, options), columns, options)
            sql = _statements(mapping)
            by_line = any(re.search(r"\bline\b", one) for one in sql)
            load(source, used_columns(*sql), keep_line=by_line)
        else:
            load(source, keep_line=True)
            columns = format_.prepare(con, columns, options)
            source = replace(source, has_line=True)
            mapping = overlaid(format_, format_.read(columns, options), columns, options)
    sifted = sift(
        source, mapping, drops=choices.drop_prompts is not None, prompts=requests is not None
    )
    refuse_if_nothing(sifted, len(source.unread), first_of(source), name)
    notes = (*mapping.notes, *sifted.notes)
    if choices.drop_prompts is not None and not any("to drop" in why for why, _ in sifted.left_out):
        notes += ("no prompt of the log is on the list to drop",)
    tables = tabulate(
        con,
        {*mapping.fields, *(c for own in mapping.models.values() for c in own)},
        requests,
        extras=tuple(mapping.request_columns),
        notes=notes,
    )
    if choices.estimate_costs:
        tables = with_estimated_costs(tables)
    if choices.redact:
        from toolkit.logs.masking import masked

        tables = masked(tables)
    return Reading(source, format_, fitting, _sources(mapping, columns), sifted, tables)


def _statements(mapping: Mapping) -> list[str]:
    """All the SQL of a mapping."""
    return [
        *mapping.fields.values(),
        *mapping.request_columns.values(),
        *(sql for own in mapping.models.values() for sql in own.values()),
        *(sql for sql, _ in (*mapping.left_out, *mapping.wrong)),
    ]


def _sources(mapping: Mapping, columns: Columns) -> tuple[tuple[str, str], ...]:
    """What each column of ours is read from: the format's words, else the columns in its SQL."""
    fields = {**mapping.fields, **mapping.request_columns}
    for model, own in mapping.models.items():
        fields |= {f"{column} of {model}": sql for column, sql in own.items()}
    said = dict(mapping.sources)
    found = []
    for name, sql in fields.items():
        names = dict.fromkeys(columns.names[i] for i in used_columns(sql) if i < len(columns.names))
        if words := said.get(name) or ", ".join(names):
            found.append((name, words))
    return tuple(found)


def _scores(con: duckdb.DuckDBPyConnection, choices: Choices, folder: Path) -> Columns | None:
    """Make table ``scores`` (s0, s1 …) of the file of scores, if there is one."""
    if choices.scores is None:
        return None
    file = in_utf8(open_file(choices.scores), choices.encoding, folder)
    with connect() as other:
        source = open_source(other, [file])
        load(source)
        listed = ", ".join(f"c{i} AS s{i}" for i in range(len(source.columns.names)))
        table = other.sql(f"SELECT {listed} FROM source").to_arrow_table()  # noqa: S608
    con.register("scores_read", table)
    con.execute("CREATE TEMP TABLE scores AS FROM scores_read").fetchall()
    con.unregister("scores_read")
    return source.columns


def refuse_pickles(path: Path) -> None:
    """Raise DataError for a pickle, or a folder that holds one."""
    for one in path.iterdir() if path.is_dir() else [path]:
        if one.is_file():
            refuse_pickle(one)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say which file an error is about that a format found."""
    try:
        yield
    except DataError as error:
        text = str(error)
        raise DataError(
            "\n".join(
                line if line.startswith(name) else f"{name}: {line}" for line in text.split("\n")
            )
        ) from error
