"""What guards a policy: breakers, limits, the retry budget, shedding and the cache, as written."""

from __future__ import annotations

import functools
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictInt, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from toolkit.errors import did_you_mean
from toolkit.policy.written import Amount, Fraction, Name, Positive, Text, Written
from toolkit.schema import ERROR_LABELS, TRANSIENT, ErrorType

Count = Annotated[StrictInt, Field(ge=1, le=1_000_000)]


def _error_label(value: str) -> str:
    if value not in ERROR_LABELS:
        raise PydanticCustomError(
            "error_label", "unknown error type", {"allowed": did_you_mean(value, ERROR_LABELS)}
        )
    return value


@functools.lru_cache(maxsize=256)
def labelled(labels: tuple[str, ...]) -> tuple[ErrorType, ...]:
    """The errors with these names, in the order of their codes."""
    return tuple(e for e in ErrorType if e.label in labels)


ErrorLabel = Annotated[
    Text,
    AfterValidator(_error_label),
    WithJsonSchema({"type": "string", "enum": list(ERROR_LABELS)}),
]


class Breaker(Written):
    """Stop asking a model that keeps failing, and try it again with care.

    Closed: calls pass. Open: none does, for ``open_s``. Half-open: ``probes`` calls pass; one that
    fails opens it again, and once all have succeeded it closes.
    """

    failure_rate: Annotated[Fraction, Field(gt=0)] = 0.5
    """Share of failed calls in the window at which it opens."""
    window_s: Positive = 60.0
    """How far back calls count; it slides in tenths of itself."""
    min_calls: Count = 10
    """It never opens on fewer calls than these."""
    open_s: Positive = 30.0
    probes: Count = 3
    on: Annotated[tuple[ErrorLabel, ...] | None, Field(min_length=1)] = None
    """Errors that count as failed; None: timeout, rate_limited, server_error, connection."""

    @property
    def counted_errors(self) -> tuple[ErrorType, ...]:
        """The errors that count as failed, with the default filled in."""
        return TRANSIENT if self.on is None else labelled(self.on)


class Limits(Written):
    """The most that we ask of a model: calls beyond it are not made."""

    requests_per_min: Positive | None = None
    tokens_per_min: Positive | None = None
    """Input tokens count when a call starts, output tokens when it ends."""
    burst_s: Positive = 10.0
    """Seconds' worth of either rate that may come at once; at least one request."""
    concurrency: Count | None = None
    """Calls under way at the same time."""

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.requests_per_min is None and self.tokens_per_min is None and not self.concurrency:
            allowed = "requests_per_min, tokens_per_min, concurrency"
            raise PydanticCustomError("empty", "needs a limit", {"allowed": allowed})
        return self


class RetryBudget(Written):
    """How many extra calls, retries and hedges, may be under way, so that they are no flood.

    The more of ``share`` of the requests in progress and ``min_retries``, as Envoy counts.
    """

    share: Fraction = 0.2
    min_retries: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 3


class Shedding(Written):
    """Turn requests away while too many are in progress, those of low priority first."""

    max_in_progress: Count
    """Most requests in progress at which another is taken."""
    priority_by: Name | None = None
    """Request column whose values have limits of their own."""
    limits: dict[Name, Annotated[StrictInt, Field(ge=0, le=1_000_000)]] = Field(
        default_factory=dict
    )
    """Such limits, by value; other values have ``max_in_progress``."""


class Cache(Written):
    """Keep accepted answers, and give them again to the same or a similar request."""

    kind: Literal["exact", "semantic"] = "exact"
    threshold: Annotated[Fraction, Field(ge=0.5)] = 0.9
    """semantic: least cosine similarity of two prompts that share an answer."""
    ttl_s: Positive = 3600.0
    """How long an answer is fresh."""
    stale_if_error_s: Amount = 0.0
    """How much longer a ``stale_cache`` step may use it."""
    max_entries: Count = 10_000
    """When full, the entry that was not used for longest goes."""
    key: Annotated[tuple[Name, ...] | None, Field(min_length=1)] = None
    """Columns that must be equal for an exact hit; None: prompt, and system, tools and parameters
    where there. A semantic hit compares the prompts and wants the other columns equal."""
    scope: tuple[Name, ...] | None = None
    """Columns across whose values nothing is shared; None: tenant, where there."""
    latency_s: Amount = 0.0
    """Time of a look-up, found or not."""
    cost_usd: Amount = 0.0
    """Price of a look-up, found or not."""
