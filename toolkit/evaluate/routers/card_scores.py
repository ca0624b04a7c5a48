"""The scores in a router's card, read back as estimates; and two cards side by side.

A card may lack any of them, or come from another version: what cannot be read is not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from toolkit.evaluate.format import (
    UNDEFINED,
    count,
    percent_interval,
    points_interval,
    quality_interval,
    usd_interval,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.learn.card import Card

Show = Callable[[Estimate], str]


def percent_of(found: Estimate | None) -> str:
    """A share as per cent; a dash where there is none."""
    return UNDEFINED if found is None else percent_interval(found)


SCORES: tuple[tuple[str, str, Show], ...] = (
    ("aiq", "AIQ: mean quality over all budgets", quality_interval),
    ("aiq_zero_router", "AIQ of the best mix of single models (zero router)", quality_interval),
    ("aiq_gain", "what the router adds to that", points_interval),
    ("aiq_gain_to_best", "the same, up to the best model's cost", points_interval),
    ("apgr", "APGR: share of the strong model's lead recovered", percent_of),
    ("cpt50", "CPT50: share of strong calls for half of it", percent_of),
    ("cpt80", "CPT80: share of strong calls for 80 % of it", percent_of),
)
_THRESHOLDS = (0.7, 0.8, 0.9)


@dataclass(frozen=True)
class CardRival:
    """What a router was held against, as its card tells."""

    name: str
    quality: Estimate | None
    cost_usd_per_1k: Estimate | None
    """both at its best point"""
    difference: Estimate | None
    """the router's quality minus its, at equal cost"""
    at_usd_per_1k: float | None = None
    """that cost"""
    quality_at: Estimate | None = None
    """its quality there"""
    router_at: Estimate | None = None
    """and the router's"""
    several: bool = False
    """it can be run at several costs"""


@dataclass(frozen=True)
class RouterComparison:
    """Two routers' scores side by side; each interval is of one router alone."""

    a: Card
    b: Card
    notes: tuple[str, ...]
    """why they cannot be held against each other; empty: they can"""
    rows: tuple[tuple[str, Estimate | None, Estimate | None, str, str], ...]
    """what, both estimates, both as text"""

    @property
    def comparable(self) -> bool:
        """Whether both were scored on the same requests and models in the same way."""
        return not self.notes

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "a": self.a.reference,
            "b": self.b.reference,
            "comparable": self.comparable,
            "notes": list(self.notes),
            "scores": [
                {"score": what, "a": as_json(a), "b": as_json(b)} for what, a, b, _, _ in self.rows
            ],
        }


def estimate(data: Mapping[str, Any], key: str) -> Estimate | None:
    """``key, key_ci95, key_n`` as an estimate; None where there is no number."""
    value, ends, n = data.get(key), data.get(f"{key}_ci95"), data.get(f"{key}_n")
    if not _is_number(value):
        return None
    low, high = ends if isinstance(ends, list) and len(ends) == 2 else (None, None)
    low, high = (float(end) if _is_number(end) else math.nan for end in (low, high))
    return Estimate(float(value), low, high, n if type(n) is int else 0)


def best_threshold(card: Card) -> tuple[float, Estimate] | None:
    """The ``min_quality`` at which the router was best, out of fold, and its quality there."""
    known = [
        (float(wanted), quality)
        for wanted, entry in _by(card.data, "thresholds", "min_quality").items()
        if _is_number(wanted) and (quality := estimate(entry, "quality")) is not None
    ]
    # The lowest of those that are equally good: it is the cheapest.
    return max(known, key=lambda one: (one[1].value, -one[0]), default=None)


def rivals(data: Mapping[str, Any]) -> tuple[CardRival, ...]:
    """All that the router was held against: single models first, the oracle last."""
    kinds = ("singles", "random_mix", "zero_router", "lookup", "knn", "oracle")
    entries = [(kind, data.get(kind)) for kind in kinds]
    return tuple(
        _rival(kind.replace("_", " "), entry)
        for kind, found in entries
        for entry in (found if isinstance(found, list) else [found])
        if isinstance(entry, Mapping)
    )


