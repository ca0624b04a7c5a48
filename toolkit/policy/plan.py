"""A policy as arrays, the only form that compiled code reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.model import Policy
from toolkit.policy.steps import DegradeStep, ModelStep, StaleStep
from toolkit.schema import ErrorType

BILLING = ("full", "input_only", "none")
"""Meaning of the codes in ``Plan.model_bill_timeouts``."""
ASK, LOOK, SAY = 0, 1, 2
"""Kinds of steps: ask a model, look for a stale answer, say what was written in advance."""
NO_LIMIT = 2**62
BUCKETS = 10
"""A breaker's window slides in as many parts."""


CHAIN = np.dtype(
    [
        ("start", np.int64),  # its steps are start to end
        ("end", np.int64),
        ("deadline_s", np.float64),
        ("max_cost_usd", np.float64),
        ("retry_on", np.int64),  # bit e is set: error code e is retried
        ("fallback_on", np.int64),  # bit e is set: error code e leads to the next step
        ("cached", np.bool_),  # the policy's cache serves it
    ],
    align=True,
)
STEP = np.dtype(
    [
        ("kind", np.int64),  # ASK, LOOK or SAY
        ("model", np.int64),  # index into the policy's models; -1: not a model step
        ("log", np.int64),  # number of its model of the log among those of the chain
        ("hedge_model", np.int64),  # -1: no hedge
        ("hedge_log", np.int64),
        ("hedge_after_s", np.float64),
        ("timeout_s", np.float64),
        ("retries", np.int64),
        ("backoff_s", np.float64),
        ("quality", np.float64),  # LOOK and SAY: as stated; NaN: as the cached answer
        ("cost_usd", np.float64),
        ("latency_s", np.float64),
    ],
    align=True,
)
MODEL = np.dtype(
    [
        ("column", np.int64),  # index into the dataset's models; -1: live only
        ("bill_timeouts", np.int64),  # index into BILLING
        ("supports", np.int64),  # bit r is set: it has the policy's r-th required capability
        ("context_tokens", np.float64),
        ("breaker_rate", np.float64),  # inf: no breaker
        ("breaker_bucket_s", np.float64),  # width of one of its BUCKETS
        ("breaker_min_calls", np.int64),
        ("breaker_open_s", np.float64),
        ("breaker_probes", np.int64),
        ("breaker_on", np.int64),  # bit e is set: error code e counts as failed
        ("limited", np.bool_),  # one of the two rates is limited
        ("requests_per_s", np.float64),
        ("request_burst", np.float64),
        ("tokens_per_s", np.float64),
        ("token_burst", np.float64),
        ("concurrency", np.int64),
    ],
    align=True,
)


class Plan(NamedTuple):
    """c chains, s steps of all chains one after the other, k models. A limit of inf is none."""

    chains: NDArray[np.void]
    """(c,) of CHAIN"""
    steps: NDArray[np.void]
    """(s,) of STEP"""
    models: NDArray[np.void]
    """(k,) of MODEL"""
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
    cache, budget = policy.cache, policy.retry_budget
    return Plan(
        chains=_chains(policy),
        steps=_steps(policy),
        models=_models(policy, log_models),
        retry_share=budget.share if budget else math.inf,
        retry_floor=float(budget.min_retries) if budget else math.inf,
        daily_cost_usd=_limit(policy.daily_cost_usd),
        filtered=bool(policy.requires)
        or any(model.context_window_tokens for model in policy.models.values()),
        cache_ttl_s=cache.ttl_s if cache else 0.0,
        cache_stale_s=cache.ttl_s + cache.stale_if_error_s if cache else 0.0,
        cache_latency_s=cache.latency_s if cache else 0.0,
        cache_cost_usd=cache.cost_usd if cache else 0.0,
        stateful=_stateful(policy),
    )


def _stateful(policy: Policy) -> bool:
    steps = (step for chain in policy.chains.values() for step in chain.steps)
    return bool(
        any(model.breaker or model.limits for model in policy.models.values())
        or any(isinstance(step, ModelStep) and step.hedge for step in steps)
        or policy.cache
        or policy.retry_budget
        or policy.shedding
        or policy.daily_cost_usd
    )


