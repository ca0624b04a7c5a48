"""LLMRouter: routing data, a line for each query and model.

What surprises:

* A query is told by ``embedding_id``, which counts the distinct (task, query, truth, metric) over
  train and test alike; without it by a hash of these four.
* A failed call is a response that begins with ``ERROR`` or ``API Error``; its tokens and its time
  are written as 0 and were not measured.
* ``token_num`` is input and output in one, so it fills neither.
"""

from __future__ import annotations

from toolkit.logs.importers.expressions import as_written, measured, truth
from toolkit.logs.importers.format import Columns, Format, Mapping, Options

_FAILED = "'^(ERROR|API Error)'"
_NAMED = r"'^(?:ERROR|API Error).*?\b([A-Za-z]*(?:Error|Exception|Timeout))\b'"


def _detect(columns: Columns) -> bool:
    return columns.has("task_name", "query", "model_name", "performance")


def _read(columns: Columns, _: Options) -> Mapping:
    task, response = columns.text("task_name"), as_written(columns.sql("response"))
    failed = f"coalesce(regexp_matches({response}, {_FAILED}), false)"
    four = ", ".join(columns.text(c) for c in ("task_name", "query", "ground_truth", "metric"))
    number = f"as_number({columns.sql('embedding_id')})"
    given = (
        f"CASE WHEN {number} % 1 = 0 THEN CAST(CAST({number} AS BIGINT) AS VARCHAR)"
        f" ELSE {measured(columns.sql('embedding_id'))} END"
    )
    fields = {
        "request_id": f"{task} || '/' || coalesce({given}, md5(concat_ws(chr(31), {four}))[1:16])",
        "model": columns.text("model_name"),
        "category": task,
        "prompt": as_written(columns.sql("query")),
        "quality": truth(columns.sql("performance")),
        "error": f"CASE WHEN {failed} THEN coalesce({_name_of(response)}, 'unknown') END",
        "error_detail": f"CASE WHEN {failed} THEN {response} END",
        "answer": f"CASE WHEN NOT {failed} THEN {response} END",
    }
    for ours, theirs in (
        ("latency_s", "response_time"),
        ("input_tokens", "input_tokens"),
        ("output_tokens", "output_tokens"),
    ):
        value = columns.sql(theirs)
        fields[ours] = (
            f"CASE WHEN NOT ({failed} AND as_number({value}) = 0) THEN {measured(value)} END"
        )
    request_columns = {
        name: columns.text(source)
        for name, source in (
            ("reference", "ground_truth"),
            ("metric", "metric"),
            ("user", "user_id"),
        )
        if source in columns
    }
    split = "input_tokens" in columns or "output_tokens" in columns
    notes = ("token_num is left out: it does not tell input from output",)
    return Mapping(
        fields, request_columns, notes=() if split or "token_num" not in columns else notes
    )


def _name_of(response: str) -> str:
    return f"nullif(regexp_extract({response}[1:200], {_NAMED}, 1), '')"


FORMAT = Format("llmrouter", "LLMRouter routing data", _detect, _read)
