"""SQL of the time between two moments."""

from __future__ import annotations

from toolkit.logs.importers.format import Columns


def elapsed_s(columns: Columns, start: str, end: str) -> str:
    """SQL of the seconds from one column of moments to another; missing without both."""
    first, last = (f"epoch_us(as_moment({columns.sql(name)}))" for name in (start, end))
    return f"({last} - {first}) / 1e6"


def first_token_s(columns: Columns, start: str, first: str, end: str) -> str:
    """SQL of the seconds to the first token, missing where the answer came as a whole."""
    streamed = f"{elapsed_s(columns, first, end)} > 0"
    return f"CASE WHEN {streamed} THEN {elapsed_s(columns, start, first)} END"
