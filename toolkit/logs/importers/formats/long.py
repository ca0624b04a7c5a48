"""Any long table: a row for each outcome, in our column names or with names said by ``--map``.

Columns of ours are those of ``KNOWN`` in ``logs/raw.py``. ``--map`` also takes some columns of the
request (``OF_REQUESTS``). Other columns are left out, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Names

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.checks import MEASURED, NUMBERS
from toolkit.logs.importers.format import Columns, Format, Mapping, Options
from toolkit.logs.raw import KNOWN
from toolkit.schema import MODEL, REQUEST_ID, TIMESTAMP

OF_REQUESTS = ("tenant", "user", "session_id", "trace_id", "tags", "provider", "reference")
"""Columns of a request that ``--map`` may name beside KNOWN."""


def _detect(columns: Columns) -> bool:
    return columns.has(REQUEST_ID, MODEL) and columns.first(*MEASURED) is not None


def _read(columns: Columns, options: Options) -> Mapping:
    check_names(options.mapping, columns)
    chosen = {name: name for name in KNOWN if name in columns} | dict(options.mapping)
    problems = [
        f"no column {name!r}; got {did_you_mean(name, columns.names) or 'no columns'}"
        for name in (REQUEST_ID, MODEL)
        if name not in chosen
    ]
    if not set(MEASURED) & set(chosen):
        problems.append(
            f"nothing was measured; got {did_you_mean('quality', columns.names) or 'no columns'};"
            f" allowed: at least one column of {', '.join(MEASURED)}"
        )
    if {"latency_s", "latency_ms"} <= set(chosen):
        problems.append(
            "latency is given twice; got latency_s and latency_ms; allowed: one of the two"
        )
    if problems:
        raise DataError("\n".join(problems))
    left_out = [name for name in columns.names if name not in chosen.values()]
    return Mapping(
        {name: _field(name, columns.sql(chosen[name])) for name in KNOWN if name in chosen},
        {name: columns.text(chosen[name]) for name in OF_REQUESTS if name in chosen},
        notes=(f"columns left out: {', '.join(left_out)}",) if left_out else (),
    )


def _field(name: str, value: str) -> str:
    return value if name in NUMBERS or name == TIMESTAMP else f"CAST({value} AS VARCHAR)"


def check_names(mapping: Names[str, str], columns: Columns | None = None) -> None:
    """Raise DataError where ``--map`` has a name that is none of ours, or none of the file."""
    problems = _unknown(mapping, (*KNOWN, *OF_REQUESTS), "there is no such column of ours")
    if columns is not None:
        problems += _unknown(mapping.values(), columns.names, "the file has no such column")
    if problems:
        raise DataError("\n".join(problems))


def _unknown(names: Iterable[str], allowed: tuple[str, ...], what: str) -> list[str]:
    return [
        f"--map: {what}; got {name!r}; allowed: {did_you_mean(name, allowed)}"
        for name in names
        if name not in allowed
    ]


FORMAT = Format("long", "long table", _detect, _read, takes=None)
