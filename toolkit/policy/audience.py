"""Which requests come to a chain, as far as the conditions of rules and requirements tell.

What is known of a rule's requests is that they fulfil its condition; of requests that no rule
matches nothing is. A step is called barred, or a capability not needed, only where that is certain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from toolkit.policy.conditions import Condition
from toolkit.policy.domains import Clause, clause_within, clauses
from toolkit.policy.model import Policy
from toolkit.policy.reach import lacking
from toolkit.policy.steps import ModelStep
from toolkit.schema import INPUT_TOKENS

DEFAULT = "default"
"""The route of requests that no rule matches."""
MAX_PAIRS = 1_000
"""Pairs of clauses compared before nothing is claimed; bounds the time."""

Parts = list[Clause] | None
"""A condition as clauses; None: too many to analyse."""


@dataclass(frozen=True)
class Audience:
    """The requests of each route of one policy."""

    policy: Policy
    rules: dict[str, Parts]
    """By the names of the rules, in order."""
    needs: dict[str, Parts]
    """By capability."""
    leads: dict[str, list[str]]
    """By chain: the names of the routes that lead to it, `DEFAULT` last."""
    _whys: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, policy: Policy) -> Audience:
        """Analyse the conditions of a policy once."""
        leads: dict[str, list[str]] = {name: [] for name in policy.chains}
        for rule in policy.routes:
            for chain in dict.fromkeys(rule.leads):
                leads[chain].append(rule.name)
        leads[policy.default].append(DEFAULT)
        return cls(
            policy,
            {rule.name: clauses(rule.when) for rule in policy.routes},
            {name: clauses(condition) for name, condition in policy.requires.items()},
            leads,
        )

    def barred_steps(self, chain: str, route: str | None = None) -> dict[int, str]:
        """The steps whose model takes no request of a route, or of any that leads to the chain.

        The reason stands at the index of each.
        """
        names = self.leads[chain] if route is None else [route]
        if not names or DEFAULT in names:
            return {}
        found = {}
        for i, step in enumerate(self.policy.chains[chain].steps):
            if isinstance(step, ModelStep):
                whys = [self._why_barred(step.model, name) for name in names]
                if all(whys):
                    found[i] = whys[0]
        return found

    def unsupported(self, chain: str) -> list[str]:
        """The capabilities that no model of a chain has, though requests may need them."""
        steps = self.policy.chains[chain].steps
        lacks = [lacking(self.policy, s.model) for s in steps if isinstance(s, ModelStep)]
        return [
            capability
            for capability in self.needs
            if lacks
            and all(capability in one for one in lacks)
            and any(self._may_need(route, capability) for route in self.leads[chain])
        ]

    def _why_barred(self, model: str, route: str) -> str:
        """Why a model takes no request of a rule; empty: it may."""
        if (model, route) not in self._whys:
            self._whys[model, route] = self._find_why(model, self.rules[route])
        return self._whys[model, route]

    def _find_why(self, model: str, comes: Parts) -> str:
        for capability in lacking(self.policy, model):
            if _within(comes, self.needs[capability]):
                return f"all requests that come here need {capability!r}, which it does not support"
        window = self.policy.models[model].context_window_tokens
        if window is not None and _within(comes, _longer_than(window)):
            return f"all requests that come here are longer than its {window:g} tokens"
        return ""

    def _may_need(self, route: str, capability: str) -> bool:
        """Whether a request on a route may need the capability, as far as known."""
        need = self.policy.requires[capability]
        earlier: list[Clause] = []
        for rule in self.policy.routes:
            if rule.name == route:
                need = Condition(all=(rule.when, need))
                break
            earlier += self.rules[rule.name] or []
        return not _within(clauses(need), earlier)


@lru_cache(maxsize=256)
def _longer_than(tokens: float) -> Parts:
    return clauses(Condition.model_validate({INPUT_TOKENS: {"gt": tokens}}))


def _within(inner: Parts, outer: Parts) -> bool:
    """Whether each request of ``inner`` is one of ``outer``, for certain."""
    if inner is None or outer is None or len(inner) * len(outer) > MAX_PAIRS:
        return False
    return all(any(clause_within(part, whole) for whole in outer) for part in inner)
