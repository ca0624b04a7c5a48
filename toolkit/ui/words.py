"""Results as the sentence that answers a page's question."""

from __future__ import annotations

from toolkit.evaluate.format import percent, percent_interval
from toolkit.policy.steps import ModelStep
from toolkit.schema import Status
from toolkit.ui.text import bold, literal
from toolkit.ui.view import View

_GIVEN = {
    "stale_cache": "an older answer",
    "message": "a message",
    "refusal": "a refusal",
}


def traffic(view: View) -> str:
    """How requests are spread, and what becomes of those that fail."""
    s = view.summary
    found = [(part.share, bold(name)) for name, part in s.by_model.items() if part.requests]
    fresh = view.replay.cached & (view.replay.status == Status.ACCEPTED)
    if fresh.any():
        found.append((float(fresh.mean()), "the cache"))
    found.sort(reverse=True)
    answers = ", ".join(f"{name} {literal(percent(share))}" for share, name in found[:4])
    ends = [f"{literal(percent_interval(s.fallback_rate))} fail over to another step"]
    if s.degraded_rate.value:
        told = _without_a_model(view)
        ends.append(f"{literal(percent_interval(s.degraded_rate))} end with {told}")
    ends.append(f"{literal(percent_interval(s.error_rate))} end in an error")
    if s.unobserved:
        ends.append(f"{s.unobserved:,} of {s.requests:,} are unobserved")
    asked = f"Answered by {answers}." if answers else "No model answers."
    return f"#### {bold(view.name)}: {', '.join(ends)}. {asked}".replace(" %", "\u00a0%")


def _without_a_model(view: View) -> str:
    """What the policy's chains give where no model answered."""
    steps = [step for chain in view.policy.chains.values() for step in chain.steps]
    kinds = {step.degrade for step in steps if not isinstance(step, ModelStep)}
    *others, last = [words for kind, words in _GIVEN.items() if kind in kinds]
    return f"{', '.join(others)} or {last}" if others else last


def outcome(view: View) -> str:
    """The comparison with the baseline in a sentence."""
    return f"#### {literal(view.comparison.verdict)}"
