"""Logs of LiteLLM, OpenTelemetry and Langfuse."""

from __future__ import annotations

import copy
import csv
import json
from datetime import datetime
from types import NoneType
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.broken_logs import Damage, broken, damages_of, put, swap, without, write
from tests.golden import (
    GOLDEN,
    assert_golden,
    expected_of,
    log_of,
    outcomes_of,
    rows_of,
    written_as,
)
from toolkit.errors import DataError
from toolkit.logs.datasets import load_dataset
from toolkit.logs.errornames import error_type
from toolkit.logs.importers import FORMATS, import_file, preview
from toolkit.logs.importers.format import Columns
from toolkit.logs.importers.genai import NAMES as NAMES_OF_ATTRIBUTES
from toolkit.logs.importers.genai import (
    asks_model,
    error_of,
    named,
    scores_in,
    scores_of,
    texts_of,
)
from toolkit.logs.importers.messages import text_of
from toolkit.logs.importers.otlp import log_events, plain, spans
from toolkit.logs.importers.prose import error_in

NAMES = ("litellm-spend-logs", "litellm-logging-payload", "otel-genai", "langfuse")
TABLES = tuple(name for name in NAMES if name != "otel-genai")
OPTIONS: dict[str, dict[str, Any]] = {
    "langfuse": {"scores": GOLDEN / "langfuse" / "scores.jsonl"},
}
KINDS = {
    "litellm-spend-logs": ("csv", "jsonl"),
    "litellm-logging-payload": ("jsonl",),
    "otel-genai": ("jsonl",),
    "langfuse": ("csv", "jsonl"),
}


def imported(path, name, **options):
    """Import without list prices, and check that no row is lost."""
    report = import_file(path, name, estimate_costs=False, **options)
    assert report.n_rows == report.n_stored + report.n_rejected + report.n_left_out
    return report


def options_of(name):
    """What a golden log is imported with."""
    return OPTIONS.get(name, {})


