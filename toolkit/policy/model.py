"""The policy as people write it: goals, models, routes and chains, frozen and fully checked.

A `Policy` object is always valid: whoever makes one, from YAML, from a form or in Python, either
gets it or a `PolicyError` with every problem. What is stored is what was written; defaults that
depend on other parts (a model's log name, the errors to retry on) are filled in by properties.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    StrictBool,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from toolkit.errors import PolicyError
from toolkit.policy.conditions import Condition
from toolkit.policy.guards import (
    Breaker,
    Cache,
    ErrorLabel,
    Limits,
    RetryBudget,
    Shedding,
    labelled,
)
from toolkit.policy.router_rule import RouterRule
from toolkit.policy.steps import Step
from toolkit.policy.written import (
    Amount,
    Fraction,
    FractionChange,
    Name,
    Number,
    Positive,
    Text,
    Written,
    plain,
)
from toolkit.schema import ERROR_LABELS, NEVER_FALL_BACK, TRANSIENT, ErrorType

MOST_STEPS = 30
"""Longest chain."""


class Goal(Written):
    """Limits written down before looking, of the value itself or against a baseline.

    ``min`` and ``max`` are of the value. The others compare it with that of a baseline, a policy
    that is named where the goal is judged: ``min_change`` and ``max_change`` in the metric's own
    unit (quality: -0.01 is one point less), ``max_ratio`` as a multiple of the baseline's value.
    """

    min: Amount | None = None
    max: Amount | None = None
    min_change: Number | None = None
    max_change: Number | None = None
    max_ratio: Positive | None = None

    @model_validator(mode="after")
    def _limits(self) -> Self:
        keys = list(Goal.model_fields)
        if all(getattr(self, key) is None for key in keys):
            raise PydanticCustomError("empty", "needs a limit", {"allowed": ", ".join(keys)})
        for low, high in (("min", "max"), ("min_change", "max_change")):
            ends = getattr(self, low), getattr(self, high)
            if None not in ends and ends[0] > ends[1]:
                raise PydanticCustomError(
                    "limits", "no value can reach it", {"allowed": f"{low} not above {high}"}
                )
        return self


class FractionGoal(Goal):
    """A goal for a share of requests or a quality, between 0 and 1."""

    min: Fraction | None = None
    max: Fraction | None = None
    min_change: FractionChange | None = None
    max_change: FractionChange | None = None


class Goals(Written):
    """What "good enough" means for this policy."""

    quality: FractionGoal | None = None
    cost_usd_per_1k: Goal | None = None
    latency_mean_s: Goal | None = None
    latency_p50_s: Goal | None = None
    latency_p95_s: Goal | None = None
    latency_p99_s: Goal | None = None
    error_rate: FractionGoal | None = None
    fallback_rate: FractionGoal | None = None
    degraded_rate: FractionGoal | None = None


class Model(Written):
    """Where a name used in chains stands for: a model in the log and, live, one to call."""

    log: Name | None = None
    """Name in the log; None: the same name as here."""
    litellm: Name | None = None
    api_base: Name | None = None
    api_key_env: Name | None = None
    """Name of the environment variable that holds the key; never the key itself."""
    bill_timeouts: Literal["full", "input_only", "none"] = "full"
    """What the provider charges for a call that was given up waiting for."""
    provider: Name | None = None
    """Who runs it, so that one outage takes all of theirs; None: the first part of ``litellm``."""
    breaker: Breaker | None = None
    limits: Limits | None = None
    context_window_tokens: Positive | None = None
    """A request with more input tokens is not sent here."""
    supports: tuple[Name, ...] | None = None
    """Those of the policy's ``requires`` that it can do; None: all of them."""

    @property
    def operator(self) -> str | None:
        """The provider, as stated or from ``litellm``'s name; None: not known."""
        if self.provider is None and self.litellm and "/" in self.litellm:
            return self.litellm.partition("/")[0]
        return self.provider


class Share(Written):
    """One branch of a weighted split."""

    use: Name
    weight: Positive


