"""What to do next, from the results: at most a few sentences, each with the page that helps."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.evaluate.baselines import Baseline
from toolkit.evaluate.breakdown import worst_category
from toolkit.evaluate.format import count, percent_interval, quality_interval, usd_per_1k
from toolkit.evaluate.summary import Summary
from toolkit.ui.text import bold, literal
from toolkit.ui.view import View

MOST = 4
FAILING = 0.05
"""A model that fails on this share of its calls is worth a word."""


@dataclass(frozen=True)
class Advice:
    """One thing to look at. ``text`` is Markdown."""

    icon: str
    text: str
    page: str
    label: str
    query: dict[str, str] = field(default_factory=dict)


def advice(view: View) -> list[Advice]:
    """The most useful things to look at next, most pressing first."""
    s = view.summary
    found = _missed(s) + _cheaper(view)
    found += _failing(s)
    found += _met(s)
    worst = worst_category(s)
    if worst is not None:
        part = s.by_category[worst].quality
        found.append(
            Advice(
                "trending_down",
                f"Weakest category: {bold(worst)}, quality {literal(quality_interval(part))} "
                f"on {count(part.n)} requests.",
                "pages/replay.py",
                "See its requests",
                {"category": worst},
            )
        )
    if not s.goals:
        found.append(
            Advice("flag", "No goals are set: what is good enough?", "pages/policy.py", "Set goals")
        )
    return found[:MOST]


def _missed(s: Summary) -> list[Advice]:
    missed = [literal(goal) for goal in s.goals if goal.met is False]
    if not missed:
        return []
    text = f"Missed: {'; '.join(missed)}."
    if s.log == "logged":
        return [Advice("flag", text, "pages/policy.py", "Change the policy")]
    return [Advice("flag", text, "pages/tradeoffs.py", "Look for a policy that meets them")]


def _met(s: Summary) -> list[Advice]:
    """Who has what they want may have it for less."""
    if s.log == "logged" or not s.goals or not all(goal.met for goal in s.goals):
        return []
    text = "Every goal is met. Is there a cheaper way to be good enough?"
    return [Advice("balance", text, "pages/tradeoffs.py", "See the trade-offs")]


def _cheaper(view: View) -> list[Advice]:
    """A single model that is surely not worse and costs less makes the policy pointless."""
    s = view.summary
    better = [
        row
        for row in view.baselines.rows
        if row.kind == "single"
        and row.quality.value >= s.quality.value
        and row.cost_usd_per_1k.high < s.cost_usd_per_1k.low
    ]
    if not better:
        return []
    best: Baseline = max(better, key=lambda row: row.quality.value)
    return [
        Advice(
            "lightbulb",
            f"{bold(best.name)} alone does at least as well for less: quality "
            f"{literal(quality_interval(best.quality))} at "
            f"{literal(usd_per_1k(best.cost_usd_per_1k.value))}.",
            "pages/replay.py",
            "Compare with it",
            {"baseline": f"model:{best.name}"},
        )
    ]


def _failing(s: Summary) -> list[Advice]:
    called = {name: part for name, part in s.by_model.items() if part.calls}
    if not called:
        return []
    name, part = max(called.items(), key=lambda item: item[1].call_error_rate.value)
    if not part.call_error_rate.value >= FAILING:
        return []
    return [
        Advice(
            "warning",
            f"{bold(name)} fails on {literal(percent_interval(part.call_error_rate))} of "
            f"{count(part.calls)} calls; what catches them?",
            "pages/policy.py",
            "See the chains",
        )
    ]
