"""Checks that span several parts of a policy: names that refer to each other, and dead parts.

They read plain data and skip what is not of the expected shape (the model reports that), so that
a file with a wrong number and a wrong name is told about both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toolkit.errors import Problem, did_you_mean
from toolkit.policy import proofs
from toolkit.policy.conditions import Condition
from toolkit.policy.orders import too_many


def problems(data: Any) -> list[Problem]:
    """Every unknown or doubled name, unclear route and part that can never be reached."""
    if not isinstance(data, dict):
        return []
    chains = data.get("chains")
    found = [*_routes(data), *_steps(data)]
    if isinstance(chains, dict):
        found += [
            Problem("unknown chain", where, repr(name), did_you_mean(name, chains) or "no chain")
            for where, name in _chain_uses(data)
            if name not in chains
        ]
    return [*found, *_routers(data), *_protection(data), *_dead_rules(data)]


def _items(value: Any) -> list[tuple[Any, dict[str, Any]]]:
    """The (key, mapping) pairs of a mapping or list, without entries of another shape."""
    if isinstance(value, dict):
        pairs = list(value.items())
    else:
        pairs = list(enumerate(value)) if isinstance(value, list) else []
    return [(key, item) for key, item in pairs if isinstance(item, dict)]


def _chain_uses(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each (dotted key, chain name) that refers to a chain."""
    for i, route in _items(data.get("routes")):
        if isinstance(route.get("use"), str):
            yield f"routes.{i}.use", route["use"]
        for j, share in _items(route.get("split")):
            if isinstance(share.get("use"), str):
                yield f"routes.{i}.split.{j}.use", share["use"]
    if isinstance(data.get("default"), str):
        yield "default", data["default"]


def _routes(data: dict[str, Any]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for i, route in _items(data.get("routes")):
        use, split, name = route.get("use"), route.get("split"), route.get("name")
        router = route.get("router")
        if router is not None and split is not None:
            yield Problem(
                "a route leads to one place", f"routes.{i}", "router and split", "one of them"
            )
        if use is not None and split is not None:
            yield Problem(
                "a route leads to one place", f"routes.{i}", "use and split", "one of them"
            )
        if use is None and split is None and router is None:
            yield Problem(
                "a route must lead somewhere",
                f"routes.{i}",
                "no use, no split, no router",
                "one of them",
            )
        if route.get("sticky_by") is not None and split is None:
            yield Problem(
                "has no effect without split", f"routes.{i}.sticky_by", "", "a route with split"
            )
        if name == "default":
            yield Problem(
                "is the name of the route for requests that no rule matches",
                f"routes.{i}.name",
                "'default'",
                "another name",
            )
        if isinstance(name, str) and first.setdefault(name, i) != i:
            yield Problem(
                f"is the name of routes.{first[name]} too",
                f"routes.{i}.name",
                repr(name),
                "a name for each route",
            )


def _routers(data: dict[str, Any]) -> Iterator[Problem]:
    """Routers that have no model to choose, or too many orders."""
    chains, models = data.get("chains"), data.get("models")
    for i, route in _items(data.get("routes")):
        router, use = route.get("router"), route.get("use")
        if not isinstance(router, dict) or route.get("split") is not None:
            continue
        found = len(models) if isinstance(models, dict) else 0
        if isinstance(use, str):
            chain = chains.get(use) if isinstance(chains, dict) else None
            steps = _items(chain.get("steps")) if isinstance(chain, dict) else []
            found = sum("degrade" not in step for _, step in steps)
            if steps and not found:
                yield Problem(
                    "has no model that the router could choose",
                    f"routes.{i}.use",
                    repr(use),
                    "a chain with model steps",
                )
        yield from too_many(router, found, f"routes.{i}.router")


def _steps(data: dict[str, Any]) -> Iterator[Problem]:
    for name, chain in _items(data.get("chains")):
        steps = _items(chain.get("steps"))
        looks = [i for i, step in steps if step.get("degrade") == "stale_cache"]
        says = [i for i, step in steps if "degrade" in step and i not in looks]
        for i, _ in steps:
            if says and i > says[0]:
                yield Problem(
                    f"is never reached: step {says[0]} always answers",
                    f"chains.{name}.steps.{i}",
                    "a step after a degrade step",
                    "a degrade step only at the end",
                )
        for i in looks:
            if not isinstance(data.get("cache"), dict):
                yield Problem(
                    "there is no cache to look into",
                    f"chains.{name}.steps.{i}.degrade",
                    "'stale_cache'",
                    "a policy with cache, such as cache: {stale_if_error_s: 86400}",
                )
        if looks and len(looks) == len(chain["steps"]):
            yield Problem(
                "nothing fills the cache that it looks into",
                f"chains.{name}.steps",
                "stale_cache alone",
                "a model step before it",
            )
        yield from _unknown_models(data.get("models"), f"chains.{name}.steps", steps)


def _unknown_models(
    models: Any, where: str, steps: list[tuple[Any, dict[str, Any]]]
) -> Iterator[Problem]:
    """The models that a step names, itself or for its second call, and that are not there."""
    if not isinstance(models, dict):
        return
    for i, step in steps:
        hedge = step.get("hedge")
        asked = {"model": step.get("model")} if "degrade" not in step else {}
        if isinstance(hedge, dict):
            asked["hedge.model"] = hedge.get("model")
        for key, name in asked.items():
            if isinstance(name, str) and name not in models:
                allowed = did_you_mean(name, models) or "no model"
                yield Problem("unknown model", f"{where}.{i}.{key}", repr(name), allowed)


def _protection(data: dict[str, Any]) -> Iterator[Problem]:
    """Settings that name something which is not there."""
    shedding = data.get("shedding")
    if isinstance(shedding, dict) and shedding.get("limits") and not shedding.get("priority_by"):
        yield Problem(
            "does not say which column the limits are for", "shedding.priority_by", "", "a column"
        )
    requires = data.get("requires")
    known = list(requires) if isinstance(requires, dict) else []
    for name, model in _items(data.get("models")):
        supports = model.get("supports")
        for one in supports if isinstance(supports, list) else []:
            if isinstance(one, str) and one not in known:
                yield Problem(
                    "nothing requires this",
                    f"models.{name}.supports",
                    repr(one),
                    did_you_mean(one, known) or "no names, as the policy has no requires",
                )


def _dead_rules(data: dict[str, Any]) -> list[Problem]:
    rules: list[tuple[int, str, Condition]] = []
    for i, route in _items(data.get("routes")):
        try:
            condition = Condition.model_validate(route.get("when"))
        except ValueError:  # reported by the model itself
            continue
        rules.append((i, str(route.get("name", i)), condition))
    return proofs.unreachable_rules(rules)
