"""The difference of two policies that were estimated from one log, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.evaluate.differences import LEVEL
from toolkit.evaluate.format import (
    UNDEFINED,
    count,
    counted,
    number,
    percent,
    points_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.evaluate.goals import WORDS
from toolkit.evaluate.offpolicy.phrases import listed, part_of, some
from toolkit.evaluate.offpolicy.words import doubt

if TYPE_CHECKING:
    from toolkit.evaluate.differences import Difference
    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.offpolicy.difference import Covered, OffPolicyDifference

HEAD = ("", "difference [95 %]", "p", "p by Holm", "differs")
"""What the columns of ``OffPolicyDifference.rows`` are."""


def change(metric: str, e: Estimate) -> str:
    """A difference of a metric as people read it."""
    if metric == "cost_usd_per_1k":
        return usd_interval(e, sign=True)
    return seconds_interval(e, sign=True) if metric.endswith("_s") else points_interval(e)


def certainty(d: Difference) -> str:
    """Whether it is a difference: ``yes``, ``same``, ``not surely``."""
    if math.isnan(d.value):
        return UNDEFINED
    return "same" if not d.changed else "yes" if d.distinguishable else "not surely"


def chance(p: float) -> str:
    """A p-value: ``0.031``, ``below 0.001``."""
    return "below 0.001" if p < 0.001 else number(round(p, 3))


def verdict(found: OffPolicyDifference) -> str:
    """What differs, what cannot be told apart, and of which part of the traffic that is said."""
    clear: list[str] = []
    unclear: list[str] = []
    unknown: list[str] = []
    for metric, d in found.differences.items():
        if math.isnan(d.value):
            unknown.append(WORDS[metric][0])
        elif d.changed:
            words = f"{WORDS[metric][0]} by {change(metric, d)}"
            (clear if d.distinguishable else unclear).append(words)
    text = doubt(*found.weights) if found.recommended == "dr" else ""
    text += f"{found.policy} differs from {found.against} in"
    text += f" {listed(clear)}" if clear else " nothing that can be told"
    if unclear:
        text += f"; not distinguishable: {listed(unclear)}"
    if len(unknown) == len(found.differences):
        return f"The log measured nothing that would tell {found.policy} from {found.against}."
    of = part_of(found.n, found.requests, "logged request")
    text += f", estimated from {of}{where(found)}."
    return f"{text} Not measured under both: {listed(unknown)}." if unknown else text


def where(found: OffPolicyDifference) -> str:
    """`` (19.6 %: all of arithmetic, none of yes_no)``; nothing where all requests are covered."""
    if found.n == found.requests:
        return ""
    share = percent(found.n / found.requests)
    if not found.covered:
        return f" ({share})"
    whole, parts, none = _by_extent(found)
    told = [f"all of {listed(some(whole))}"] if whole else []
    told += [f"parts of {listed(some(parts))}"] if parts else []
    told += [f"none of {listed(some(none))}"] if none else []
    return f" ({share}: {', '.join(told)})"


def _by_extent(found: OffPolicyDifference) -> tuple[list[str], list[str], list[str]]:
    def names(those: list[Covered]) -> list[str]:
        return [c.category for c in sorted(those, key=lambda c: -c.requests)]

    every = found.covered
    return (
        names([c for c in every if c.n == c.requests]),
        names([c for c in every if 0 < c.n < c.requests]),
        names([c for c in every if not c.n]),
    )


def notes(found: OffPolicyDifference) -> tuple[str, ...]:
    """How surely it is told, and for which part of the traffic."""
    lines = []
    if found.n < found.requests:
        lines.append(
            f"The difference is that of {count(found.n)} of {counted(found.requests, 'request')}"
            f"{where(found)}: the log cannot speak for both policies on the others, where they may"
            " differ otherwise."
        )
    if found.recommended == "dr":
        lines.append(
            "The logged requests tell as much of the difference as"
            f" {counted(round(found.effective_sample_size), 'request')} that each policy had served"
            " itself (the effective sample size of the less evenly weighted of the two)."
        )
    lines.append(
        "Several metrics are looked at together, and one of them may leave out 0 by chance: a"
        f" difference is called one where its p-value, adjusted by Holm's method, is below"
        f" {number(LEVEL)}, so that equals are called different in no more of the logs."
    )
    return tuple(lines)
