"""Pydantic's errors in our words: what is wrong, where, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy import model, steps
from toolkit.policy.conditions import Condition, Tests


def problems(error: ValidationError) -> list[Problem]:
    """Each error as a problem with a dotted key."""
    # A list of wrong entries is also reported as empty: only the entries are of interest.
    return [
        _problem(details)
        for details in error.errors(include_url=False)
        if not (details["type"] == "too_short" and details["input"])
    ]


def show(value: object) -> str:
    """What was found, with its kind where that is the point.

    >>> show(4), show("4"), show(True), show(None), show([1])
    ('the number 4', "'4'", 'true', 'nothing', 'a list')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else value[:79] + "…")
    if isinstance(value, (int, float)):
        try:
            return f"the number {value}"
        except ValueError:  # Python prints no integer of more than 4,300 digits
            return "a very large number"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, (dict, BaseModel)):
        return "a mapping"
    return f"a {type(value).__name__}"


_STEPS: dict[str, type[BaseModel]] = {
    "<model>": steps.ModelStep,
    "<stale>": steps.StaleStep,
    "<degrade>": steps.DegradeStep,
}
"""Kinds of steps by the marks that pydantic puts into a place."""
_DEGRADES = [
    name
    for kind in (steps.StaleStep, steps.DegradeStep)
    for name in get_args(kind.model_fields["degrade"].annotation)
]
_MARKS = {*_STEPS, "[key]"}


def dotted(keys: Iterable[object]) -> str:
    """A place as a dotted key, without the marks of the kinds of step and of mapping keys."""
    return ".".join(str(k) for k in keys if str(k) not in _MARKS)


def _problem(details: ErrorDetails) -> Problem:
    place, value, limits = details["loc"], details["input"], details.get("ctx") or {}
    where, kind, got = dotted(place), details["type"], show(value)
    if kind == "extra_forbidden":
        return Problem("unknown key", where, repr(place[-1]), _allowed_keys(place))
    if kind == "missing":
        example = _EXAMPLES.get(".".join(map(str, place[-2:])))
        return Problem("is missing", where, "", example or _EXAMPLES.get(str(place[-1]), ""))
    if kind in _WANTED:
        return Problem(_WANTED[kind][0], where, got, _WANTED[kind][1] + _hint(details))
    if kind == "literal_error" and place[-1] == "degrade":
        return Problem(_LIMITS[kind][0], where, got, ", ".join(map(repr, _DEGRADES)))
    if kind in _LIMITS:
        what, allowed = _LIMITS[kind]
        limit = limits.get("max_length", next(iter(limits.values()), ""))
        limit = f"{limit:g}" if isinstance(limit, float) else limit
        return Problem(what, where, "" if what == "is empty" else got, allowed.format(limit))
    return Problem(
        details["msg"],
        where,
        "" if kind in {"empty", "rule"} else got,
        str(limits.get("allowed", "")),
    )


def _hint(details: ErrorDetails) -> str:
    """How to mend the usual slips with kinds of values."""
    place, value, kind = details["loc"], details["input"], details["type"]
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return " (in quotes, a number or true/false is text)"
    if kind == "bool_type" and str(value).lower() in {"yes", "no", "on", "off"}:
        return " (yes, no, on and off are text)"
    if kind in {"float_type", "int_type"} and isinstance(value, str):
        return " (without quotes or unit)"
    if kind == "no_value" and "when" in place:
        return " (exists: false asks for a missing value)"
    if kind == "model_type" and "when" in place[:-1]:
        return ", such as {eq: VALUE}, with the operators " + ", ".join(_keys(Tests))
    if kind == "model_type" and _has_defaults(place):
        return " ({} takes the defaults)"
    return ""


