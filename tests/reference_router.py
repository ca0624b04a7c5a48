"""A router's decision as obvious Python, one request at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from toolkit.policy.model import Policy
from toolkit.policy.router_rule import RouterRule

NAN = math.nan


def order_of_one(quality: Sequence[float], cost: Sequence[float], rule: RouterRule) -> list[int]:
    """The models of one request, in the order in which they are tried."""
    known = [m for m in range(len(quality)) if not math.isnan(quality[m])]
    strangers = [m for m in range(len(quality)) if math.isnan(quality[m])]

    def usd(m: int) -> float:
        return math.inf if math.isnan(cost[m]) else cost[m]

    def affordable(m: int) -> bool:
        return rule.max_cost_usd is None or usd(m) <= rule.max_cost_usd

    def by_quality(m: int) -> tuple[float, ...]:
        return (-quality[m], usd(m), m)

    def by_cost(m: int) -> tuple[float, ...]:
        return (usd(m), m)

    def by_worth(m: int) -> tuple[float, ...]:
        assert rule.tradeoff_usd_per_point is not None
        nobody_priced = all(math.isinf(usd(other)) for other in known)
        paid = 0.0 if nobody_priced else 1000.0 * usd(m)
        return (-(100.0 * quality[m] * rule.tradeoff_usd_per_point - paid), usd(m), m)

    if not known:
        return strangers
    if rule.min_quality is not None:
        good = [m for m in known if quality[m] >= rule.min_quality]
        start = min(good, key=by_cost) if good else min(known, key=by_quality)
    elif rule.max_cost_usd is not None:
        cheap = [m for m in known if affordable(m)]
        start = min(cheap, key=by_quality) if cheap else min(known, key=by_cost)
    else:
        start = min(known, key=by_worth)
    rest = [m for m in known if m != start]
    rest.sort(key=lambda m: (not affordable(m), *by_quality(m)))
    return [start, *rest, *strangers]


def chain_of_one(
    policy: Policy, route: int, forecast: dict[str, tuple[float, float]], novelty: float
) -> tuple[str, dict[str, Any]]:
    """The chain that one request of a router's route takes: its name, and what it does.

    ``forecast`` has probability and expected cost by log name, as far as the router knows models.
    """
    rule = policy.routes[route].router
    assert rule is not None
    if novelty > rule.abstain_above:
        return policy.default, policy.chains[policy.default].to_data()
    use = policy.routes[route].use
    chain = (
        policy.chains[use].to_data() if use else {"steps": [{"model": m} for m in policy.models]}
    )
    asks = [step for step in chain["steps"] if "model" in step]
    says = [step for step in chain["steps"] if "model" not in step]
    known = [forecast.get(policy.log_name(step["model"]), (NAN, NAN)) for step in asks]
    order = order_of_one([p for p, _ in known], [usd for _, usd in known], rule)
    taken = [asks[j] for j in order][: 1 + rule.fallbacks]
    name = f"{policy.routes[route].name}: {' > '.join(step['model'] for step in taken)}"
    return name, {**chain, "steps": [*taken, *says]}


def plain(policy: Policy, name: str, chain: dict[str, Any]) -> Policy:
    """The policy that sends everything to one chain."""
    data = policy.to_data() | {"routes": [], "default": name, "chains": {name: chain}}
    return Policy.model_validate(data)