def _chains(policy: Policy) -> NDArray[np.void]:
    ends = np.cumsum([len(chain.steps) for chain in policy.chains.values()])
    rows = [
        (
            end - len(chain.steps),
            end,
            _limit(chain.deadline_s),
            _limit(chain.max_cost_usd),
            _bits(chain.retried_errors),
            _bits(chain.fallback_errors),
            policy.cache is not None and chain.cache,
        )
        for chain, end in zip(policy.chains.values(), ends, strict=True)
    ]
    return np.array(rows, CHAIN)


def _steps(policy: Policy) -> NDArray[np.void]:
    index = {name: i for i, name in enumerate(policy.models)}
    steps = np.zeros(sum(len(chain.steps) for chain in policy.chains.values()), STEP)
    steps["model"] = steps["hedge_model"] = -1
    steps["hedge_after_s"] = steps["timeout_s"] = np.inf
    rows = iter(steps)
    for chain in policy.chains.values():
        seen: dict[str, int] = {}
        for step, row in zip(chain.steps, rows, strict=False):
            if isinstance(step, StaleStep):
                row["kind"] = LOOK
                row["quality"] = math.nan if step.quality is None else step.quality
            elif isinstance(step, DegradeStep):
                row["kind"] = SAY
                for name in ("quality", "cost_usd", "latency_s"):
                    row[name] = getattr(step, name)
            else:
                row["model"] = index[step.model]
                row["log"] = seen.setdefault(policy.log_name(step.model), len(seen))
                row["timeout_s"] = _limit(step.timeout_s)
                row["retries"], row["backoff_s"] = step.retries, step.backoff_s
                if step.hedge:
                    second = step.hedge.model or step.model
                    row["hedge_model"] = index[second]
                    row["hedge_log"] = seen.setdefault(policy.log_name(second), len(seen))
                    row["hedge_after_s"] = step.hedge.after_s
    return steps


def _models(policy: Policy, log_models: Sequence[str] | None) -> NDArray[np.void]:
    models = np.zeros(len(policy.models), MODEL)
    models["column"] = _columns(policy, log_models)
    for model, row in zip(policy.models.values(), models, strict=True):
        row["bill_timeouts"] = BILLING.index(model.bill_timeouts)
        row["supports"] = sum(
            1 << r
            for r, name in enumerate(policy.requires)
            if model.supports is None or name in model.supports
        )
        row["context_tokens"] = _limit(model.context_window_tokens)
        breaker, limits = model.breaker, model.limits
        row["breaker_rate"] = math.inf
        if breaker:
            row["breaker_rate"] = breaker.failure_rate
            row["breaker_bucket_s"] = breaker.window_s / BUCKETS
            row["breaker_min_calls"], row["breaker_open_s"] = breaker.min_calls, breaker.open_s
            row["breaker_probes"], row["breaker_on"] = breaker.probes, _bits(breaker.counted_errors)
        per_s = _limit(limits.requests_per_min if limits else None) / 60
        tokens_per_s = _limit(limits.tokens_per_min if limits else None) / 60
        burst_s = limits.burst_s if limits else 1.0
        row["limited"] = min(per_s, tokens_per_s) < math.inf
        row["requests_per_s"], row["request_burst"] = per_s, max(1.0, per_s * burst_s)
        row["tokens_per_s"], row["token_burst"] = tokens_per_s, tokens_per_s * burst_s
        row["concurrency"] = (limits and limits.concurrency) or NO_LIMIT
    return models


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


def _columns(policy: Policy, log_models: Sequence[str] | None) -> list[int]:
    if log_models is None:
        return [-1] * len(policy.models)
    problems = unknown_models(policy, log_models)
    if problems:
        raise PolicyError(problems, policy.policy)
    column = {name: i for i, name in enumerate(log_models)}
    return [column.get(policy.log_name(name), -1) for name in policy.models]


def _limit(value: float | None) -> float:
    return math.inf if value is None else value


def _bits(errors: tuple[ErrorType, ...]) -> int:
    return sum(1 << error for error in errors)
