"""A route that leads where a learned router says, as written."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from toolkit.policy.written import Amount, Fraction, Name, Positive, Written

RULES = ("min_quality", "max_cost_usd", "tradeoff_usd_per_point")
"""The ways to choose; a router rule has exactly one of them."""


class RouterRule(Written):
    """Which trained router chooses the models, and how it weighs their quality and cost.

    The model that is tried first is

    - ``min_quality``: the cheapest whose probability of a good answer is at least this (where
      none is: the likeliest),
    - ``max_cost_usd``: the likeliest whose expected cost of one request is at most this (where
      none is: the cheapest),
    - ``tradeoff_usd_per_point``: the one with the largest difference of quality times this and
      cost: so many USD per 1,000 requests may be paid for one point (0.01) of quality.

    The others stand behind it by falling probability. `toolkit.learn.choose` is the definition.
    """

    name: Name
    """Of the router in the registry, or NAME@VERSION."""
    min_quality: Fraction | None = None
    max_cost_usd: Positive | None = None
    tradeoff_usd_per_point: Amount | None = None
    fallbacks: Annotated[StrictInt, Field(ge=0, le=9)] = 2
    """How many further models stand behind the first, as far as there are so many."""
    abstain_above: Fraction = 0.99
    """A request that is less familiar than this share of the router's own training requests are to
    one another goes to the policy's ``default`` chain; 1: none does."""

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = [key for key in RULES if getattr(self, key) is not None]
        if len(given) != 1:
            what = "has several ways to choose" if given else "does not say how to choose"
            raise PydanticCustomError("rule", what, {"allowed": f"one of {', '.join(RULES)}"})
        return self

    @property
    def rule(self) -> tuple[str, float]:
        """The way to choose, one of `RULES`, and its value."""
        key = next(key for key in RULES if getattr(self, key) is not None)
        return key, getattr(self, key)
