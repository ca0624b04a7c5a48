"""Which steps of a chain a request can come to, and why not to the others.

A request moves along a chain in one of two ways: models may still be asked for it, or it only
passes by them to a step that needs none, as its time or money is used up or it was turned away.
A step counts as unreachable only where that is certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from toolkit.policy.conditions import Condition, Tests
from toolkit.policy.domains import Clause, clause_within, clauses
from toolkit.policy.model import Cache, Chain, ModelStep, Policy, StaleStep
from toolkit.schema import INPUT_TOKENS

Barred = Mapping[int, str]
"""Steps that are skipped for every request in question, with the reason."""
MAX_PAIRS = 2_000
"""Pairs of clauses compared before nothing is claimed; bounds the time."""
DEFAULT = "default"
"""The route of requests that no rule matches."""


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


def leading_to(policy: Policy, chain: str) -> list[str]:
    """The names of the routes that lead to a chain, `DEFAULT` last."""
    routes = [r.name for r in policy.routes if any(name == chain for name, _ in r.shares)]
    return routes + [DEFAULT] * (policy.default == chain)


def barred_steps(policy: Policy, chain: str, route: str | None = None) -> dict[int, str]:
    """The steps whose model takes no request of a route, or of any route that leads to the chain.

    What needs a capability or more context is known of a rule whose condition implies it; of
    requests that no rule matches nothing is.
    """
    rules = {rule.name: rule.when for rule in policy.routes}
    names = leading_to(policy, chain) if route is None else [route]
    if not names or DEFAULT in names:
        return {}
    found = {}
    for i, step in enumerate(policy.chains[chain].steps):
        if isinstance(step, ModelStep):
            whys = [_why_barred(policy, step.model, rules[name]) for name in names]
            if all(whys):
                found[i] = whys[0]
    return found


def _why_barred(policy: Policy, name: str, when: Condition) -> str:
    for capability in lacking(policy, name):
        if _implies(when, policy.requires[capability]):
            return f"all requests that come here need {capability!r}, which it does not support"
    window = policy.models[name].context_window_tokens
    if window is not None and _implies(when, _longer_than(window)):
        return f"all requests that come here are longer than its {window:g} tokens"
    return ""


@lru_cache(maxsize=256)
def _longer_than(tokens: float) -> Condition:
    return Condition.model_validate({INPUT_TOKENS: Tests(gt=tokens)})


def unsupported(policy: Policy, chain: str) -> list[str]:
    """The capabilities that no model of a chain has, though requests that need them may come."""
    asked = [step.model for step in policy.chains[chain].steps if isinstance(step, ModelStep)]
    return [
        capability
        for capability in policy.requires
        if asked
        and all(capability in lacking(policy, name) for name in asked)
        and any(_may_need(policy, route, capability) for route in leading_to(policy, chain))
    ]


def _may_need(policy: Policy, route: str, capability: str) -> bool:
    """Whether a request on this route may need the capability, as far as known."""
    need = policy.requires[capability]
    earlier: list[Clause] = []
    for rule in policy.routes:
        if rule.name == route:
            need = Condition(all=(rule.when, need))
            break
        earlier += clauses(rule.when) or []
    parts = clauses(need)
    return parts is None or not _covered(parts, earlier)


@lru_cache(maxsize=1024)
def _implies(inner: Condition, outer: Condition) -> bool:
    """Whether each request that fulfils ``inner`` fulfils ``outer``, for certain."""
    parts, whole = clauses(inner), clauses(outer)
    return parts is not None and whole is not None and _covered(parts, whole)


def _covered(parts: list[Clause], outer: list[Clause]) -> bool:
    if len(parts) * len(outer) > MAX_PAIRS:
        return False
    return all(any(clause_within(part, one) for one in outer) for part in parts)
