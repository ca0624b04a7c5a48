"""What the plain simulator writes down: requests, calls, and a journal of what they shared."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.reference import NAN
from toolkit.policy.model import Chain


@dataclass
class Call:
    """One call to one model."""

    row: int
    number: int
    """calls of this request before it"""
    model: str
    step: int
    hedge: bool
    wait_s: float
    """pauses since the call before"""
    start_s: float
    """since the request's arrival"""
    timeout_s: float
    latency_s: float = NAN
    cost_usd: float = NAN
    error: str | None = None
    quality: float = NAN
    imputed: bool = False
    under_way: bool = True
    given_up_usd: float = NAN
    """what it costs when it is cancelled"""
    retry_after: float = 0.0
    ticket: int = 0
    extra: bool = False
    """it holds a unit of the retry budget"""


@dataclass
class Result:
    """How one request ended."""

    route: str
    chain: str
    status: str = ""
    model: str | None = None
    quality: float = NAN
    cost_usd: float = 0.0
    latency_s: float = 0.0
    error: str | None = None
    fallback: bool = False
    cached: bool = False
    imputed: bool = False
    calls: list[Call] = field(default_factory=list)
    skips: list[tuple[int, str]] = field(default_factory=list)
    """(step, reason)"""

    @property
    def attempts(self) -> list[tuple[str, float, float, str | None]]:
        """(model, start, latency, error) of each call."""
        return [(c.model, c.start_s, c.latency_s, c.error) for c in self.calls]


@dataclass(frozen=True)
class Change:
    """A breaker's new state."""

    time_s: float
    model: str
    state: str


@dataclass(frozen=True)
class Grant:
    """A retry or a hedge was let through: the counters of that moment, itself not included."""

    time_s: float
    extra: int
    in_progress: int


@dataclass(frozen=True)
class Admission:
    """A call was let through: calls of that model under way, itself included."""

    time_s: float
    model: str
    in_flight: int
    state: str
    """of the model's breaker"""


@dataclass
class Journal:
    """What happened, in order."""

    changes: list[Change] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    admissions: list[Admission] = field(default_factory=list)
    shed: list[int] = field(default_factory=list)
    """rows"""


@dataclass
class Request:
    """One request on its way."""

    row: int
    arrival: float
    chain: Chain
    out: Result
    deadline: float
    budget: float
    step: int = 0
    retry: int = 0
    error: str | None = None
    spent: float = 0.0
    shed: bool = False
    wait_s: float = 0.0
    """pauses since the last call"""
    under_way: list[Call] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    unmeasured: set[str] = field(default_factory=set)
