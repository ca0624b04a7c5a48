"""What can be shown about a policy without running it: rules without effect, and worst cases.

A rule is unreachable when each clause of its condition is contradictory or lies within a clause
of an earlier rule. This finds the usual mistakes (a doubled or a too general earlier rule) and is
never wrong; a rule that is only covered by several earlier clauses together is not found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolkit.errors import Problem
from toolkit.policy.conditions import Condition
from toolkit.policy.domains import Clause, clause_within, clauses
from toolkit.policy.model import DegradeStep, Policy

MAX_EFFORT = 20_000
"""Pairs of clauses compared before the remaining rules are taken on trust; bounds the time."""


def unreachable_rules(rules: Sequence[tuple[int, str, Condition]]) -> list[Problem]:
    """The rules, as (index, name, condition) in order, that can never be the first to match."""
    earlier: list[tuple[str, Clause]] = []
    found: list[Problem] = []
    effort = 0
    for i, name, condition in rules:
        parts = clauses(condition)
        if parts is None:
            continue
        effort += len(parts) * len(earlier)
        if effort > MAX_EFFORT:
            break
        takers = [_taker(part, earlier) for part in parts]
        if not parts:
            found.append(
                Problem(
                    f"rule {name!r} can never match: its tests contradict each other",
                    f"routes.{i}.when",
                )
            )
        elif all(taker is not None for taker in takers):
            names = ", ".join(repr(t) for t in dict.fromkeys(takers))
            found.append(
                Problem(
                    f"rule {name!r} is never reached: {names} takes all its requests before",
                    f"routes.{i}.when",
                    "",
                    "a narrower rule before a wider one",
                )
            )
        earlier += [(name, part) for part in parts]
    return found


def _taker(part: Clause, earlier: Sequence[tuple[str, Clause]]) -> str | None:
    return next((name for name, outer in earlier if clause_within(part, outer)), None)


def unused_chains(policy: Policy) -> list[str]:
    """The chains that neither a route nor the default leads to."""
    used = {name for route in policy.routes for name, _ in route.shares} | {policy.default}
    return [name for name in policy.chains if name not in used]


@dataclass(frozen=True)
class WorstCase:
    """Upper bounds for one request in one chain."""

    attempts: int
    seconds: float
    """inf: unbounded."""
    usd: float | None
    """None: unknown; ``note`` says why."""
    note: str = ""

    @property
    def terminates(self) -> bool:
        """Whether a request is certain to end in a bounded time."""
        return math.isfinite(self.seconds)


def reachable_steps(policy: Policy, chain: str) -> list[int]:
    """The indices of the steps that some error can lead to."""
    limits = policy.chains[chain]
    if limits.fallback_errors:
        return list(range(len(limits.steps)))
    # Without fallback, only a limit leads on, and then past the models to the degrade step.
    limited = limits.deadline_s is not None or limits.max_cost_usd is not None
    return [
        i
        for i, step in enumerate(limits.steps)
        if i == 0 or (limited and isinstance(step, DegradeStep))
    ]


def worst_case(
    policy: Policy, chain: str, max_cost: Mapping[str, float] | None = None
) -> WorstCase:
    """The most that a request can take in a chain: every attempt fails as late as it can.

    ``max_cost`` is the largest cost of one call in USD per name in the log, as far as measured.
    An attempt lasts at most its step's timeout or what is left to the deadline; a wait never
    reaches the deadline; a call starts only while less than ``max_cost_usd`` is spent.
    """
    limits = policy.chains[chain]
    attempts, seconds, end_s, end_usd = 0, 0.0, 0.0, 0.0
    costs: dict[str, int] = {}
    for step in (limits.steps[i] for i in reachable_steps(policy, chain)):
        if isinstance(step, DegradeStep):
            end_s, end_usd = step.latency_s, step.cost_usd
            break
        retries = step.retries if limits.retried_errors else 0
        attempts += 1 + retries
        costs[step.model] = costs.get(step.model, 0) + 1 + retries
        seconds += (1 + retries) * (math.inf if step.timeout_s is None else step.timeout_s)
        seconds += step.backoff_s * (2**retries - 1)
    if limits.deadline_s is not None:
        seconds = min(seconds, limits.deadline_s)
    usd, note = _worst_usd(policy, costs, limits.max_cost_usd, max_cost or {})
    if not math.isfinite(seconds):
        note = "; ".join(filter(None, ["no timeout and no deadline", note]))
    return WorstCase(attempts, seconds + end_s, None if usd is None else usd + end_usd, note)


def _worst_usd(
    policy: Policy, calls: Mapping[str, int], limit: float | None, max_cost: Mapping[str, float]
) -> tuple[float | None, str]:
    price = {model: max_cost.get(policy.log_name(model), math.nan) for model in calls}
    unknown = [repr(model) for model, usd in price.items() if not math.isfinite(usd)]
    if unknown:
        return None, f"cost of a call not measured: {', '.join(unknown)}"
    total = sum(count * price[model] for model, count in calls.items())
    if limit is not None:
        # The last call starts below the limit and may overshoot it by its own cost.
        total = min(total, limit + max(price.values(), default=0.0))
    return total, ""
