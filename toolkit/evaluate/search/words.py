"""A search in words: what was found, whether it held, what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.evaluate import goals
from toolkit.evaluate.format import count, points_interval, quality_interval, usd_interval

if TYPE_CHECKING:
    from toolkit.evaluate.search.result import Candidate, Search, Side

KINDS = {
    "cheapest": "The cheapest",
    "sure": "The cheapest that is sure of it where it was tuned",
    "middle": "The best bargain",
    "best": "The best",
    "closest": "The closest",
}
ENDINGS = {
    "budget": "the time was used up",
    "trials": "all of them were tried",
    "exhausted": "nothing new was left to try",
    "interrupted": "it was stopped early",
}


def verdict(found: Search) -> str:
    """Whether there is a policy that meets the goals, and what it is worth held out."""
    tried = f"{count(found.different)} policies"
    if not found.candidates:
        return f"Of {tried} none has a cost and a quality that were measured."
    first = found.candidates[0]
    if first.kind == "closest":
        lead = (
            f"None of {tried} meets the goals where they were tuned. The closest costs "
            f"{_numbers(first)}"
        )
    else:
        lead = f"The cheapest of {tried} that meets the goals costs {_numbers(first)}"
    single = found.single
    beside = f"The best single model, {single.policy.policy}, costs {_numbers(single)}"
    return f"{lead}. {_held(first)} {beside}. {first.against_single.verdict}"


def _numbers(side: Side) -> str:
    return (
        f"{usd_interval(side.held_out.cost_usd_per_1k)} per 1k at quality "
        f"{quality_interval(side.held_out.quality)} on {count(side.held_out.quality.n)} held-out "
        f"requests"
    )


def _held(one: Candidate) -> str:
    t = one.tuned
    tuned = f"Where it was tuned: {usd_interval(t.cost_usd_per_1k)}, {quality_interval(t.quality)}"
    return f"{tuned}. Goals on the held-out requests: {goals.verdict(one.goals_held_out)}"


def optimism(one: Side) -> str:
    """How much better it looked where it was tuned."""
    d = one.optimism
    quality = points_interval(d["quality"])
    cost = usd_interval(d["cost_usd_per_1k"], sign=True)
    return f"quality {quality}, cost per 1k {cost}: tuned minus held out"


def assumptions(found: Search) -> tuple[str, ...]:
    """What the numbers rest on."""
    state = "All requests are replayed, so that caches and breakers meet the whole traffic."
    how = (
        f"{count(found.trials)} trials over {count(found.places)} places in "
        f"{found.seconds:.3g} s: {count(found.different)} different policies, "
        f"{count(found.feasible)} within the goals; it ended as {ENDINGS[found.ending]}."
    )
    fair = (
        "Where it was tuned a candidate is the best of many and flattered by it; only the held-out "
        "numbers are fair. Whoever picks among the candidates by these flatters them a little."
    )
    lines = [f"{found.split.words} {state}", how, fair]
    if not found.start.policy.goals.to_data():
        lines.append(
            "The policy has no goals: searched was for no less quality than it has as it stands."
        )
    held = found.candidates[0].held_out if found.candidates else found.start.held_out
    return (*lines, *(line for line in held.assumptions if line not in lines))
