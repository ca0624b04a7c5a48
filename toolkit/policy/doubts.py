"""What looks like a mistake in a policy, and what an outage or a load peak would find weak in it.

A warning says that a part has no effect or another than was probably meant. A risk is a choice
that somebody may well have made, with what it means on a bad day.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from toolkit.errors import Problem
from toolkit.policy.audience import Audience
from toolkit.policy.chain_proof import ChainProof, prove_chain
from toolkit.policy.domains import clauses
from toolkit.policy.model import Chain, Policy
from toolkit.policy.orders import orders_of, with_orders
from toolkit.policy.proofs import unused_chains
from toolkit.policy.reach import cache_of
from toolkit.policy.steps import DegradeStep, ModelStep, StaleStep
from toolkit.policy.worst import attempts_of, may_grant

MANY_CALLS = 3
"""So many calls for one request multiply the load of an outage."""


def warnings(policy: Policy, proofs: Mapping[str, ChainProof]) -> Iterator[Problem]:
    """The likely mistakes."""
    yield from _unused(policy)
    for where, chain, proof in _subjects(policy, proofs):
        yield from _chain(chain, where, proof)
    for name in policy.chains:
        yield from _steps(policy, name)
    yield from _protection(policy)


def risks(policy: Policy, proofs: Mapping[str, ChainProof]) -> Iterator[Problem]:
    """The weak places, by chain and then of the whole policy."""
    for where, chain, proof in _subjects(policy, proofs):
        for group in proof.shared_providers:
            if len(group.models) > 1:
                steps = " and ".join(map(str, group.steps))
                yield Problem(
                    f"one outage of its provider takes steps {steps}",
                    where,
                    repr(group.provider),
                    "a step of another provider",
                )
        for capability in proof.unsupported:
            yield Problem(f"no step can take requests that need {capability!r}", where)
        if not isinstance(chain.steps[-1], DegradeStep):
            yield Problem("can end without an answer", where, "", "a degrade step at the end")
    yield from _load(policy, proofs)


def _subjects(
    policy: Policy, proofs: Mapping[str, ChainProof]
) -> Iterator[tuple[str, Chain, ChainProof]]:
    """Each chain with its place and its proof; of a router without a chain, one of its orders."""
    for name, proof in proofs.items():
        yield f"chains.{name}", policy.chains[name], proof
    ordered = with_orders(policy)
    for i, route in enumerate(policy.routes):
        if route.router is not None and route.use is None:
            name = ordered.routes[i].leads[0]
            proof = prove_chain(Audience.of(ordered), name)
            yield f"routes.{i}.router", ordered.chains[name], proof


def _unused(policy: Policy) -> Iterator[Problem]:
    for name in unused_chains(policy):
        yield Problem("no route leads to this chain", f"chains.{name}")
    asks = [s for chain in policy.chains.values() for s in chain.steps if isinstance(s, ModelStep)]
    asked = {step.model for step in asks} | {step.hedge.model for step in asks if step.hedge}
    asked |= {model for orders in orders_of(policy).values() for model in orders.models}
    for name in policy.models:
        if name not in asked:
            yield Problem("no step asks this model", f"models.{name}")
    for name, condition in policy.requires.items():
        if clauses(condition) == []:
            what = "no request can need this: its tests contradict each other"
            yield Problem(what, f"requires.{name}")
    if policy.requires and all(model.supports is None for model in policy.models.values()):
        yield Problem(
            "has no effect: no model says what it supports, so each supports everything",
            "requires",
            "",
            "models with supports",
        )


def _chain(chain: Chain, where: str, proof: ChainProof) -> Iterator[Problem]:
    for step in proof.steps:
        if step.why_unreachable:
            got = "fallback_on: []" if step.why_unreachable == "no error falls back" else ""
            what = f"is never reached: {step.why_unreachable}"
            yield Problem(what, f"{where}.steps.{step.step}", got)
    if not proof.worst.terminates:
        yield Problem("may wait for ever", where, "no timeout_s, no deadline_s", "one of them")
    asks = [step for step in chain.steps if isinstance(step, ModelStep)]
    if not chain.retried_errors and any(step.retries for step in asks):
        yield Problem("has retries but retries on no error", f"{where}.retry_on", "[]")
    first = chain.steps[0]
    timeout_s = first.timeout_s if isinstance(first, ModelStep) else None
    if chain.deadline_s and timeout_s and chain.deadline_s < timeout_s:
        yield Problem(
            "is shorter than the first step's timeout, which it cuts short",
            f"{where}.deadline_s",
            f"{chain.deadline_s:g} s",
            f"{timeout_s:g} s or more",
        )
    models = [step.model for step in asks]
    for model in dict.fromkeys(m for m in models if models.count(m) > 1):
        yield Problem(
            "asks the same model in several steps", where, repr(model), "retries of one step"
        )


def _steps(policy: Policy, name: str) -> Iterator[Problem]:
    chain = policy.chains[name]
    cache = cache_of(policy, chain)
    for i, step in enumerate(chain.steps):
        where = f"chains.{name}.steps.{i}"
        if isinstance(step, ModelStep) and step.hedge is not None:
            limits = {"timeout_s": step.timeout_s, "deadline_s": chain.deadline_s}
            short = {k: v for k, v in limits.items() if v is not None and v <= step.hedge.after_s}
            for key, limit in list(short.items())[:1]:
                yield Problem(
                    "no second call is ever sent: the first is given up by then",
                    f"{where}.hedge.after_s",
                    f"{step.hedge.after_s:g} s",
                    f"less than {limit:g} s ({key})",
                )
        # A request that was turned away looks here for the first time, and may find fresh answers.
        stale = isinstance(step, StaleStep) and cache is not None and not cache.stale_if_error_s
        if stale and policy.shedding is None:
            yield Problem(
                "finds only what others stored since the request came",
                where,
                "cache.stale_if_error_s 0",
                "cache: {stale_if_error_s: 86400}, for example",
            )


def _protection(policy: Policy) -> Iterator[Problem]:
    asks = [s for chain in policy.chains.values() for s in chain.steps if isinstance(s, ModelStep)]
    if not may_grant(policy) and any(step.retries or step.hedge for step in asks):
        yield Problem(
            "lets no retry and no second call through, though steps have them",
            "retry_budget",
            "",
            "min_retries 1 or more",
        )
    for name in policy.models:
        most = most_calls_in_window(policy, name)
        breaker = policy.models[name].breaker
        if breaker is not None and most < breaker.min_calls:
            yield Problem(
                "the breaker never opens: the limits let fewer calls into its window",
                f"models.{name}.breaker.min_calls",
                f"{breaker.min_calls} calls, and at most {most:g} in {breaker.window_s:g} s",
                f"{max(most, 1):g} or less",
            )


def most_calls_in_window(policy: Policy, name: str) -> float:
    """Most calls of a model that can end within its breaker's window, by its limits; inf: any."""
    breaker, limits = policy.models[name].breaker, policy.models[name].limits
    if breaker is None or limits is None or limits.requests_per_min is None:
        return math.inf
    per_s = limits.requests_per_min / 60
    # What ends within the window began within it or as long before as a call can last.
    span_s = breaker.window_s + _longest_call(policy, name)
    return math.floor(max(1.0, per_s * limits.burst_s) + per_s * span_s) if span_s < 1e9 else span_s


