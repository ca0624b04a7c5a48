"""A policy as arrays, the only form that compiled code reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.model import DegradeStep, ModelStep, Policy, StaleStep
from toolkit.schema import ErrorType

BILLING = ("full", "input_only", "none")
"""Meaning of the codes in ``Plan.model_bill_timeouts``."""
ASK, LOOK, SAY = 0, 1, 2
"""Kinds of steps: ask a model, look for a stale answer, say what was written in advance."""
NO_LIMIT = 2**62


class Plan(NamedTuple):
    """c chains, s steps of all chains one after the other, k models. A limit of inf is none."""

    chain_start: NDArray[np.int64]
    """(c+1,) the steps of chain i are ``chain_start[i]:chain_start[i + 1]``."""
    chain_deadline_s: NDArray[np.float64]
    """(c,)"""
    chain_max_cost_usd: NDArray[np.float64]
    """(c,)"""
    chain_retry_on: NDArray[np.int64]
    """(c,) bit e is set: error code e is retried."""
    chain_fallback_on: NDArray[np.int64]
    """(c,) bit e is set: error code e leads to the next step."""
    chain_cached: NDArray[np.bool_]
    """(c,) the policy's cache serves it."""
    step_kind: NDArray[np.int8]
    """(s,) ``ASK``, ``LOOK`` or ``SAY``"""
    step_model: NDArray[np.int64]
    """(s,) index into the policy's models; -1: not a model step."""
    step_hedge_model: NDArray[np.int64]
    """(s,) index into the policy's models; -1: no hedge."""
    step_hedge_after_s: NDArray[np.float64]
    step_log: NDArray[np.int64]
    """(s,) number of the model of the log among those of its chain."""
    step_hedge_log: NDArray[np.int64]
    step_timeout_s: NDArray[np.float64]
    """(s,)"""
    step_retries: NDArray[np.int64]
    """(s,)"""
    step_backoff_s: NDArray[np.float64]
    """(s,)"""
    step_quality: NDArray[np.float64]
    """(s,) of degrade steps, 0 for models; so are the next two. NaN: as the cached answer."""
    step_cost_usd: NDArray[np.float64]
    step_latency_s: NDArray[np.float64]
    model_column: NDArray[np.int64]
    """(k,) index into the dataset's models; -1: live only."""
    model_bill_timeouts: NDArray[np.int8]
    """(k,) index into `BILLING`."""
    model_supports: NDArray[np.int64]
    """(k,) bit r is set: it has the policy's r-th required capability."""
    model_context_tokens: NDArray[np.float64]
    """(k,)"""
    model_breaker_rate: NDArray[np.float64]
    """(k,) inf: no breaker"""
    model_breaker_window_s: NDArray[np.float64]
    model_breaker_min_calls: NDArray[np.int64]
    model_breaker_open_s: NDArray[np.float64]
    model_breaker_probes: NDArray[np.int64]
    model_breaker_on: NDArray[np.int64]
    """(k,) bit e is set: error code e counts as failed."""
    model_limited: NDArray[np.bool_]
    """(k,) it has a rate limit"""
    model_requests_per_s: NDArray[np.float64]
    model_request_burst: NDArray[np.float64]
    model_tokens_per_s: NDArray[np.float64]
    model_token_burst: NDArray[np.float64]
    model_concurrency: NDArray[np.int64]
    retry_share: float
    """inf: no budget"""
    retry_floor: float
    daily_cost_usd: float
    filtered: bool
    """some model cannot take every request"""
    cache_ttl_s: float
    cache_stale_s: float
    """age up to which a stale look-up finds an entry"""
    cache_latency_s: float
    cache_cost_usd: float
    stateful: bool
    """what one request meets depends on the others"""


def chain_names(policy: Policy) -> tuple[str, ...]:
    """The chains in the order of the arrays."""
    return tuple(policy.chains)


