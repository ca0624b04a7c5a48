"""Rules that no request can reach."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.errors import Problem
from toolkit.policy.conditions import Condition


def unreachable_rules(rules: Sequence[tuple[int, str, Condition]]) -> list[Problem]:
    """The rules, as (index, name, condition) in order, that can never be the first to match."""
    del rules
    return []
