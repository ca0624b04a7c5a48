"""Everything that is proved about a chain, and what could not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.policy.audience import Audience
from toolkit.policy.guards import labelled
from toolkit.policy.model import Chain, Policy
from toolkit.policy.providers import SharedProvider, shared_providers
from toolkit.policy.reach import lacking, unreachable_steps
from toolkit.policy.steps import DegradeStep, ModelStep
from toolkit.policy.unproved import unproved
from toolkit.policy.worst import WorstCase, attempts_of, hedged_by, retries_of, worst_case
from toolkit.schema import ERROR_LABELS, ErrorType


@dataclass(frozen=True)
class StepProof:
    """What is known of one step of a chain."""

    step: int
    """Position in its chain, from 0."""
    what: str
    """The model's name, or the kind of degrade step."""
    why_unreachable: str
    """Empty: a request can come here."""
    attempts: int
    """Most calls here for one request."""
    unhandled_errors: tuple[str, ...]
    """Errors that end the request here at once: neither retried nor fallen back from."""
    last_errors: tuple[str, ...]
    """Errors that are retried and end the request once the retries are used up."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "step": self.step,
            "what": self.what,
            "reachable": not self.why_unreachable,
            "why_unreachable": self.why_unreachable or None,
            "worst_case_attempts": self.attempts,
            "unhandled_errors": list(self.unhandled_errors),
            "errors_after_retries": list(self.last_errors),
        }


@dataclass(frozen=True)
class ChainProof:
    """What is known of one chain."""

    worst: WorstCase
    steps: tuple[StepProof, ...]
    unhandled_errors: tuple[str, ...]
    """Errors that no step handles: wherever they occur, they end the request."""
    errors_after_last_step: tuple[str, ...]
    """Errors with which a request passes the last step; empty where that always answers."""
    ends_in_errors: tuple[str, ...]
    """Every error with which a request may end without an answer."""
    shared_providers: tuple[SharedProvider, ...]
    first_failure_amplification: int
    """Most calls that one request makes to the first step's model, in all steps."""
    unsupported: tuple[str, ...]
    """Capabilities that no model of the chain has, though requests that need them may come."""
    not_proved: tuple[str, ...]

    @property
    def amplification(self) -> int:
        """Most calls that one request makes when everything fails."""
        return self.worst.attempts

    @property
    def ends_without_answer(self) -> bool:
        """Whether a request may end in an error."""
        return bool(self.ends_in_errors)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; None: no bound or not known, and the note says why."""
        return {
            **self.worst.to_dict(),
            "amplification": self.amplification,
            "first_failure_amplification": self.first_failure_amplification,
            "steps": [step.to_dict() for step in self.steps],
            "unhandled_errors": list(self.unhandled_errors),
            "errors_after_last_step": list(self.errors_after_last_step),
            "ends_without_answer": self.ends_without_answer,
            "ends_in_errors": list(self.ends_in_errors),
            "shared_providers": [group.to_dict() for group in self.shared_providers],
            "unsupported": list(self.unsupported),
            "not_proved": list(self.not_proved),
        }


def prove_chain(
    audience: Audience, name: str, max_cost: Mapping[str, float] | None = None
) -> ChainProof:
    """Prove what can be proved of a chain; ``max_cost`` as for `worst_case`."""
    policy = audience.policy
    chain = policy.chains[name]
    barred = audience.barred_steps(name)
    why = unreachable_steps(policy, name, barred)
    worst = worst_case(policy, name, max_cost, barred)
    steps = tuple(_step(policy, chain, i, why) for i in range(len(chain.steps)))
    asked = [
        proof
        for proof, step in zip(steps, chain.steps, strict=True)
        if isinstance(step, ModelStep) and not proof.why_unreachable
    ]
    never = set.intersection(*(set(step.unhandled_errors) for step in asked)) if asked else set()
    after = _after_last(policy, chain, why)
    ends = {*after, *(e for step in asked for e in (*step.unhandled_errors, *step.last_errors))}
    return ChainProof(
        worst=worst,
        steps=steps,
        unhandled_errors=_ordered(never),
        errors_after_last_step=after,
        ends_in_errors=_ordered(ends),
        shared_providers=tuple(shared_providers(policy, name, why)),
        first_failure_amplification=_calls_of_first(policy, chain, why),
        unsupported=tuple(audience.unsupported(name)),
        not_proved=tuple(unproved(policy, name, worst, why, max_cost)),
    )


def _step(policy: Policy, chain: Chain, i: int, why: Mapping[int, str]) -> StepProof:
    step = chain.steps[i]
    if not isinstance(step, ModelStep):
        return StepProof(i, step.degrade, why.get(i, ""), 0, (), ())
    if i in why:
        return StepProof(i, step.model, why[i], 0, (), ())
    goes_on = any(j not in why for j in range(i + 1, len(chain.steps)))
    handled = set(chain.fallback_errors) if goes_on else set()
    ending = [e for e in labelled(ERROR_LABELS) if e not in handled]
    retried = set(chain.retried_errors) if retries_of(policy, chain, step) else set()
    return StepProof(
        step=i,
        what=step.model,
        why_unreachable="",
        attempts=attempts_of(policy, chain, step),
        unhandled_errors=tuple(e.label for e in ending if e not in retried),
        last_errors=tuple(e.label for e in ending if e in retried),
    )


def _after_last(policy: Policy, chain: Chain, why: Mapping[int, str]) -> tuple[str, ...]:
    """The errors with which a request passes the end of the chain."""
    if isinstance(chain.steps[-1], DegradeStep):
        return ()
    asked = [
        step for i, step in enumerate(chain.steps) if isinstance(step, ModelStep) and i not in why
    ]
    found = {e.label for e in chain.fallback_errors} if asked else set()
    found |= {e.label for e in _skips(policy, chain)}
    return _ordered(found)


def _skips(policy: Policy, chain: Chain) -> set[ErrorType]:
    """The reasons for which the machine may skip the last model of the chain."""
    name = next((s.model for s in reversed(chain.steps) if isinstance(s, ModelStep)), None)
    if name is None:
        return set()
    model = policy.models[name]
    reasons = {
        ErrorType.TIMEOUT: chain.deadline_s is not None,
        ErrorType.BUDGET: chain.max_cost_usd is not None or policy.daily_cost_usd is not None,
        ErrorType.BREAKER_OPEN: model.breaker is not None,
        ErrorType.RATE_LIMITED: model.limits is not None,
        ErrorType.SHED: policy.shedding is not None,
        ErrorType.UNSUPPORTED: bool(lacking(policy, name)),
        ErrorType.CONTEXT_WINDOW: model.context_window_tokens is not None,
    }
    return {error for error, possible in reasons.items() if possible}


def _calls_of_first(policy: Policy, chain: Chain, why: Mapping[int, str]) -> int:
    first: str | None = None
    calls = 0
    for i, step in enumerate(chain.steps):
        if not isinstance(step, ModelStep) or i in why:
            continue
        first = first or policy.log_name(step.model)
        second = hedged_by(policy, chain, step)
        same = [policy.log_name(m) == first for m in (step.model, second) if m is not None]
        calls += sum(same) * (1 + retries_of(policy, chain, step))
    return calls


def _ordered(labels: set[str]) -> tuple[str, ...]:
    return tuple(e.label for e in ErrorType if e.label in labels)