@pytest.mark.parametrize("name", NAMES)
def test_golden_log_is_what_its_rows_say(name, lab):
    """A golden log is found out and imported; each row is stored, rejected or left out as said."""
    assert_golden(imported(log_of(name), "golden", **options_of(name)), expected_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_rejected_rows_are_named_with_line_and_reason(name, lab):
    """The file of rejects has the line of each rejected row, and why."""
    report = imported(log_of(name), "golden", **options_of(name))
    with report.rejects_path.open(encoding="utf-8", newline="") as text:
        rejects = [(int(one["line"]), one["reason"]) for one in csv.DictReader(text)]
    for (line, reason), (wanted, why) in zip(rejects, expected_of(name)["rejects"], strict=True):
        assert line == wanted
        assert reason.startswith(why)


@pytest.mark.parametrize("name", NAMES)
def test_left_out_rows_are_counted_with_their_reason(name, lab):
    """Every reason to leave rows out is told, with their number."""
    notes = imported(log_of(name), "golden", **options_of(name)).notes
    for why, count in expected_of(name)["left_out"].items():
        assert f"left out, {why}: {count}" in notes


@pytest.mark.parametrize("name", NAMES)
def test_golden_log_is_of_no_other_format(name):
    """The columns of a golden log fit its own format alone."""
    rows = [row for row in _parsed_rows(name) if isinstance(row, dict)]
    names = tuple(dict.fromkeys(key for row in rows for key in row))
    assert [one.name for one in FORMATS if one.detect(Columns(names))] == [name]


def _parsed_rows(name: str) -> list[dict[str, Any]]:
    if name != "otel-genai":
        return rows_of(log_of(name))
    return [json.loads(line) for line in log_of(name).read_text("utf-8").splitlines()[:-1]]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet"])
@pytest.mark.parametrize("name", TABLES)
def test_kind_of_file_makes_no_difference(name, kind, tmp_path, lab):
    """A golden log in CSV, JSON or Parquet gives the same outcomes."""
    path = written_as(rows_of(log_of(name)), tmp_path / f"log.{kind}")
    assert_golden(imported(path, "golden", **options_of(name)), expected_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_empty_file_says_so(name, tmp_path, lab):
    """An empty file is refused in a sentence, and so is a header without rows."""
    path = tmp_path / log_of(name).name
    path.write_bytes(b"")
    with pytest.raises(DataError, match="the file is empty"):
        import_file(path, "empty")
    if path.suffix == ".csv":
        path.write_bytes(log_of(name).read_bytes().split(b"\n", 1)[0] + b"\n")
        with pytest.raises(DataError, match="no outcomes"):
            import_file(path, "empty")


@pytest.mark.parametrize("name", NAMES)
def test_truncated_file_keeps_its_whole_rows(name, tmp_path):
    """A file that was cut off is stored up to there, and the cut row is rejected."""
    path = tmp_path / f"log.{KINDS[name][0]}"
    write(path, generated(name, 20), {})
    path.write_bytes(path.read_bytes()[:-90])
    found = preview(path, estimate_costs=False)
    assert (found.n_rows, found.n_stored, found.n_rejected) == (20, 19, 1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("name", NAMES)
def test_other_encodings_are_read(name, encoding, tmp_path):
    """UTF-16 with its mark is found out; what has no mark is read as what the user names."""
    text = log_of(name).read_bytes().decode().encode("latin-1", "replace").decode("latin-1")
    found = []
    for folder, written in (("plain", "utf-8"), ("other", encoding)):
        path = tmp_path / folder / log_of(name).name
        path.parent.mkdir()
        path.write_bytes(text.encode(written))
        said = {"encoding": written} if folder == "other" and written != "utf-16" else {}
        found.append(preview(path, estimate_costs=False, **said))
    first, second = found
    assert second.rows.to_pylist() == first.rows.to_pylist()
    assert (second.n_rows, second.n_stored) == (first.n_rows, first.n_stored)
    assert second.rejects == first.rejects


# --- ten thousand rows, some of them broken ------------------------------------------------------

PROMPT = 'Wer grüßt?\n"Ich", sagt sie. 👋'


def generated(name: str, n: int) -> list[dict[str, Any]]:
    """Good rows of a format in any number: the first of its golden log, with ids counted on."""
    first = _parsed_rows(name)[0]
    if name == "litellm-spend-logs":
        messages = json.dumps([{"role": "user", "content": PROMPT}], ensure_ascii=False)
        return [{**first, "request_id": f"r{i}", "messages": messages} for i in range(n)]
    if name == "litellm-logging-payload":
        messages = [{"role": "user", "content": PROMPT}]
        own = {"messages": messages, "response": None}
        return [{**first, **own, "id": f"r{i}", "litellm_call_id": f"c{i}"} for i in range(n)]
    if name == "langfuse":
        return [{**first, "id": f"o{i}", "input": PROMPT} for i in range(n)]
    return [with_span(first, spanId=f"{i + 1:016x}", events=[]) for i in range(n)]


def with_span(line: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A line of traces with other values in its only span; None takes a key away."""
    ((resource,),) = line.values()
    ((scope),) = resource["scopeSpans"]
    span = {**scope["spans"][0], **changes}
    span = {key: value for key, value in span.items() if value is not None}
    return {"resourceSpans": [{**resource, "scopeSpans": [{**scope, "spans": [span]}]}]}


def in_span(what: str, *, stored: bool = False, **changes: Any) -> Damage:
    """Damage the only span of a line."""
    return Damage(what, lambda row: with_span(row, **changes), stored=stored)


def attribute(key: str, kind: str, value: Any, **others: Any) -> list[dict[str, Any]]:
    """Attributes of a call of a model, one of them as given."""
    plain = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **others}
    return [
        *({"key": k, "value": {"stringValue": v}} for k, v in plain.items() if k != key),
        {"key": key, "value": {kind: value}},
    ]


DAMAGES: dict[str, tuple[Damage, ...]] = {
    "litellm-spend-logs": (
        put("spend", "free"),
        put("spend", "-0.1"),
        put("prompt_tokens", "many"),
        put("completion_tokens", "inf"),
        without("request_id"),
        swap("startTime", "endTime"),
        Damage("no model", lambda row: {**row, "model": None, "model_group": None}),
        put("startTime", "yesterday", stored=True),
        put("metadata", "{'no': JSON", stored=True),
        without("metadata", stored=True),
        without("spend", stored=True),
    ),
    "litellm-logging-payload": (
        put("response_cost", "free"),
        put("prompt_tokens", -1),
        put("completion_tokens", {"n": 1}),
        swap("startTime", "endTime"),
        Damage("no id", lambda row: {**row, "id": None, "litellm_call_id": " "}),
        put("startTime", "yesterday", stored=True),
        put("metadata", "{'no': JSON", stored=True),
        put("error_information", [], stored=True),
        without("response_cost", stored=True),
    ),
    "otel-genai": (
        in_span("no id", spanId=None),
        in_span("no trace", traceId=""),
        in_span("ends early", endTimeUnixNano="1"),
        in_span("no model", attributes=attribute("gen_ai.request.model", "stringValue", "")),
        in_span("tokens", attributes=attribute("gen_ai.usage.input_tokens", "stringValue", "many")),
        in_span("cost", attributes=attribute("gen_ai.usage.cost", "doubleValue", -0.5)),
        Damage("no span", lambda _: {"resourceSpans": [{"scopeSpans": [{"spans": ["none"]}]}]}),
        Damage("no list", lambda _: {"resourceSpans": {"scopeSpans": 3}}),
        in_span("no start", startTimeUnixNano="soon", stored=True),
        in_span("not ended", endTimeUnixNano="0", stored=True),
        in_span("odd status", status="bad", events={"name": 1}, stored=True),
    ),
    "langfuse": (
        put("total_cost", "free"),
        without("id"),
        without("provided_model_name"),
        swap("start_time", "end_time"),
        put("end_time", "soon", stored=True),
        put("usage_details", "{'no': JSON", stored=True),
        without("end_time", stored=True),
        put("latency", "slow", stored=True),
    ),
}


@pytest.mark.parametrize(("name", "kind"), [(n, kind) for n in NAMES for kind in KINDS[n]])
def test_counts_add_up_on_ten_thousand_rows(name, kind, tmp_path_factory):
    """Of 10,000 rows with a hundred broken ones, those that can be stored are, and all count."""
    path = tmp_path_factory.mktemp(name) / f"log.{kind}"
    rows = generated(name, 10_000)

    @settings(max_examples=2, phases=[Phase.generate])
    @given(damages=broken((*DAMAGES[name], *damages_of(path))))
    def check(damages: dict[int, Damage]) -> None:
        counts = write(path, rows, damages)
        found = preview(path, estimate_costs=False)
        assert (found.n_rows, found.n_stored) == (counts.n_rows, counts.n_stored)
        assert found.n_rows == found.n_stored + found.n_rejected + found.n_left_out

    check()


@settings(max_examples=25)
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_counts_add_up_on_any_damage(data, name, tmp_path_factory):
    """Whichever rows of a small log are broken, and however, every row is counted once."""
    path = tmp_path_factory.mktemp("small") / f"log.{data.draw(st.sampled_from(KINDS[name]))}"
    n_rows = data.draw(st.integers(2, 12))
    kinds = (*DAMAGES[name], *damages_of(path))
    damages = data.draw(broken(kinds, n_rows, data.draw(st.integers(0, n_rows - 1))))
    counts = write(path, generated(name, n_rows), damages)
    if counts.n_stored:
        found = preview(path, estimate_costs=False)
        assert (found.n_rows, found.n_stored) == (counts.n_rows, counts.n_stored)
        assert found.n_rows == found.n_stored + found.n_rejected + found.n_left_out
    else:
        with pytest.raises(DataError, match="no row can be stored"):
            preview(path, estimate_costs=False)


# --- LiteLLM -------------------------------------------------------------------------------------


def test_spend_logs_keep_their_own_types_in_parquet(tmp_path, lab):
    """Times, numbers and truths that a database wrote are read as the text of the same is."""
    rows = rows_of(log_of("litellm-spend-logs"))[:2]
    table = pa.table(
        {
            "request_id": [row["request_id"] for row in rows],
            "call_type": ["acompletion"] * 2,
            "model": ["openai/gpt-4o-mini", "openai/gpt-4o"],
            "spend": pa.array([0.5, None], pa.float64()),
            "total_tokens": pa.array([30, 0], pa.int32()),
            "prompt_tokens": pa.array([10, 0], pa.int32()),
            "completion_tokens": pa.array([20, 0], pa.int32()),
            "startTime": pa.array([datetime(2026, 3, 2, 8)] * 2, pa.timestamp("ms")),  # noqa: DTZ001
            "endTime": pa.array([datetime(2026, 3, 2, 8, 0, 2)] * 2, pa.timestamp("ms")),  # noqa: DTZ001
            "cache_hit": pa.array([False, True]),
            "metadata": [{"attempted_retries": 3}, {"attempted_retries": 0}],
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    report = imported(tmp_path / "log.parquet", "native")
    assert (report.n_stored, report.n_left_out) == (1, 1)
    (found,) = load_dataset("native").to_arrow().to_pylist()
    assert (found["latency_s"], found["cost_usd"], found["input_tokens"]) == (2, 0.5, 10)
    assert load_dataset("native").column("retries").to_pylist() == [3]


def test_spend_logs_need_only_the_columns_that_tell_them(tmp_path, lab):
    """What a log does not have stays blank: here metadata, times of the end, texts and teams."""
    path = tmp_path / "log.csv"
    path.write_text(
        "request_id,call_type,spend,startTime,model,status\n"
        "a,acompletion,0.5,2026-03-02 08:00:00,m,success\n"
        "b,acompletion,0,2026-03-02 08:00:01,m,failure\n",
        "utf-8",
    )
    assert imported(path, "few").n_stored == 2
    good, bad = sorted(outcomes_of("few"), key=lambda row: row["request_id"])
    assert (good["cost_usd"], good["latency_s"], good["error"]) == (0.5, None, None)
    assert (bad["cost_usd"], bad["error"], bad["quality"]) == (0, "unknown", 0)


def test_a_fallback_is_seen_under_both_models(lab):
    """A request that failed on one model and was answered by another has an outcome of each."""
    imported(log_of("litellm-logging-payload"), "golden")
    found = [row for row in outcomes_of("golden") if row["request_id"] == "call-2"]
    assert {row["model"]: row["error"] for row in found} == {
        "openai/gpt-4o-mini": "rate_limited",
        "anthropic/claude-sonnet-4-5": None,
    }


# --- OpenTelemetry -------------------------------------------------------------------------------


def test_one_request_of_many_spans_is_read_as_lines_of_them(tmp_path, lab):
    """A single ``ExportTraceServiceRequest``, also over many lines, holds the same spans."""
    lines = _parsed_rows("otel-genai")[:7]
    whole = {"resourceSpans": [one for line in lines for one in line["resourceSpans"]]}
    path = tmp_path / "request.json"
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=2), "utf-8")
    report = imported(path, "whole")
    assert report.n_stored == expected_of("otel-genai")["n_stored"]
    imported(log_of("otel-genai"), "golden")
    assert outcomes_of("whole") == outcomes_of("golden")


@pytest.mark.parametrize("where", ["scores", "same file"])
def test_events_in_log_records_belong_to_their_spans(where, tmp_path, lab):
    """Messages and evaluations in log records count, in the file of scores or among the spans."""
    logs = GOLDEN / "otel-genai" / "logs.jsonl"
    path, options = log_of("otel-genai"), {"scores": logs}
    if where == "same file":
        path, options = tmp_path / "both.jsonl", {}
        path.write_bytes(logs.read_bytes() + log_of("otel-genai").read_bytes())
    report = imported(path, "logs", **options)
    assert report.n_rows == expected_of("otel-genai")["n_rows"]
    requests = {row["request_id"][-2:]: row for row in load_dataset("logs").requests.to_pylist()}
    outcomes = {row["request_id"][-2:]: row for row in outcomes_of("logs")}
    assert (requests["a3"]["prompt"], outcomes["a3"]["answer"]) == ("Buy shoes", "Done.")
    assert outcomes["a3"]["quality"] == 0.9
    assert (requests["a5"]["prompt"], outcomes["a5"]["answer"]) == ("In the body", "An answer")


def test_several_evaluations_are_no_quality_until_one_is_chosen(tmp_path, lab):
    """Of two kinds of evaluation the user chooses one; a name that is none is refused."""
    line = _parsed_rows("otel-genai")[0]
    event = copy.deepcopy(line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["events"][0])
    event["attributes"][0]["value"]["stringValue"] = "Fluency"
    event["attributes"][1]["value"]["doubleValue"] = 0.25
    spans = line["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans[0]["events"].append(event)
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(line), "utf-8")
    report = imported(path, "none")
    assert outcomes_of("none")[0]["quality"] is None
    assert (
        "several scores, so none is the quality: 'Fluency' (1), 'Relevance' (1);"
        " choose one with --map quality=NAME" in report.notes
    )
    imported(path, "chosen", mapping={"quality": "Fluency"})
    assert outcomes_of("chosen")[0]["quality"] == 0.25
    with pytest.raises(DataError, match=r"no score 'fluency' to take as quality; .* 'Fluency'"):
        imported(path, "wrong", mapping={"quality": "fluency"})


def test_half_a_character_in_a_text_is_no_reason_to_stop(tmp_path, lab):
    """JSON text in an attribute can escape half of a pair; a mark takes its place."""
    messages = '[{"role": "user", "content": "bad \\ud83d half"}]'
    values = attribute("gen_ai.input.messages", "stringValue", messages)
    line = with_span(_parsed_rows("otel-genai")[0], attributes=values, events=[])
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(line), "utf-8")
    assert imported(path, "half").n_stored == 1
    assert load_dataset("half").column("prompt").to_pylist() == ["bad ? half"]


# --- Langfuse ------------------------------------------------------------------------------------

CAMEL = {"total_cost": "totalCost", "provided_model_name": "model", "usage_details": "usageDetails"}


def camel(name: str) -> str:
    """A name as Langfuse's API has it."""
    first, *rest = name.split("_")
    return CAMEL.get(name, first + "".join(word.capitalize() for word in rest))


@pytest.mark.parametrize("shape", ["array", "lines", "pages"])
def test_the_api_gives_the_same_as_the_export(shape, tmp_path, lab):
    """Observations and scores in camelCase, also in the pages of the API, are the same log."""
    rows = [{camel(key): value for key, value in row.items()} for row in _parsed_rows("langfuse")]
    path = tmp_path / ("log.jsonl" if shape == "lines" else "log.json")
    if shape == "pages":
        pages = [{"data": rows[i : i + 10], "meta": {"page": i // 10}} for i in (0, 10, 20)]
        path.write_text("\n".join(json.dumps(page) for page in pages), "utf-8")
    else:
        written_as(rows, path)
    scores = tmp_path / "scores.jsonl"
    marks = rows_of(GOLDEN / "langfuse" / "scores.jsonl")
    written_as([{camel(key): value for key, value in row.items()} for row in marks], scores)
    assert_golden(imported(path, "golden", scores=scores), expected_of("langfuse"))


def test_observations_without_scores_have_no_quality(lab):
    """Without the file of scores nothing is graded, and a score cannot be chosen."""
    imported(log_of("langfuse"), "golden")
    assert {row["quality"] for row in outcomes_of("golden") if not row["error"]} == {None}
    with pytest.raises(DataError, match=r"no score 'correctness' .* as there are no scores"):
        imported(log_of("langfuse"), "chosen", mapping={"quality": "correctness"})


def test_latency_is_never_read_from_the_column_of_two_units(lab):
    """The column latency says 999999 in the golden log, and no outcome does."""
    imported(log_of("langfuse"), "golden", **options_of("langfuse"))
    assert max(row["latency_s"] or 0 for row in outcomes_of("golden")) == 30


@pytest.mark.parametrize(
    ("told", "label"),
    [
        ("RateLimitError: Error code: 429 - {'error': {'message': 'slow down'}}", "rate_limited"),
        ("openai.APITimeoutError: Request timed out.", "timeout"),
        ("Error code: 529 - {'type': 'overloaded_error'}", "server_error"),
        ("litellm.ContentPolicyViolationError: filtered", "content_policy"),
        ("HTTP 503 Service Unavailable", "server_error"),
        ("Rate limit reached for gpt-4o in organization org-1", "rate_limited"),
        ("The read operation timed out", "timeout"),
        ("This model's maximum context length is 8192 tokens", "context_window"),
        ("The response was filtered by Azure's content management policy", "content_policy"),
        ("Incorrect API key provided: sk-***", "auth"),
        ("Connection refused", "connection"),
        ("The request was cancelled by the user", "cancelled"),
        ("it did not work", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_error_told_in_prose_has_a_type(told, label):
    """The class of an exception, a status or the usual words say what kind of error it was."""
    with duckdb.connect() as con:
        ((name,),) = con.execute(f"SELECT {error_in('$told')}", {"told": told}).fetchall()
    assert error_type(name).label == label


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("", None),
        (None, None),
        ("[not JSON", "[not JSON"),
        ({"role": "user", "content": "one"}, "one"),
        ([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}], "one\n\ntwo"),
        ({"content": [{"type": "text", "text": "one"}, {"type": "image_url"}, "two"]}, "one\ntwo"),
        ('[{"role": "user", "parts": [{"type": "text", "content": "one"}]}]', "one"),
        ({"messages": [{"role": "user", "content": "one"}]}, "one"),
        ([{"role": "assistant", "content": None, "tool_calls": []}], None),
        ([{"type": "text", "content": "rule one"}, {"type": "blob", "content": "…"}], "rule one"),
        (3, None),
    ],
)
def test_texts_of_messages(value, text):
    """Messages are read in all the ways in which programs write them; what is none has no text."""
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "plain_value"),
    [
        ({"stringValue": "a"}, "a"),
        ({"intValue": "9007199254740993"}, 9007199254740993),
        ({"intValue": 7}, 7),
        ({"intValue": "many"}, None),
        ({"doubleValue": 0.5}, 0.5),
        ({"boolValue": False}, False),
        ({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "b"}]}}, [1, "b"]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"arrayValue": {}}}]}}, {"k": []}),
        ({"kvlistValue": "none"}, {}),
        ({}, None),
        (None, None),
        ("bare", "bare"),
    ],
)
def test_values_that_say_their_type(value, plain_value):
    """A value of OTLP is read by its type, whole numbers as text too; what is none is missing."""
    assert plain(value) == plain_value