def compile_plan(policy: Policy, log_models: Sequence[str] | None) -> Plan:
    """Lay the policy out as arrays, with columns of ``log_models`` (None: no log, live only).

    A model without ``log`` that has ``litellm`` may be absent from the log: it is live only.

    Raises:
        PolicyError: A model's name is not among ``log_models``.
    """
    index = {name: i for i, name in enumerate(policy.models)}
    chains = list(policy.chains.values())
    steps = [step for chain in chains for step in chain.steps]
    asks = [step if isinstance(step, ModelStep) else None for step in steps]
    said = [step if isinstance(step, DegradeStep) else None for step in steps]
    hedges = [s.hedge if s else None for s in asks]
    seconds = [(h.model or s.model) if s and h else None for s, h in zip(asks, hedges, strict=True)]
    models = list(policy.models.values())
    breakers = [model.breaker for model in models]
    limits = [model.limits for model in models]
    cache, budget = policy.cache, policy.retry_budget
    numbers = [_log_numbers(policy, chain.steps) for chain in chains]
    per_s = [(li.requests_per_min if li else None) for li in limits]
    tokens_per_s = [(li.tokens_per_min if li else None) for li in limits]
    return Plan(
        chain_start=np.cumsum([0, *(len(chain.steps) for chain in chains)], dtype=np.int64),
        chain_deadline_s=_limits([chain.deadline_s for chain in chains]),
        chain_max_cost_usd=_limits([chain.max_cost_usd for chain in chains]),
        chain_retry_on=_bits([chain.retried_errors for chain in chains]),
        chain_fallback_on=_bits([chain.fallback_errors for chain in chains]),
        chain_cached=np.array([cache is not None and chain.cache for chain in chains], np.bool_),
        step_kind=np.array([_kind(step) for step in steps], np.int8),
        step_model=np.array([index[s.model] if s else -1 for s in asks], dtype=np.int64),
        step_hedge_model=np.array([index[m] if m else -1 for m in seconds], dtype=np.int64),
        step_hedge_after_s=_limits([h.after_s if h else None for h in hedges]),
        step_log=np.array([first for chain in numbers for first, _ in chain], np.int64),
        step_hedge_log=np.array([second for chain in numbers for _, second in chain], np.int64),
        step_timeout_s=_limits([s.timeout_s if s else None for s in asks]),
        step_retries=np.array([s.retries if s else 0 for s in asks], dtype=np.int64),
        step_backoff_s=np.array([s.backoff_s if s else 0 for s in asks], dtype=np.float64),
        step_quality=np.array([_stated_quality(step) for step in steps], dtype=np.float64),
        step_cost_usd=np.array([s.cost_usd if s else 0 for s in said], dtype=np.float64),
        step_latency_s=np.array([s.latency_s if s else 0 for s in said], dtype=np.float64),
        model_column=_columns(policy, log_models),
        model_bill_timeouts=np.array(
            [BILLING.index(model.bill_timeouts) for model in models], dtype=np.int8
        ),
        model_supports=_supports(policy),
        model_context_tokens=_limits([model.context_window_tokens for model in models]),
        model_breaker_rate=_limits([b.failure_rate if b else None for b in breakers]),
        model_breaker_window_s=_limits([b.window_s if b else None for b in breakers]),
        model_breaker_min_calls=_counts([b.min_calls if b else None for b in breakers]),
        model_breaker_open_s=_limits([b.open_s if b else None for b in breakers]),
        model_breaker_probes=_counts([b.probes if b else None for b in breakers]),
        model_breaker_on=_bits([b.counted_errors if b else () for b in breakers]),
        model_limited=np.array(
            [bool(r or t) for r, t in zip(per_s, tokens_per_s, strict=True)], np.bool_
        ),
        model_requests_per_s=_limits(per_s) / 60,
        model_request_burst=np.maximum(_bursts(policy, per_s), 1.0),
        model_tokens_per_s=_limits(tokens_per_s) / 60,
        model_token_burst=_bursts(policy, tokens_per_s),
        model_concurrency=_counts([li.concurrency if li else None for li in limits]),
        retry_share=budget.share if budget else math.inf,
        retry_floor=float(budget.min_retries) if budget else math.inf,
        daily_cost_usd=_limit(policy.daily_cost_usd),
        filtered=bool(policy.requires) or any(m.context_window_tokens for m in models),
        cache_ttl_s=cache.ttl_s if cache else 0.0,
        cache_stale_s=cache.ttl_s + cache.stale_if_error_s if cache else 0.0,
        cache_latency_s=cache.latency_s if cache else 0.0,
        cache_cost_usd=cache.cost_usd if cache else 0.0,
        stateful=bool(
            any(breakers)
            or any(limits)
            or any(hedges)
            or cache
            or budget
            or policy.shedding
            or policy.daily_cost_usd
        ),
    )


