"""What could not be proved about a chain, in sentences: the other half of an honest check."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

from toolkit.policy.model import Policy
from toolkit.policy.providers import unknown_providers
from toolkit.policy.reach import cache_of
from toolkit.policy.steps import ModelStep
from toolkit.policy.worst import WorstCase, attempts_of, hedged_by, most_extra_calls, unmeasured


def unproved(
    policy: Policy,
    name: str,
    worst: WorstCase,
    unreachable: Collection[int],
    max_cost: Mapping[str, float] | None,
) -> Iterator[str]:
    """Each thing that somebody may want to rely on, and cannot by the policy alone."""
    chain = policy.chains[name]
    asked = [
        step
        for i, step in enumerate(chain.steps)
        if isinstance(step, ModelStep) and i not in unreachable
    ]
    endless = dict.fromkeys(repr(step.model) for step in asked if step.timeout_s is None)
    if not worst.terminates:
        yield f"How long a call of {', '.join(endless)} takes: no timeout_s and no deadline_s."
    elif not math.isfinite(worst.seconds):
        yield (
            "How long a provider asks to wait before a retry (Retry-After): without deadline_s"
            " the request waits as long."
        )
    called = [m for s in asked for m in (s.model, hedged_by(policy, chain, s)) if m is not None]
    unpriced = unmeasured(policy, called, max_cost or {})
    if max_cost is None:
        yield "What a request costs: no dataset was given."
    elif unpriced:
        yield f"What a request costs: no cost of {', '.join(map(repr, unpriced))} is measured."
    elif asked:
        yield "That no call costs more than the dearest in the log: prompts and prices may grow."
    unknown = unknown_providers(policy, name, unreachable)
    if unknown:
        models = ", ".join(map(repr, unknown))
        yield f"Whether one outage takes several steps: the provider of {models} is not stated."
    cache = cache_of(policy, chain)
    if cache is not None and cache.kind == "semantic":
        yield "That a similar request has the same right answer: the semantic cache assumes it."
    if policy.retry_budget is not None and any(
        attempts_of(policy, chain, step) > 1 for step in asked
    ):
        yield f"How many extra calls there are over time: {extra_calls(policy)}."
    if policy.daily_cost_usd is not None and asked:
        yield (
            "That a day costs no more than daily_cost_usd: the calls that are under way when it is"
            " reached are still paid for."
        )
    if any(policy.models[step.model].context_window_tokens for step in asked):
        yield "That a prompt fits: one whose input_tokens are not known is sent to any model."


def extra_calls(policy: Policy) -> str:
    """What the retry budget does bound."""
    budget, most = policy.retry_budget, most_extra_calls(policy)
    if budget is None:
        return "there is no retry budget"
    if math.isfinite(most):
        return f"the retry budget lets at most {most:g} be under way at one time"
    return (
        f"the retry budget lets {budget.share:.6g} × the requests in progress be under way at one"
        f" time, and {budget.min_retries} always"
    )
