"""Langfuse: observations, as its exports (snake_case) and its API (camelCase) have them.

What surprises:

* Only observations of type GENERATION are calls of a model; one is a request of its own.
* ``latency`` is in seconds or in milliseconds, by the age of the integration, so it is
  not read: latency is the time from start to end.
* Input tokens are all usage with *input* in its name, as Langfuse counts them: cached ones stand
  apart there. A cost of 0 without any detail was not computed.
* An observation of level ERROR failed. Why is told in prose, in which the class of an exception, a
  status or the usual words are looked for.
* The category is the name of the prompt in Langfuse, else that of the trace.
* Quality is a score, numeric or boolean and from 0 to 1, in the file of scores: that of the
  observation, else that of its trace where this is the only call in it.
"""

from __future__ import annotations

import duckdb

from toolkit.logs.importers.conversations import answer_in, prompt_in
from toolkit.logs.importers.expressions import as_written, either
from toolkit.logs.importers.format import Columns, Format, Mapping, Options
from toolkit.logs.importers.grades import Graded, choose_score
from toolkit.logs.importers.prose import error_in
from toolkit.logs.importers.times import elapsed_s, first_token_s

_TRACE = ("trace_id", "traceId")
_START, _END = ("start_time", "startTime"), ("end_time", "endTime")
_FIRST = ("completion_start_time", "completionStartTime")
_COST = ("total_cost", "totalCost", "calculatedTotalCost", "calculated_total_cost")
_QUALITY = "score"
_PAGE = ("data", "meta")
"""Keys of an answer of the API, which holds a list of observations."""


def _detect(columns: Columns) -> bool:
    told = columns.has("id", "type") and columns.first(*_TRACE) and columns.first(*_START)
    return bool(told) or set(columns.names) == set(_PAGE)


def _prepare(con: duckdb.DuckDBPyConnection, columns: Columns, options: Options) -> Columns:
    """Take observations out of pages, and join the scores to them."""
    if set(columns.names) == set(_PAGE):
        columns = _unpaged(con, columns)
    wanted = options.mapping.get("quality")
    if options.scores is None:
        name, notes = choose_score({}, wanted)
        return Graded(columns.names, notes)
    _collect_scores(con, options.scores)
    counts = dict(con.execute("SELECT name, count(*) FROM graded GROUP BY name").fetchall())
    name, notes = choose_score(counts, wanted)
    unused = _join_scores(con, columns, name)
    if unused:
        notes += (f"scores of traces with several calls, which are of no single one: {unused}",)
    return Graded((*columns.names, _QUALITY), notes)


def _read(columns: Columns, _: Options) -> Mapping:
    start, first, end = (columns.sql(*names) for names in (_START, _FIRST, _END))
    told = either(columns, "status_message", "statusMessage")
    failed = f"upper({columns.text('level')}) = 'ERROR'"
    asked, answered = (as_written(columns.sql(name)) for name in ("input", "output"))
    fields = {
        "request_id": columns.sql("id"),
        "model": either(columns, "provided_model_name", "providedModelName", "model"),
        "category": either(columns, "prompt_name", "promptName", "trace_name", "traceName"),
        "timestamp": start,
        "latency_s": elapsed_s(start, end),
        "cost_usd": _cost(columns),
        "input_tokens": _tokens(columns, "input", "promptTokens", "inputTokens"),
        "output_tokens": _tokens(columns, "output", "completionTokens", "outputTokens"),
        "error": f"CASE WHEN {failed} THEN {error_in(f'coalesce({told}, {_NOTHING})')} END",
        "error_detail": f"CASE WHEN {failed} THEN {told} END",
        "prompt": f"coalesce({prompt_in(asked)}, {asked})",
        "answer": f"coalesce({answer_in(answered)}, {answered})",
    }
    if _QUALITY in columns:
        fields["quality"] = columns.sql(_QUALITY)
    request_columns = {
        name: columns.text(*places)
        for name, places in (
            ("trace_id", _TRACE),
            ("session_id", ("session_id", "sessionId")),
            ("user", ("user_id", "userId")),
            ("name", ("name",)),
            ("trace_name", ("trace_name", "traceName")),
            ("environment", ("environment",)),
            ("release", ("release",)),
            ("tags", ("tags",)),
        )
        if columns.first(*places)
    }
    if columns.first(*_FIRST):
        request_columns["first_token_s"] = first_token_s(start, first, end)
    return Mapping(
        fields,
        request_columns,
        left_out=((f"upper({columns.text('type')}) <> 'GENERATION'", "not a GENERATION"),),
        notes=columns.notes if isinstance(columns, Graded) else (),
        sources=(("quality", "the file of scores"),) if _QUALITY in columns else (),
    )


_NOTHING = "''"


def _details(columns: Columns, *names: str) -> str:
    """SQL of the entries of a JSON object of numbers."""
    value = columns.sql(*names)
    return f"map_entries(TRY(CAST(CAST({value} AS JSON) AS MAP(VARCHAR, VARCHAR))))"


