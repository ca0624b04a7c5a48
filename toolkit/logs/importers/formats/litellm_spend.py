"""LiteLLM's table of spend logs (``LiteLLM_SpendLogs``), exported or from its spend endpoints.

What surprises:

* A row is a request to the gateway after all retries and fallbacks, and ``model`` the one that was
  called last. How often it tried, and which name was asked for, stands in ``metadata``.
* An answer from the cache is no call of a model.
* Tokens of 0 in a row that has none at all were not measured, nor was the cost of such an answer.
  A failed call keeps its cost of 0: the gateway charged nothing.
* The error is the class of the exception, then its status: ``RateLimitError 429``.
* Latency is the time from ``startTime`` to ``endTime``, the gateway's own part included.
* Quality is the score of LiteLLM's guardrail that judges answers (0 to 100), where it is in use.
"""

from __future__ import annotations

from toolkit.logs.importers.conversations import answer_in, prompt_in
from toolkit.logs.importers.expressions import asked, either
from toolkit.logs.importers.format import Columns, Format, Mapping, Options
from toolkit.logs.importers.formats.litellm import (
    ERROR,
    cost,
    left_out,
    model,
    text,
    tokens,
)
from toolkit.logs.importers.parts import Parts
from toolkit.logs.importers.times import elapsed_s, first_token_s

_METADATA = (
    ("status", "status"),
    ("error_class", "error_information.error_class"),
    ("error_code", "error_information.error_code"),
    ("error_message", "error_information.error_message"),
    ("rate_limit_type", "error_information.error_rate_limit_type"),
    ("retries", "attempted_retries"),
    ("fallbacks", "attempted_fallbacks"),
    ("original_model_group", "original_model_group"),
    ("routing_cause", "routing_decision.cause"),
    ("routing_tier", "routing_decision.tier"),
    ("routing_score", "routing_decision.score"),
    ("guardrail", "guardrail_information[0].guardrail_name"),
    ("guardrail_status", "guardrail_information[0].guardrail_status"),
    ("origin", "internal_call_origin"),
    ("score", "eval_information.overall_score"),
    ("first_score", "eval_information[0].overall_score"),
)
_MINED = ("original_model_group", "routing_cause", "routing_tier", "guardrail", "guardrail_status")
_COUNTED = ("retries", "fallbacks", "routing_score")


def _detect(columns: Columns) -> bool:
    return columns.has("request_id", "call_type", "spend", "startTime")


def _read(columns: Columns, _: Options) -> Mapping:
    metadata = Parts(columns.sql("metadata"), _METADATA)
    failed = f"lower(coalesce({columns.text('status')}, {{status}})) = 'failure'"
    duration = f"as_number({columns.sql('request_duration_ms')}) / 1000"
    messages, sent = (text(columns.sql(name)) for name in ("messages", "proxy_server_request"))
    moments = ("startTime", "completionStartTime", "endTime")
    start, first, end = (columns.sql(name) for name in moments)
    fields = {
        "request_id": columns.sql("request_id"),
        "model": model(columns),
        "timestamp": start,
        "cost_usd": cost(columns, "spend"),
        "latency_s": f"coalesce({elapsed_s(start, end)}, {duration})",
        "input_tokens": tokens(columns, "prompt_tokens"),
        "output_tokens": tokens(columns, "completion_tokens"),
        "error": metadata.within(f"CASE WHEN {failed} THEN {ERROR} END"),
        "error_detail": metadata.within(
            f"CASE WHEN {failed} THEN nullif({{error_message}}, '') END"
        ),
        "quality": metadata.within("as_number(coalesce({score}, {first_score})) / 100"),
        "prompt": text(f"coalesce({prompt_in(messages)}, {asked(sent)})"),
        "answer": text(answer_in(text(columns.sql("response")))),
    }
    request_columns = {
        name: sql
        for name, sql, source in (
            ("tenant", either(columns, "team_id", "organization_id"), "team_id"),
            ("user", either(columns, "end_user", "user"), "user"),
            ("session_id", columns.text("session_id"), "session_id"),
            ("call_id", columns.text("litellm_call_id"), "litellm_call_id"),
            ("call_type", columns.text("call_type"), "call_type"),
            ("model_group", columns.text("model_group"), "model_group"),
            ("provider", columns.text("custom_llm_provider"), "custom_llm_provider"),
            ("tags", columns.text("request_tags"), "request_tags"),
            ("first_token_s", first_token_s(start, first, end), "completionStartTime"),
            *((name, metadata[name], "metadata") for name in _MINED),
            *((name, f"as_number({metadata[name]})", "metadata") for name in _COUNTED),
        )
        if source in columns
    }
    own = (f"{metadata['origin']} <> ''", "a call that the gateway made for itself")
    return Mapping(
        fields,
        request_columns,
        left_out=(*left_out(columns), own),
        sources=(("quality", "metadata: score of the judging guardrail"),),
    )


FORMAT = Format("litellm-spend-logs", "LiteLLM spend logs", _detect, _read)
