"""Grading an answer against its reference: a pure function per grader, no model involved.

An answer that cannot be read as what was asked for (no JSON, no number, no choice or several) is
the error ``invalid_output``; an answer that can be read and is wrong has quality 0 and no error.
Graders are lenient about form that a reader would not mind (case, quotes, a full stop, a code
fence, thousands separators) and strict about content.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import DataError, did_you_mean
from toolkit.schema import ErrorType

Options = Mapping[str, Any]


class Grade(NamedTuple):
    """How good an answer is."""

    quality: float
    """From 0 to 1."""
    error: ErrorType = ErrorType.NONE
    """``INVALID_OUTPUT`` when the answer could not be read; quality is 0 then."""
    detail: str = ""
    """Why it could not be read."""


def grade(grader: str, options: Options, reference: str, answer: str) -> Grade:
    """Grade ``answer``. Raises ``DataError`` when the grader or its options are not usable."""
    check_grader(grader, options, reference)
    if not answer.strip():
        return _invalid("the answer is empty")
    return _GRADERS[grader][0](options, reference, answer)


def check_grader(grader: str, options: Options, reference: str) -> None:
    """Raise ``DataError`` unless ``grader`` can work with these options and this reference."""
    if grader not in _GRADERS:
        raise DataError(f"no grader {grader!r}; allowed: {did_you_mean(grader, _GRADERS)}")
    allowed = _GRADERS[grader][1]
    for key, value in options.items():
        if key not in allowed:
            known = did_you_mean(key, allowed) if allowed else "none"
            raise DataError(f"grader {grader} has no option {key!r}; allowed: {known}")
        kind = allowed[key]
        right = isinstance(value, kind) and not isinstance(value, bool)
        if right and kind is list:
            right = bool(value) and all(isinstance(item, str) and item.strip() for item in value)
        if not right:
            raise DataError(f"grader {grader}: option {key!r} must be {_KIND[kind]}; got {value!r}")
    if grader == "regex":
        _matches(options, "")
    elif grader == "choice" and reference not in options.get("choices", ()):
        raise DataError(
            f"grader choice: the reference {reference!r} is not among the choices; "
            f"allowed: {did_you_mean(reference, options.get('choices', ()))}"
        )
    elif grader == "number" and len(_numbers(reference)) != 1:
        raise DataError(f"grader number: the reference must be one number; got {reference!r}")
    elif grader == "json_field":
        try:
            wanted = json.loads(reference)
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict) or not wanted:
            raise DataError(f"grader json_field: the reference is no object; got {reference!r}")
    elif grader in {"exact", "contains"} and not plain(reference):
        raise DataError(f"grader {grader}: the reference is empty")


def _exact(_: Options, reference: str, answer: str) -> Grade:
    """The whole answer is the reference."""
    return Grade(float(plain(answer) == plain(reference)))


def _contains(options: Options, reference: str, answer: str) -> Grade:
    """The answer names the reference (or one of ``any``), as whole words.

    It fails when it also names one of ``absent``, or has more than ``max_words`` words: who copies
    the whole text has not found anything in it.
    """
    text = plain(answer)
    right = any(_names(text, word) for word in (reference, *options.get("any", ())))
    wrong = any(_names(text, word) for word in options.get("absent", ()))
    short = len(text.split()) <= options.get("max_words", len(text))
    return Grade(float(right and not wrong and short))


def _number(options: Options, reference: str, answer: str) -> Grade:
    """The number after the last ``=``, or else the last number, is the reference's."""
    after = _numbers(answer.rpartition("=")[2]) if "=" in answer else []
    found = after[:1] or _numbers(answer)[-1:]
    if not found:
        return _invalid("there is no number in the answer")
    return Grade(float(abs(found[0] - _numbers(reference)[0]) <= options.get("tolerance", 1e-6)))


def _choice(options: Options, reference: str, answer: str) -> Grade:
    """The answer names exactly one of ``choices``, the right one.

    With more than ``max_words`` words it is no choice but an essay.
    """
    if len(answer.split()) > options.get("max_words", len(answer)):
        return _invalid(f"has more than {options['max_words']} words, which is no choice")
    named = [choice for choice in options["choices"] if _names(plain(answer), choice)]
    if len(named) != 1:
        return _invalid(f"names {len(named)} of the choices: {', '.join(named)}".rstrip(": "))
    return Grade(float(named[0] == reference))


def _regex(options: Options, _: str, answer: str) -> Grade:
    """Some part of the answer matches ``pattern`` (RE2)."""
    return Grade(float(_matches(options, answer)))


