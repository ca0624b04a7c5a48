"""Upper bounds for one request: every attempt fails, as late and as dearly as it can.

An attempt lasts at most its timeout; with a hedge, that long after the second call started. No
call, wait or hedge goes on after the chain's deadline, but look-ups in the cache and the degrade
step do. A call starts only while less than ``max_cost_usd`` is spent, with no other call under way
but the one that it hedges.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.policy.model import Chain, Policy
from toolkit.policy.reach import Barred, cache_of, unreachable_steps
from toolkit.policy.steps import DegradeStep, ModelStep, StaleStep, Step
from toolkit.schema import ErrorType


@dataclass(frozen=True)
class WorstCase:
    """Upper bounds for one request in one chain."""

    attempts: int
    seconds: float
    """inf: unbounded."""
    usd: float | None
    """None: unknown; ``note`` says why."""
    note: str = ""
    seconds_unasked: float = math.nan
    """``seconds`` without the waits that a provider asks for (Retry-After); inf: unbounded."""

    @property
    def terminates(self) -> bool:
        """Whether a request is certain to end: each of its calls does, and each wait."""
        return math.isfinite(self.seconds_unasked)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; None: no bound or not known."""

        def bound(seconds: float) -> float | None:
            return seconds if math.isfinite(seconds) else None

        return {
            "worst_case_attempts": self.attempts,
            "worst_case_s": bound(self.seconds),
            "worst_case_s_without_retry_after": bound(self.seconds_unasked),
            "worst_case_usd": self.usd,
            "terminates": self.terminates,
            "note": self.note,
        }


def may_grant(policy: Policy) -> bool:
    """Whether the retry budget can ever allow a retry or a hedge."""
    return policy.retry_budget is None or most_extra_calls(policy) >= 1


def most_extra_calls(policy: Policy) -> float:
    """Most retries and hedges under way at one time; inf: no bound."""
    budget, shedding = policy.retry_budget, policy.shedding
    if budget is None:
        return math.inf
    room = (
        math.inf
        if shedding is None
        else max(shedding.max_in_progress, *shedding.limits.values(), 0)
    )
    most = max(budget.share * room if budget.share else 0.0, budget.min_retries)
    return most if math.isinf(most) else math.floor(most)


def retries_of(policy: Policy, chain: Chain, step: ModelStep) -> int:
    """How often a step can be tried again."""
    return step.retries if chain.retried_errors and may_grant(policy) else 0


def hedged_by(policy: Policy, chain: Chain, step: ModelStep) -> str | None:
    """The model that a second call may go to; None: no second call can start."""
    if step.hedge is None or not may_grant(policy):
        return None
    limits = [s for s in (step.timeout_s, chain.deadline_s) if s is not None]
    # An attempt that may last no longer than this is over by then.
    if any(step.hedge.after_s >= limit for limit in limits):
        return None
    return step.hedge.model or step.model


def attempts_of(policy: Policy, chain: Chain, step: ModelStep) -> int:
    """Most calls that a step makes for one request."""
    return (1 + retries_of(policy, chain, step)) * (2 if hedged_by(policy, chain, step) else 1)


def unmeasured(policy: Policy, models: Iterable[str], max_cost: Mapping[str, float]) -> list[str]:
    """Those of the models that have no measured cost."""
    return [
        name
        for name in dict.fromkeys(models)
        if not math.isfinite(max_cost.get(policy.log_name(name), math.nan))
    ]


def worst_case(
    policy: Policy,
    chain: str,
    max_cost: Mapping[str, float] | None = None,
    barred: Barred | None = None,
) -> WorstCase:
    """The most that a request can take in a chain.

    ``max_cost`` is the largest cost of one call in USD per name in the log, as far as measured.
    ``barred`` are steps that are skipped for the requests in question.
    """
    limits = policy.chains[chain]
    unreachable = unreachable_steps(policy, chain, barred)
    steps = [step for i, step in enumerate(limits.steps) if i not in unreachable]
    attempts = sum(attempts_of(policy, limits, s) for s in steps if isinstance(s, ModelStep))
    unasked = _seconds(policy, limits, steps, retry_after_s=0.0)
    seconds = _seconds(policy, limits, steps, retry_after_s=math.inf)
    usd, notes = _usd(policy, limits, steps, max_cost or {})
    if not math.isfinite(unasked):
        notes.insert(0, "no timeout and no deadline")
    elif not math.isfinite(seconds):
        notes.insert(
            0,
            f"{unasked:.6g} s, and any wait that a provider asks for before a retry (Retry-After),"
            " as there is no deadline",
        )
    return WorstCase(attempts, seconds, usd, "; ".join(notes), unasked)


def _seconds(policy: Policy, chain: Chain, steps: Sequence[Step], retry_after_s: float) -> float:
    """The latest time at which the chain can end, where no 429 asks for more than this wait."""
    cache = cache_of(policy, chain)
    look_up_s = 0.0 if cache is None else cache.latency_s
    deadline_s = math.inf if chain.deadline_s is None else chain.deadline_s
    now = look_up_s
    for step in steps:
        if isinstance(step, DegradeStep):
            now += step.latency_s
        elif isinstance(step, StaleStep):
            now += look_up_s
        elif now < deadline_s:
            now = min(now + _step_seconds(policy, chain, step, retry_after_s), deadline_s)
    return now


def _step_seconds(policy: Policy, chain: Chain, step: ModelStep, retry_after_s: float) -> float:
    retries = retries_of(policy, chain, step)
    attempt_s = math.inf if step.timeout_s is None else step.timeout_s
    if step.hedge is not None and hedged_by(policy, chain, step):
        attempt_s += step.hedge.after_s
    asked = retries > 0 and ErrorType.RATE_LIMITED in chain.retried_errors
    least_s = retry_after_s if asked else 0.0
    waits_s = sum(max(step.backoff_s * 2.0**retry, least_s) for retry in range(retries))
    return (1 + retries) * attempt_s + waits_s


def _usd(
    policy: Policy, chain: Chain, steps: Sequence[Step], max_cost: Mapping[str, float]
) -> tuple[float | None, list[str]]:
    """The most that a request can cost, or why that is not known."""
    cache = cache_of(policy, chain)
    look_up = 0.0 if cache is None else cache.cost_usd
    stale = look_up * sum(isinstance(step, StaleStep) for step in steps)
    said = sum(step.cost_usd for step in steps if isinstance(step, DegradeStep))
    calls: Counter[str] = Counter()
    together: list[tuple[str, ...]] = [()]
    for step in steps:
        if isinstance(step, ModelStep):
            second = hedged_by(policy, chain, step)
            pair = (step.model,) if second is None else (step.model, second)
            for model in pair:
                calls[model] += 1 + retries_of(policy, chain, step)
            together.append(pair)
    unknown = unmeasured(policy, calls, max_cost)
    if unknown:
        return None, [f"cost of a call not measured: {', '.join(map(repr, unknown))}"]
    price = {model: max_cost[policy.log_name(model)] for model in calls}
    total = look_up + stale + sum(count * price[model] for model, count in calls.items())
    if chain.max_cost_usd is not None:
        # The last call, and the one that hedges it, start below the limit and may pass it.
        over = max(sum(price[model] for model in pair) for pair in together)
        total = min(total, max(look_up, chain.max_cost_usd + over) + stale)
    return total + said, []
