"""Portkey: an export of its logs.

What surprises:

* ``cost`` is in **cents**, ``response_time`` in milliseconds.
* Status 446 is a guardrail that refused (``content_policy``). 246 is one that failed and let the
  answer pass: an answer, marked in the column ``guardrail_failed``. 412 is a spent budget.
* A trace may hold many requests, so a request is one ``id``; ``trace_id`` is kept beside it.
* An answer from Portkey's cache is no call of a model.
* The export has no quality.
"""

from __future__ import annotations

from toolkit.logs.importers.expressions import answered, asked
from toolkit.logs.importers.format import Columns, Format, Mapping, Options, json_text


def _detect(columns: Columns) -> bool:
    return (
        "ai_model" in columns
        and columns.first("id", "trace_id") is not None
        and columns.first("ai_org", "req_units", "response_status_code", "response_time")
        is not None
    )


def _read(columns: Columns, _: Options) -> Mapping:
    cost = columns.text("cost")
    currency = columns.text("cost_currency")
    status = columns.text("response_status_code")
    cents = f"as_number({cost}) / 100"
    fields = {
        "request_id": columns.text("id")
        if "id" in columns
        else f"{columns.text('trace_id')} || '/' || line",
        "model": columns.text("ai_model"),
        "timestamp": columns.sql("created_at"),
        "cost_usd": cents,
        "latency_ms": columns.sql("response_time"),
        "input_tokens": columns.sql("req_units"),
        "output_tokens": columns.sql("res_units"),
        "error": _error(columns, f"as_number({status})"),
        "prompt": asked(_body(columns, "request")),
        "answer": answered(_body(columns, "response")),
        "error_detail": json_text(_body(columns, "response"), "error", "message"),
    }
    request_columns = {
        name: sql
        for name, sql, source in (
            ("trace_id", columns.text("trace_id"), "trace_id"),
            ("provider", columns.text("ai_org"), "ai_org"),
            ("mode", columns.text("mode"), "mode"),
            ("config", columns.text("config"), "config"),
            ("retries", f"as_number({columns.sql('retry_success_count')})", "retry_success_count"),
            ("user", columns.json("metadata", "_user"), "metadata"),
            ("environment", columns.json("metadata", "_environment"), "metadata"),
            ("metadata", columns.text("metadata"), "metadata"),
            ("guardrail_failed", f"as_number({status}) IN (246, 446)", "response_status_code"),
        )
        if source in columns
    }
    return Mapping(
        fields,
        request_columns,
        left_out=((f"upper({columns.text('cache_status')}) LIKE '%HIT'", "answered from a cache"),),
        wrong=(
            (f"{cost} IS NOT NULL AND {cents} IS NULL", "cost is no number"),
            (f"upper({currency}) <> 'USD'", "cost is not in US dollars"),
            (
                f"{status} IS NOT NULL AND as_number({status}) IS NULL",
                "response_status_code is no number",
            ),
        ),
        notes=("cost is in cents in this format, and divided by 100",),
    )


def _error(columns: Columns, status: str) -> str:
    failed = f"lower({columns.text('is_success')}) IN ('0', 'false')"
    return (
        f"CASE WHEN {status} = 446 THEN 'content_policy' WHEN {status} = 412 THEN 'budget'"
        f" WHEN {status} >= 400 THEN CAST(CAST({status} AS INTEGER) AS VARCHAR)"
        f" WHEN {status} = 246 THEN NULL WHEN {failed} THEN 'unknown' END"
    )


def _body(columns: Columns, name: str) -> str:
    """SQL of the body of a request or response, which may stand by itself or among headers."""
    if f"{name}.body" in columns:
        return columns.text(f"{name}.body")
    return f"coalesce({columns.json(name, 'body')}, {columns.text(name)})"


FORMAT = Format("portkey", "Portkey logs", _detect, _read)