class Route(Written):
    """A rule and where it leads: to one chain, to several by weight, or where a router says."""

    name: Name
    when: Condition
    use: Name | None = None
    split: Annotated[tuple[Share, ...], Field(min_length=1)] | None = None
    sticky_by: Name | None = None
    """Request column whose equal values always take the same branch of the split."""
    router: RouterRule | None = None
    """Puts the model steps of ``use`` in order for each request; without it, all the models."""

    @property
    def leads(self) -> tuple[str, ...]:
        """The written chains that it leads to; those of a router give it their steps."""
        if self.split is None:
            return () if self.use is None else (self.use,)
        return tuple(share.use for share in self.split)

    @property
    def shares(self) -> tuple[tuple[str, float], ...]:
        """Each (chain, share of this route's requests); the shares sum to 1.

        None for a router, whose chains are those of `policy.orders.with_orders`.
        """
        if self.router is not None:
            return ()
        if self.split is None:
            return ((cast("str", self.use), 1.0),)
        total = sum(share.weight for share in self.split)
        return tuple((share.use, share.weight / total) for share in self.split)


class Chain(Written):
    """Steps in the order in which they are tried."""

    deadline_s: Positive | None = None
    """Longest duration of the whole chain; None: no limit."""
    max_cost_usd: Positive | None = None
    """Once this much is spent on a request, no further model is asked; None: no limit."""
    retry_on: tuple[ErrorLabel, ...] | None = None
    """Errors that a step retries on; None: timeout, rate_limited, server_error, connection."""
    fallback_on: tuple[ErrorLabel, ...] | None = None
    """Errors after which the next step is tried; None: all but bad_request and cancelled."""
    cache: StrictBool = True
    """Whether the policy's cache, if it has one, serves this chain."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MOST_STEPS)]

    @property
    def retried_errors(self) -> tuple[ErrorType, ...]:
        """The errors that are retried, with the default filled in."""
        if self.retry_on is None:
            return TRANSIENT
        return labelled(self.retry_on)

    @property
    def fallback_errors(self) -> tuple[ErrorType, ...]:
        """The errors that lead to the next step, with the default filled in."""
        if self.fallback_on is None:
            return tuple(e for e in labelled(ERROR_LABELS) if e not in NEVER_FALL_BACK)
        return labelled(self.fallback_on)


class Policy(Written):
    """Which model answers which request, and what happens when it does not.

    Raises:
        PolicyError: With every problem, also those that span several parts.
    """

    policy: Name
    description: Text = ""
    goals: Goals = Goals()
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    """Order matters to arrays only: it is the order of model indices in a Plan and a Replay."""
    cache: Cache | None = None
    retry_budget: RetryBudget | None = None
    shedding: Shedding | None = None
    daily_cost_usd: Positive | None = None
    """Once this much is spent on a day (UTC), no model is asked until the next."""
    requires: dict[Name, Condition] = Field(default_factory=dict)
    """What some requests need of a model, such as tools or a region, and which requests."""
    routes: tuple[Route, ...] = ()
    """The first rule that matches wins."""
    default: Name
    """The chain for requests that no rule matches."""
    chains: Annotated[dict[Name, Chain], Field(min_length=1)]

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # A PolicyError raised in here leaves pydantic as it is, so that every way to make a
        # policy reports in the same words, and problems of both kinds come together.
        from toolkit.policy.explain import problems as explained
        from toolkit.policy.references import problems as crossed

        try:
            policy = handler(data)
        except ValidationError as error:
            crossing = crossed(plain(data))
            raise PolicyError([*explained(error), *crossing]) from None
        found = crossed(policy.to_data())
        if found:
            raise PolicyError(found)
        return policy

    @classmethod
    def single(cls, model: str) -> Policy:
        """The policy that always asks one model of the log, once and without a time limit."""
        return cls.model_validate(
            {
                "policy": model,
                "models": {model: {}},
                "default": model,
                "chains": {model: {"steps": [{"model": model}]}},
            }
        )

    def log_name(self, model: str) -> str:
        """The name in the log of one of ``models``."""
        return self.models[model].log or model

    def with_value(self, path: str, value: Any) -> Policy:
        """A new policy with one value replaced; the keys are those of the file, from 0 in lists.

        >>> faster = policy.with_value("chains.cheap_first.steps.0.timeout_s", 2)

        ``None`` takes an optional value out.

        Raises:
            PolicyError: There is no such place, or the value does not fit there.
        """
        from toolkit.policy.edit import replaced

        return type(self).model_validate(replaced(self.to_data(), path, plain(value)))

    def to_yaml(self) -> str:
        """The policy as a file that a person would have written, without what is default."""
        from toolkit.policy.writing import to_yaml

        return to_yaml(self)

    def _repr_html_(self) -> str:
        from toolkit.policy.card import card

        return card(self)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a policy file, for editors."""
    schema = Policy.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
