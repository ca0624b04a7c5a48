"""A target that is no model: it converts units, deterministically, where a text plainly asks it.

Units are read by their full English names, as ``m`` may be metres, minutes or a million.
"""

from __future__ import annotations

import re
from fractions import Fraction

_SIZES: dict[str, dict[str, str]] = {
    "length": {
        "millimetre": "0.001", "centimetre": "0.01", "metre": "1", "kilometre": "1000",
        "inch": "0.0254", "foot": "0.3048", "yard": "0.9144", "mile": "1609.344",
    },
    "mass": {
        "milligram": "0.001", "gram": "1", "kilogram": "1000", "tonne": "1000000",
        "ounce": "28.349523125", "pound": "453.59237",
    },
    "volume": {"millilitre": "0.001", "centilitre": "0.01", "litre": "1"},
    "time": {"second": "1", "minute": "60", "hour": "3600", "day": "86400", "week": "604800"},
}  # fmt: skip
_PLURALS = {"inches": "inch", "feet": "foot"}
_UNITS = {
    name: (kind, Fraction(size)) for kind, sizes in _SIZES.items() for name, size in sizes.items()
}
_AMOUNT = r"(?P<amount>\d+(?:,\d{3})*(?:\.\d+)?)"
_GIVEN = r"(?:degrees )?(?P<given>[a-z]+)"
_WANTED = r"(?:degrees )?(?P<wanted>[a-z]+)"
_ASKED = (
    rf"how many {_WANTED} (?:are|is|are there in|make|make up) {_AMOUNT} {_GIVEN}\b",
    rf"(?:convert|change|express|write) {_AMOUNT} {_GIVEN} (?:to|into|in|as) {_WANTED}\b",
    rf"what is {_AMOUNT} {_GIVEN} in {_WANTED}\b",
)


def convert(text: str) -> str:
    """Convert the quantity that ``text`` asks for and return the number, to 12 digits.

    Knows lengths, masses, volumes, times, and degrees Celsius and Fahrenheit.
    Raises ``ValueError`` with the reason when no conversion is asked for, or none is possible.

    >>> convert("How many grams are 2.5 kilograms?")
    '2500'
    """
    for form in _ASKED:
        if match := re.search(form, text, re.IGNORECASE):
            amount = Fraction(match["amount"].replace(",", ""))
            value = _converted(amount, match["given"].casefold(), match["wanted"].casefold())
            return str(value.numerator) if value.denominator == 1 else f"{float(value):.12g}"
    raise ValueError("no conversion of units is asked for in the prompt")


def _converted(amount: Fraction, given: str, wanted: str) -> Fraction:
    match given, wanted:
        case "celsius", "fahrenheit":
            return amount * 9 / 5 + 32
        case "fahrenheit", "celsius":
            return (amount - 32) * 5 / 9
    (kind, size), (other, per) = _unit(given), _unit(wanted)
    if kind != other:
        raise ValueError(f"{given} are {kind}, {wanted} are {other}")
    return amount * size / per


def _unit(name: str) -> tuple[str, Fraction]:
    singular = _PLURALS.get(name, name.removesuffix("s"))
    singular = re.sub(r"(met|lit)er$", r"\1re", singular)
    if singular not in _UNITS:
        raise ValueError(f"{name!r} is not a unit that is known here")
    return _UNITS[singular]
