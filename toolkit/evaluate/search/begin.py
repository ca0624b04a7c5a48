"""Where a search begins: each place moved alone, and all of them moved as each likes best.

What a place does alone costs a few replays, and tells much: which limits move nothing and need not
be searched, and, for any price of a point of quality, which value each place would take. All places
at these values are a good policy wherever their effects add up, as those of rules for different
requests do. What does not add up shows when the same is done again around the best of them, and is
left to the search in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.search.space import Space
from toolkit.evaluate.search.trials import Trial
from toolkit.evaluate.search.tunables import Tunable, Value

Changes: TypeAlias = Mapping[str, Value]

NUMBERS = 4
"""Values that are tried of a number."""
WORTHS = 20
"""Prices of quality at which all places are moved together."""
LIMITS = ("time limits", "retries", "cost", "cache")
"""Groups of places that are left alone where they move nothing. Rules, chains and models stay: what
they do depends on where the others lead."""


def moves(space: Space, centre: Changes) -> Iterator[tuple[str, Value]]:
    """Every place alone, at some values other than that of the centre: (path, value)."""
    for place in space.places:
        now = centre.get(place.path, place.current)
        for value in _some(place):
            if value != now:
                yield place.path, value


def _some(place: Tunable) -> tuple[Value, ...]:
    if place.kind == "choice":
        return place.choices
    values = place.values(NUMBERS + 1)
    # The lowest limit of time or cost lets hardly anything through.
    return (place.current, *(values[1:] if place.log else values))


def moved(centre: Changes, space: Space, one: Changes) -> dict[str, Value]:
    """The centre with some of its values replaced; what is as it stands is no change."""
    now = {place.path: place.current for place in space.places}
    both = {**centre, **one}
    return {path: value for path, value in both.items() if value != now[path]}


def together(
    centre: Trial, alone: Sequence[tuple[str, Value, Trial]], worths: int = WORTHS
) -> list[dict[str, Value]]:
    """All places moved as each likes best, at several prices of quality."""
    known = [one for one in alone if not np.isnan(one[2].price + one[2].quality)]
    if not known:
        return []
    gain = np.array([(t.quality - centre.quality, t.price - centre.price) for *_, t in known])
    found = []
    for worth in _worths(gain, worths):
        score = gain[:, 0] - worth * gain[:, 1]
        best: dict[str, tuple[float, Value]] = {}
        for (path, value, _), points in zip(known, score.tolist(), strict=True):
            if points > best.get(path, (0.0, None))[0]:
                best[path] = points, value
        liked = {path: value for path, (_, value) in best.items()}
        if liked not in found:
            found.append(liked)
    return found


def _worths(gain: NDArray[np.float64], most: int) -> list[float]:
    """What a unit of price is worth in quality: of all ratios at which some place changes."""
    trades = gain[(gain[:, 0] * gain[:, 1]) > 0]
    if not len(trades):
        return [0.0]
    slopes = np.unique(trades[:, 0] / trades[:, 1])
    return [0.0, *np.quantile(slopes, np.linspace(0, 1, most - 1)).tolist()]


def without_idle(space: Space, first: Trial, alone: Sequence[tuple[str, Value, Trial]]) -> Space:
    """The space without limits that moved nothing."""
    moving = {path for path, _, one in alone if one.values != first.values}
    places = [p for p in space.places if p.path in moving or p.group not in LIMITS]
    return replace(space, places=tuple(places or space.places))


def nearest(found: Sequence[Trial]) -> Trial:
    """The cheapest that meets the goals, or else what misses them by least."""
    return min(found, key=lambda one: (one.miss, one.price, -one.quality))


def population(
    space: Space, found: Sequence[Trial], wanted: int, rng: np.random.Generator
) -> list[Changes]:
    """Begin with the policy as it stands, the best so far, and neighbours of the policy."""
    paths = {place.path for place in space.places}
    fit = [one for one in found if set(one.changes) <= paths and one.price == one.price]
    fit.sort(key=lambda one: (one.miss, one.price, -one.quality))
    # Of those within the goals some of every price, not only the cheapest.
    inside = [one for one in fit if one.miss == 0]
    most = wanted // 3
    spread = inside[:: max(1, len(inside) // most)][:most]
    rest = [one for one in fit if one.miss > 0][:most]
    begun: list[Changes] = [{}, *(one.changes for one in (*spread, *rest))]
    while len(begun) < wanted:
        begun.append(space.neighbour(rng))
    return begun
