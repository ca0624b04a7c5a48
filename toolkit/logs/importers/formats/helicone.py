"""Helicone: requests as its export tool, its query API and its request table have them.

What surprises:

* The model is the one that was asked for, since a failed request has no other: else failures
  would count against another name than the answers. A list (a chain of the gateway) gives way to
  the model that served.
* An answer from Helicone's cache is no call of a model. It has the id of the first answer.
* Latency is ``delay_ms``, or the time between the two timestamps; ``latency`` has no stated unit.
* Quality is the user's rating, thumbs up 1 and thumbs down 0, else a score named ``quality``. Other
  scores have no stated scale.
* A status of 0, -2 or none is a request that had not ended when the log was written.
"""

from __future__ import annotations

from toolkit.logs.importers.expressions import answered, asked, either, truth
from toolkit.logs.importers.format import Columns, Format, Mapping, Options, json_text

_NO_CACHE = "'00000000-0000-0000-0000-000000000000'"


def _detect(columns: Columns) -> bool:
    return (
        "response_status" in columns
        and columns.first("request_id", "response_id") is not None
        and columns.has("request_created_at", "response_created_at")
    )


def _read(columns: Columns, _: Options) -> Mapping:
    status = f"as_number({columns.sql('response_status')})"
    cached = f"coalesce({columns.text('cache_reference_id')}, {_NO_CACHE}) <> {_NO_CACHE}"
    properties = either(columns, "request_properties", "properties")
    fields = {
        "request_id": either(columns, "request_id", "response_id"),
        "model": _model(columns),
        "timestamp": columns.sql("request_created_at"),
        "quality": truth(
            f"coalesce({columns.text('feedback_rating')}, {_score(columns.sql('scores'))})"
        ),
        "cost_usd": either(columns, "costUSD", "cost_usd", "cost"),
        "latency_ms": f"coalesce({columns.text('delay_ms')}, {_elapsed_ms(columns)})",
        "input_tokens": columns.sql("prompt_tokens"),
        "output_tokens": columns.sql("completion_tokens"),
        "error": _error(columns, status),
        "prompt": asked(columns.sql("request_body")),
        "answer": answered(columns.sql("response_body")),
        "error_detail": columns.json("response_body", "error", "message"),
    }
    request_columns = {
        name: sql
        for name, sql, source in (
            ("user", columns.text("request_user_id"), "request_user_id"),
            ("provider", columns.text("provider"), "provider"),
            ("served_by", columns.text("response_model"), "response_model"),
            ("session_id", json_text(properties, "Helicone-Session-Id"), "request_properties"),
            ("properties", properties, "request_properties"),
        )
        if source in columns
    }
    return Mapping(
        fields,
        request_columns,
        left_out=(
            (cached, "answered from a cache"),
            (f"coalesce({status}, 0) IN (0, -2) AND NOT {_unreadable(columns)}", "not ended yet"),
        ),
        wrong=((_unreadable(columns), "response_status is no number"),),
        notes=("model is the one that was asked for; quality is the user's rating",),
    )


def _model(columns: Columns) -> str:
    wanted = either(columns, "model_override", "request_model")
    served = either(columns, "model", "response_model")
    return f"CASE WHEN contains({wanted}, ',') THEN {served} ELSE coalesce({wanted}, {served}) END"


def _score(scores: str) -> str:
    return f"coalesce({json_text(scores, 'quality', 'value')}, {json_text(scores, 'quality')})"


def _elapsed_ms(columns: Columns) -> str:
    first, last = (
        f"epoch_us(as_moment({columns.sql(name)}))"
        for name in ("request_created_at", "response_created_at")
    )
    return f"CAST(({last} - {first}) / 1e3 AS VARCHAR)"


def _unreadable(columns: Columns) -> str:
    status = columns.text("response_status")
    return f"coalesce({status} IS NOT NULL AND as_number({status}) IS NULL, false)"


def _error(columns: Columns, status: str) -> str:
    body = columns.sql("response_body")
    named = f"coalesce({json_text(body, 'error', 'type')}, 'unknown')"
    return (
        f"CASE WHEN {status} = -1 THEN 'timeout' WHEN {status} = -3 THEN 'cancelled'"
        f" WHEN {status} = -4 THEN 'content_policy'"
        f" WHEN {status} < 0 THEN 'unknown'"
        f" WHEN {status} >= 400 THEN CAST(CAST({status} AS INTEGER) AS VARCHAR)"
        f" WHEN {json_text(body, 'error', 'message')} IS NOT NULL THEN {named} END"
    )


FORMAT = Format("helicone", "Helicone requests", _detect, _read)
