"""OpenTelemetry's spans of generative AI, in OTLP's JSON: lines of a collector, or one request.

What surprises:

* A row is a span. Only spans that ask a model for text are calls: agents, tools, embeddings and all
  else are left out, and so is a call right inside another, which is the same one seen twice.
* The model is the one that was asked for, as a failed call has no other.
* A span covers all retries of its client, so they cannot be told apart.
* Cost is no part of the conventions: what LiteLLM and others add to them is taken.
* Quality is the result of an evaluation, from 0 to 1. Evaluations and messages may stand in log
  records, which are read beside the spans, and from a file of scores.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from toolkit.logs.importers.format import Columns, Format, Mapping, Options
from toolkit.logs.importers.genai import (
    EVALUATION,
    NAMES,
    asks_model,
    error_of,
    named,
    scores_in,
    scores_of,
    texts_of,
)
from toolkit.logs.importers.grades import Graded, choose_score
from toolkit.logs.importers.otlp import Event, Span, log_events, spans

_OWN = ("trace_id", "span_id", "parent_id", "start_ns", "latency_s", "service")
_READ = ("error", "error_detail", "prompt", "answer", "asks", "wrong")
_COLUMNS = (*_OWN, *_READ, *NAMES)
_TEXT = pa.string()
_SPAN = pa.schema(
    [("file", pa.int32()), ("line", pa.int64())]
    + [(c, pa.bool_() if c == "asks" else _TEXT) for c in _COLUMNS]
)
_SCORE = pa.schema(
    [*((c, _TEXT) for c in ("trace", "span", "response", "name")), ("score", pa.float64())]
)
_SAID = pa.schema([(c, _TEXT) for c in ("trace", "span", "prompt", "answer")])
_BATCH_LINES = 256

Row = tuple[Any, ...]


def _detect(columns: Columns) -> bool:
    return "resourceSpans" in columns


def _prepare(con: duckdb.DuckDBPyConnection, columns: Columns, options: Options) -> Columns:
    """Make ``source`` anew of the spans, each with what its events and its evaluation say."""
    counts: Counter[str] = Counter()
    for table, schema in (("span", _SPAN), ("score", _SCORE), ("said", _SAID)):
        _append(con, table, schema, [])
    for events in _log_events(con, columns, options):
        found = list(scores_in(events))
        counts.update(name for *_, name, _ in found)
        _append(con, "score", _SCORE, found)
        _append(con, "said", _SAID, list(_said(events)))
    for batch in _lines(con, "source", f"file, line, {columns.sql('resourceSpans')}"):
        read = [(file, line, span) for file, line, text in batch for span in _spans(text)]
        found = [score for *_, span in read for score in scores_of(span)]
        counts.update(name for *_, name, _ in found)
        _append(con, "score", _SCORE, found)
        _append(con, "span", _SPAN, [(file, line, *_row(span)) for file, line, span in read])
    name, notes = choose_score(counts, options.mapping.get("quality"))
    _join(con, name)
    return Graded((*_COLUMNS, EVALUATION, "inside"), notes)


def _read(columns: Columns, _: Options) -> Mapping:
    trace, span = columns.text("trace_id"), columns.text("span_id")
    quality = columns.sql(EVALUATION)
    fields = {
        "request_id": f"{trace} || '/' || {span}",
        "timestamp": columns.sql("start_ns"),
        "quality": f"CASE WHEN {quality} BETWEEN 0 AND 1 THEN {quality} END",
    }
    taken = ("model", "cost_usd", "latency_s", "input_tokens", "output_tokens")
    texts = ("error", "error_detail", "prompt", "answer")
    fields |= {name: columns.sql(name) for name in (*taken, *texts)}
    told = ("session_id", "user", "agent", "service", "provider", "served_by", "operation")
    request_columns = {"trace_id": trace}
    request_columns |= {name: columns.text(name) for name in (*told, "call_id")}
    request_columns["first_token_s"] = f"as_number({columns.sql('first_token_s')})"
    return Mapping(
        fields,
        request_columns,
        left_out=(
            (f"NOT {columns.sql('asks')}", "no call of a model for text"),
            (columns.sql("inside"), "inside a call that is counted"),
        ),
        wrong=((f"{columns.sql('wrong')} IS NOT NULL", "is no span of OTLP's JSON"),),
        notes=columns.notes if isinstance(columns, Graded) else (),
        sources=tuple((ours, theirs[0]) for ours, theirs in NAMES.items()),
    )


def _row(span: Span) -> Row:
    """One span as _COLUMNS have it."""
    if span.wrong:
        return (*(None for _ in (*_OWN, *_READ[:-1])), span.wrong, *(None for _ in NAMES))
    latency = None if span.latency_s is None else repr(span.latency_s)
    service = span.resource.get("service.name")
    return (
        *(span.trace, span.span, span.parent, span.start_ns, latency),
        service if isinstance(service, str) else None,
        *error_of(span),
        *texts_of(span.attributes, span.events),
        *(asks_model(span), None),
        *named(span.attributes).values(),
    )


def _spans(text: str | None) -> Iterator[Span]:
    """The spans of one line; a value that is no list of them is one that is wrong."""
    if text is None:
        return
    try:
        yield from spans(json.loads(text))
    except (ValueError, RecursionError):
        yield Span(wrong="is no JSON, or goes too deep")


def _said(events: Sequence[Event]) -> Iterator[Row]:
    """Texts in the log records of each span."""
    by_span: dict[tuple[str | None, str | None], list[Event]] = {}
    for event in events:
        by_span.setdefault((event.trace, event.span), []).append(event)
    for (trace, span), those in by_span.items():
        prompt, answer = texts_of({}, those)
        if prompt or answer:
            yield trace, span, prompt, answer


def _log_events(
    con: duckdb.DuckDBPyConnection, columns: Columns, options: Options
) -> Iterator[list[Event]]:
    """The events in the log records of the file and of the file of scores, some lines at a time."""
    places = [("source", columns.sql("resourceLogs"))] if "resourceLogs" in columns else []
    if options.scores is not None and "resourceLogs" in options.scores:
        places.append(("scores", f"s{options.scores.names.index('resourceLogs')}"))
    for table, column in places:
        for batch in _lines(con, table, column):
            yield [e for (text,) in batch if text for e in log_events(json.loads(text))]


def _lines(con: duckdb.DuckDBPyConnection, table: str, columns: str) -> Iterator[list[Row]]:
    """Rows of a table, some at a time, as lines may be long."""
    (count,) = con.execute(f"SELECT count(*) FROM {table}").fetchall()[0]  # noqa: S608
    for start in range(0, count, _BATCH_LINES):
        yield con.execute(
            f"SELECT {columns} FROM {table} WHERE rowid >= $start AND rowid < $end ORDER BY rowid",  # noqa: S608
            {"start": start, "end": start + _BATCH_LINES},
        ).fetchall()


def _append(
    con: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema, rows: Sequence[Row]
) -> None:
    """Add rows to a table, which is made by the first call."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    con.register("rows_read", pa.table(arrays, schema=schema))
    con.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table} AS FROM rows_read LIMIT 0").fetchall()
    con.execute(f"INSERT INTO {table} FROM rows_read").fetchall()
    con.unregister("rows_read")


