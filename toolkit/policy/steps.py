"""The steps of a chain, as written: ask a model, look for an old answer, say something."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StrictInt, Tag

from toolkit.policy.written import Amount, Fraction, Name, Positive, Text, Written


class Hedge(Written):
    """Send a second call when the first is slow; the first good answer wins."""

    after_s: Positive
    """How long the first call has been under way by then."""
    model: Name | None = None
    """None: the step's own."""


class ModelStep(Written):
    """Ask a model, again after a wait when the error may pass."""

    model: Name
    timeout_s: Positive | None = None
    """Longest duration of one attempt; None: no limit."""
    retries: Annotated[StrictInt, Field(ge=0, le=10)] = 0
    """Further attempts after the first."""
    backoff_s: Amount = 0.5
    """Wait before the first retry; doubled for each further one, times 0.5 to 1 by chance."""
    hedge: Hedge | None = None


class StaleStep(Written):
    """Answer from the cache with what is too old otherwise; without such an entry, go on."""

    degrade: Literal["stale_cache"]
    quality: Fraction | None = None
    """None: that of the cached answer."""


class DegradeStep(Written):
    """Answer without a model: with a message or a polite refusal that was written in advance."""

    degrade: Literal["message", "refusal"]
    text: Annotated[Text, Field(min_length=1)]
    quality: Fraction = 0.0
    cost_usd: Amount = 0.0
    latency_s: Amount = 0.0


def _step_tag(value: Any) -> str:
    if isinstance(value, dict):
        kind = value.get("degrade")
        if kind is None and "degrade" not in value:
            return "<model>"
        return "<stale>" if kind == "stale_cache" else "<degrade>"
    if isinstance(value, ModelStep):
        return "<model>"
    return "<stale>" if isinstance(value, StaleStep) else "<degrade>"


Step = Annotated[
    Annotated[ModelStep, Tag("<model>")]
    | Annotated[StaleStep, Tag("<stale>")]
    | Annotated[DegradeStep, Tag("<degrade>")],
    Discriminator(_step_tag),
]
