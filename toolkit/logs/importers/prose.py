"""SQL of the name of an error in what was told of it."""

from __future__ import annotations

_CLASS = r"\b([A-Za-z_][A-Za-z0-9_.]*(?:Error|Exception|Timeout))\b"
_STATUS = r"(?i)(?:code|status|http(?:/[0-9.]+)?)[^a-z0-9]{0,3}([1-5][0-9][0-9])\b"
_WORDS = {
    "context_window": "context.?(length|window)|maximum context|prompt is too long",
    "content_policy": "content.?(filter|policy|management)|guardrail",
    "rate_limited": "rate.?limit|too many requests|throttl|quota",
    "timeout": "time[ds]?.?out|deadline",
    "budget": "budget",
    "auth": "unauthori[sz]ed|api.?key|forbidden|permission",
    "cancelled": "cancel",
    "server_error": "overloaded|unavailable|internal (server )?error|bad gateway",
    "connection": "connect|network",
}


def error_in(told: str) -> str:
    """SQL of a name: a class of exception and a status, else what the usual words mean."""
    words = " ".join(
        f"WHEN regexp_matches({told}, '(?i){words}') THEN '{name}'"
        for name, words in _WORDS.items()
    )
    found = ", ".join(
        f"nullif(regexp_extract({told}, '{pattern}', 1), '')" for pattern in (_CLASS, _STATUS)
    )
    named = f"nullif(concat_ws(' ', {found}), '')"
    return f"coalesce({named}, CASE {words} ELSE 'unknown' END)"
