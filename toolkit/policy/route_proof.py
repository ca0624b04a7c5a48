"""What is proved about the requests that a rule takes: the worst over the chains it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.policy.audience import DEFAULT, Audience
from toolkit.policy.chain_proof import ChainProof, prove_chain
from toolkit.policy.model import Policy
from toolkit.policy.orders import has_router, orders_of, with_orders
from toolkit.policy.worst import WorstCase, worst_case

MOST_NOTES = 6
"""So many chains have a note of their own."""


@dataclass(frozen=True)
class RouteProof:
    """What is known of the requests that one rule, or none, takes."""

    chains: tuple[str, ...]
    """That it leads to; a router takes its steps from the first."""
    worst: WorstCase
    """Over these chains, or over every order that a router may choose."""
    barred: dict[str, dict[int, str]]
    """By chain: steps that are skipped for each of these requests, and why."""
    ends_without_answer: bool
    orders: int = 0
    """So many may a router choose from; 0: there is no router."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON, as `ChainProof.to_dict`."""
        return {
            "chains": list(self.chains),
            "orders": self.orders,
            **self.worst.to_dict(),
            "amplification": self.worst.attempts,
            "ends_without_answer": self.ends_without_answer,
            "skipped_steps": [
                {"chain": chain, "step": step, "why": why}
                for chain, steps in self.barred.items()
                for step, why in steps.items()
            ],
        }


def prove_routes(
    audience: Audience,
    chains: Mapping[str, ChainProof],
    max_cost: Mapping[str, float] | None = None,
) -> dict[str, RouteProof]:
    """What each rule can lead to, by its name, and `DEFAULT` last; ``chains`` are all proved."""
    policy = audience.policy
    wide = Audience.of(with_orders(policy)) if has_router(policy) else audience
    leads = {route.name: route.leads for route in policy.routes}
    found = {}
    for i, (route, led) in enumerate({**leads, DEFAULT: (policy.default,)}.items()):
        orders = orders_of(policy).get(i)
        names = tuple(dict.fromkeys(led))
        if orders is not None and _abstains(policy, i):
            names = tuple(dict.fromkeys((*names, policy.default)))
        barred = {name: audience.barred_steps(name, route) for name in names}
        proofs, worst = chains, {}
        if orders is None:
            for name in names:
                worst[name] = worst_case(policy, name, max_cost, barred[name])
        else:
            taken = wide.policy.routes[i].leads
            proofs = {name: prove_chain(wide, name, max_cost) for name in taken}
            for name in taken:
                steps = wide.barred_steps(name, route)
                worst[name] = worst_case(wide.policy, name, max_cost, steps)
        found[route] = RouteProof(
            chains=names,
            worst=_worst_of(worst),
            barred={name: steps for name, steps in barred.items() if steps},
            ends_without_answer=any(proofs[name].ends_without_answer for name in worst),
            orders=orders.count if orders else 0,
        )
    return found


def _abstains(policy: Policy, i: int) -> bool:
    router = policy.routes[i].router
    return router is not None and router.abstain_above < 1


def _worst_of(cases: Mapping[str, WorstCase]) -> WorstCase:
    usd = [case.usd for case in cases.values()]
    known = [one for one in usd if one is not None]
    # What is true of all chains is said once: a router has hundreds.
    notes = list(dict.fromkeys(case.note for case in cases.values()))
    if len(notes) > 1:
        notes = [f"{name}: {case.note}" for name, case in cases.items() if case.note]
        if len(notes) > MOST_NOTES:
            notes = [notes[0], f"and likewise in {len(notes) - 1} others"]
    return WorstCase(
        attempts=max(case.attempts for case in cases.values()),
        seconds=max(case.seconds for case in cases.values()),
        usd=max(known) if len(known) == len(usd) else None,
        note="; ".join(notes),
        seconds_unasked=max(case.seconds_unasked for case in cases.values()),
    )
