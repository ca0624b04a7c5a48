"""A sweep in words: what is the cheapest way to be good enough, and what the answer rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from toolkit.evaluate.format import count, percent, quality_interval, usd, usd_interval
from toolkit.evaluate.goals import limited
from toolkit.evaluate.tradeoffs.pick import has_cost, has_quality
from toolkit.evaluate.tradeoffs.points import Point
from toolkit.scenarios.aim import in_order
from toolkit.scenarios.model import Scenario

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.result import Frontier

OPTIMISM = (
    "The best of many policies looks better on the requests that it was picked on than it is; "
    "a search tunes on one half of the requests and reports on the other."
)
TRIFLE = "That is less than 1 % of the cost and 0.1 points of quality: a trifle."
LOGGED = (
    "Each request was seen under one model only, so that every policy is judged by those requests "
    "alone that went its way: an estimate is made for such a log."
)


def verdict(f: Frontier) -> str:
    """The cheapest policy that meets the goals, and whether one model alone does too."""
    many = len(f.points) > 1
    warned = [LOGGED] if f.log == "logged" else []
    if not any(point.goals for point in f.points):
        return " ".join([*warned, _without_goals(f)])
    tried = f"{count(len(f.points))} policies" if many else "one policy"
    best = f.best
    if best is None:
        lines = [_none(f)]
    else:
        lead = f"The cheapest of {tried} that meets the goals"
        if not many:
            lines = [f"The policy meets its goals: it {_at(best)}."]
        elif f.cheapest is best:
            lines = [f"{lead} {_at(best)}: {_name(best)}.", _gained(f, best)]
        else:
            lines = [
                f"{lead} is {_name(best)}, as far as can be told: it {_at(best)}.",
                _instead(f, f.cheapest),
            ]
        if not best.certain:
            lines.append(f"{_close(best)} {_surest(f, best)}".strip())
    alone = _alone(f, best)
    # The question is what is cheapest, so what needs no policy and costs less comes first.
    lines = [alone, *lines] if _cheaper_alone(f, best) else [*lines, alone]
    lines.append(_mixed(f, best))
    if many and best is not None and best.index:
        lines.append(OPTIMISM)
    return " ".join(line for line in [*warned, *lines] if line)


def _at(point: Point) -> str:
    quality = quality_interval(point.quality) if has_quality(point) else "unknown"
    if not has_cost(point):
        return f"has quality {quality}, at an unknown cost"
    return f"costs {usd_interval(point.cost_usd_per_1k)} per 1k at quality {quality}"


def _gained(f: Frontier, point: Point) -> str:
    """What it gains on the policy as it stands."""
    if not point.index or f.log == "logged":
        return ""
    return f.gain(point).words(_name(f.points[0]))


def _instead(f: Frontier, point: Point | None) -> str:
    """The one that is cheaper by value alone."""
    if point is None:
        return ""
    text = f"By value alone {_name(point)} is cheaper: it {_at(point)}. {_gained(f, point)}"
    return f"{text} {TRIFLE}" if f.gain(point).trifling else text


def _name(point: Point) -> str:
    """A policy that is varied stands as it is at first; several that were given have names."""
    return f"{point.name} as it stands" if point.index == 0 and point.values else point.name


def _without_goals(f: Frontier) -> str:
    now = f.points[0]
    ends = [f.points[i] for i in (f.hull[0], f.hull[-1])] if f.hull else []
    text = f"{_name(now)} {_at(now)}; no goals say whether that is good enough."
    if len(f.points) > 1 and ends:
        text += f" {count(len(f.points))} policies reach from {_short(ends[0])}"
        text += f" to {_short(ends[1])}." if ends[1] is not ends[0] else "."
    better = [
        p
        for p in f.points
        if p.cost_usd_per_1k.value < now.cost_usd_per_1k.value
        and p.quality.value >= now.quality.value
    ]
    if better:
        least = min(better, key=lambda p: p.cost_usd_per_1k.value)
        text += f" The cheapest that is no worse by value {_at(least)}: {_name(least)}."
        text += f" {_gained(f, least)}"
        text += f" {TRIFLE}" if f.gain(least).trifling else f" {OPTIMISM}"
    mixed = _mixed(f, now)
    return f"{text} {mixed}" if mixed else text


def _short(point: Point) -> str:  # of the hull: both are known
    return f"{usd(point.cost_usd_per_1k.value)} per 1k at quality {point.quality.value:.3f}"


def _none(f: Frontier) -> str:
    closest = f.closest
    unknown = [g for g in closest.goals if g.met is None]
    missed = [g for g in closest.goals if g.met is False]
    if not missed:
        names = listed(f"{goal.label} ({goal.reason})" for goal in unknown)
        return f"Whether the goals are met cannot be told, for want of {names}."
    told = "; ".join(map(str, missed))
    if len(f.points) == 1:
        return f"The policy misses {told}. It {_at(closest)}."
    tried = f"None of {count(len(f.points))} policies meets"
    return f"{tried} all goals; the closest misses {told}. It {_at(closest)}: {_name(closest)}."


def _close(point: Point) -> str:
    names = listed(goal.label for goal in point.goals if not goal.certain)
    return f"Too close to its limit to be certain: {names}."


def _surest(f: Frontier, best: Point) -> str:
    sure = f.surest
    if sure is None:
        return "None meets every goal with its whole interval."
    if sure is best:
        return ""
    return f"The cheapest that does with its whole interval {_at(sure)}: {_name(sure)}."


def _mixed(f: Frontier, point: Point | None) -> str:
    """What chance makes of the same money, where it is no worse than the policy."""
    if point is None or len(f.zero_router) < 2:
        return ""
    chance = f.mixed(point.cost_usd_per_1k.value)
    if not chance >= point.quality.value:
        return ""
    names = listed(vertex.model for vertex in f.zero_router)
    return f"For the same cost {names} mixed at random reach {chance:.3f}."


def _alone(f: Frontier, best: Point | None) -> str:
    """Whether a single model meets the goals, and for how much."""
    able = [p for p in f.singles if p.meets]
    if not able:
        return "None of the single models meets them." if f.singles else ""
    priced = [p for p in able if has_cost(p)]
    if not priced:
        best_known = max(able, key=lambda p: p.quality.value)
        quality = quality_interval(best_known.quality)
        return f"{best_known.name} alone meets them at quality {quality}, at an unknown cost."
    cheapest = min(priced, key=lambda p: p.cost_usd_per_1k.value)
    text = f"{cheapest.name} alone {_at(cheapest)}"
    used = "" if cheapest.name in f.used else ", a model that the policy does not use"
    if best is None:
        return f"{text} and meets the goals{used}."
    if not _cheaper_alone(f, best):
        return f"{text} and meets them too{used}."
    which = "the policy" if len(f.points) == 1 else "any policy here that does"
    return f"{text} and meets the goals, for less than {which}{used}."


def _cheaper_alone(f: Frontier, best: Point | None) -> bool:
    """A single model meets the goals for less than the policies that do."""
    if best is None or not has_cost(best):
        return False
    costs = [p.cost_usd_per_1k.value for p in f.singles if p.meets and has_cost(p)]
    return min(costs, default=math.inf) < best.cost_usd_per_1k.value


def assumed(
    points: Sequence[Point],
    resting: Sequence[str],
    whole: int,
    scenario: Scenario | None,
    foresight: str = "",
) -> tuple[str, ...]:
    """What a sweep rests on: ``resting``, of the policy as it stands, and of the comparison.

    ``foresight`` is what there is to say of the oracle.
    """
    lines = list(resting)
    if points[0].requests < whole:
        replayed = f"All {count(whole)} requests were" if whole > 1 else "One request was"
        lines.append(
            f"{replayed} replayed; the estimates are over {count(points[0].requests)} of them."
        )
    lines.append(
        "All policies met the same requests, and their intervals come from the same draws."
    )
    unobserved = max(points, key=lambda point: point.unobserved)
    if unobserved.unobserved and unobserved.requests:
        share = percent(unobserved.unobserved / unobserved.requests)
        lines.append(
            f"Up to {share} of the requests were not observed under a policy, and each is judged "
            "by those that were: policies that ask other models are then judged by other requests."
        )
    if scenario is not None:
        lines.append(
            f"The single models met the faults of {scenario.scenario} too; the random mix and the "
            "oracle are as the log has them."
        )
        if _moves(points, scenario):
            lines.append(
                "The scenario strikes the first or the second model of a policy, and not all "
                "policies here begin with the same: each meets the faults where its own stand."
            )
    if any(kind != "value" for _, kind in limited(points[0].policy.goals)):
        lines.append("Goals that are relative to a baseline are left out here; a gate judges them.")
    if len(points) > 1:
        lines.append(OPTIMISM)
    lines += [foresight] if foresight else []
    lines.append(
        "The hull and the zero router hold what is reached by sending each request to one of two "
        "neighbours at random."
    )
    return tuple(lines)


def _moves(points: Sequence[Point], scenario: Scenario) -> bool:
    """Whether the faults' words for models mean different ones in different policies."""
    named = {name for fault in scenario.faults for name in (*(fault.models or ()), fault.provider)}
    first = {in_order(point.policy)[:2] for point in points}
    return bool(named & {"primary", "fallback"}) and len(first) > 1


def counted(n: int, one: str, many: str = "") -> str:
    """``1 policy``, ``1,700 policies``."""
    return f"{count(n)} {one if n == 1 else many or f'{one}s'}"


def listed(words: Iterable[str]) -> str:
    """``cost, quality and errors``."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