def _join(con: duckdb.DuckDBPyConnection, name: str | None) -> None:
    """Make ``source`` of the spans, their texts and the scores called ``name``."""
    joined = {
        "prompt": "coalesce(s.prompt, said.prompt)",
        "answer": "coalesce(s.answer, said.answer)",
        EVALUATION: "coalesce(of_span.score, of_response.score)",
        "inside": "s.asks AND call.span_id IS NOT NULL",
    }
    names = (*_COLUMNS, EVALUATION, "inside")
    listed = ", ".join(f"{joined.get(c, f's.{c}')} AS c{i}" for i, c in enumerate(names))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE source AS"  # noqa: S608 -- names of ours
        " WITH chosen AS (FROM score WHERE name = $name),"
        " of_span AS (SELECT trace, span, avg(score) AS score FROM chosen GROUP BY ALL),"
        " of_response AS (SELECT response, avg(score) AS score FROM chosen GROUP BY ALL),"
        " call AS (SELECT DISTINCT trace_id, span_id FROM span WHERE asks),"
        " said AS (SELECT trace, span, any_value(prompt) AS prompt, any_value(answer) AS answer"
        "  FROM said GROUP BY ALL)"
        f" SELECT s.file, s.line, {listed} FROM span s"
        " LEFT JOIN of_span ON s.trace_id = of_span.trace AND s.span_id = of_span.span"
        " LEFT JOIN of_response ON s.response_id = of_response.response"
        " LEFT JOIN said ON s.trace_id = said.trace AND s.span_id = said.span"
        " LEFT JOIN call ON s.trace_id = call.trace_id AND s.parent_id = call.span_id"
        " ORDER BY s.rowid",
        {"name": name},
    ).fetchall()
    for table in ("span", "score", "said"):
        con.execute(f"DROP TABLE {table}").fetchall()


FORMAT = Format(
    "otel-genai", "OpenTelemetry GenAI spans", _detect, _read, _prepare, takes=("quality",)
)
