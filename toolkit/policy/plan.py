"""A policy as arrays, the only form that compiled code reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.model import ModelStep, Policy
from toolkit.schema import ErrorType

BILLING = ("full", "input_only", "none")
"""Meaning of the codes in ``Plan.model_bill_timeouts``."""


class Plan(NamedTuple):
    """c chains, s steps of all chains one after the other, k models. A limit of inf is none."""

    chain_start: NDArray[np.int32]
    """(c+1,) the steps of chain i are ``chain_start[i]:chain_start[i + 1]``."""
    chain_deadline_s: NDArray[np.float64]
    """(c,)"""
    chain_max_cost_usd: NDArray[np.float64]
    """(c,)"""
    chain_retry_on: NDArray[np.int64]
    """(c,) bit e is set: error code e is retried."""
    chain_fallback_on: NDArray[np.int64]
    """(c,) bit e is set: error code e leads to the next step."""
    step_model: NDArray[np.int32]
    """(s,) index into the policy's models; -1: a degrade step."""
    step_repeats: NDArray[np.bool_]
    """(s,) an earlier step of the same chain asks the same model of the log."""
    step_timeout_s: NDArray[np.float64]
    """(s,)"""
    step_retries: NDArray[np.int32]
    """(s,)"""
    step_backoff_s: NDArray[np.float64]
    """(s,)"""
    step_quality: NDArray[np.float64]
    """(s,) of degrade steps, 0 for models; so are the next two."""
    step_cost_usd: NDArray[np.float64]
    step_latency_s: NDArray[np.float64]
    model_column: NDArray[np.int32]
    """(k,) index into the dataset's models; -1: live only."""
    model_bill_timeouts: NDArray[np.int8]
    """(k,) index into `BILLING`."""


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
    degrades = [None if isinstance(step, ModelStep) else step for step in steps]
    return Plan(
        chain_start=np.cumsum([0, *(len(chain.steps) for chain in chains)], dtype=np.int32),
        chain_deadline_s=_limits([chain.deadline_s for chain in chains]),
        chain_max_cost_usd=_limits([chain.max_cost_usd for chain in chains]),
        chain_retry_on=_bits([chain.retried_errors for chain in chains]),
        chain_fallback_on=_bits([chain.fallback_errors for chain in chains]),
        step_model=np.array([index[s.model] if s else -1 for s in asks], dtype=np.int32),
        step_repeats=np.array(
            [
                isinstance(step, ModelStep)
                and policy.log_name(step.model)
                in {policy.log_name(s.model) for s in chain.steps[:i] if isinstance(s, ModelStep)}
                for chain in chains
                for i, step in enumerate(chain.steps)
            ],
            dtype=np.bool_,
        ),
        step_timeout_s=_limits([s.timeout_s if s else None for s in asks]),
        step_retries=np.array([s.retries if s else 0 for s in asks], dtype=np.int32),
        step_backoff_s=np.array([s.backoff_s if s else 0 for s in asks], dtype=np.float64),
        step_quality=np.array([s.quality if s else 0 for s in degrades], dtype=np.float64),
        step_cost_usd=np.array([s.cost_usd if s else 0 for s in degrades], dtype=np.float64),
        step_latency_s=np.array([s.latency_s if s else 0 for s in degrades], dtype=np.float64),
        model_column=_columns(policy, log_models),
        model_bill_timeouts=np.array(
            [BILLING.index(model.bill_timeouts) for model in policy.models.values()], dtype=np.int8
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


def _columns(policy: Policy, log_models: Sequence[str] | None) -> NDArray[np.int32]:
    if log_models is None:
        return np.full(len(policy.models), -1, dtype=np.int32)
    problems = unknown_models(policy, log_models)
    if problems:
        raise PolicyError(problems, policy.policy)
    column = {name: i for i, name in enumerate(log_models)}
    return np.array([column.get(policy.log_name(m), -1) for m in policy.models], dtype=np.int32)


def _limits(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([math.inf if v is None else v for v in values], dtype=np.float64)


def _bits(errors: Sequence[tuple[ErrorType, ...]]) -> NDArray[np.int64]:
    return np.array([sum(1 << e for e in one) for one in errors], dtype=np.int64)
