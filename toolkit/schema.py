"""Column names, units and the closed set of error types: the words every other module shares.

Units are suffixes: ``_usd`` United States dollars, ``_s`` seconds, ``_tokens`` tokens.
A blank in a log means *not measured*; in arrays that is NaN, never 0.
"""

from __future__ import annotations

from enum import IntEnum

REQUEST_ID = "request_id"
CATEGORY = "category"
PROMPT = "prompt"
MODEL = "model"
TIMESTAMP = "timestamp"
INPUT_TOKENS = "input_tokens"

OUTCOME_COLUMNS = (
    "quality",
    "cost_usd",
    "latency_s",
    "input_tokens",
    "output_tokens",
    "error",
)
"""What one model did on one request, in the order in which the store keeps it."""


class ErrorType(IntEnum):
    """Why an attempt gave no usable answer. The codes are stored: append, never renumber."""

    NONE = 0
    TIMEOUT = 1
    RATE_LIMITED = 2
    SERVER_ERROR = 3
    CONNECTION = 4
    AUTH = 5
    BAD_REQUEST = 6
    CONTEXT_WINDOW = 7
    CONTENT_POLICY = 8
    INVALID_OUTPUT = 9
    BUDGET = 10
    CANCELLED = 11
    UNKNOWN = 12
    # No call was made: only the machine says these, no log and no policy does.
    BREAKER_OPEN = 13
    SHED = 14
    UNSUPPORTED = 15

    @property
    def label(self) -> str:
        """The name used in policies, logs and results, such as ``rate_limited``."""
        return self.name.lower()


ERROR_LABELS: tuple[str, ...] = tuple(
    e.label for e in ErrorType if ErrorType.NONE < e <= ErrorType.UNKNOWN
)
"""Every error name that a log or a policy may use, in the order of their codes from 1."""

TRANSIENT: tuple[ErrorType, ...] = (
    ErrorType.TIMEOUT,
    ErrorType.RATE_LIMITED,
    ErrorType.SERVER_ERROR,
    ErrorType.CONNECTION,
)
"""Errors that may pass by themselves: retried by default, and drawn anew for a replayed retry."""

NEVER_FALL_BACK: tuple[ErrorType, ...] = (ErrorType.BAD_REQUEST, ErrorType.CANCELLED)
"""Errors that another model would not cure, so that by default no other is asked."""


class Status(IntEnum):
    """How a request ended."""

    ACCEPTED = 0
    """A model's answer was accepted."""
    DEGRADED = 1
    """A degrade step answered."""
    ERROR = 2
    """Nothing answered."""
    UNOBSERVED = 3
    """The log does not hold the outcome that the policy asked for, so nobody knows."""

    @property
    def label(self) -> str:
        """The name used in results, such as ``accepted``."""
        return self.name.lower()
