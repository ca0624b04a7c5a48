"""What ``--map`` changes in a format that knows its columns by itself."""

from __future__ import annotations

from dataclasses import replace

from toolkit.logs.importers.format import Columns, Format, Mapping, Options
from toolkit.logs.importers.formats.long import check_names
from toolkit.logs.raw import KNOWN

_SAME = {"latency_s": "latency_ms", "latency_ms": "latency_s"}


def overlaid(format_: Format, mapping: Mapping, columns: Columns, options: Options) -> Mapping:
    """Lay the columns that the user named over those of the format.

    Raises DataError for a name that is none of ours or none of the file.
    """
    if format_.takes is None:
        return mapping
    said = {
        name: column
        for name, column in options.mapping.items()
        if column in columns or name not in format_.takes
    }
    check_names(said, columns)
    fields = {n: sql for n, sql in mapping.fields.items() if _SAME.get(n) not in said}
    fields |= {name: columns.sql(column) for name, column in said.items() if name in KNOWN}
    further = {name: columns.text(column) for name, column in said.items() if name not in KNOWN}
    return replace(
        mapping,
        fields=fields,
        request_columns={**mapping.request_columns, **further},
        sources=tuple((name, words) for name, words in mapping.sources if name not in said),
    )
