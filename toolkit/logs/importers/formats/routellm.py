"""RouteLLM: the answers of a weak and a strong model to the same prompts, judged right or wrong.

A file has ``prompt``, a column of True and False for each of two models, named by the model, and
may have ``<model>_response``. A benchmark is a folder of such files. Its parts are the categories:
``mmlu_abstract_algebra.csv`` is ``abstract_algebra``.

The files have no ids, and their prompts repeat, within a file too. So a request is a row of a file:
``abstract_algebra/0`` is the first of that part, whichever files are read with it.
"""

from __future__ import annotations

import re

from toolkit.logs.importers.expressions import FILE_STEM, as_written, truth
from toolkit.logs.importers.format import Columns, Format, Mapping, Options
from toolkit.logs.raw import KNOWN

_ANSWER = "_response"
_UNNAMED = re.compile(r"column \d+|Unnamed: \d+|index")
"""Names of an index that pandas wrote along."""
_OTHERS = {*KNOWN, "response", "id", "name", "reference", "label", "query", "question", "score"}
_LIKE_A_MODEL = re.compile(r"[-/.:0-9]")
_PART = f"regexp_replace({FILE_STEM}, '^mmlu_|_responses$', '', 'g')"


def _models(columns: Columns) -> list[str]:
    rest = [name for name in columns.names if name != "prompt" and not _UNNAMED.fullmatch(name)]
    return [
        name for name in rest if name.removesuffix(_ANSWER) == name or not _is_answer(name, rest)
    ]


def _is_answer(name: str, names: list[str]) -> bool:
    return name.endswith(_ANSWER) and name.removesuffix(_ANSWER) in names


def _detect(columns: Columns) -> bool:
    models = _models(columns)
    named = all(m not in _OTHERS and _LIKE_A_MODEL.search(m) for m in models)
    return "prompt" in columns and len(models) == 2 and named


def _read(columns: Columns, _: Options) -> Mapping:
    return Mapping(
        {
            "request_id": f"{_PART} || '/' || line",
            "category": _PART,
            "prompt": as_written(columns.sql("prompt")),
        },
        models={
            model: {
                "quality": truth(columns.sql(model)),
                "answer": as_written(columns.sql(model + _ANSWER)),
            }
            for model in _models(columns)
        },
        notes=("request_id is the name of the file and the row; True is quality 1, False 0",),
        sources=(("category", "name of the file"), ("request_id", "name of the file and row")),
    )


FORMAT = Format("routellm", "RouteLLM's two models", _detect, _read)