_WANTED = {
    "string_type": ("must be text", "text"),
    "float_type": ("must be a number", "a number"),
    "int_type": ("must be a whole number", "a whole number"),
    "bool_type": ("must be true or false", "true, false"),
    "finite_number": ("must be a finite number", "a finite number"),
    "tuple_type": ("must be a list", "a list"),
    "dict_type": ("must be a mapping", "a mapping of names to their settings"),
    "model_type": ("must be a mapping", "a mapping of keys to values"),
    "no_value": ("needs a value", "a value, or leave the key out"),
}
_LIMITS = {
    "greater_than": ("is out of range", "more than {}"),
    "greater_than_equal": ("is out of range", "{} or more"),
    "less_than_equal": ("is out of range", "{} or less"),
    "literal_error": ("is none of the possible values", "{}"),
    "too_short": ("is empty", "at least one entry"),
    "too_long": ("is too long", "at most {} entries"),
    "string_too_short": ("is empty", "at least one character"),
    "string_too_long": ("is too long", "{} characters"),
}
_EXAMPLES = {
    "policy": "a name for this policy",
    "default": "the name of a chain",
    "models": "{NAME: {log: NAME_IN_LOG}}",
    "chains": "{NAME: {steps: [{model: NAME}]}}",
    "steps": "a list of {model: NAME} and {degrade: message, text: TEXT}",
    "model": "the name of a model (or a step with degrade)",
    "name": "a name for this rule",
    "router.name": "the name of a trained router",
    "when": "{column: {operator: value}}, all, any, not",
    "use": "the name of a chain",
    "weight": "a number above 0",
    "text": "the message to answer with",
    "after_s": "a number of seconds, less than the timeout",
    "max_in_progress": "a whole number of requests",
}


def _keys(written: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in written.model_fields.items()]


def _has_defaults(place: tuple[int | str, ...]) -> bool:
    """Whether nothing has to be written in the mapping at a place."""
    kind = _written_at(place)
    try:
        return kind is not None and bool(kind())
    except (ValidationError, PolicyError):
        return False


def _allowed_keys(place: tuple[int | str, ...]) -> str:
    *parent, key = place
    return did_you_mean(str(key), _known_at(tuple(parent)))


def _known_at(place: tuple[int | str, ...], data: Any = None) -> list[str]:
    """The keys that a mapping at a place of the file may have; none where names are free."""
    kind = _written_at(place, data)
    return [] if kind is None else _keys(kind)


def _written_at(place: tuple[int | str, ...], data: Any = None) -> type[BaseModel] | None:
    """The class whose keys stand at a place; ``data`` there tells kinds of steps apart."""
    written: Any = model.Policy
    for key in place:
        written = _part(written, key)
    kinds = [kind for kind in _plain_types(written) if isinstance(kind, type)]
    if len(kinds) > 1 and isinstance(data, dict) and "degrade" in data:
        return _STEPS["<stale>" if data["degrade"] == "stale_cache" else "<degrade>"]
    return kinds[0] if kinds and issubclass(kinds[0], BaseModel) else None


def _part(written: Any, key: int | str) -> Any:
    """The annotation of one part of something written, ``Any`` where there is none."""
    kinds = _plain_types(written)
    if _STEPS.get(str(key)) in kinds:
        return _STEPS[str(key)]
    for kind in kinds:
        if get_origin(kind) in {dict, tuple}:
            arguments = get_args(kind)
            return arguments[1] if get_origin(kind) is dict else arguments[0]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, field in kind.model_fields.items():
                if key in {name, field.alias}:
                    return field.annotation
            if issubclass(kind, Condition):
                return Tests
    return Any


def _plain_types(written: Any) -> list[Any]:
    """What an annotation allows, without marks and without None."""
    if get_origin(written) is Annotated:
        return _plain_types(get_args(written)[0])
    if get_origin(written) in {Union, UnionType}:
        return [kind for one in get_args(written) for kind in _plain_types(one)]
    return [] if written in {Any, NoneType} else [written]


def allowed_at(place: tuple[int | str, ...], data: Any) -> list[str]:
    """The keys that may stand in the mapping at a place, known ones and those that are there."""
    there = data if isinstance(data, dict) else {}
    return list(dict.fromkeys([*_known_at(place, data), *there]))
