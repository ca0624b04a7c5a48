"""The SQL that judges the rows of a source: what they say, what that is worth, what becomes of it.

Three selections stand in one another: the values as the format finds them, the same as text and as
numbers, and the verdict. Every name in them is one of ours.
"""

from __future__ import annotations

from collections.abc import Mapping as Names

from toolkit.logs.checks import wrong_number
from toolkit.logs.importers.format import Mapping
from toolkit.logs.importers.source import Source
from toolkit.logs.propensity import PROPENSITY
from toolkit.logs.raw import KNOWN
from toolkit.schema import MODEL, REQUEST_ID, TIMESTAMP

NUMBERS = ("quality", "cost_usd", "latency_s", "input_tokens", "output_tokens", PROPENSITY)
TEXTS = tuple(c for c in KNOWN if c not in {*NUMBERS, "latency_ms", TIMESTAMP})
_GIVEN = (*NUMBERS, "latency_ms")
_NEVER_BLANK = (REQUEST_ID, MODEL, "error")
_PLACE = ("record", "file", "line")
Tests = list[tuple[str, str]]
"""(SQL condition, SQL of the reason)."""


def statement(source: Source, mapping: Mapping, *, drops: bool, prompts: bool) -> str:
    """SQL of all rows, each with ``fate`` (0 stored, 1 rejected, 2 left out) and ``why``.

    Model i of a wide format is parameter ``$m{i}``.
    """
    kept = [*_PLACE, *(f"x{i}" for i in range(len(mapping.request_columns)))]
    flags = [f"w{i}" for i in range(len(mapping.wrong))]
    flags += [f"l{i}" for i in range(len(mapping.left_out))]
    flags += ["measured"] if mapping.models else []
    texts = {c: f"CAST({c} AS VARCHAR)" for c in TEXTS}
    for c in _NEVER_BLANK:
        texts[c] = f"CASE WHEN trim({texts[c]}) <> '' THEN {texts[c]} END"
    texts["cost_estimated"] = "TRY_CAST(cost_estimated AS BOOLEAN)"
    typed = {
        **dict.fromkeys((*kept, *flags)),
        **texts,
        **{f"n_{c}": f"as_number({c})" for c in _GIVEN},
        **{f"t_{c}": f"CAST({c} AS VARCHAR)" for c in (*_GIVEN, TIMESTAMP)},
        "moment": f"as_moment({TIMESTAMP})",
    }
    verdict = {
        **dict.fromkeys((*kept, *TEXTS)),
        **{c: f"n_{c}" for c in NUMBERS},
        "latency_s": "coalesce(n_latency_s, n_latency_ms / 1000)",
        TIMESTAMP: "moment",
        "odd_time": f"CASE WHEN moment IS NULL THEN blank_to_null(t_{TIMESTAMP}) END",
        **_judgement(mapping, drops=drops, prompts=prompts),
    }
    return _select(verdict, f"({_select(typed, f'({_values(source, mapping)})')})")


def _select(columns: Names[str, str | None], relation: str) -> str:
    """SELECT of columns, each as its SQL says, or as it is where there is none."""
    listed = ", ".join(name if sql is None else f"{sql} AS {name}" for name, sql in columns.items())
    return f"SELECT {listed} FROM {relation}"  # noqa: S608 -- names of ours


def _values(source: Source, mapping: Mapping) -> str:
    """SELECT of what the format finds in each row, or in each model's cell of each row."""
    own = list(dict.fromkeys(name for fields in mapping.models.values() for name in fields))
    values: dict[str, str | None] = {
        "record": "source.rowid",
        "file": "source.file",
        "line": source.line,
        **{c: mapping.fields.get(c, "NULL::VARCHAR") for c in KNOWN},
        **{f"x{i}": sql for i, sql in enumerate(mapping.request_columns.values())},
        **{f"w{i}": sql for i, (sql, _) in enumerate(mapping.wrong)},
        **{f"l{i}": sql for i, (sql, _) in enumerate(mapping.left_out)},
    }
    if not mapping.models:
        return _select(values, "source")
    for name in (MODEL, *own):
        values.pop(name)
    cells = [
        ", ".join(
            [f"'model': $m{i}"]
            + [f"'{name}': CAST({fields.get(name, 'NULL')} AS VARCHAR)" for name in own]
        )
        for i, fields in enumerate(mapping.models.values())
    ]
    values["cell"] = f"unnest([{', '.join(f'{{{cell}}}' for cell in cells)}])"
    apart: dict[str, str | None] = {name: f"cell.{name}" for name in (MODEL, *own)}
    apart["measured"] = " OR ".join(f"cell.{name} IS NOT NULL" for name in own)
    whole = dict.fromkeys(name for name in values if name != "cell")
    return _select({**whole, **apart}, f"({_select(values, 'source')})")


def _judgement(mapping: Mapping, *, drops: bool, prompts: bool) -> dict[str, str]:
    """SQL of ``why``, null when nothing is wrong, and of ``fate``."""
    out: Tests = [(f"l{i}", _quoted(why)) for i, (_, why) in enumerate(mapping.left_out)]
    if drops:
        out.append(("trim(prompt) IN (SELECT prompt FROM dropped)", "'is on the list to drop'"))
    if mapping.models:
        out.append(("NOT measured", "''"))
    bad: Tests = [(f"w{i}", _quoted(why)) for i, (_, why) in enumerate(mapping.wrong)]
    bad += [(f"{key} IS NULL", f"'{key} is missing'") for key in (REQUEST_ID, MODEL)]
    bad += [_wrong_number(c) for c in _GIVEN]
    if prompts:
        known = f"(SELECT {REQUEST_ID} FROM prompt)"  # noqa: S608 -- names of ours
        bad.append((f"{REQUEST_ID} NOT IN {known}", "'request_id is not among the prompts'"))
    whys = " ".join(f"WHEN {test} THEN {why}" for test, why in (*out, *bad))
    fates = [
        *(f"WHEN {test} THEN 2" for test, _ in out),
        *(f"WHEN {test} THEN 1" for test, _ in bad),
    ]
    return {"why": f"CASE {whys} END", "fate": f"CASE {' '.join(fates)} ELSE 0 END"}


def _wrong_number(c: str) -> tuple[str, str]:
    test, allowed = wrong_number(c, f"n_{c}", f"t_{c}")
    return test, f"'{c} is wrong; got ''' || left(t_{c}, 60) || '''; allowed: {allowed}'"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
