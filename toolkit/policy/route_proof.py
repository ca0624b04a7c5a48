"""What is proved about the requests that a rule takes: the worst over the chains it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.policy.audience import DEFAULT, Audience
from toolkit.policy.chain_proof import ChainProof
from toolkit.policy.worst import WorstCase, worst_case


@dataclass(frozen=True)
class RouteProof:
    """What is known of the requests that one rule, or none, takes."""

    chains: tuple[str, ...]
    worst: WorstCase
    """Over these chains."""
    barred: dict[str, dict[int, str]]
    """By chain: steps that are skipped for each of these requests, and why."""
    ends_without_answer: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON, as `ChainProof.to_dict`."""
        return {
            "chains": list(self.chains),
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
    """What each rule can lead to, by its name, and `DEFAULT` last."""
    policy = audience.policy
    leads = {route.name: tuple(name for name, _ in route.shares) for route in policy.routes}
    found = {}
    for route, chain_names in {**leads, DEFAULT: (policy.default,)}.items():
        names = tuple(dict.fromkeys(chain_names))
        barred = {name: audience.barred_steps(name, route) for name in names}
        worst = [worst_case(policy, name, max_cost, barred[name]) for name in names]
        found[route] = RouteProof(
            chains=names,
            worst=_worst_of(dict(zip(names, worst, strict=True))),
            barred={name: steps for name, steps in barred.items() if steps},
            ends_without_answer=any(chains[name].ends_without_answer for name in names),
        )
    return found


def _worst_of(cases: Mapping[str, WorstCase]) -> WorstCase:
    usd = [case.usd for case in cases.values()]
    known = [one for one in usd if one is not None]
    several = len(cases) > 1
    notes = [f"{name}: {c.note}" if several else c.note for name, c in cases.items() if c.note]
    return WorstCase(
        attempts=max(case.attempts for case in cases.values()),
        seconds=max(case.seconds for case in cases.values()),
        usd=max(known) if len(known) == len(usd) else None,
        note="; ".join(notes),
        seconds_unasked=max(case.seconds_unasked for case in cases.values()),
    )
