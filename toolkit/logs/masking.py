"""Masking what is personal or secret in the texts of a log, before they are stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pyarrow as pa

from toolkit.logs.redact import redact
from toolkit.logs.tables import Tables

OF_REQUESTS = ("prompt", "reference")
OF_OUTCOMES = ("answer", "error_detail")


def masked(tables: Tables) -> Tables:
    """The same tables with prompts, references, answers and error details masked.

    A note counts what was masked, by kind.
    """
    counts: Counter[str] = Counter()
    requests = _masked(tables.requests, OF_REQUESTS, counts)
    outcomes = _masked(tables.outcomes, OF_OUTCOMES, counts)
    listed = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    note = f"masked in texts: {listed or 'nothing was found'}"
    return replace(tables, requests=requests, outcomes=outcomes, notes=(*tables.notes, note))


def _masked(table: pa.Table, columns: tuple[str, ...], counts: Counter[str]) -> pa.Table:
    for name in columns:
        if name in table.column_names and pa.types.is_string(table.schema.field(name).type):
            texts, found = redact(table[name])
            counts.update(found)
            table = table.set_column(table.column_names.index(name), name, texts)
    return table
