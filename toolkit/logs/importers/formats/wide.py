"""Any wide table: a row for each request, and columns of its own for each model.

``--map`` says which, in one of two ways, for each of PER_MODEL:

* a pattern, ``quality={model}_correct``: every column that fits it belongs to the model named in
  the place of ``{model}``. A model must have a column for every pattern; of one that lacks some the
  columns are left out, and said to be. One pattern at least has text beside ``{model}``.
* columns with commas between, ``quality=gpt-4o,claude``: the first list names the models, and other
  lists have their columns in the same order. A name with a comma stands in double quotes.

Where there are both, the lists name the models. A single column holds for every model, such as
``input_tokens=length``. Without a column ``request_id`` a request is the name of the file and its
row. True is quality 1 and false 0; blank and NaN are *not measured*.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping as Names

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.checks import NUMBERS
from toolkit.logs.importers.expressions import FILE_STEM, as_written, measured, truth
from toolkit.logs.importers.format import Columns, Format, Mapping, Options
from toolkit.logs.importers.formats.long import OF_REQUESTS, check_names
from toolkit.logs.propensity import PROPENSITY
from toolkit.logs.raw import KNOWN
from toolkit.schema import MODEL, REQUEST_ID

PER_MODEL = (*(c for c in NUMBERS if c != PROPENSITY), "error", "answer", "error_detail")
_SLOT = "{model}"


def is_wide(mapping: Names[str, str], columns: Columns) -> bool:
    """Whether ``--map`` says that a row holds several models."""
    return any(_SLOT in value or _listed(name, value, columns) for name, value in mapping.items())


def _listed(name: str, value: str, columns: Columns) -> list[str]:
    """The columns of a list of them, or nothing."""
    if name not in PER_MODEL or value in columns or "," not in value:
        return []
    return [part.strip() for part in next(csv.reader([value], skipinitialspace=True))]


def _detect(_: Columns) -> bool:
    return False  # nothing in a header tells a model's column from another


def _read(columns: Columns, options: Options) -> Mapping:
    named = dict(options.mapping)
    patterns = {name: value for name, value in named.items() if _SLOT in value}
    lists = {name: _listed(name, value, columns) for name, value in named.items()}
    lists = {name: found for name, found in lists.items() if found}
    shared = {name: name for name in (*KNOWN, *OF_REQUESTS) if name in columns and name != MODEL}
    shared |= {n: value for n, value in named.items() if n not in {*patterns, *lists}}
    shared = {name: column for name, column in shared.items() if name not in {*patterns, *lists}}
    _check(columns, shared, patterns, lists)
    found = _of_lists(columns, lists, patterns) if lists else _of_patterns(columns, patterns)
    taken = set(shared.values()) - {c for own in found.values() for c in own.values()}
    found = {m: own for m, own in found.items() if not taken & set(own.values())}
    if not found:
        raise DataError(
            f"--map: no column fits {', '.join(map(repr, patterns.values()))};"
            f" got {did_you_mean(next(iter(patterns.values()), ''), columns.names)}"
        )
    used = {*shared.values(), *(c for own in found.values() for c in own.values())}
    strange = [name for name in columns.names if name not in used]
    fields = {name: _value(name, columns.sql(c)) for name, c in shared.items() if name in KNOWN}
    return Mapping(
        {REQUEST_ID: f"{FILE_STEM} || '/' || line", **fields},
        {n: columns.text(c) for n, c in shared.items() if n in OF_REQUESTS},
        models={
            model: {name: _value(name, columns.sql(c)) for name, c in own.items()}
            for model, own in found.items()
        },
        notes=(f"columns left out: {', '.join(strange)}",) if strange else (),
    )


def _value(name: str, column: str) -> str:
    if name == "quality":
        return truth(column)
    return measured(column) if name in NUMBERS else as_written(column)


def _check(
    columns: Columns,
    shared: Names[str, str],
    patterns: Names[str, str],
    lists: Names[str, list[str]],
) -> None:
    """Raise DataError where the names do not fit the file or each other."""
    check_names({**shared, **dict.fromkeys((*patterns, *lists), "")})
    problems = [
        f"--map: {name} cannot differ by model; got {value!r};"
        f" allowed with {_SLOT}: {', '.join(PER_MODEL)}"
        for name, value in patterns.items()
        if name not in PER_MODEL or value.count(_SLOT) > 1
    ]
    wanted = [*shared.values(), *(c for names in lists.values() for c in names)]
    problems += [
        f"--map: the file has no such column; got {c!r}; allowed: {did_you_mean(c, columns.names)}"
        for c in wanted
        if c not in columns
    ]
    if MODEL in shared:
        problems.append("--map: in a wide table the columns name the models; got model")
    first = next(iter(lists.items()), None)
    for name, names in lists.items():
        if first and len(names) != len(first[1]):
            problems.append(
                f"--map: {name} has {len(names)} columns; got {len(first[1])} for {first[0]};"
                " allowed: as many, in the same order"
            )
        if len(set(names)) < len(names):
            problems.append(f"--map: {name} names a column twice; got {', '.join(names)}")
    if not lists and all(value == _SLOT for value in patterns.values()):
        problems.append(
            f"--map: {_SLOT} alone fits every column; allowed: text beside it in one of the"
            " patterns, or the columns with commas between"
        )
    if problems:
        raise DataError("\n".join(problems))


def _of_lists(
    columns: Columns, lists: Names[str, list[str]], patterns: Names[str, str]
) -> dict[str, dict[str, str]]:
    """Model to its columns, where lists name the models."""
    found = {}
    for i, model in enumerate(next(iter(lists.values()))):
        own = {name: names[i] for name, names in lists.items()}
        fitting = {name: value.replace(_SLOT, model) for name, value in patterns.items()}
        found[model] = own | {name: c for name, c in fitting.items() if c in columns}
    return found


def _of_patterns(columns: Columns, patterns: Names[str, str]) -> dict[str, dict[str, str]]:
    """Model to its columns, where all patterns have one for it."""
    before, after = next(v for v in patterns.values() if v != _SLOT).split(_SLOT)
    models = [
        name[len(before) : len(name) - len(after)]
        for name in columns.names
        if name.startswith(before) and name.endswith(after)
        if len(name) > len(before) + len(after)
    ]
    fitting = {
        m: {n: v.replace(_SLOT, m) for n, v in patterns.items()} for m in models if m.strip()
    }
    return {m: own for m, own in fitting.items() if all(c in columns for c in own.values())}


FORMAT = Format("wide", "wide table", _detect, _read, takes=None)
