"""Grading: which answers are right, which are wrong, and which cannot be read."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import DataError
from toolkit.logs.collect.grade import GRADERS, check_grader, grade
from toolkit.logs.collect.tools import MAX_CHARS, calculate
from toolkit.schema import ErrorType

RIGHT, WRONG, INVALID = "right", "wrong", "invalid"
PERSON = json.dumps({"name": ["Freya", "Little Freya"], "age": 5, "member": True, "note": None})
SUM = {"choices": ["positive", "negative", "neutral"]}

CASES = [
    # exact: the whole answer, whatever its case, quotes and full stop
    ("exact", {}, "green", "green", RIGHT),
    ("exact", {}, "green", "Green.", RIGHT),
    ("exact", {}, "green", "  'GREEN'\n", RIGHT),
    ("exact", {}, "green", "**green**", RIGHT),
    ("exact", {}, "green", "“green”", RIGHT),
    ("exact", {}, "BS1 4RW", "bs1  4rw", RIGHT),
    ("exact", {}, "straße", "STRASSE", RIGHT),
    ("exact", {}, "café", "cafe\u0301", RIGHT),
    ("exact", {}, "x²", "x2", RIGHT),
    ("exact", {}, "green", "dark green", WRONG),
    ("exact", {}, "green", "It is green", WRONG),
    ("exact", {}, "green", "", INVALID),
    ("exact", {}, "green", " \n\t", INVALID),
    # contains: a whole word, one of several, without the wrong ones, not in an essay
    ("contains", {}, "Paris", "The capital of France is Paris.", RIGHT),
    ("contains", {}, "Paris", "PARIS", RIGHT),
    ("contains", {}, "Paris", "Parisian", WRONG),
    ("contains", {}, "ice", "nice", WRONG),
    ("contains", {}, "ice", "It is ice!", RIGHT),
    ("contains", {}, "Au", "because", WRONG),
    ("contains", {}, "8", "18", WRONG),
    ("contains", {}, "8", "8.5", WRONG),
    ("contains", {}, "8", "0.8", WRONG),
    ("contains", {}, "8", "8.0 legs", RIGHT),
    ("contains", {}, "8", "8, I think", RIGHT),
    ("contains", {}, "100", "100,000", WRONG),
    ("contains", {}, "100", "100°C", RIGHT),
    ("contains", {}, "H2O", "H₂O", RIGHT),
    ("contains", {}, "#frostwalk", "Use #frostwalk!", RIGHT),
    ("contains", {}, "Berners-Lee", "Tim Berners–Lee", RIGHT),
    ("contains", {}, "c++ (new)", "I like C++ (new) best", RIGHT),
    ("contains", {}, "東京", "答えは 東京 です", RIGHT),
    ("contains", {"any": ["seven"]}, "7", "There are Seven of them", RIGHT),
    ("contains", {"any": ["seven"]}, "7", "There are eight", WRONG),
    ("contains", {"absent": ["Monday"]}, "Thursday", "Thursday", RIGHT),
    ("contains", {"absent": ["Monday"]}, "Thursday", "Monday or Thursday", WRONG),
    ("contains", {"max_words": 3}, "lamp", "the desk lamp", RIGHT),
    ("contains", {"max_words": 3}, "lamp", "I am returning the lamp", WRONG),
    ("contains", {}, "lamp", "", INVALID),
    # number: the one after the last equals sign, else the last one
    ("number", {}, "42", "42", RIGHT),
    ("number", {}, "42", "The answer is 42.", RIGHT),
    ("number", {}, "42", "**42**", RIGHT),
    ("number", {}, "42", "42.0", RIGHT),
    ("number", {}, "42", "$42", RIGHT),
    ("number", {}, "42", "42 %", RIGHT),
    ("number", {}, "42", "42kg", RIGHT),
    ("number", {}, "42", "6 * 7 = 42", RIGHT),
    ("number", {}, "42", "6 * 7 = 42 eggs in 7 boxes", RIGHT),
    ("number", {}, "42", "1 + 1 = 2, so 21 * 2 = 42", RIGHT),
    ("number", {}, "42", r"\boxed{42}", RIGHT),
    ("number", {}, "42", "x =", INVALID),
    ("number", {}, "42", "forty-two", INVALID),
    ("number", {}, "42", "H2O", INVALID),
    ("number", {}, "42", "41", WRONG),
    ("number", {}, "42", "-42", WRONG),
    ("number", {}, "42", "4.2", WRONG),
    ("number", {}, "42", "42 or 43", WRONG),
    ("number", {}, "-51", "-51", RIGHT),
    ("number", {}, "-51", "−51", RIGHT),
    ("number", {}, "-51", "7 - 58 = -51", RIGHT),
    ("number", {}, "-51", "- 51", RIGHT),
    ("number", {}, "51", "109 - 58 is 51", RIGHT),
    ("number", {}, "46", "101-55 leaves 46", RIGHT),
    ("number", {}, "-5", "-$5", RIGHT),
    ("number", {}, "1234567", "1,234,567", RIGHT),
    ("number", {}, "1234.5", "€1,234.50", RIGHT),
    ("number", {}, "18269", "18\u202f269", RIGHT),
    ("number", {}, "18269", "18'269", RIGHT),
    ("number", {}, "7.25", "7,25", RIGHT),
    ("number", {}, "0.5", ".5", RIGHT),
    ("number", {}, "1000", "1e3", RIGHT),
    ("number", {}, "3.14", "3.1415", WRONG),
    ("number", {"tolerance": 0.01}, "3.14", "3.1415", RIGHT),
    # choice: exactly one of them
    ("choice", SUM, "positive", "positive", RIGHT),
    ("choice", SUM, "positive", "Positive!", RIGHT),
    ("choice", SUM, "positive", "The review is positive, very positive.", RIGHT),
    ("choice", SUM, "positive", "negative", WRONG),
    ("choice", SUM, "positive", "neutral", WRONG),
    ("choice", SUM, "positive", "positive and negative", INVALID),
    ("choice", SUM, "positive", "not negative, so positive", INVALID),
    ("choice", SUM, "positive", "good", INVALID),
    ("choice", SUM, "positive", "positively", INVALID),
    ("choice", {**SUM, "max_words": 2}, "positive", "it is positive", INVALID),
    # regex: RE2, anywhere in the answer
    ("regex", {"pattern": r"\b2026-03-14\b"}, "", "on 2026-03-14.", RIGHT),
    ("regex", {"pattern": r"\b2026-03-14\b"}, "", "12026-03-14", WRONG),
    ("regex", {"pattern": "(?i)yes"}, "", "YES", RIGHT),
    ("regex", {"pattern": "^yes$"}, "", "yes, but", WRONG),
    ("regex", {"pattern": r"\p{Greek}"}, "", "π", RIGHT),
    ("regex", {"pattern": "(a+)+$"}, "", "a" * 5000 + "b", WRONG),
]


@pytest.mark.parametrize(("grader", "options", "reference", "answer", "verdict"), CASES)
def test_grade(grader, options, reference, answer, verdict):
    """Each answer is right, wrong, or cannot be read, as its row says."""
    found = grade(grader, options, reference, answer)
    assert found.quality == (1.0 if verdict == RIGHT else 0.0)
    assert found.error is (ErrorType.INVALID_OUTPUT if verdict == INVALID else ErrorType.NONE)
    assert bool(found.detail) == (verdict == INVALID)


GOOD = '{"name": "Freya", "age": 5, "member": true, "note": null}'


@pytest.mark.parametrize(
    ("answer", "quality"),
    [
        (GOOD, 1),
        (f"```json\n{GOOD}\n```", 1),
        (f"Here you are:\n{GOOD}\nI hope that this helps {{you}}.", 1),
        ('{"name": "freya", "age": "5", "member": "true", "note": null}', 1),
        ('{"name": "Little Freya", "age": "5 years", "member": true, "note": null}', 1),
        ('{"name": "Freya", "age": 5.0, "member": true, "note": null, "more": 1}', 1),
        ('{"name": "Freya", "age": 6, "member": true, "note": null}', 0.75),
        ('{"name": "Freya", "age": true, "member": 1, "note": null}', 0.5),
        ('{"name": ["Freya"], "age": {"value": 5}, "member": false, "note": ""}', 0),
        ('{"Name": "Freya", "AGE": 5, "MEMBER": true, "note": 0}', 0),
        ('{"person": {"name": "Freya"}, "note": "-"}', 0),
        ('{"name": "Freya", "age": "5 or 6", "member": true, "note": null}', 0.75),
    ],
)
def test_json_fields(answer, quality):
    """The quality of a JSON answer is the share of fields that are right."""
    assert grade("json_field", {}, PERSON, answer) == (quality, ErrorType.NONE, "")


@pytest.mark.parametrize(
    "answer",
    [
        "Freya is five.",
        '{"name": "Freya", "age": 5',
        "{'name': 'Freya'}",
        "{name: Freya}",
        "[1, 2]",
        "{" * 3000,
        '{"a":' * 3000,
        '{"age": ' + "9" * 5000 + "}",
        "```json\n```",
    ],
)
def test_json_that_does_not_parse(answer):
    """What is no JSON object is an invalid output, not a wrong answer."""
    found = grade("json_field", {}, PERSON, answer)
    assert (found.quality, found.error) == (0.0, ErrorType.INVALID_OUTPUT)
    assert "JSON" in found.detail


@pytest.mark.parametrize(
    ("grader", "options", "reference", "message"),
    [
        ("exakt", {}, "x", "no grader 'exakt'; allowed: 'exact' .did you mean this"),
        ("exact", {"any": ["x"]}, "x", "exact has no option 'any'; allowed: none"),
        ("contains", {"anny": ["x"]}, "x", "no option 'anny'; allowed: 'any' .did you mean"),
        ("contains", {"any": "x"}, "x", "'any' must be a list of texts; got 'x'"),
        ("contains", {"any": [1]}, "x", "'any' must be a list of texts"),
        ("contains", {"absent": []}, "x", "'absent' must be a list of texts"),
        ("contains", {"max_words": True}, "x", "'max_words' must be a whole number; got True"),
        ("contains", {}, " . ", "the reference is empty"),
        ("number", {}, "none", "the reference must be one number; got 'none'"),
        ("number", {}, "1 or 2", "the reference must be one number"),
        ("choice", {}, "x", "the reference 'x' is not among the choices"),
        ("choice", {"choices": ["a", "b"]}, "x", "not among the choices; allowed: 'a', 'b'"),
        ("regex", {}, "x", "regex needs the option 'pattern'"),
        ("regex", {"pattern": "("}, "x", "'.' is not a regular expression"),
        ("regex", {"pattern": r"(?=x)"}, "x", "is not a regular expression"),
        ("json_field", {}, "[]", "the reference is no object"),
        ("json_field", {}, "{}", "the reference is no object"),
        ("json_field", {}, 'see {"a": 1}', "the reference is no object"),
    ],
)
def test_graders_that_cannot_work(grader, options, reference, message):
    """A grader that cannot grade says so before anything is asked."""
    with pytest.raises(DataError, match=message):
        check_grader(grader, options, reference)


_SETTINGS = {
    "choice": ({"choices": ["7", "x"]}, "7"),
    "regex": ({"pattern": "7"}, "7"),
    "json_field": ({}, '{"a": 7}'),
}


@given(grader=st.sampled_from(GRADERS), answer=st.text() | st.text("0123456789.,-={}\"' "))
def test_any_answer_can_be_graded(grader, answer):
    """No answer, however strange, makes a grader fail; an error never has quality."""
    options, reference = _SETTINGS.get(grader, ({}, "7"))
    found = grade(grader, options, reference, answer)
    assert 0 <= found.quality <= 1
    assert found.error in {ErrorType.NONE, ErrorType.INVALID_OUTPUT}
    assert not (found.error and found.quality)


@given(
    st.integers(-(10**12), 10**12), st.sampled_from(["{:d}", "{:,d}", "It is {:,d}.", "x = {:d}"])
)
def test_numbers_are_read_as_they_are_written(value, form):
    """A whole number is found in an answer, with or without thousands separators."""
    assert grade("number", {}, str(value), form.format(value)).quality == 1


@pytest.mark.parametrize(
    ("prompt", "result"),
    [
        ("What is 17 + 25?", "42"),
        ("12*7", "84"),
        ("Multiply 3 × 8.", "24"),
        ("Divide: 119 ÷ 7", "17"),
        ("How much is 228 divided by 12?", "19"),
        ("How much is 8 Times 10?", "80"),
        ("12 − 44", "-32"),
        ("12 minus 44 plus 2", "-30"),
        ("Evaluate (5 + 20) * 3.", "75"),
        ("((2 + 3)) * (4 - 1)", "15"),
        ("4 + 11 * 4", "48"),
        ("-3 + 5", "2"),
        ("9,323 + 8,946.", "18269"),
        ("What is 15% of 60?", "9"),
        ("2.5 + 4.75", "7.25"),
        ("9.6 - 3.2", "6.4"),
        ("1 / 3", "0.333333333333"),
        ("Add 3 and 5: 3 + 5 =", "8"),
        ("0.1 + 0.2", "0.3"),
    ],
)
def test_calculator(prompt, result):
    """The calculator finds the expression in a text and works it out exactly."""
    assert calculate(prompt) == result


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("Anna has 12 apples and gives 5 away. How many are left?", "no arithmetic"),
        ("Call 555-0142 before 2026-03-14.", "no arithmetic"),
        ("Platform 9/10, seats 12-14", "no arithmetic"),
        ("forty plus two", "no arithmetic"),
        ("", "no arithmetic"),
        ("1 + 1 or 2 + 2?", "2 expressions"),
        ("5 / (3 - 3)", "division by zero"),
        ("(1 + 2", "cannot read"),
        ("__import__('os') + 1", "no arithmetic"),
        ("9 ** 9 ** 9", "no arithmetic"),
        (" + ".join(["1"] * MAX_CHARS), "longer than"),
        ("(" * 100 + "1 + 1", "cannot read"),
        ("007 + 1", "cannot read"),
    ],
)
def test_what_the_calculator_refuses(prompt, reason):
    """Without one expression that it can read, the calculator says why."""
    with pytest.raises(ValueError, match=reason):
        calculate(prompt)


@given(st.text("0123456789+-*/().,% timesplusf"))
def test_calculator_never_fails_otherwise(text):
    """Whatever the text, the calculator answers with a number or says why not."""
    try:
        result = calculate(text)
    except ValueError:
        return
    assert math.isfinite(float(result))
