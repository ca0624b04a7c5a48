"""A search in words: what was found, whether it held, what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.evaluate import goals
from toolkit.evaluate.format import count, points_interval, quality_interval, usd_interval

if TYPE_CHECKING:
    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.search.result import Candidate, Search, Side

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
        lead = f"None of {tried} meets the goals where it was tuned. The closest"
    else:
        lead = f"Of {tried} the cheapest that meets the goals where it was tuned"
    lead += " costs" if first.changes else " is the policy as it stands, which costs"
    single = found.single
    t = first.tuned
    tuned = f"{usd_interval(t.cost_usd_per_1k)} and {quality_interval(t.quality)}"
    return " ".join(
        (
            f"{lead} {_numbers(first)} (tuned: {tuned}).",
            _held(found),
            f"The best single model, {single.policy.policy}, costs {_numbers(single)}.",
            _best(found),
        )
    )


def _numbers(side: Side) -> str:
    h = side.held_out
    return (
        f"{usd_interval(h.cost_usd_per_1k)} per 1k at quality {quality_interval(h.quality)} on "
        f"{count(h.quality.n)} held-out requests"
    )


def _held(found: Search) -> str:
    """Whether the goals hold where nothing was tuned, and which candidate's do."""
    first = found.candidates[0]
    judged = goals.verdict(first.goals_held_out)
    text = f"Its goals on the held-out requests: {judged[0].lower()}{judged[1:]}"
    one = _holding(found)
    if one is not None:
        text += f" {one.policy.policy}, at {_numbers(one)}, meets them on both halves."
    return text


def _holding(found: Search) -> Candidate | None:
    """The first that meets the goals on both halves, where the first of all does not."""
    if found.candidates[0].holds:
        return None
    return next((one for one in found.candidates[1:] if one.holds), None)


def _best(found: Search) -> str:
    """The best candidate, chosen where it was tuned, against the single model held out."""
    best = max(found.candidates, key=lambda one: one.tuned.quality.value)
    text = best.against_single.verdict
    if best in (found.candidates[0], _holding(found)):
        return text  # its numbers are told already
    return f"{best.policy.policy} costs {_numbers(best)}. {text}"


def optimism(one: Candidate) -> str:
    """How much of its gain over the policy as it stands was luck."""
    parts = []
    for name, label, show in (
        ("quality", "quality", points_interval),
        ("cost_usd_per_1k", "cost per 1k", _usd),
    ):
        then, now = (show(getattr(gain, name)) for gain in (one.gain_tuned, one.gain))
        parts.append(f"{label} {then} where tuned, {now} held out, apart {show(one.lost[name])}")
    return f"What it changes: {'; '.join(parts)}"


def _usd(e: Estimate) -> str:
    return usd_interval(e, sign=True)


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
