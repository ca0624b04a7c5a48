"""What is wrong with a policy for a dataset, what looks like a mistake, and what is proved."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy import doubts
from toolkit.policy.audience import Audience
from toolkit.policy.chain_proof import ChainProof, prove_chain
from toolkit.policy.conditions import mask, route_masks
from toolkit.policy.guards import RetryBudget
from toolkit.policy.model import Policy
from toolkit.policy.plan import unknown_models
from toolkit.policy.route_proof import RouteProof, prove_routes
from toolkit.policy.worst import WorstCase, most_extra_calls
from toolkit.schema import PROMPT


@dataclass(frozen=True)
class Check:
    """The findings about one policy."""

    errors: tuple[Problem, ...]
    """The policy cannot be used with the dataset."""
    warnings: tuple[Problem, ...] = ()
    """It can be used, but probably not all of it is meant."""
    risks: tuple[Problem, ...] = ()
    """What an outage or a load peak would find weak; it may be meant."""
    proofs: Mapping[str, ChainProof] = field(default_factory=dict)
    """By chain."""
    routes: Mapping[str, RouteProof] = field(default_factory=dict)
    """By rule, and ``default`` last."""
    retry_budget: RetryBudget | None = None
    most_extra_calls: float = math.inf
    """Retries and hedges under way at one time that the retry budget allows; inf: no bound."""

    @property
    def chains(self) -> dict[str, WorstCase]:
        """The worst case in each chain."""
        return {name: proof.worst for name, proof in self.proofs.items()}

    def to_dict(self) -> dict[str, Any]:
        """For JSON; None: no bound or not known, and the note says why."""
        budget = self.retry_budget
        return {
            "errors": [asdict(problem) for problem in self.errors],
            "warnings": [asdict(problem) for problem in self.warnings],
            "risks": [asdict(problem) for problem in self.risks],
            "chains": {name: proof.to_dict() for name, proof in self.proofs.items()},
            "routes": {name: proof.to_dict() for name, proof in self.routes.items()},
            "retry_budget": None
            if budget is None
            else {
                "share": budget.share,
                "min_retries": budget.min_retries,
                "most_extra_calls": int(self.most_extra_calls)
                if math.isfinite(self.most_extra_calls)
                else None,
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
    audience = Audience.of(policy)
    proofs = {name: prove_chain(audience, name, max_cost) for name in policy.chains}
    errors: list[Problem] = []
    warnings = list(doubts.warnings(policy, proofs))
    if max_cost is not None:
        errors += unknown_models(policy, list(max_cost))
    if requests is not None:
        errors += unknown_columns(policy, requests)
        for idle in (_idle_rules, _idle_requirements, _idle_priorities):
            try:
                warnings += idle(policy, requests)
            except PolicyError as error:
                errors += error.problems
    return Check(
        errors=tuple(errors),
        warnings=tuple(warnings),
        risks=tuple(doubts.risks(policy, proofs)),
        proofs=proofs,
        routes=prove_routes(audience, proofs, max_cost),
        retry_budget=policy.retry_budget,
        most_extra_calls=most_extra_calls(policy),
    )


def unknown_columns(policy: Policy, requests: pa.Table) -> Iterator[Problem]:
    """The request columns outside of conditions that the policy names and that are not there."""
    named = {f"routes.{i}.sticky_by": route.sticky_by for i, route in enumerate(policy.routes)}
    if policy.shedding is not None:
        named["shedding.priority_by"] = policy.shedding.priority_by
    if (cache := policy.cache) is not None:
        named |= {f"cache.key.{i}": column for i, column in enumerate(cache.key or ())}
        named |= {f"cache.scope.{i}": column for i, column in enumerate(cache.scope or ())}
    for where, column in named.items():
        if column is not None and column not in requests.column_names:
            yield Problem(
                "the requests have no such column",
                where,
                repr(column),
                did_you_mean(column, requests.column_names),
            )
    by_prompt = cache is not None and (cache.key is None or cache.kind == "semantic")
    if by_prompt and PROMPT not in requests.column_names:
        what = "the requests have no prompts, which the cache compares"
        yield Problem(what, "cache.key", repr(PROMPT), ", ".join(map(repr, requests.column_names)))


def _idle_requirements(policy: Policy, requests: pa.Table) -> list[Problem]:
    found: list[Problem] = []
    problems: list[Problem] = []
    for name, condition in policy.requires.items():
        where = f"requires.{name}"
        try:
            if not mask(condition, requests, where, name).any():
                found.append(Problem(f"no request needs {name!r}", where))
        except PolicyError as error:
            # The words for conditions are those of rules.
            problems += [
                replace(one, what=one.what.replace("rule ", "requirement ", 1))
                for one in error.problems
            ]
    if problems:
        raise PolicyError(problems)
    return found


def _idle_priorities(policy: Policy, requests: pa.Table) -> list[Problem]:
    shedding = policy.shedding
    if shedding is None or shedding.priority_by not in requests.column_names:
        return []
    column = requests.column(shedding.priority_by)
    if not pa.types.is_string(column.type):
        return []
    there = [value for value in column.unique().to_pylist() if value is not None]
    return [
        Problem(
            f"no request has this {shedding.priority_by}",
            f"shedding.limits.{value}",
            repr(value),
            did_you_mean(value, there),
        )
        for value in shedding.limits
        if value not in there
    ]


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
