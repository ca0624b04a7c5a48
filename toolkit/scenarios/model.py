"""The scenario as people write it: when requests arrive, and what goes wrong meanwhile.

A `Scenario` names no policy and no dataset, so one file tries any of them: its faults are aimed at
the models of a policy by `aim`, and its arrivals are filled with the rows of a log by `traffic`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    StrictInt,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from toolkit.policy.guards import Count, ErrorLabel
from toolkit.policy.written import Fraction, Name, Text, Written, plain

MOST_FAULTS = 100

Moment = Annotated[float, Field(strict=True, ge=0, le=1e9, allow_inf_nan=False)]
"""Seconds since the start of the replay."""
Duration = Annotated[float, Field(strict=True, gt=0, le=1e9, allow_inf_nan=False)]
"""Seconds."""
Rate = Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)]
Factor = Annotated[float, Field(strict=True, ge=0.001, le=1000, allow_inf_nan=False)]


def _wrong(what: str, allowed: str) -> PydanticCustomError:
    return PydanticCustomError("empty", what, {"allowed": allowed})


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Targets = Annotated[
    tuple[Name, ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Outage(Written):
    """Every call fails."""

    error: ErrorLabel = "server_error"
    latency_s: Moment = 0.3
    """How long a call takes to fail."""


class Flapping(Written):
    """An outage that comes and goes: down for the first ``down_s`` of each ``period_s``."""

    period_s: Duration
    down_s: Duration
    error: ErrorLabel = "connection"
    latency_s: Moment = 0.3

    @model_validator(mode="after")
    def _shorter(self) -> Self:
        if self.down_s >= self.period_s:
            raise _wrong("is down all the time", "down_s below period_s, or an outage")
        return self


class Withdrawn(Written):
    """The model is no longer offered: a "not found", which counts as an error of access."""

    error: ErrorLabel = "auth"
    latency_s: Moment = 0.1


class RateLimit(Written):
    """The provider takes fewer calls than usual; its bucket holds ten seconds' worth."""

    requests_per_min: Rate
    retry_after_s: Moment | None = None
    """The wait that a refusal asks for; None: until the provider takes one again."""
    latency_s: Moment = 0.05
    """How long a refusal takes."""


class Overload(Written):
    """The more calls are under way at a model, the slower it is, beyond ``concurrency`` of them."""

    concurrency: Count


class Brownout(Written):
    """Everything takes ``factor`` times as long."""

    factor: Factor


class InvalidAnswers(Written):
    """A share of the good answers is none."""

    share: Fraction
    kind: Literal["invalid_output", "wrong"] = "invalid_output"
    """wrong: it looks like an answer, so that no policy can notice."""


class Price(Written):
    """Every call costs ``factor`` times as much."""

    factor: Annotated[float, Field(strict=True, ge=0, le=1000, allow_inf_nan=False)]


class Spike(Written):
    """``factor`` times as many requests a second."""

    factor: Factor


KINDS: dict[str, type[Written]] = {
    "outage": Outage,
    "flapping": Flapping,
    "withdrawn": Withdrawn,
    "rate_limit": RateLimit,
    "overload": Overload,
    "brownout": Brownout,
    "invalid_answers": InvalidAnswers,
    "price": Price,
    "spike": Spike,
}


class Fault(Written):
    """One thing that goes wrong: its kind, whom it hits and when."""

    outage: Outage | None = None
    flapping: Flapping | None = None
    withdrawn: Withdrawn | None = None
    rate_limit: RateLimit | None = None
    overload: Overload | None = None
    brownout: Brownout | None = None
    invalid_answers: InvalidAnswers | None = None
    price: Price | None = None
    spike: Spike | None = None
    models: Targets | None = None
    """Names of the policy or of the log, or the words primary, fallback and all."""
    provider: Name | None = None
    """Instead of models: all of a provider's; primary: of the one that runs the primary."""
    at_s: Moment = 0.0
    for_s: Duration | None = None
    """None: until the end."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if not kinds:
            raise _wrong("does not say what goes wrong", ", ".join(f"{k}: {{…}}" for k in KINDS))
        if len(kinds) > 1:
            raise _wrong(f"holds {' and '.join(kinds)}", "an entry for each fault")
        if self.spike:
            if self.models or self.provider:
                raise _wrong("a spike hits no model", "a spike without models and provider")
        elif self.models and self.provider:
            raise _wrong("holds models and provider", "one of them")
        elif not self.models and not self.provider:
            raise _wrong(
                "does not say whom it hits",
                "models: [NAME], models: primary, fallback or all; or provider: NAME",
            )
        if self.withdrawn and self.for_s is not None:
            raise _wrong("is for ever", "withdrawn without for_s, or an outage")
        return self

    @property
    def kind(self) -> str:
        """The key that says what goes wrong, such as ``outage``."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def end_s(self) -> float:
        """When it is over; inf: never."""
        return float("inf") if self.for_s is None else self.at_s + self.for_s


class Arrivals(Written):
    """When requests arrive: so many a second, or as in a trace."""

    per_s: Rate | None = None
    for_s: Duration | None = None
    pattern: Literal["even", "poisson"] = "even"
    """poisson: independently of each other, so that some come close together."""
    trace: Annotated[Text, Field(min_length=1)] | None = None
    """A CSV file, relative to the scenario's own; see `toolkit.scenarios.trace`."""
    column: Name | None = None
    """The trace's column of times; None: the only one, or one with a usual name."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.trace is None:
            if self.per_s is None or self.for_s is None:
                raise _wrong(
                    "does not say when requests come", "per_s and for_s, or trace: FILE.csv"
                )
            if self.column is not None:
                raise _wrong("column is that of a trace", "column with trace only")
        elif self.per_s or self.for_s or "pattern" in self.model_fields_set:
            raise _wrong("a trace has its own times", "trace and column without anything else")
        return self


class Scenario(Written):
    """Arrivals and faults, the same for every policy that is tried.

    Raises:
        ScenarioError: With every problem.
    """

    scenario: Name
    description: Text = ""
    seed: Annotated[StrictInt, Field(ge=0, le=1_000_000_000)] = 0
    arrivals: Arrivals | None = None
    """None: each request of the log once, at its own time."""
    faults: Annotated[tuple[Fault, ...], Field(max_length=MOST_FAULTS)] = ()
    """In the order in which they act on a call."""

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        from toolkit.scenarios.problems import ScenarioError, problems

        try:
            return handler(data)
        except ValidationError as error:
            raise ScenarioError(problems(error)) from None

    @property
    def duration_s(self) -> float | None:
        """How long requests arrive, where the scenario itself says so."""
        return self.arrivals.for_s if self.arrivals else None

    @property
    def spikes(self) -> tuple[Fault, ...]:
        """The faults that change when requests arrive."""
        return tuple(fault for fault in self.faults if fault.spike)

    def with_value(self, path: str, value: Any) -> Scenario:
        """A new scenario with one value replaced; the keys are those of the file, from 0 in lists.

        >>> longer = scenario.with_value("faults.0.for_s", 1800)

        ``None`` takes an optional value out.

        Raises:
            ScenarioError: There is no such place, or the value does not fit there.
        """
        from toolkit.scenarios.problems import replaced

        return type(self).model_validate(replaced(self.to_data(), path, plain(value)))

    def to_yaml(self) -> str:
        """The scenario as a file that a person would have written, without what is default."""
        from toolkit.policy.writing import to_yaml

        return to_yaml(self)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scenario file, for editors."""
    schema = Scenario.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
