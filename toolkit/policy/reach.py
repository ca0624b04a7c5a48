"""Which steps of a chain a request can come to, and why not to the others.

A request moves along a chain in one of two ways: models may still be asked for it, or it only
passes by them to a step that needs none, as its time or money is used up or it was turned away.
A step counts as unreachable only where that is certain.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.policy.guards import Cache
from toolkit.policy.model import Chain, Policy
from toolkit.policy.steps import ModelStep, StaleStep

Barred = Mapping[int, str]
"""Steps that are skipped for every request in question, with the reason."""


def cache_of(policy: Policy, chain: Chain) -> Cache | None:
    """The cache that serves a chain, if one does."""
    return policy.cache if chain.cache else None


def unreachable_steps(policy: Policy, chain: str, barred: Barred | None = None) -> dict[int, str]:
    """Index of each step that no request can come to, and why."""
    limits, barred = policy.chains[chain], barred or {}
    cache = cache_of(policy, limits)
    deadline_s, most_usd = limits.deadline_s, limits.max_cost_usd
    asking, passing, why = True, policy.shedding is not None, ""
    if cache is not None and deadline_s is not None and cache.latency_s >= deadline_s:
        asking, passing, why = False, True, "the look-up in the cache takes the whole deadline"
    elif cache is not None and most_usd is not None and cache.cost_usd >= most_usd:
        asking, passing, why = False, True, "the look-up in the cache costs all of max_cost_usd"
    found: dict[int, str] = {}
    for i, step in enumerate(limits.steps):
        if isinstance(step, ModelStep):
            if not asking or i in barred:
                found[i] = barred[i] if asking else why
                continue
            # A wait may end a hair before the deadline, and what came before may use it up.
            passing |= deadline_s is not None and (i > 0 or step.retries > 0)
            passing |= most_usd is not None and i > 0
            if not limits.fallback_errors and not _may_be_skipped(policy, step.model):
                asking, why = False, "no error falls back"
        elif isinstance(step, StaleStep) and cache is None:
            found[i] = "the chain does not use the cache"
        elif not asking and not passing:
            found[i] = why
    return found


def _may_be_skipped(policy: Policy, name: str) -> bool:
    """Whether a request may go on to the next step without asking this model."""
    model = policy.models[name]
    return (
        model.breaker is not None
        or model.limits is not None
        or model.context_window_tokens is not None
        or bool(lacking(policy, name))
        or policy.daily_cost_usd is not None
    )


def lacking(policy: Policy, name: str) -> list[str]:
    """The capabilities that some requests need and this model has not."""
    supports = policy.models[name].supports
    return [] if supports is None else [one for one in policy.requires if one not in supports]
