"""SQL that several formats need: values that may stand in two places, truth, text in JSON.

All of it is made of constants of ours and of column names ``c0``, ``c1`` …
"""

from __future__ import annotations

from toolkit.logs.importers.format import Columns

FILE_STEM = (
    r"(SELECT regexp_replace(name, '(\.(csv|jsonl|ndjson|json|parquet|pq|gz))+$', '', 'i')"
    " FROM file WHERE file.ix = source.file)"
)
"""SQL of the name of the file that a row of ``source`` comes from, without its suffixes."""


def either(columns: Columns, *names: str) -> str:
    """SQL of the first filled value among those of these columns that the file has, as text."""
    there = [columns.text(name) for name in names if name in columns]
    return f"coalesce({', '.join(there)})" if there else "NULL::VARCHAR"


def measured(value: str) -> str:
    """SQL of a value as text, missing where it is blank or NaN, which is pandas' blank."""
    text = f"blank_to_null({value})"
    return f"CASE WHEN lower({text}) <> 'nan' THEN {text} END"


def as_written(value: str) -> str:
    """SQL of a text to the letter, spaces around it too; missing where it is empty."""
    return f"nullif(CAST({value} AS VARCHAR), '')"


def truth(value: str) -> str:
    """SQL of a quality: true is 1 and false 0, blank and NaN are missing, a number is itself."""
    text = f"blank_to_null({value})"
    return (
        f"CASE lower({text}) WHEN 'true' THEN '1' WHEN 'false' THEN '0' ELSE {measured(value)} END"
    )


def asked(body: str) -> str:
    """SQL of the prompt in the JSON text of a request to a model.

    The texts of all messages, with a blank line between them; pictures and tool calls have none.
    """
    messages, items = _joined(_text(body, "messages")), _joined(_text(body, "input"))
    return f"coalesce({messages}, {items}, {_text(body, 'prompt')})"


def answered(body: str) -> str:
    """SQL of the answer in the JSON text of a model's response."""
    places = ("choices[0].message.content", "choices[0].text", "content[0].text")
    return f"coalesce({', '.join(_text(body, place) for place in places)})"


def _text(body: str, path: str) -> str:
    return f"json_text({body}, '$.{path}')"


def _joined(messages: str) -> str:
    """SQL of the texts of a JSON array of messages; of anything else, the value itself."""
    content = (
        "CASE WHEN json_type(m, '$.content') = 'ARRAY'"
        " THEN array_to_string(json_extract_string(m, '$.content[*].text'), chr(10))"
        " ELSE json_extract_string(m, '$.content') END"
    )
    texts = f"list_transform(CAST(json_extract({messages}, '$[*]') AS JSON[]), lambda m: {content})"
    joined = f"array_to_string(list_filter({texts}, lambda t: t <> ''), chr(10) || chr(10))"
    is_array = f"json_valid({messages}) AND json_type({messages}) = 'ARRAY'"
    return f"CASE WHEN {is_array} THEN nullif({joined}, '') ELSE {messages} END"
