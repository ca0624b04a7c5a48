"""What is wrong with a policy for a dataset, what looks like a mistake, and its worst cases."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.conditions import route_masks
from toolkit.policy.model import ModelStep, Policy
from toolkit.policy.plan import unknown_models
from toolkit.policy.proofs import WorstCase, reachable_steps, unused_chains, worst_case


@dataclass(frozen=True)
class Check:
    """The findings about one policy."""

    errors: tuple[Problem, ...]
    """The policy cannot be used with the dataset."""
    warnings: tuple[Problem, ...]
    """It can be used, but probably not all of it is meant."""
    chains: dict[str, WorstCase]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; None: no bound or not known, and the note says why."""
        return {
            "errors": [asdict(problem) for problem in self.errors],
            "warnings": [asdict(problem) for problem in self.warnings],
            "chains": {
                name: {
                    "worst_case_attempts": worst.attempts,
                    "worst_case_s": worst.seconds if math.isfinite(worst.seconds) else None,
                    "worst_case_usd": worst.usd,
                    "terminates": worst.terminates,
                    "note": worst.note,
                }
                for name, worst in self.chains.items()
            },
        }


def check(
    policy: Policy,
    requests: pa.Table | None = None,
    max_cost: Mapping[str, float] | None = None,
) -> Check:
    """Check a policy, which is valid in itself, for use and for likely mistakes.

    ``requests`` is the dataset's table of requests. ``max_cost`` has every model of the dataset
    with the largest cost of one call in USD, NaN where none was measured.
    """
    errors: list[Problem] = []
    warnings = [*_unused(policy), *_chain_warnings(policy)]
    if max_cost is not None:
        errors += unknown_models(policy, list(max_cost))
    if requests is not None:
        errors += _sticky_columns(policy, requests)
        try:
            warnings += _idle_rules(policy, requests)
        except PolicyError as error:
            errors += error.problems
    chains = {name: worst_case(policy, name, max_cost) for name in policy.chains}
    return Check(tuple(errors), tuple(warnings), chains)


def _unused(policy: Policy) -> Iterator[Problem]:
    for name in unused_chains(policy):
        yield Problem("no route leads to this chain", f"chains.{name}")
    asked = {
        step.model
        for chain in policy.chains.values()
        for step in chain.steps
        if isinstance(step, ModelStep)
    }
    for name in policy.models:
        if name not in asked:
            yield Problem("no step asks this model", f"models.{name}")


def _chain_warnings(policy: Policy) -> Iterator[Problem]:
    for name, chain in policy.chains.items():
        where = f"chains.{name}"
        asks = [step for step in chain.steps if isinstance(step, ModelStep)]
        reachable = reachable_steps(policy, name)
        for i in range(len(chain.steps)):
            if i not in reachable:
                yield Problem(
                    "is never reached: no error falls back", f"{where}.steps.{i}", "fallback_on: []"
                )
        if not worst_case(policy, name).terminates:
            yield Problem("may wait for ever", where, "no timeout_s, no deadline_s", "one of them")
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


def _sticky_columns(policy: Policy, requests: pa.Table) -> Iterator[Problem]:
    for i, route in enumerate(policy.routes):
        if route.sticky_by is not None and route.sticky_by not in requests.column_names:
            yield Problem(
                "the requests have no such column",
                f"routes.{i}.sticky_by",
                repr(route.sticky_by),
                did_you_mean(route.sticky_by, requests.column_names),
            )


def _idle_rules(policy: Policy, requests: pa.Table) -> list[Problem]:
    taken = np.zeros(requests.num_rows, dtype=np.bool_)
    found: list[Problem] = []
    for i, (route, matches) in enumerate(
        zip(policy.routes, route_masks(policy, requests), strict=True)
    ):
        if not matches.any():
            found.append(Problem(f"rule {route.name!r} matches no request", f"routes.{i}.when"))
        elif not (matches & ~taken).any():
            what = f"rule {route.name!r} gets no request: earlier rules take all that it matches"
            found.append(Problem(what, f"routes.{i}.when"))
        taken |= matches
    return found
