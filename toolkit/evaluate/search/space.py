"""The policies that a search may come to, as parameters that Optuna draws.

A point is a value for each place. Most of a policy is right as it is, so the search sets out from
the policy itself and its neighbours, which differ in a few places, and not from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.evaluate.search.tunables import Tunable, Value, tidy, tunables
from toolkit.policy.edit import replaced
from toolkit.policy.model import Policy
from toolkit.policy.written import plain

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from toolkit.logs.dataset import Dataset

Params: TypeAlias = dict[str, int | float]
"""Of each place, the number, or the index of the choice. Of one that is not set as it stands, a
number from 0 to 1: below one half it stays so, above it is as far into the range."""

SAME = 0.005
"""A number this near to the current one, as a ratio, is left as it is."""
MOST_CHANGES = 4
"""In how many places a neighbour differs."""


@dataclass(frozen=True)
class Space:
    """A policy and its places that are searched."""

    policy: Policy
    places: tuple[Tunable, ...]

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """What each parameter is drawn from."""
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        found: dict[str, BaseDistribution] = {}
        for one in self.places:
            if one.kind == "choice":
                found[one.path] = CategoricalDistribution(range(len(one.choices)))
            elif one.current is None:
                found[one.path] = FloatDistribution(0.0, 1.0)
            elif one.kind == "integer":
                found[one.path] = IntDistribution(int(one.low), int(one.high), log=one.log)
            else:
                found[one.path] = FloatDistribution(one.low, one.high, log=one.log)
        return found

    def params(self, changes: Mapping[str, Value]) -> Params:
        """The policy with these changes, as parameters."""
        found: Params = {}
        for one in self.places:
            value = changes.get(one.path, one.current)
            if one.kind == "choice":
                found[one.path] = one.choices.index(value)
            elif one.current is not None:
                found[one.path] = cast("float", value)
            else:
                found[one.path] = 0.25 if value is None else _far(one, cast("float", value))
        return found

    def changes(self, params: Mapping[str, int | float]) -> dict[str, Value]:
        """What differs from the policy as it stands: path → value."""
        found: dict[str, Value] = {}
        for one in self.places:
            value = _value(one, params[one.path])
            if not _same(value, one.current):
                found[one.path] = value
        return found

    def neighbour(self, rng: np.random.Generator) -> dict[str, Value]:
        """Changes in a few places."""
        most = min(MOST_CHANGES, len(self.places))
        some = rng.choice(len(self.places), rng.integers(1, most + 1), replace=False)
        return {self.places[i].path: self._any(self.places[i], rng) for i in some.tolist()}

    def _any(self, one: Tunable, rng: np.random.Generator) -> Value:
        if one.kind == "choice":
            return one.choices[int(rng.integers(len(one.choices)))]
        return _at(one, float(rng.random()))

    def with_changes(self, changes: Mapping[str, Value]) -> Policy:
        """The policy with these values.

        Raises:
            PolicyError: They contradict each other.
        """
        data: dict[str, Any] = self.policy.to_data()
        for path, value in changes.items():
            data = replaced(data, path, plain(value))
        return Policy.model_validate(data)


def space(
    policy: Policy, dataset: Dataset, only: Sequence[str] = (), fixed: Sequence[str] = ()
) -> Space:
    """The places that are searched: all but those that only guard against failures.

    ``only`` and ``fixed`` are paths, or the beginnings of paths (``chains.cheap_first``); what
    ``only`` names is searched whatever it is.

    Raises:
        PolicyError: A path is no place that can be tuned.
    """
    found = tunables(policy, dataset)
    problems = [
        Problem("is no place that can be tuned", path, "", did_you_mean(path, _paths(found)))
        for path in (*only, *fixed)
        if not any(_under(one, path) for one in found)
    ]
    if problems:
        raise PolicyError(problems, policy.policy)
    wanted = [
        one
        for one in found
        if (any(_under(one, path) for path in only) if only else _worth_it(one, policy))
        and not any(_under(one, path) for path in fixed)
    ]
    return Space(policy, tuple(_with_room(one, wanted) for one in wanted))


def _worth_it(one: Tunable, policy: Policy) -> bool:
    """Whether a place is searched that nobody named.

    Where each chain serves one rule, sending the rule elsewhere is the same as asking other models
    in its chain, and harder to read.
    """
    if one.group == "protection":
        return False
    leads = [policy.default, *(name for route in policy.routes for name in route.leads)]
    own = len(set(leads)) == len(leads) and len(policy.models) > 1
    return not (own and (one.path == "default" or one.path.endswith(".use")))


def _paths(places: Sequence[Tunable]) -> list[str]:
    return [one.path for one in places]


def _under(one: Tunable, path: str) -> bool:
    return one.path == path or one.path.startswith(f"{path}.")


def _with_room(one: Tunable, places: Sequence[Tunable]) -> Tunable:
    """A time limit with the range of any model, where another model may take the step."""
    times = [other for other in places if other.group == one.group == "time limits"]
    if not times or not any(other.group == "models" for other in places):
        return one
    return replace(
        one, low=min(other.low for other in times), high=max(other.high for other in times)
    )


def _same(value: Value, current: Value) -> bool:
    if isinstance(value, int | float) and isinstance(current, int | float):
        return abs(value - current) <= SAME * abs(current)
    return value == current


def _value(one: Tunable, drawn: float) -> Value:
    if one.kind == "choice":
        return one.choices[int(drawn)]
    if one.current is None:
        return None if drawn < 0.5 else _at(one, 2 * drawn - 1)
    return int(drawn) if one.kind == "integer" else tidy(drawn)


def _at(one: Tunable, far: float) -> Value:
    """The number at a share of the range."""
    low, high = one.low, one.high
    value = low * (high / low) ** far if one.log else low + far * (high - low)
    return round(value) if one.kind == "integer" else min(max(tidy(value), low), high)


def _far(one: Tunable, value: float) -> float:
    """The parameter of a number of a place that is not set as it stands."""
    low, high = one.low, one.high
    far = np.log(value / low) / np.log(high / low) if one.log else (value - low) / (high - low)
    return float(np.clip((1 + far) / 2, 0.5, 1))
