"""SQL of the time between two moments."""

from __future__ import annotations


def elapsed_s(start: str, end: str) -> str:
    """SQL of the seconds from one moment to another; missing without both."""
    return f"(epoch_us(as_moment({end})) - epoch_us(as_moment({start}))) / 1e6"


def first_token_s(start: str, first: str, end: str) -> str:
    """SQL of the seconds to the first token, missing where the answer came as a whole."""
    return f"CASE WHEN {elapsed_s(first, end)} > 0 THEN {elapsed_s(start, first)} END"