KEYS = (
    *("resource", "attributes", "key", "value", "scopeSpans", "spans", "traceId", "events"),
    *("name", "status", "code", "startTimeUnixNano", "endTimeUnixNano", "stringValue"),
    *("intValue", "arrayValue", "kvlistValue", "values", "body", "scopeLogs", "logRecords"),
    *("eventName", "message", "content", "parts", "text"),
)
LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.sampled_from(KEYS)
SHAPES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=25,
)
ATTRIBUTES = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(
                [
                    *(name for names in NAMES_OF_ATTRIBUTES.values() for name in names),
                    *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt"),
                    *("gen_ai.prompt.0.content", "error.type", "gen_ai.evaluation.name"),
                ]
            ),
            "value": st.fixed_dictionaries({"stringValue": SHAPES}) | SHAPES,
        }
    ),
    max_size=4,
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["exception", "gen_ai.choice", "gen_ai.evaluation.result"]),
            "attributes": ATTRIBUTES,
        }
    ),
    max_size=2,
)
SPANS = st.fixed_dictionaries(
    {"attributes": ATTRIBUTES | SHAPES, "events": EVENTS | SHAPES, "status": SHAPES}
).map(lambda span: [{"scopeSpans": [{"spans": [span]}]}])


@given(value=SHAPES | SPANS)
def test_no_shape_of_traces_stops_the_reader(value):
    """Whatever stands where spans or log records should, reading it raises nothing."""
    text_of(value)
    list(scores_in(log_events(value)))
    for span in spans(value):
        asks_model(span)
        said = (*error_of(span), *texts_of(span.attributes, span.events), span.trace, span.parent)
        assert {type(text) for text in (*said, *named(span.attributes).values())} <= {str, NoneType}
        assert all(isinstance(score, float) for *_, score in scores_of(span))
