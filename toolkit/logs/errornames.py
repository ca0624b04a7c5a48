"""Names of errors in logs, as people and programs write them, to the closed set of ErrorType."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from toolkit.schema import ErrorType

_SYNONYMS = {
    **{e.label: e for e in ErrorType},
    "ok": ErrorType.NONE,
    "success": ErrorType.NONE,
    "false": ErrorType.NONE,
    "api_error": ErrorType.SERVER_ERROR,
    "internal_server_error": ErrorType.SERVER_ERROR,
    "service_unavailable": ErrorType.SERVER_ERROR,
    "overloaded": ErrorType.SERVER_ERROR,
    "timed_out": ErrorType.TIMEOUT,
    "rate_limit": ErrorType.RATE_LIMITED,
    "rate_limit_error": ErrorType.RATE_LIMITED,
    "rate_limit_exceeded": ErrorType.RATE_LIMITED,
    "too_many_requests": ErrorType.RATE_LIMITED,
    "connection_error": ErrorType.CONNECTION,
    "api_connection_error": ErrorType.CONNECTION,
    "authentication": ErrorType.AUTH,
    "authentication_error": ErrorType.AUTH,
    "unauthorized": ErrorType.AUTH,
    "forbidden": ErrorType.AUTH,
    "invalid_request": ErrorType.BAD_REQUEST,
    "invalid_request_error": ErrorType.BAD_REQUEST,
    "context_length_exceeded": ErrorType.CONTEXT_WINDOW,
    "context_window_exceeded": ErrorType.CONTEXT_WINDOW,
    "content_filter": ErrorType.CONTENT_POLICY,
    "content_policy_violation": ErrorType.CONTENT_POLICY,
    "parse_error": ErrorType.INVALID_OUTPUT,
    "canceled": ErrorType.CANCELLED,
}
_HTTP = {
    400: ErrorType.BAD_REQUEST,
    401: ErrorType.AUTH,
    403: ErrorType.AUTH,
    408: ErrorType.TIMEOUT,
    429: ErrorType.RATE_LIMITED,
    504: ErrorType.TIMEOUT,
}


def error_type(name: str) -> ErrorType:
    """Read one name or HTTP status; blank is NONE, and what is not known is UNKNOWN.

    >>> error_type("API error").label, error_type("503").label
    ('server_error', 'server_error')
    """
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    if not key:
        return ErrorType.NONE
    if key.isascii() and key.isdigit() and len(key) == 3:
        status = int(key)
        if status < 400:
            return ErrorType.NONE
        other = ErrorType.SERVER_ERROR if 500 <= status < 600 else ErrorType.UNKNOWN
        return _HTTP.get(status, other)
    return _SYNONYMS.get(key, ErrorType.UNKNOWN)


def error_codes(counts: Sequence[tuple[str, int]]) -> tuple[pa.Table, list[str]]:
    """Map the names of a log, given with their counts.

    Returns a table (name, code) with one row per name, and notes about what was read as what.
    """
    types = [error_type(name) for name, _ in counts]
    table = pa.table(
        {
            "name": pa.array([name for name, _ in counts], pa.string()),
            "code": pa.array([int(t) for t in types], pa.int8()),
        }
    )
    notes = []
    strange = []
    for (name, count), kind in zip(counts, types, strict=True):
        if kind is ErrorType.UNKNOWN and name.strip().lower() != kind.label:
            strange.append(f"{name[:60]!r} ({count})")
        elif kind is not ErrorType.NONE and name.strip().lower() != kind.label:
            notes.append(f"error {name!r} is read as {kind.label} ({count})")
    if strange:
        more = f" and {len(strange) - 20} more names" if len(strange) > 20 else ""
        notes.append(f"errors of unknown name, read as unknown: {', '.join(strange[:20])}{more}")
    return table, notes
