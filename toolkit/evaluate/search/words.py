"""A search in words: what was found, whether it held, what it rests on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.evaluate import goals
from toolkit.evaluate.compare import METRICS
from toolkit.evaluate.format import count, points_interval, quality_interval, usd_interval
from toolkit.evaluate.routed import SEEN
from toolkit.evaluate.tradeoffs.gain import held_against
from toolkit.evaluate.tradeoffs.words import counted, listed

if TYPE_CHECKING:
    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.search.result import Candidate, Search, Side

ENDINGS = {
    "budget": "the time was used up",
    "trials": "so many trials had been asked for",
    "exhausted": "hardly any new policy turned up any more",
    "interrupted": "it was stopped early",
}


def verdict(found: Search) -> str:
    """Whether there is a policy that meets the goals, and what it is worth held out.

    Where a router learned from both halves nothing is held out, which comes first.
    """
    return f"{_seen(found)}{_answer(found)}"


def _seen(found: Search) -> str:
    if not found.seen:
        return ""
    cards = listed(f"router-card {name}" for name in found.seen)
    return (
        f"Nothing is held out: {SEEN} ({', '.join(found.seen)}), on both halves, so every policy"
        f" that asks it does better here than it will on others; for those see {cards}. "
    )


def _answer(found: Search) -> str:
    tried = counted(found.different, "policy", "policies")
    if not found.candidates:
        return f"Of {tried} none has a cost and a quality that were measured."
    first = found.candidates[0]
    if first.kind == "closest":
        lead = f"None of {tried} meets the goals where it was tuned. The closest"
    else:
        good = (
            "meets the goals" if _own_goals(found) else "is no worse than the policy as it stands"
        )
        lead = f"Of {tried} the cheapest that {good} where it was tuned"
    lead += "" if first.changes else " is the policy as it stands, which"
    single = found.single
    t = first.tuned
    tuned = f"{usd_interval(t.cost_usd_per_1k)} and {quality_interval(t.quality)}"
    lines = (
        f"{lead} {_numbers(first, found)} (tuned: {tuned}).",
        _gained(first, found),
        _held(found),
        f"The best single model, {single.policy.policy}, {_numbers(single, found)}.",
        _best(found),
    )
    return " ".join(line for line in lines if line)


def _own_goals(found: Search) -> bool:
    """The policy says itself what is good enough."""
    return bool(found.start.policy.goals.to_data())


def _numbers(side: Side, found: Search) -> str:
    h = side.held_out
    where = f"on {counted(h.quality.n, 'held-out request')}"
    if found.seen:
        where = f"on {counted(h.quality.n, 'request')} of the other half"
    if math.isnan(h.cost_usd_per_1k.value):
        return f"has quality {quality_interval(h.quality)} {where}, at an unknown cost"
    cost = usd_interval(h.cost_usd_per_1k)
    return f"costs {cost} per 1k at quality {quality_interval(h.quality)} {where}"


def _gained(one: Candidate, found: Search) -> str:
    """A candidate against the policy as it stands, where nothing was tuned."""
    if not one.changes:
        return ""
    differences = {name: getattr(one.gain, name) for name in METRICS}
    return held_against(differences, one.gain.paired, f"{found.policy} as it stands")


def _held(found: Search) -> str:
    """Whether the goals hold where nothing was tuned, and which candidate's do."""
    if not _own_goals(found):
        return ""
    first = found.candidates[0]
    judged = goals.verdict(first.goals_held_out)
    where = "other half" if found.seen else "held-out requests"
    text = f"Its goals on the {where}: {judged[0].lower()}{judged[1:]}"
    sizes = [
        f"{goal.label} {goal.measured}"
        for goal in first.goals_held_out
        if goal.kind != "value" and goal.met
    ]
    text = f"{text[:-1]} ({'; '.join(sizes)})." if sizes else text
    one = _holding(found)
    if one is not None:
        text += f" {one.policy.policy} {_numbers(one, found)} and meets them on both halves."
        text += f" {_gained(one, found)}"
    return text.rstrip()


def _holding(found: Search) -> Candidate | None:
    """The first that meets the goals on both halves, where the first of all does not."""
    if found.candidates[0].holds:
        return None
    return next((one for one in found.candidates[1:] if one.holds), None)


def _best(found: Search) -> str:
    """The best candidate, chosen where it was tuned, against the single model held out."""
    best = max(found.candidates, key=lambda one: one.tuned.quality.value)
    text = best.against_single.finding
    if best in (found.candidates[0], _holding(found)):
        return text  # its numbers are told already
    return f"{best.policy.policy} {_numbers(best, found)}. {text}"


def optimism(one: Candidate, rest: str = "held out") -> str:
    """How much of its gain over the policy as it stands was luck; ``rest`` is `Search.rest`."""
    where = "held out" if rest == "held out" else f"on the {rest}"
    parts = []
    for name, label, show in (
        ("quality", "quality", points_interval),
        ("cost_usd_per_1k", "cost per 1k", _usd),
    ):
        then, now = (show(getattr(gain, name)) for gain in (one.gain_tuned, one.gain))
        parts.append(f"{label} {then} where tuned, {now} {where}, apart {show(one.lost[name])}")
    return f"What it changes: {'; '.join(parts)}"


def _usd(e: Estimate) -> str:
    return usd_interval(e, sign=True)


def assumptions(found: Search) -> tuple[str, ...]:
    """What the numbers rest on."""
    state = "All requests are replayed, so that caches and breakers meet the whole traffic."
    different = counted(found.different, "different policy", "different policies")
    how = (
        f"{counted(found.trials, 'trial')} over {counted(found.places, 'place')} in "
        f"{found.seconds:.3g} s: {different}, {count(found.feasible)} within the goals; "
        f"it ended as {ENDINGS[found.ending]}."
    )
    fair = (
        "Where it was tuned a candidate is the best of many and flattered by it; only the held-out "
        "numbers are fair. Whoever picks among the candidates by these flatters them a little."
    )
    if found.seen:
        fair = (
            "Where it was tuned a candidate is the best of many and flattered by it. The other half"
            f" is not fair either: {SEEN} ({', '.join(found.seen)})."
        )
    lines = [f"{found.split.words} {state}", how, fair]
    if not _own_goals(found):
        lines.append(
            "The policy has no goals: searched was for no less quality than it has as it stands."
        )
    held = found.candidates[0].held_out if found.candidates else found.start.held_out
    return (*lines, *(line for line in held.assumptions if line not in lines))
