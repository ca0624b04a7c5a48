"""What a marker of a figure of trade-offs says when it is pointed at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from toolkit.evaluate.format import count, number, percent
from toolkit.evaluate.goals import WORDS
from toolkit.evaluate.intervals import UNDEFINED, Estimate
from toolkit.figures import theme
from toolkit.figures.baseline_words import names

if TYPE_CHECKING:
    from toolkit.evaluate.baselines import Baseline
    from toolkit.evaluate.tradeoffs.points import Point
    from toolkit.evaluate.tradeoffs.result import Frontier

Words: TypeAlias = "Callable[[Point], str]"
"""What sets a policy of a sweep apart, as people read it."""
Row: TypeAlias = "Point | Baseline"
"""A single model comes as a point or as a baseline."""

WIDE = 52
"""Letters on a line of what a marker says."""
MEASURES = (
    "quality",
    "cost_usd_per_1k",
    "latency_mean_s",
    "latency_p95_s",
    "error_rate",
    "degraded_rate",
)


def value_words(value: object) -> str:
    """A value of a policy as people read it: ``0.25``, ``off`` for none."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    return number(value) if isinstance(value, float) else str(value)


def point_words(point: Point, twins: int = 0, words: Words | None = None) -> str:
    """A policy of a sweep: what it varies, all its numbers, what is behind them.

    ``words`` says what it varies; without it places and values are named.
    """
    if words is not None:
        head = [f"<b>{theme.wrapped(words(point) or point.name, WIDE, 6)}</b>"]
    else:
        head = [f"<b>{theme.plain(_title(point))}</b>"]
        head += [
            f"{theme.plain(path)} = <b>{theme.plain(value_words(value))}</b>"
            for path, value in point.values.items()
        ]
    lines = [*_measures(point), f"n = {count(point.requests)} requests"]
    if point.imputed_share > 0:
        lines.append(f"{percent(point.imputed_share)} of them rest on imputed values")
    if point.unobserved:
        lines.append(f"{count(point.unobserved)} unobserved")
    if point.meets is not None:
        sure = "" if point.certain else ", not surely"
        lines.append(f"meets all goals{sure}" if point.meets else f"misses a goal{sure}")
    if twins:
        lines.append(f"{count(twins)} more with the very same outcomes")
    return "<br>".join([*head, *map(theme.plain, lines)])


def short_name(point: Point, words: Words | None = None) -> str:
    """What tells a policy from the others of its sweep: its values alone, or ``words``."""
    if words is not None:
        return words(point) or point.name
    if not point.index or not point.values:
        return point.policy.policy
    values = [value_words(value) for value in point.values.values()]
    if len(values) > 1:
        return " · ".join(values)
    return f"{next(iter(point.values)).rpartition('.')[2]} = {values[0]}"


def in_words(text: str, frontier: Frontier, words: Words | None) -> str:
    """A sentence about a sweep, with ``words`` in place of the places and values it names."""
    if words is None:
        return text
    # The longest first: a name may be the beginning of another.
    for point in sorted(frontier.points, key=lambda point: -len(point.name)):
        if point.index and point.values and point.name in text:
            text = text.replace(point.name, words(point) or point.name)
    return text


def _title(point: Point) -> str:
    if not point.values:
        return point.name
    return f"{point.policy.policy} as it stands" if not point.index else f"policy {point.index}"


def baseline_words(row: Point | Baseline, models: Sequence[str]) -> str:
    """A baseline with its numbers; ``models`` are those that it is of."""
    lines = [*_measures(row), f"n = {count(row.quality.n)} requests"]
    if getattr(row, "kind", "single") != "single":
        lines.insert(0, f"of {names(models)}")
    return "<br>".join([f"<b>{theme.plain(row.name)}</b>", *map(theme.plain, lines)])


def _measures(row: object) -> list[str]:
    found = []
    for name in MEASURES:
        e = getattr(row, name, None)
        if isinstance(e, Estimate) and not math.isnan(e.value):
            label, show = WORDS[name]
            found.append(f"{label} {show(e)}")
    return found


def value(row: Row, name: str) -> Estimate:
    """A measure of a point or of a baseline; undefined where it has none."""
    found = getattr(row, name, UNDEFINED)
    return found if isinstance(found, Estimate) else UNDEFINED


def known(row: Row, *names: str) -> bool:
    """All of these measures of a row are known."""
    return not any(math.isnan(value(row, name).value) for name in names)
