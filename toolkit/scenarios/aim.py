"""A scenario aimed at one policy: which of its models each fault hits.

A name is looked for among the policy's models, then among the words ``primary``, ``fallback`` and
``all``, then in the log. Who is hit is a model of the world, so another entry of the policy with
the same log name and the same provider is hit with it. What hits nothing of this policy (a model
of the log that it does not ask, the fallback of a policy with one model) is no mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan

import numpy as np

from toolkit.errors import Problem, did_you_mean
from toolkit.policy.model import Policy
from toolkit.policy.steps import ModelStep
from toolkit.scenarios import faults as codes
from toolkit.scenarios.faults import Faults, no_faults
from toolkit.scenarios.model import Fault, Scenario
from toolkit.scenarios.problems import ScenarioError
from toolkit.schema import ErrorType

WORDS = ("primary", "fallback", "all")
"""Targets that fit every policy: the first and the second model of its default chain, or all."""


def aim(scenario: Scenario | None, policy: Policy, log_models: Sequence[str]) -> Faults:
    """Return the faults as arrays over the policy's models; spikes are no part of them.

    Raises:
        ScenarioError: A model is neither in the policy nor in the log, or no model of the policy
            has that provider.
    """
    written = [(i, f) for i, f in enumerate(scenario.faults) if not f.spike] if scenario else []
    if scenario is None or not written:
        return no_faults(len(policy.models))
    problems: list[Problem] = []
    hits, rows = [], []
    for i, fault in written:
        struck: set[str] = set()
        for key, found in _targets(fault, f"faults.{i}", policy, log_models):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                struck |= found if key == "provider" else _with_twins(found, policy)
        hits.append([model in struck for model in policy.models])
        rows.append(_row(fault))
    if problems:
        raise ScenarioError(problems, scenario.scenario)
    kind, value, latency, retry_after, period, down, error = map(np.array, zip(*rows, strict=True))
    return Faults(
        kind=kind.astype(np.int64),
        hits=np.array(hits, np.bool_),
        start_s=np.array([fault.at_s for _, fault in written]),
        end_s=np.array([fault.end_s for _, fault in written]),
        value=value.astype(np.float64),
        latency_s=latency.astype(np.float64),
        retry_after_s=retry_after.astype(np.float64),
        period_s=period.astype(np.float64),
        down_s=down.astype(np.float64),
        error=error.astype(np.int64),
        seed=scenario.seed,
    )


def in_order(policy: Policy) -> tuple[str, ...]:
    """The models of the default chain in the order of its steps, each once: primary, fallback."""
    steps = policy.chains[policy.default].steps
    return tuple(dict.fromkeys(step.model for step in steps if isinstance(step, ModelStep)))


def _targets(
    fault: Fault, where: str, policy: Policy, log_models: Sequence[str]
) -> list[tuple[str, set[str] | Problem]]:
    """What a fault names, as models of the policy or as a problem."""
    if fault.provider is not None:
        return [("provider", _of_provider(fault.provider, f"{where}.provider", policy))]
    return [
        ("models", _named(name, f"{where}.models.{j}", policy, log_models))
        for j, name in enumerate(fault.models or ())
    ]


def _named(name: str, where: str, policy: Policy, log_models: Sequence[str]) -> set[str] | Problem:
    if name in policy.models:
        return {name}
    if name in WORDS:
        place = WORDS.index(name)
        return set(policy.models if name == "all" else in_order(policy)[place : place + 1])
    if name in log_models:
        return {model for model in policy.models if policy.log_name(model) == name}
    known = dict.fromkeys([*policy.models, *WORDS, *log_models])
    return Problem("unknown model", where, repr(name), did_you_mean(name, known))


def _of_provider(name: str, where: str, policy: Policy) -> set[str] | Problem:
    operators = {model: made.operator for model, made in policy.models.items()}
    if name not in operators.values() and name == "primary":
        first = in_order(policy)[:1]
        # A model whose provider nobody states is taken for the only one of its provider.
        if not first or operators[first[0]] is None:
            return _with_twins(set(first), policy)
        name = operators[first[0]] or ""
    if name in operators.values():
        return {model for model, operator in operators.items() if operator == name}
    known = sorted({operator for operator in operators.values() if operator} - {"primary"})
    allowed = did_you_mean(name, [*known, "primary"])
    return Problem("no model of the policy is run by this provider", where, repr(name), allowed)


def _with_twins(models: set[str], policy: Policy) -> set[str]:
    """These and whatever the policy calls by another name though it is the same model."""
    same = {(policy.log_name(m), policy.models[m].operator) for m in models}
    return {m for m, made in policy.models.items() if (policy.log_name(m), made.operator) in same}


def _row(fault: Fault) -> tuple[int, float, float, float, float, float, int]:
    """Kind, value, latency, retry-after, period, down and error of a fault."""
    if down := fault.outage or fault.flapping or fault.withdrawn:
        times = (fault.flapping.period_s, fault.flapping.down_s) if fault.flapping else (inf, inf)
        return (codes.OUTAGE, nan, down.latency_s, nan, *times, ErrorType[down.error.upper()])
    if limit := fault.rate_limit:
        wait = nan if limit.retry_after_s is None else limit.retry_after_s
        refused = ErrorType.RATE_LIMITED
        rate = limit.requests_per_min
        return (codes.RATE_LIMIT, rate, limit.latency_s, wait, inf, inf, refused)
    if bad := fault.invalid_answers:
        wrong = bad.kind == "wrong"
        kind, error = (codes.WRONG, 0) if wrong else (codes.INVALID, ErrorType.INVALID_OUTPUT)
        return (kind, bad.share, 0.0, nan, inf, inf, error)
    if fault.overload:
        return (codes.OVERLOAD, fault.overload.concurrency, 0.0, nan, inf, inf, 0)
    if fault.brownout:
        return (codes.BROWNOUT, fault.brownout.factor, 0.0, nan, inf, inf, 0)
    if fault.price:
        return (codes.PRICE, fault.price.factor, 0.0, nan, inf, inf, 0)
    raise AssertionError(fault.kind)
