"""What a call to a model gives back, and how such a call is made.

The shape stands here, below the engine, because both the collector and the live driver need it:
``engine.provider.complete`` is the one that goes through LiteLLM, a test passes its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from toolkit.schema import ErrorType

NAN = float("nan")
Message = Mapping[str, str]
"""A chat message: ``role`` and ``content``."""


@dataclass(frozen=True)
class Answer:
    """What one call gave. Numbers are NaN where they were not measured."""

    text: str = ""
    """Empty after an error."""
    input_tokens: float = NAN
    output_tokens: float = NAN
    cost_usd: float = NAN
    latency_s: float = NAN
    """From the call to its last byte or its failure, on the caller's clock."""
    error: ErrorType = ErrorType.NONE
    detail: str = ""
    """What the provider said about the error, on one line, without keys."""
    retry_after_s: float = 0.0
    """How long the provider asks to wait before another call; 0 where it does not."""


class Call(Protocol):
    """Ask ``model`` once. Never raises for what a provider does: that is ``Answer.error``."""

    def __call__(
        self,
        model: str,
        messages: Sequence[Message],
        *,
        api_base: str | None = None,
        api_key_env: str | None = None,
        timeout_s: float | None = None,
        max_tokens: int | None = None,
        temperature: float | None = 0,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> Answer:
        """Return the answer; ``api_key_env`` names the environment variable that holds the key."""
