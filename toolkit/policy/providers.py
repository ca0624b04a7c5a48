"""Who runs the models of a chain: one outage takes all steps of a provider at the same time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from toolkit.policy.model import Policy
from toolkit.policy.steps import ModelStep


@dataclass(frozen=True)
class SharedProvider:
    """Steps of a chain that one outage takes."""

    provider: str | None
    """None: not known, but the steps ask the same model."""
    models: tuple[str, ...]
    steps: tuple[int, ...]
    """Positions in the chain, from 0."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "provider": self.provider,
            "models": list(self.models),
            "steps": list(self.steps),
        }


def shared_providers(
    policy: Policy, chain: str, unreachable: Collection[int] = ()
) -> list[SharedProvider]:
    """The groups of two or more steps with one provider, as far as known."""
    groups: dict[tuple[str | None, str], list[int]] = {}
    for i, name in _asked(policy, chain, unreachable).items():
        operator = policy.models[name].operator
        groups.setdefault((operator, "" if operator else policy.log_name(name)), []).append(i)
    asked = _asked(policy, chain, unreachable)
    return [
        SharedProvider(operator, tuple(dict.fromkeys(asked[i] for i in steps)), tuple(steps))
        for (operator, _), steps in groups.items()
        if len(steps) > 1
    ]


def unknown_providers(policy: Policy, chain: str, unreachable: Collection[int] = ()) -> list[str]:
    """The models of a chain whose provider is not known, where another may have the same one."""
    names = list(dict.fromkeys(_asked(policy, chain, unreachable).values()))
    if len({policy.log_name(name) for name in names}) < 2:
        return []
    return [name for name in names if policy.models[name].operator is None]


def _asked(policy: Policy, chain: str, unreachable: Collection[int]) -> dict[int, str]:
    return {
        i: step.model
        for i, step in enumerate(policy.chains[chain].steps)
        if isinstance(step, ModelStep) and i not in unreachable
    }
