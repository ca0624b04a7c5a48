"""Prompts to leave out of an import: those of a list, such as one of contaminated prompts.

A prompt is on the list when it is the same text. Spaces around it do not matter, nor how its lines
end. Each text drops all the rows that have it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from toolkit.errors import DataError
from toolkit.logs.importers.pickles import refuse_pickle

KEYS = ("eval_prompt", "prompt", "query")
"""Columns, or keys of a JSON object, that may hold the prompt; the first of these is taken."""


def read_drops(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Make table ``dropped`` (prompt) of a list of prompts; returns how many texts it has.

    The list is JSON lines or a JSON array (objects with one of KEYS, or texts), CSV with a column
    of KEYS, or text with a prompt on each line. Raises DataError when it cannot be read.
    """
    prompts = {_plain(prompt) for prompt in _prompts(path)} - {""}
    if not prompts:
        raise DataError(f"{path.name}: no prompts in the list; allowed: one at least")
    # A log may have either end of lines.
    written = sorted(prompts | {prompt.replace("\n", "\r\n") for prompt in prompts})
    con.register("drop_list", pa.table({"prompt": pa.array(written, pa.string())}))
    con.execute("CREATE OR REPLACE TEMP TABLE dropped AS SELECT prompt FROM drop_list").fetchall()
    con.unregister("drop_list")
    return len(prompts)


def _plain(prompt: str) -> str:
    return prompt.replace("\r\n", "\n").strip(" ")


def _prompts(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; allowed: a list of prompts")
    refuse_pickle(path)
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: the text is not UTF-8; save it as UTF-8") from error
    kind = path.suffix.lower()
    if kind in {".jsonl", ".ndjson", ".json"}:
        return _from_json(path, text)
    if kind == ".csv":
        return _from_csv(path, text)
    return iter(text.splitlines())


def _from_json(path: Path, text: str) -> Iterator[str]:
    for number, item in _items(path, text):
        value = item.get(_key(path, item)) if isinstance(item, dict) else item
        if not isinstance(value, str):
            got = json.dumps(value, ensure_ascii=False)[:60]
            raise DataError(
                f"{path.name}: a prompt is not text; got {got} in line {number}; allowed: a text,"
                f" or an object with {_allowed()}"
            )
        yield value


def _items(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """Yield (number from 1, value) of the values of a JSON array, or of one on each line."""
    number = 1
    try:
        if path.suffix.lower() == ".json":
            whole = json.loads(text)
            yield from enumerate(whole if isinstance(whole, list) else [whole], 1)
            return
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield number, json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path.name}: not JSON; got {error.msg} in line {number}") from error


def _from_csv(path: Path, text: str) -> Iterator[str]:
    try:
        rows = csv.reader(text.splitlines(keepends=True), strict=True)
        names = [name.strip() for name in next(rows, [])]
        column = names.index(_key(path, names))
        for row in rows:
            if len(row) > column:
                yield row[column]
    except csv.Error as error:
        raise DataError(f"{path.name}: the CSV cannot be read; got {error}") from error


def _key(path: Path, names: Iterable[str]) -> str:
    there = list(names)
    for key in KEYS:
        if key in there:
            return key
    raise DataError(
        f"{path.name}: no prompt in it; got {', '.join(there)[:200] or 'nothing'};"
        f" allowed: {_allowed()}"
    )


def _allowed() -> str:
    return " or ".join(KEYS)