def _longest_call(policy: Policy, name: str) -> float:
    longest = 0.0
    for chain in with_orders(policy).chains.values():
        for step in chain.steps:
            if not isinstance(step, ModelStep):
                continue
            second = step.hedge.model if step.hedge else None
            if name in {step.model, second}:
                ends = [s for s in (step.timeout_s, chain.deadline_s) if s is not None]
                longest = max(longest, min(ends, default=math.inf))
    return longest


def _load(policy: Policy, proofs: Mapping[str, ChainProof]) -> Iterator[Problem]:
    """What a policy does to models that are failing already."""
    if policy.retry_budget is not None:
        return
    hedged = [
        f"chains.{name}.steps.{i}"
        for name, chain in policy.chains.items()
        for i, step in enumerate(chain.steps)
        if isinstance(step, ModelStep)
        and step.hedge is not None
        and attempts_of(policy, chain, step) > 1
    ]
    if hedged:
        yield Problem(
            "second calls double the load of a model that is slow because it is busy",
            f"{hedged[0]}.hedge",
            "no retry_budget",
            "retry_budget: {}",
        )
    retrying = {
        name: proof.amplification
        for name, proof in proofs.items()
        if any(step.attempts > 1 for step in proof.steps)
    }
    name = max(retrying, key=lambda one: retrying[one], default="")
    unguarded = all(model.breaker is None for model in policy.models.values())
    if unguarded and retrying.get(name, 0) >= MANY_CALLS:
        yield Problem(
            f"when all fails, each request makes up to {retrying[name]} calls; nothing stops that",
            f"chains.{name}",
            "no breaker, no retry_budget",
            "one of them",
        )
