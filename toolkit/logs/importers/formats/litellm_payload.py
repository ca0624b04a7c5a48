"""LiteLLM's ``StandardLoggingPayload``, as its loggers for files and object stores write it.

What surprises:

* A line is one attempt. Those of one request share ``litellm_call_id``, and failed ones their
  ``id`` as well, so a request is a ``litellm_call_id``, seen under each model that it was sent to.
  Of several attempts of one model the first counts; the others are left out, and ``retries`` says
  how many they were. ``trace_id`` may span a session, so it does not tell requests apart.
* Times are seconds since 1970. ``response_time`` of a stream ends at the first token, so latency is
  the time from ``startTime`` to ``endTime``.
* An answer from the cache is no call of a model.
* A cost of 0 with a diagnostic beside it is a price that LiteLLM does not know.
* There is no quality.
"""

from __future__ import annotations

import duckdb

from toolkit.logs.importers.conversations import answer_in, prompt_in
from toolkit.logs.importers.expressions import either
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

_ERROR = (
    ("error_class", "error_class"),
    ("error_code", "error_code"),
    ("error_message", "error_message"),
    ("rate_limit_type", "error_rate_limit_type"),
)
_METADATA = (
    ("team", "user_api_key_team_id"),
    ("organisation", "user_api_key_org_id"),
    ("user", "user_api_key_user_id"),
    ("end_user", "user_api_key_end_user_id"),
    ("routing_cause", "routing_decision.cause"),
    ("routing_tier", "routing_decision.tier"),
    ("routing_score", "routing_decision.score"),
)

_ATTEMPT, _RETRIES = "attempt of this model", "retries of this model"


def _detect(columns: Columns) -> bool:
    return columns.has("id", "call_type", "response_cost", "startTime", "status")


def _prepare(con: duckdb.DuckDBPyConnection, columns: Columns, _: Options) -> Columns:
    """Number the attempts of each model on each request, by their time."""
    n, start = len(columns.names), f"as_moment({columns.sql('startTime')})"
    same = f"OVER (PARTITION BY {_request(columns)}, {model(columns)}"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE source AS SELECT source.*,"  # noqa: S608 -- places of columns
        f" dense_rank() {same} ORDER BY {start}) AS c{n},"
        f" count(DISTINCT {start}) {same}) - 1 AS c{n + 1} FROM source ORDER BY source.rowid"
    ).fetchall()
    return Columns((*columns.names, _ATTEMPT, _RETRIES))


def _request(columns: Columns) -> str:
    return either(columns, "litellm_call_id", "id")


def _read(columns: Columns, _: Options) -> Mapping:
    request = _request(columns)
    error = Parts(columns.sql("error_information"), _ERROR)
    metadata = Parts(columns.sql("metadata"), _METADATA)
    failed = f"lower({columns.text('status')}) = 'failure'"
    doubts = ("response_cost_failure_debug_info", "zero_cost_diagnostic")
    message = f"coalesce(nullif({{error_message}}, ''), {columns.text('error_str')})"
    moments = ("startTime", "completionStartTime", "endTime")
    start, first, end = (columns.sql(name) for name in moments)
    fields = {
        "request_id": request,
        "model": model(columns),
        "timestamp": start,
        "cost_usd": f"CASE WHEN {either(columns, *doubts)} IS NULL"
        f" THEN {cost(columns, 'response_cost')} END",
        "latency_s": elapsed_s(start, end),
        "input_tokens": tokens(columns, "prompt_tokens"),
        "output_tokens": tokens(columns, "completion_tokens"),
        "error": error.within(f"CASE WHEN {failed} THEN {ERROR} END"),
        "error_detail": error.within(f"CASE WHEN {failed} THEN {message} END"),
        "prompt": text(prompt_in(text(columns.sql("messages")))),
        "answer": text(answer_in(text(columns.sql("response")))),
    }
    request_columns = {
        name: sql
        for name, sql, source in (
            ("tenant", metadata.within("coalesce({team}, {organisation})"), "metadata"),
            ("user", _user(columns, metadata), "metadata"),
            ("session_id", columns.text("session_id"), "session_id"),
            ("trace_id", columns.text("trace_id"), "trace_id"),
            ("call_type", columns.text("call_type"), "call_type"),
            ("model_group", columns.text("model_group"), "model_group"),
            ("provider", columns.text("custom_llm_provider"), "custom_llm_provider"),
            ("tags", columns.text("request_tags"), "request_tags"),
            ("first_token_s", first_token_s(start, first, end), "completionStartTime"),
            (
                "guardrail_status",
                columns.json("status_fields", "guardrail_status"),
                "status_fields",
            ),
            ("routing_cause", metadata["routing_cause"], "metadata"),
            ("routing_tier", metadata["routing_tier"], "metadata"),
            ("routing_score", f"as_number({metadata['routing_score']})", "metadata"),
            ("retries", columns.sql(_RETRIES), _RETRIES),
        )
        if source in columns
    }
    again = f"{request} IS NOT NULL AND {columns.sql(_ATTEMPT)} > 1"
    return Mapping(
        fields,
        request_columns,
        left_out=(*left_out(columns), (again, "a further attempt of the same model")),
        notes=("a request is what shares litellm_call_id; of each model the first attempt counts",),
    )


def _user(columns: Columns, metadata: Parts) -> str:
    return metadata.within(f"coalesce({columns.text('end_user')}, {{end_user}}, {{user}})")


FORMAT = Format("litellm-logging-payload", "LiteLLM logging payloads", _detect, _read, _prepare)
