"""Every place of a policy that can be tuned, with the range that its data makes sensible.

A threshold moves between the quantiles of its column, a time limit between what the model usually
takes and what it takes at worst: beyond these a change moves nothing. A place is left out where
nothing can come of it: a limit of time on a model whose latency nobody measured, a choice of one.

Errors that a chain was told not to fall back on stay so, and requests that lead to it are not sent
to a chain that does: whoever left ``invalid_output`` out knows that on these requests it cannot be
told from a good answer, and replay would reward it for knowing what nobody knows live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.vary import Vary
    from toolkit.logs.dataset import Dataset
    from toolkit.policy.model import Policy

Value: TypeAlias = float | int | str | bool | tuple[str, ...] | None
Kind = Literal["number", "integer", "choice"]


@dataclass(frozen=True)
class Tunable:
    """One place of a policy that can be tuned."""

    path: str
    """as `Policy.with_value` takes it"""
    words: str
    """what a person reads, such as ``timeout of small in cheap_first``"""
    kind: Kind
    group: str
    """what it is about: rules, chains, models, time limits, retries, cost, cache, protection"""
    current: Value
    """None: not set"""
    low: float = float("nan")
    """least sensible value; NaN for a choice"""
    high: float = float("nan")
    choices: tuple[Value, ...] = ()
    """of a choice, the current one among them"""
    unit: str = ""
    log: bool = False
    """even steps are even ratios, not even differences"""

    def values(self, most: int = 11) -> tuple[Value, ...]:
        """At most so many values, evenly over the range, ends included; all choices of a choice."""
        if self.kind == "choice":
            return self.choices
        even = np.geomspace if self.log else np.linspace
        steps = even(self.low, self.high, max(most, 2))
        if self.kind == "integer":
            return tuple(dict.fromkeys(round(step) for step in steps.tolist()))
        return tuple(dict.fromkeys(tidy(step) for step in steps.tolist()))

    def vary(self, most: int = 11) -> Vary:
        """The same place as what a sweep varies."""
        from toolkit.evaluate.tradeoffs.vary import Vary

        return Vary(self.path, self.values(most))  # type: ignore[arg-type]


def tidy(value: float, digits: int = 3) -> float:
    """The number as a person would write it, with so many digits."""
    return float(f"{value:.{digits}g}")


def tunables(policy: Policy, dataset: Dataset) -> tuple[Tunable, ...]:
    """Every place of ``policy`` that can be tuned on ``dataset``, rules first, then chains.

    Models and columns that the dataset does not have give no places; replay says what is wrong.
    """
    from toolkit.evaluate.search.places import Places

    return tuple(Places(policy, dataset).all())


def suggested(policy: Policy, dataset: Dataset) -> tuple[Vary, ...]:
    """One to three places, about a hundred policies in all, that show best what quality costs.

    Found by trying each place alone on some of the requests. Empty where nothing moves anything.
    """
    from toolkit.evaluate.search.suggested import suggested as found

    return found(policy, dataset)
