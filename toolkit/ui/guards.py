"""Edits of single settings: of models, of what guards the policy, of what requests need."""

from __future__ import annotations

from typing import Any

from toolkit.policy.model import Policy
from toolkit.ui.drafts import edited, free_name, renamed

Place = tuple[str | int, ...]
"""The keys that lead to a part of the policy, from 0 in lists."""
FIRST_LIMIT_PER_MIN = 600
FIRST_ROOM = 100
"""What a limit begins with: loose, so that switching it on is no outage of its own."""
NOBODY = "(all alike)"
"""Instead of a column."""
DAY_S = 86_400


def dotted(place: Place) -> str:
    """The place as it stands in error messages, which is also the key of its field."""
    return ".".join(map(str, place))


def set_part(policy: Policy, place: Place, value: Any) -> Policy:
    """The policy with one setting; None takes it out, and the mappings on the way are begun."""

    def change(data: dict[str, Any]) -> None:
        here: Any = data
        for key in place[:-1]:
            here = here[key] if isinstance(key, int) else here.setdefault(key, {})
        if value is None:
            here.pop(place[-1], None)
        else:
            here[place[-1]] = value

    return edited(policy, change)


def set_hedge(policy: Policy, chain: str, i: int, after_s: float | None) -> Policy:
    """When step ``i`` sends a second call; None: never."""
    step: Place = ("chains", chain, "steps", i, "hedge")
    if after_s is None:
        return set_part(policy, step, None)
    return set_part(policy, (*step, "after_s"), after_s)


def hedge_with(policy: Policy, chain: str, i: int, model: str) -> Policy:
    """Which model the second call of step ``i`` goes to; the step's own is not written."""
    step: Place = ("chains", chain, "steps", i)
    asked = policy.chains[chain].to_data()["steps"][i]["model"]
    return set_part(policy, (*step, "hedge", "model"), None if model == asked else model)


def use_cache(policy: Policy, on: bool) -> Policy:
    """Begin a cache, or take it away with the steps that look into it."""
    if on:
        return set_part(policy, ("cache",), {"stale_if_error_s": DAY_S})

    def change(data: dict[str, Any]) -> None:
        data.pop("cache", None)
        for chain in data["chains"].values():
            chain["steps"] = [s for s in chain["steps"] if s.get("degrade") != "stale_cache"]

    return edited(policy, change)


def set_priority(policy: Policy, column: str) -> Policy:
    """The column whose values have room of their own; `NOBODY`: all requests have the same."""

    def change(data: dict[str, Any]) -> None:
        data["shedding"].pop("limits", None)
        data["shedding"].pop("priority_by", None)
        if column != NOBODY:
            data["shedding"]["priority_by"] = column

    return edited(policy, change)


def set_supports(policy: Policy, model: str, names: list[str]) -> Policy:
    """What a model can do of what is required; all of it is not written."""
    everything = set(names) == set(policy.requires)
    return set_part(policy, ("models", model, "supports"), None if everything else names)


def add_need(policy: Policy, when: dict[str, Any]) -> Policy:
    """A further thing that some requests need of a model."""
    name = free_name("tools", policy.requires)
    return set_part(policy, ("requires", name), when)


def rename_need(policy: Policy, old: str, new: str) -> Policy:
    """The same need by another name, wherever a model supports it."""

    def change(data: dict[str, Any]) -> None:
        data["requires"] = renamed(data["requires"], old, new, "requires")
        for model in data["models"].values():
            if old in model.get("supports", ()):
                model["supports"] = [new if name == old else name for name in model["supports"]]

    return edited(policy, change)


def remove_need(policy: Policy, name: str) -> Policy:
    """The policy without a need; no model has to say that it can do it."""

    def change(data: dict[str, Any]) -> None:
        del data["requires"][name]
        for model in data["models"].values():
            if name in model.get("supports", ()):
                model["supports"] = [one for one in model["supports"] if one != name]
            if not data["requires"]:
                model.pop("supports", None)

    return edited(policy, change)
