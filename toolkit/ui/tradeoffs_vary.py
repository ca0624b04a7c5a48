"""What is varied: places of the policy with the values that they take, and how a link writes them.

A link is only as good as its sender: what it says is held against what this policy has, and what
does not fit is passed over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from toolkit.evaluate.format import number
from toolkit.evaluate.search.tunables import Tunable
from toolkit.evaluate.tradeoffs.vary import Vary

MOST_PLACES = 3
MOST_STEPS = 200
"""Values of one place."""
MOST_TEXT = 20_000
"""Longest text of a link that is read, characters."""

Places = Mapping[str, Tunable]
"""What can be varied, by path."""


def evenly(place: Tunable, low: float, high: float, steps: int) -> Vary:
    """Values from ``low`` to ``high``: even differences, or even ratios, as the place is read."""
    low, high = min(low, high), max(low, high)
    within = replace(place, low=low, high=high, log=place.log and low > 0)
    return within.vary(min(max(steps, 2), MOST_STEPS)) if low < high else Vary(place.path, (low,))


def some(place: Tunable, chosen: Sequence[object]) -> Vary | None:
    """Those of a place's choices that are among ``chosen``; None where none is."""
    values = tuple(one for one in place.choices if one in chosen and not isinstance(one, tuple))
    return Vary(place.path, values) if values else None


def ends(vary: Vary) -> tuple[float, float]:
    """The least and the largest number of a place that takes numbers."""
    numbers = [float(v) for v in vary.values if isinstance(v, (int, float))]
    return min(numbers, default=math.nan), max(numbers, default=math.nan)


def value_words(value: object, unit: str = "") -> str:
    """A value as people read it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{number(value)} {unit}".strip()
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def written(vary: Sequence[Vary], places: Places) -> str:
    """As it stands in a link: ``[[PATH, LOW, HIGH, STEPS], [PATH, [VALUE, ...]]]``."""
    return json.dumps([_item(one, places[one.path]) for one in vary], separators=(",", ":"))


def _item(one: Vary, place: Tunable) -> list[Any]:
    if place.kind != "choice":
        low, high = ends(one)
        if evenly(place, low, high, len(one.values)) == one:
            return [one.path, low, high, len(one.values)]
    return [one.path, list(one.values)]


def from_link(text: str, places: Places) -> tuple[Vary, ...]:
    """What a link varies, as far as this policy has it; nothing where it cannot be read."""
    try:
        found = [_read(item, places) for item in json.loads(text[:MOST_TEXT])]
    except (ValueError, TypeError, RecursionError, OverflowError):
        return ()
    known = {one.path: one for one in found if one is not None and one.values}
    return tuple(known.values())[:MOST_PLACES]


def _read(item: list[Any], places: Places) -> Vary | None:
    path, *rest = item
    place = places.get(path)
    if place is None:
        return None
    if len(rest) == 1:
        values = list(rest[0])[:MOST_STEPS]
        return some(place, values) if place.kind == "choice" else Vary(path, _numbers(values))
    low, high, steps = rest
    if place.kind == "choice" or not (math.isfinite(low) and math.isfinite(high)):
        return None
    return evenly(place, low, high, int(steps))


def _numbers(values: list[Any]) -> tuple[float, ...]:
    return tuple(v for v in values if type(v) in (int, float) and math.isfinite(v))
