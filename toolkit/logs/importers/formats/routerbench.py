"""RouterBench: a row per sample, and for each model its score, its response and its cost.

Column ``M`` is the score of model M (0 to 1), ``M|model_response`` its answer, ``M|total_cost`` its
cost in dollars; a model's name may hold ``|`` itself. ``oracle_model_to_route_to`` follows from the
scores, so a rule must not see it: it is left out. NaN is *not measured*, as pandas writes it.

The published files are pickles, which are refused: ``pickles.py`` says how to make Parquet of one.
"""

from __future__ import annotations

from toolkit.logs.importers.expressions import as_written, measured, truth
from toolkit.logs.importers.format import Columns, Format, Mapping, Options

_ANSWER, _COST = "|model_response", "|total_cost"
_OF_REQUEST = ("sample_id", "prompt", "eval_name")


def _detect(columns: Columns) -> bool:
    return columns.has("sample_id", "eval_name") and bool(_models(columns))


def _models(columns: Columns) -> tuple[str, ...]:
    """Models in the order of the file."""
    found = [
        name.removesuffix(suffix)
        for name in columns.names
        for suffix in (_ANSWER, _COST)
        if name.endswith(suffix)
    ]
    return tuple(dict.fromkeys(model for model in found if model.strip()))


def _read(columns: Columns, _: Options) -> Mapping:
    models = _models(columns)
    per_model = {
        model: {
            "quality": truth(columns.sql(model)),
            "cost_usd": measured(columns.sql(model + _COST)),
            "answer": as_written(columns.sql(model + _ANSWER)),
        }
        for model in models
    }
    known = {*_OF_REQUEST, *models, *(m + s for m in models for s in (_ANSWER, _COST))}
    strange = [name for name in columns.names if name not in known]
    return Mapping(
        {
            "request_id": columns.text("sample_id"),
            "category": columns.text("eval_name"),
            "prompt": as_written(columns.sql("prompt")),
        },
        models=per_model,
        notes=(f"columns left out: {', '.join(strange)}",) if strange else (),
    )


FORMAT = Format("routerbench", "RouterBench", _detect, _read)