def compare_cards(a: Card, b: Card) -> RouterComparison:
    """Hold two routers against each other, and say where that is not fair."""
    rows: list[tuple[str, Estimate | None, Estimate | None, str, str]] = []

    def add(what: str, one: Estimate | None, other: Estimate | None, show: Show) -> None:
        if one is not None or other is not None:
            shown = [UNDEFINED if e is None else show(e) for e in (one, other)]
            rows.append((what, one, other, shown[0], shown[1]))

    for key, label, show in SCORES:
        add(label, estimate(a.data, key), estimate(b.data, key), show)
    curves = [_by(card.data, "thresholds", "min_quality") for card in (a, b)]
    for wanted in _THRESHOLDS:
        ends = [curve.get(wanted, {}) for curve in curves]
        for key, show in (("quality", quality_interval), ("cost_usd_per_1k", usd_interval)):
            what = f"{'cost per 1k' if show is usd_interval else key} at min_quality {wanted:g}"
            add(what, estimate(ends[0], key), estimate(ends[1], key), show)
    models = [_by(card.data, "calibration", "model") for card in (a, b)]
    for model in dict.fromkeys([*models[0], *models[1]]):
        ends = [known.get(model, {}) for known in models]
        add(f"ECE of {model}", estimate(ends[0], "ece"), estimate(ends[1], "ece"), quality_interval)
        briers = [estimate(end, "brier") for end in ends]
        add(f"Brier of {model}", briers[0], briers[1], quality_interval)
    return RouterComparison(a, b, _unfair(a, b), tuple(rows))


def _unfair(a: Card, b: Card) -> tuple[str, ...]:
    notes = []
    if not a.dataset_digest or not b.dataset_digest:
        lacking = [card.reference for card in (a, b) if not card.dataset_digest]
        notes.append(f"{' and '.join(lacking)}: the card does not tell what it was scored on")
    elif a.dataset_digest != b.dataset_digest:
        places = [f"{card.dataset} ({card.dataset_digest[:12]})" for card in (a, b)]
        notes.append(f"scored on different data: {places[0]} and {places[1]}")
    if set(a.models) != set(b.models):
        lacks = [
            f"{one.reference} does not know {', '.join(one.unknown(other.models))}"
            for one, other in ((a, b), (b, a))
            if one.unknown(other.models)
        ]
        notes.append(f"scored on different models: {'; '.join(lacks)}")
    for key, words in (
        ("n_judged", "numbers of requests"),
        ("split", "splits of the requests"),
        ("seed", "seeds of the split"),
    ):
        one, other = _found(a.data, key), _found(b.data, key)
        if one is not None and other is not None and one != other:
            notes.append(f"scored on different {words}: {_said(one)} and {_said(other)}")
    return tuple(notes)


def _rival(kind: str, entry: Mapping[str, Any]) -> CardRival:
    name = entry.get("name") or entry.get("model") or kind
    points = entry.get("points")
    best = entry
    if isinstance(points, list):
        known = [p for p in points if isinstance(p, Mapping) and _is_number(p.get("quality"))]
        best = max(known, key=lambda p: float(p["quality"]), default=entry)
    at = entry.get("at_usd_per_1k")
    return CardRival(
        str(name),
        estimate(best, "quality"),
        estimate(best, "cost_usd_per_1k"),
        estimate(entry, "difference"),
        float(at) if _is_number(at) else None,
        estimate(entry, "quality_at"),
        estimate(entry, "router_quality_at"),
        several=isinstance(points, list) and len(points) > 1,
    )


def _by(data: Mapping[str, Any], key: str, field: str) -> dict[Any, Mapping[str, Any]]:
    entries = data.get(key)
    known = [e for e in entries if isinstance(e, Mapping)] if isinstance(entries, list) else []
    return {e[field]: e for e in known if isinstance(e.get(field), str | int | float)}


def _found(data: Mapping[str, Any], key: str) -> Any:
    settings = data.get("settings")
    inner = settings.get(key) if isinstance(settings, Mapping) else None
    found = data.get(key, inner)
    return found.get("kind") if isinstance(found, Mapping) else found


def _said(value: Any) -> str:
    return count(value) if type(value) is int else str(value)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


def as_json(found: Estimate | None) -> dict[str, Any] | None:
    """An estimate as JSON values; None where there is none."""
    if found is None:
        return None
    ends = [found.low, found.high]
    return {
        "value": found.value,
        "ci95": [end if math.isfinite(end) else None for end in ends],
        "n": found.n or None,
    }