def _json_field(_: Options, reference: str, answer: str) -> Grade:
    """The share of the reference's fields that the answer's JSON object has right.

    A list in the reference holds several right values. Text beside the object does not count.
    """
    got = _json_object(answer)
    if not isinstance(got, dict):
        return _invalid(got)
    wanted: dict[str, Any] = json.loads(reference)
    right = sum(
        any(_same(value, got.get(key)) for value in (want if isinstance(want, list) else [want]))
        for key, want in wanted.items()
    )
    return Grade(right / len(wanted))


_GRADERS: dict[str, tuple[Callable[[Options, str, str], Grade], dict[str, Any]]] = {
    "exact": (_exact, {}),
    "contains": (_contains, {"any": list, "absent": list, "max_words": int}),
    "number": (_number, {"tolerance": (int, float)}),
    "choice": (_choice, {"choices": list, "max_words": int}),
    "regex": (_regex, {"pattern": str}),
    "json_field": (_json_field, {}),
}
GRADERS = tuple(_GRADERS)
_KIND = {list: "a list of texts", int: "a whole number", (int, float): "a number", str: "a text"}


def _invalid(detail: str) -> Grade:
    return Grade(0.0, ErrorType.INVALID_OUTPUT, detail)


_QUOTES = str.maketrans({"’": "'", "\u2018": "'", "“": '"', "”": '"', "−": "-", "–": "-"})


def plain(text: str) -> str:
    """Fold case, compatibility forms, white space and quotes, and strip what surrounds a value."""
    folded = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold()
    return " ".join(folded.split()).strip("\"'`*_ ").rstrip(".!;, ").strip("\"'`*_ ")


def _names(plain_text: str, word: str) -> bool:
    """Whether the plain text holds ``word`` as a whole: ``8`` is in ``8.0``, not in 18 or 8.5."""
    wanted = plain(word)
    left = r"(?<!\w)(?<!\d[.,])" if wanted[:1].isalnum() else ""
    right = r"(?!\w)(?!\.\d*[1-9]|,\d)" if wanted[-1:].isalnum() else ""
    return re.search(left + re.escape(wanted) + right, plain_text) is not None


_NUMBER = re.compile(
    r"(?<![\w.,])(?:(-)\s?)?[$€£]?\s?(-?(?:"
    r"[0-9]{1,3}(?:[,'’\u00a0\u202f][0-9]{3})+(?![0-9])(?:\.[0-9]+)?"  # 1,234.5
    r"|[0-9]+,[0-9]{1,2}(?![0-9,])"  # 7,25
    r"|[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?))"
)


def _numbers(text: str) -> list[float]:
    """Every number in ``text``; a dash is a sign only where no number or word stands before it."""
    values = []
    for sign, digits in _NUMBER.findall(
        re.sub(r"(?<=[\w)])\s*[-−–]\s+", "  ", text).translate(_QUOTES)
    ):
        plain = digits
        if re.fullmatch(r"-?[0-9]+,[0-9]{1,2}", plain):
            plain = plain.replace(",", ".")
        value = float(re.sub(r"[,'’\u00a0\u202f]", "", plain))
        values.append(-value if sign else value)
    return values


def _json_object(text: str) -> dict[str, Any] | str:
    """The first JSON object in ``text``, or why there is none."""
    start = text.find("{")
    if start < 0:
        return "there is no JSON object in the answer"
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        return f"the JSON does not parse: {error}"
    assert isinstance(found, dict)
    return found


def _same(want: Any, got: Any) -> bool:
    """Equal as a reader sees it: ``30``, ``"30"`` and ``"30 kg"`` are one number."""
    if isinstance(want, bool):
        return got is want or (isinstance(got, str) and plain(got) == str(want).lower())
    if isinstance(want, int | float):
        if isinstance(got, str):
            return _numbers(got) == [float(want)]
        return isinstance(got, int | float) and not isinstance(got, bool) and got == want
    if isinstance(got, str | int | float) and not isinstance(got, bool):
        return plain(str(got)) == plain(str(want))
    return want is None and got is None


def _matches(options: Options, text: str) -> bool:
    pattern = options.get("pattern", "")
    if not pattern:
        raise DataError("grader regex needs the option 'pattern'")
    try:
        found = pc.match_substring_regex(pa.array([text], pa.string()), pattern)
    except pa.ArrowInvalid as error:
        raise DataError(f"grader regex: {pattern!r} is not a regular expression: {error}") from None
    return bool(found[0].as_py())
