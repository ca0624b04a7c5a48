"""The policies that a search may come to, as parameters that Optuna draws.

A point is a value for each place. Most of a policy is right as it is, so the search sets out from
the policy itself and its neighbours, which differ in a few places, and not from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

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
"""Of each place, the number or the index of the choice; ``PATH?`` is 0 where it stays unset."""

UNSET = "?"
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
        from optuna.distributions import FloatDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {}
        for one in self.places:
            if one.kind == "choice":
                found[one.path] = _index(len(one.choices))
                continue
            if one.current is None:
                found[one.path + UNSET] = _index(2)
            if one.kind == "integer":
                found[one.path] = IntDistribution(int(one.low), int(one.high), log=one.log)
            else:
                found[one.path] = FloatDistribution(one.low, one.high, log=one.log)
        return found

    @property
    def start(self) -> Params:
        """The policy as it stands."""
        params: Params = {}
        for one in self.places:
            if one.kind == "choice":
                params[one.path] = one.choices.index(one.current)
            elif one.current is None:
                params[one.path + UNSET], params[one.path] = 0, _middle(one)
            else:
                params[one.path] = one.current  # type: ignore[assignment]
        return params

    def neighbour(self, rng: np.random.Generator) -> Params:
        """The policy as it stands but for a few places."""
        params = self.start
        most = min(MOST_CHANGES, len(self.places))
        for i in rng.choice(len(self.places), rng.integers(1, most + 1), replace=False):
            one, u = self.places[i], float(rng.random())
            if one.kind == "choice":
                params[one.path] = int(u * len(one.choices))
                continue
            low, high = np.log([one.low, one.high]) if one.log else (one.low, one.high)
            at = float(low + u * (high - low))
            at = min(max(float(np.exp(at)) if one.log else at, one.low), one.high)
            params[one.path] = round(at) if one.kind == "integer" else at
            if one.current is None:
                params[one.path + UNSET] = 1
        return params

    def changes(self, params: Mapping[str, int | float]) -> dict[str, Value]:
        """What differs from the policy as it stands: path → value."""
        found: dict[str, Value] = {}
        for one in self.places:
            drawn = params[one.path]
            value: Value
            if one.kind == "choice":
                value = one.choices[int(drawn)]
                if value != one.current:
                    found[one.path] = value
                continue
            if one.current is None and not params[one.path + UNSET]:
                continue
            value = int(drawn) if one.kind == "integer" else tidy(drawn)
            if not _same(value, one.current):
                found[one.path] = value
        return found

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
        if (any(_under(one, path) for path in only) if only else one.group != "protection")
        and not any(_under(one, path) for path in fixed)
    ]
    return Space(policy, tuple(_with_room(one, wanted) for one in wanted))


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


def _middle(one: Tunable) -> float | int:
    middle = (one.low * one.high) ** 0.5 if one.log else (one.low + one.high) / 2
    return round(middle) if one.kind == "integer" else middle


def _index(choices: int) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution

    return CategoricalDistribution(range(choices))
