"""What can be shown about a policy without running it: rules without effect, and worst cases.

A rule is unreachable when each clause of its condition is contradictory or lies within a clause
of an earlier rule. This finds the usual mistakes (a doubled or a too general earlier rule) and is
never wrong; a rule that is only covered by several earlier clauses together is not found.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.errors import Problem
from toolkit.policy.conditions import Condition
from toolkit.policy.domains import Clause, clause_within, clauses
from toolkit.policy.model import Policy
from toolkit.policy.worst import WorstCase, worst_case

__all__ = ["WorstCase", "unreachable_rules", "unused_chains", "worst_case"]

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
    used = {name for route in policy.routes for name in route.leads} | {policy.default}
    return [name for name in policy.chains if name not in used]
