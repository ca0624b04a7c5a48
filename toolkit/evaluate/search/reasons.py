"""Why a candidate differs where it does: each change undone, alone, and what that does.

Measured on the held-out requests, so that a change that was luck shows as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from toolkit.evaluate.compare import Comparison, Difference
from toolkit.evaluate.format import points_interval, seconds_interval, usd_interval
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.search.tunables import Tunable, Value

if TYPE_CHECKING:
    from toolkit.evaluate.search.trials import Trial


class Change(NamedTuple):
    """One place in which a candidate differs from the policy it was found from."""

    path: str
    before: Value
    after: Value
    why: str
    """what the place is, and what the change does"""


def changes(
    trial: Trial, places: Mapping[str, Tunable], undone: Callable[[str], Comparison | None]
) -> tuple[tuple[Change, ...], dict[str, Comparison]]:
    """The changes of a trial, those that matter most to quality first, and what each does.

    ``undone`` compares the candidate without one change with the candidate, on the held-out
    requests; None where it contradicts the other changes.
    """
    effects = {path: undone(path) for path in trial.changes}
    known = {path: effect for path, effect in effects.items() if effect is not None}
    found = [
        Change(path, places[path].current, value, _why(places[path], effects[path]))
        for path, value in trial.changes.items()
    ]
    found.sort(key=lambda one: -abs(known[one.path].quality.value) if one.path in known else 0.0)
    return tuple(found), known


def _why(place: Tunable, effect: Comparison | None) -> str:
    what = place.words[0].upper() + place.words[1:]
    if effect is None:
        return f"{what}. Goes with the other changes: undone alone, it contradicts them."
    rest = "other half" if effect.seen else "held-out requests"
    if effect.identical:
        return f"{what}. Makes no difference to the {rest}."
    clear = [text for text, sure in _effects(effect) if sure]
    unclear = [text for text, sure in _effects(effect) if not sure]
    if clear:
        doubts = f"; not distinguishable: {', '.join(unclear)}" if unclear else ""
        return f"{what}. On the {rest} it makes {' and '.join(clear)}{doubts}."
    return f"{what}. The {rest} cannot tell its effect: {', '.join(unclear)}."


def _effects(effect: Comparison) -> list[tuple[str, bool]]:
    """What the change adds to each metric, and whether the data can tell."""
    shown: list[tuple[str, Difference, Callable[[Estimate], str]]] = [
        ("quality", effect.quality, points_interval),
        ("cost per 1k", effect.cost_usd_per_1k, lambda e: usd_interval(e, sign=True)),
        ("mean latency", effect.latency_mean_s, lambda e: seconds_interval(e, sign=True)),
    ]
    return [
        (f"{name} {show(d)}", d.distinguishable)
        for name, d, show in shown
        if d.value and d.value == d.value
    ]