def unknown_models(policy: Policy, log_models: Sequence[str]) -> list[Problem]:
    """The models of the policy that the log should have and has not."""
    return [
        Problem(
            "the dataset has no such model",
            f"models.{name}.log" if model.log else f"models.{name}",
            repr(policy.log_name(name)),
            did_you_mean(policy.log_name(name), log_models),
        )
        for name, model in policy.models.items()
        if policy.log_name(name) not in log_models and (model.log or not model.litellm)
    ]


def _columns(policy: Policy, log_models: Sequence[str] | None) -> NDArray[np.int64]:
    if log_models is None:
        return np.full(len(policy.models), -1, dtype=np.int64)
    problems = unknown_models(policy, log_models)
    if problems:
        raise PolicyError(problems, policy.policy)
    column = {name: i for i, name in enumerate(log_models)}
    return np.array([column.get(policy.log_name(m), -1) for m in policy.models], dtype=np.int64)


def _kind(step: ModelStep | StaleStep | DegradeStep) -> int:
    if isinstance(step, ModelStep):
        return ASK
    return LOOK if isinstance(step, StaleStep) else SAY


def _stated_quality(step: ModelStep | StaleStep | DegradeStep) -> float:
    if isinstance(step, ModelStep):
        return 0.0
    return math.nan if step.quality is None else step.quality


def _log_numbers(
    policy: Policy, steps: Sequence[ModelStep | StaleStep | DegradeStep]
) -> list[tuple[int, int]]:
    """For each step of a chain, the numbers of its model's and its hedge's name in the log."""
    seen: dict[str, int] = {}
    found = []
    for step in steps:
        if not isinstance(step, ModelStep):
            found.append((0, 0))
            continue
        second = step.hedge.model if step.hedge and step.hedge.model else step.model
        first_log, second_log = policy.log_name(step.model), policy.log_name(second)
        found.append(
            (seen.setdefault(first_log, len(seen)), seen.setdefault(second_log, len(seen)))
        )
    return found


def _supports(policy: Policy) -> NDArray[np.int64]:
    return np.array(
        [
            sum(
                1 << r
                for r, name in enumerate(policy.requires)
                if model.supports is None or name in model.supports
            )
            for model in policy.models.values()
        ],
        np.int64,
    )


def _bursts(policy: Policy, per_min: Sequence[float | None]) -> NDArray[np.float64]:
    """What may come at once of a rate."""
    burst = [m.limits.burst_s if m.limits else 0.0 for m in policy.models.values()]
    return _limits([None if r is None else r / 60 * b for r, b in zip(per_min, burst, strict=True)])


def _limit(value: float | None) -> float:
    return math.inf if value is None else value


def _counts(values: Sequence[int | None]) -> NDArray[np.int64]:
    return np.array([NO_LIMIT if v is None else v for v in values], dtype=np.int64)


def _limits(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([_limit(v) for v in values], dtype=np.float64)


def _bits(errors: Sequence[tuple[ErrorType, ...]]) -> NDArray[np.int64]:
    return np.array([sum(1 << e for e in one) for one in errors], dtype=np.int64)