def _tokens(columns: Columns, word: str, *names: str) -> str:
    """SQL of the usage with ``word`` in its name, else of the first of these columns."""
    entries = _details(columns, "usage_details", "usageDetails", "usage")
    tests = f"contains(lower(e.key), '{word}') AND NOT contains(lower(e.key), 'cost')"
    numbers = f"[TRY_CAST(e.value AS DOUBLE) FOR e IN {entries} IF {tests}]"
    return f"coalesce(CAST(list_sum({numbers}) AS VARCHAR), {either(columns, *names)})"


def _cost(columns: Columns) -> str:
    total = either(columns, *_COST)
    entries = _details(columns, "cost_details", "costDetails")
    uncomputed = f"as_number({total}) = 0 AND coalesce(len({entries}), 0) = 0"
    return f"CASE WHEN {uncomputed} THEN NULL ELSE {total} END"


def _collect_scores(con: duckdb.DuckDBPyConnection, scores: Columns) -> None:
    """Make ``graded`` (trace, observation, name, value) of the scores that are numbers."""

    def of(*names: str) -> str:
        return scores.sql(*names).replace("c", "s", 1) if scores.first(*names) else "NULL::VARCHAR"

    text = f"lower(CAST({of('string_value', 'stringValue')} AS VARCHAR))"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE graded AS"  # noqa: S608 -- places of columns
        f" SELECT blank_to_null({of(*_TRACE)}) AS trace,"
        f" blank_to_null({of('observation_id', 'observationId')}) AS observation,"
        f" blank_to_null({of('name')}) AS name,"
        f" coalesce(as_number({of('value')}),"
        f"  CASE {text} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END) AS value"
        " FROM scores"
        f" WHERE upper(coalesce(blank_to_null({of('data_type', 'dataType')}), 'NUMERIC'))"
        "  IN ('NUMERIC', 'BOOLEAN')"
    ).fetchall()


def _join_scores(con: duckdb.DuckDBPyConnection, columns: Columns, name: str | None) -> int:
    """Add the scores called ``name`` to ``source``; return how many were of no single call."""
    trace, id_, n = columns.text(*_TRACE), columns.text("id"), len(columns.names)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE chosen AS"
        " FROM graded WHERE name = $name AND value BETWEEN 0 AND 1",
        {"name": name},
    ).fetchall()
    con.execute(
        "CREATE OR REPLACE TEMP TABLE alone AS"  # noqa: S608 -- places of columns
        f" SELECT {trace} AS trace FROM source"
        f" WHERE upper({columns.text('type')}) = 'GENERATION' GROUP BY 1"
        f" HAVING count(DISTINCT {id_}) = 1"
    ).fetchall()
    con.execute(
        "CREATE OR REPLACE TEMP TABLE source AS"  # noqa: S608 -- places of columns
        " WITH of_call AS (SELECT observation, avg(value) AS value FROM chosen"
        "  WHERE observation IS NOT NULL GROUP BY 1),"
        " of_trace AS (SELECT trace, avg(value) AS value FROM chosen SEMI JOIN alone USING (trace)"
        "  WHERE observation IS NULL GROUP BY 1)"
        f" SELECT source.*, coalesce(of_call.value, of_trace.value) AS c{n} FROM source"
        f" LEFT JOIN of_call ON {id_} = of_call.observation"
        f" LEFT JOIN of_trace ON {trace} = of_trace.trace ORDER BY source.rowid"
    ).fetchall()
    unused: int = con.execute(
        "SELECT count(*) FROM chosen ANTI JOIN alone USING (trace) WHERE observation IS NULL"
    ).fetchall()[0][0]
    return unused


def _unpaged(con: duckdb.DuckDBPyConnection, columns: Columns) -> Columns:
    """Make a row of each observation in the pages; what is no list is a row by itself."""
    data = columns.sql(_PAGE[0])
    con.execute(
        "CREATE OR REPLACE TEMP TABLE item AS SELECT file, line,"  # noqa: S608 -- a place
        f" unnest(CASE WHEN json_valid({data}) AND json_type({data}) = 'ARRAY'"
        f"  THEN CAST(json_extract({data}, '$[*]') AS VARCHAR[]) ELSE ['null'] END) AS doc"
        " FROM source"
    ).fetchall()
    found = con.execute(
        "SELECT key FROM (SELECT rowid AS row, unnest(json_keys(doc)) AS key FROM item)"
        " GROUP BY key ORDER BY min(row), key"
    ).fetchall()
    names = tuple(key for (key,) in found) or ("id",)
    pointers = ["/" + name.replace("~", "~0").replace("/", "~1") for name in names]
    listed = ", ".join(f"v[{i + 1}] AS c{i}" for i in range(len(names)))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE source AS SELECT file, line, {listed}"  # noqa: S608
        " FROM (SELECT *, json_extract_string(doc, $pointers) AS v FROM item)",
        {"pointers": pointers},
    ).fetchall()
    return Columns(names)


FORMAT = Format("langfuse", "Langfuse observations", _detect, _read, _prepare, takes=("quality",))
