"""A router's card in words: for who decides about traffic, not for who trained it.

What a card does not tell is left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.evaluate.format import (
    UNDEFINED,
    count,
    counted,
    number,
    points_interval,
    quality_interval,
    seconds,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.routers.card_scores import SCORES, estimate, rivals
from toolkit.evaluate.routers.money import money_of
from toolkit.learn.card import Card

_HEADS = {
    "logistic": "a logistic regression",
    "boosting": "boosted trees",
    "neighbours": "the nearest known requests",
    "stack": "a blend (of few requests a random forest with what the categories tell, of many a"
    " logistic regression with boosted trees)",
}
_TEXTS = {
    "embedding": "what the prompt is about (its embedding)",
    "tfidf": "the prompt's words",
    "both": "what the prompt is about (its embedding) and its words",
}
_MOST_ROWS = 12


@dataclass(frozen=True)
class CardPart:
    """One part of a card: sentences, then perhaps a table whose first column names the row."""

    title: str
    lines: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def card_title(card: Card) -> str:
    """``Router easy, version 2``."""
    return f"Router {card.name}, version {card.version}"


def card_parts(card: Card) -> tuple[CardPart, ...]:
    """What it decides, learned from what, how good it is, beside whom, and its limits."""
    data = card.data
    found = (
        _decides(card),
        _learned(card),
        CardPart("How good it is", *_results(data)),
        _rivals(data),
        _settings(data),
        CardPart("What can be promised", _sentences(_within(data, "floor").get("words"))),
        _calibration(data),
        CardPart("Where it is better or worse", _sentences(_within(data, "slices").get("words"))),
        CardPart(
            "Whether more data would help", _sentences(_within(data, "learning_curve").get("words"))
        ),
        CardPart("Warnings", (*_sentences(data.get("warnings")), *card.version_warnings)),
        CardPart("What it must not be used for", card.not_for),
        CardPart("What its file holds", card.holds),
        CardPart("What the figures rest on", _sentences(data.get("assumptions"))),
        _origin(card),
    )
    return tuple(part for part in found if part.lines or part.rows)


def _decides(card: Card) -> CardPart:
    names = ", ".join(card.models) or "its models"
    lines = [
        (
            f"For each request it tells how probably each of these models gives an answer that is"
            f" accepted and correct: {names}."
        ),
        (
            "A policy then asks the cheapest model that is good enough, or the best one within a"
            " budget, and keeps others behind it as fallbacks."
        ),
    ]
    router = _within(card.data, "router")
    reads = [_TEXTS[router["text"]]] if router.get("text") in _TEXTS else []
    columns = _sentences(router.get("columns"))
    reads += [f"the columns {', '.join(columns)}"] if columns else []
    if reads:
        lines.append(f"Of a request it reads {' and '.join(reads)}.")
    if router.get("head") in _HEADS:
        calibration = router.get("calibration")
        how = f", calibrated ({calibration})" if calibration else ", not calibrated"
        lines.append(f"It learned with {_HEADS[router['head']]}{how}.")
    return CardPart("What it decides", tuple(lines))


def _learned(card: Card) -> CardPart:
    data = card.data
    if not card.dataset:
        return CardPart("What it learned from", ("Not told.",))
    n, judged = data.get("n"), data.get("n_judged")
    line = f"The dataset {card.dataset}"
    line += f", {counted(n, 'request')}" if type(n) is int else ""
    line += f" (digest {card.dataset_digest[:12]})" if card.dataset_digest else ""
    lines = [f"{line}."]
    if card.simulated:
        lines.append("Its outcomes were made up by a simulation.")
    if type(judged) is int and judged != n:
        lines.append(
            f"The figures below are of {counted(judged, 'request')}: the others could only be "
            "learned from."
        )
    lines += _sentences(_within(data, "split").get("note"))
    if isinstance(data.get("seconds"), int | float):
        lines.append(f"Training and judging took {seconds(data['seconds'])}.")
    return CardPart("What it learned from", tuple(lines))


def _results(data: Mapping[str, Any]) -> tuple[Any, ...]:
    lines = _sentences(data.get("verdict"))
    judged = data.get("n_judged")
    n = count(judged) if type(judged) is int else UNDEFINED
    rows = tuple(
        (label, show(found), count(found.n) if found.n else n)
        for key, label, show in SCORES
        if (found := estimate(data, key)) is not None
    )
    if not lines and not rows:
        lines = ("It was saved without being judged: nothing is known of how good it is.",)
    return lines, ("", "value [95 %]", "n") if rows else (), rows


def _rivals(data: Mapping[str, Any]) -> CardPart:
    found = rivals(data)
    undefined = Estimate(float("nan"))
    money = money_of(r.cost_usd_per_1k.value for r in found if r.cost_usd_per_1k is not None)
    rows = [
        (
            rival.name,
            UNDEFINED if rival.at_usd_per_1k is None else money.usd(rival.at_usd_per_1k),
            quality_interval(rival.quality_at or undefined),
            quality_interval(rival.router_at or undefined),
            points_interval(rival.difference or undefined).replace(" points", ""),
            _n(rival.difference),
        )
        for rival in found
    ]
    head = ("at one cost", f"per {money.per}", "quality", "router", "router above, points", "n")
    where = (
        "What has but one cost is held against the router there; what has several halfway, by "
        "ratio, between the cheapest and the best single model."
    )
    lines = [where]
    lines += [
        f"{rival.name} at its best: {quality_interval(rival.quality)} at "
        f"{money.interval(rival.cost_usd_per_1k)} per {money.per}."
        for rival in found
        if rival.several and rival.quality is not None and rival.cost_usd_per_1k is not None
    ]
    return CardPart(
        "Beside simpler ways", tuple(lines) if rows else (), head if rows else (), tuple(rows)
    )


def _n(found: Estimate | None) -> str:
    return count(found.n) if found is not None and found.n else UNDEFINED


def _settings(data: Mapping[str, Any]) -> CardPart:
    """The knob that people turn: at least this quality, or this much for a point of it."""
    undefined = Estimate(float("nan"))
    for key, knob, title in (
        ("thresholds", "min_quality", "What each min_quality costs and gives"),
        ("curve", "tradeoff_usd_per_point", "What each tradeoff_usd_per_point costs and gives"),
    ):
        points = [p for p in _list(data, key) if isinstance(p.get(knob), int | float)]
        # Where two settings ask the same models, one of them tells it all.
        points = [
            p
            for i, p in enumerate(points)
            if not i or "shares" not in p or p["shares"] != points[i - 1].get("shares")
        ]
        if points:
            step = max(1, -(-len(points) // _MOST_ROWS))
            costs = [estimate(point, "cost_usd_per_1k") or undefined for point in points]
            money = money_of(cost.value for cost in costs)
            rows = [
                (
                    number(point[knob]),
                    quality_interval(estimate(point, "quality") or undefined),
                    money.interval(cost),
                    _n(estimate(point, "quality")),
                )
                for point, cost in zip(points[::step], costs[::step], strict=True)
            ]
            head = (knob, "quality", f"cost per {money.per}", "n")
            return CardPart(title, (), head, tuple(rows))
    return CardPart("What each setting costs and gives")


def _calibration(data: Mapping[str, Any]) -> CardPart:
    rows = [
        (
            str(one.get("model")),
            *(
                quality_interval(estimate(one, key) or Estimate(float("nan")))
                for key in ("ece", "brier", "brier_base")
            ),
            count(one["n"]) if type(one.get("n")) is int else _n(estimate(one, "ece")),
        )
        for one in _list(data, "calibration")
    ]
    head = ("model", "ECE", "Brier score", "of the mean alone", "n")
    return CardPart("Whether its probabilities come true", (), head if rows else (), tuple(rows))


def _origin(card: Card) -> CardPart:
    versions = _within(card.data, "library_versions")
    told = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    lines = [f"Saved at {card.made_at}."] if card.made_at else []
    lines += [f"With {told}."] if told else []
    lines += [f"Digest of its file: {card.digest}."]
    return CardPart("Where it comes from", tuple(lines))


def _within(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}


def _list(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = data.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _sentences(found: Any) -> tuple[str, ...]:
    if isinstance(found, str):
        return (found,) if found else ()
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()
