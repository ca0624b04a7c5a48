"""A policy that is being edited, and the edits a form makes: each gives a new, checked Policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from toolkit.errors import PolicyError, Problem
from toolkit.policy.model import Policy, Route
from toolkit.policy.router_rule import RULES

MOST_UNDO = 200
TEXTS = {
    "message": "We could not answer right now. Please try again.",
    "refusal": "Sorry, we cannot help with this at the moment.",
}
"""What a last step says until someone writes something better."""
START = {"min_quality": 0.85, "max_cost_usd": 0.001, "tradeoff_usd_per_point": 0.05}
"""Where each way of a router begins."""


@dataclass(frozen=True)
class Draft:
    """A policy on its way from what is saved to what will be."""

    saved: Policy
    """as it was when the editing began"""
    policy: Policy
    past: tuple[Policy, ...] = ()
    future: tuple[Policy, ...] = ()

    @property
    def changed(self) -> bool:
        """There is something to save."""
        return self.policy != self.saved

    def to(self, policy: Policy) -> Draft:
        """The draft with another content; the way back is kept."""
        if policy == self.policy:
            return self
        return Draft(self.saved, policy, (*self.past, self.policy)[-MOST_UNDO:])

    def undo(self) -> Draft:
        """One edit back, where there is one."""
        if not self.past:
            return self
        *past, policy = self.past
        return replace(self, policy=policy, past=tuple(past), future=(self.policy, *self.future))

    def redo(self) -> Draft:
        """One undone edit forward, where there is one."""
        if not self.future:
            return self
        policy, *future = self.future
        return replace(self, policy=policy, past=(*self.past, self.policy), future=tuple(future))


def edited(policy: Policy, change: Callable[[dict[str, Any]], None]) -> Policy:
    """The policy after ``change`` of its data; raises PolicyError where it would not be valid."""
    data = policy.to_data()
    data.setdefault("routes", [])
    change(data)
    return Policy.model_validate(data)


def _swapped(items: list[Any], i: int, up: bool) -> None:
    j = i - 1 if up else i + 1
    if 0 <= j < len(items):
        items[i], items[j] = items[j], items[i]


def free_name(name: str, taken: object) -> str:
    """The name, or with a number behind it where it is taken."""
    names = set(taken)  # type: ignore[call-overload]
    n = 2
    free = name
    while free in names:
        free, n = f"{name}_{n}", n + 1
    return free


def move_route(policy: Policy, i: int, up: bool) -> Policy:
    """Rule ``i`` one place up or down; the first that matches wins."""
    return edited(policy, lambda data: _swapped(data["routes"], i, up))


def add_route(policy: Policy, when: dict[str, Any]) -> Policy:
    """A further rule, the last, that leads to the default chain."""
    name = free_name("rule", {"default", *(route.name for route in policy.routes)})
    rule = {"name": name, "when": when, "use": policy.default}
    return edited(policy, lambda data: data["routes"].append(rule))


def remove_route(policy: Policy, i: int) -> Policy:
    """The policy without rule ``i``."""
    return edited(policy, lambda data: data["routes"].pop(i) and None)


def lead_to(policy: Policy, i: int, shares: dict[str, float]) -> Policy:
    """Rule ``i`` leads to one chain, or to several by weight."""

    def change(data: dict[str, Any]) -> None:
        rule = data["routes"][i]
        for leads in ("use", "split", "router"):
            rule.pop(leads, None)
        if len(shares) == 1:
            rule["use"] = next(iter(shares))
            rule.pop("sticky_by", None)
        else:
            rule["split"] = [{"use": use, "weight": weight} for use, weight in shares.items()]

    return edited(policy, change)


def route_by(policy: Policy, i: int, router: dict[str, Any], use: str | None) -> Policy:
    """Rule ``i`` leads where a router says, among the models of a chain; None: among all."""

    def change(data: dict[str, Any]) -> None:
        rule = data["routes"][i]
        for leads in ("use", "split", "sticky_by"):
            rule.pop(leads, None)
        rule |= {"router": router} if use is None else {"use": use, "router": router}

    return edited(policy, change)


def set_rule(policy: Policy, i: int, way: str) -> Policy:
    """The router of rule ``i`` chooses another way, one of `RULES`, from a usual value on."""

    def change(data: dict[str, Any]) -> None:
        router = data["routes"][i]["router"]
        if way not in router:
            for other in RULES:
                router.pop(other, None)
            router[way] = START[way]

    return edited(policy, change)


def weights(route: Route) -> dict[str, float]:
    """The chains that a rule leads to, with their weights as written."""
    if route.split is None:
        return {} if route.use is None else {route.use: 1.0}
    return {share.use: share.weight for share in route.split}


def add_chain(policy: Policy) -> Policy:
    """A further chain, which asks the first model once."""
    name, model = free_name("chain", policy.chains), next(iter(policy.models))
    chain = {"steps": [{"model": model}]}
    return edited(policy, lambda data: data["chains"].update({name: chain}))


def remove_chain(policy: Policy, name: str) -> Policy:
    """The policy without a chain; raises PolicyError where a rule still leads to it."""
    return edited(policy, lambda data: data["chains"].pop(name) and None)


def rename_chain(policy: Policy, old: str, new: str) -> Policy:
    """The same chain by another name, wherever it is used."""

    def change(data: dict[str, Any]) -> None:
        data["chains"] = renamed(data["chains"], old, new, "chains")
        if data["default"] == old:
            data["default"] = new
        for rule in data["routes"]:
            for place in (rule, *rule.get("split", ())):
                if place.get("use") == old:
                    place["use"] = new

    return edited(policy, change)


def renamed(items: dict[str, Any], old: str, new: str, where: str) -> dict[str, Any]:
    """A mapping with one key changed, in the same order; raises PolicyError where it is taken."""
    if new != old and new in items:
        raise PolicyError([Problem("this name is taken", f"{where}.{old}", repr(new))])
    return {new if name == old else name: item for name, item in items.items()}


def move_step(policy: Policy, chain: str, i: int, up: bool) -> Policy:
    """A step one place up or down in its chain."""
    return edited(policy, lambda data: _swapped(data["chains"][chain]["steps"], i, up))


def add_step(policy: Policy, chain: str) -> Policy:
    """A further model step, before the degrade steps: a model not asked there yet, if any."""
    steps = policy.chains[chain].to_data()["steps"]
    asked = {step.get("model") for step in steps}
    model = next((name for name in policy.models if name not in asked), next(iter(policy.models)))
    at = 1 + max((i for i, step in enumerate(steps) if "model" in step), default=-1)
    return edited(policy, lambda data: data["chains"][chain]["steps"].insert(at, {"model": model}))


def add_stale(policy: Policy, chain: str) -> Policy:
    """An older answer from the cache, before a last message."""
    steps = policy.chains[chain].to_data()["steps"]
    at = len(steps) - ("text" in steps[-1])
    step = {"degrade": "stale_cache"}
    return edited(policy, lambda data: data["chains"][chain]["steps"].insert(at, step))


def add_message(policy: Policy, chain: str, kind: str = "message") -> Policy:
    """A message or a refusal as the last step."""
    step = {"degrade": kind, "text": TEXTS[kind]}
    return edited(policy, lambda data: data["chains"][chain]["steps"].append(step))


def remove_step(policy: Policy, chain: str, i: int) -> Policy:
    """The policy without a step; raises PolicyError for the last one of a chain."""
    return edited(policy, lambda data: data["chains"][chain]["steps"].pop(i) and None)


def add_model(policy: Policy, log: str) -> Policy:
    """A further model of the log, by its own name."""
    name = free_name(log, policy.models)
    model = {} if name == log else {"log": log}
    return edited(policy, lambda data: data["models"].update({name: model}))


def remove_model(policy: Policy, name: str) -> Policy:
    """The policy without a model; raises PolicyError where a step still asks it."""
    return edited(policy, lambda data: data["models"].pop(name, {}) and None)


def rename_model(policy: Policy, old: str, new: str) -> Policy:
    """The same model by another name, wherever it is asked."""

    def change(data: dict[str, Any]) -> None:
        data["models"][old].setdefault("log", old)
        data["models"] = renamed(data["models"], old, new, "models")
        for chain in data["chains"].values():
            for step in chain["steps"]:
                for place in (step, step.get("hedge", {})):
                    if place.get("model") == old:
                        place["model"] = new

    return edited(policy, change)


def set_goal(policy: Policy, name: str, end: str, value: float | None) -> Policy:
    """One limit of a goal, such as its ``min``; None takes it out."""

    def change(data: dict[str, Any]) -> None:
        goals = data.setdefault("goals", {})
        goal = goals.setdefault(name, {})
        goal.pop(end, None)
        if value is not None:
            goal[end] = value
        if not goal:
            del goals[name]

    return edited(policy, change)


def set_condition(policy: Policy, i: int, when: dict[str, Any]) -> Policy:
    """The condition of rule ``i``."""
    return edited(policy, lambda data: data["routes"][i].update(when=when))


def set_errors(policy: Policy, chain: str, key: str, labels: list[str]) -> Policy:
    """``retry_on`` or ``fallback_on`` of a chain; what equals the default is not written."""
    default = policy.chains[chain].model_copy(update={key: None})
    errors = default.retried_errors if key == "retry_on" else default.fallback_errors
    as_default = set(labels) == {error.label for error in errors}
    return policy.with_value(f"chains.{chain}.{key}", None if as_default else labels)


def set_log(policy: Policy, name: str, log: str) -> Policy:
    """Another model of the log behind a name of the policy."""

    def change(data: dict[str, Any]) -> None:
        data["models"][name].pop("log", None)
        if log != name:
            data["models"][name]["log"] = log

    return edited(policy, change)
