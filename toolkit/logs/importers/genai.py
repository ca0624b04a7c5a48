"""What spans and events of generative AI say, in the words of OpenTelemetry's conventions.

The conventions were renamed more than once, and programs write what was current when they were
made, so every value is looked for under all of its names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from toolkit.logs.importers.formats.litellm import GENERATING
from toolkit.logs.importers.messages import parsed, text_of
from toolkit.logs.importers.otlp import Event, Span

NAMES = {
    "operation": ("gen_ai.operation.name", "llm.request.type"),
    "model": ("gen_ai.request.model", "gen_ai.response.model", "llm.request.model"),
    "served_by": ("gen_ai.response.model", "llm.response.model"),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cost_usd": (
        "gen_ai.usage.cost",
        "gen_ai.usage.total_cost",
        "gen_ai.cost.total_cost",
        "operation.cost",
    ),
    "first_token_s": (
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.server.time_to_first_token",
        "gen_ai.server.ttft",
    ),
    "response_id": ("gen_ai.response.id",),
    "session_id": ("gen_ai.conversation.id", "session.id"),
    "user": ("user.id", "enduser.id", "gen_ai.user"),
    "agent": ("gen_ai.agent.name",),
    "call_id": ("litellm.call_id",),
}
"""What we take, and the attributes that say it, the newest first."""
EVALUATION = "gen_ai.evaluation.result"
_DETAILS = "gen_ai.client.inference.operation.details"
_ASKING = {"chat", "text_completion", "generate_content", *GENERATING}
"""Operations that ask a model for text; LiteLLM calls them by its own names."""

Score = tuple[str | None, str | None, str | None, str, float]
"""Trace, span and response that were evaluated, name of the score, and the score."""


def named(attributes: Mapping[str, Any]) -> dict[str, str | None]:
    """The values of NAMES as text."""
    return {name: _text(_first(attributes, *names)) for name, names in NAMES.items()}


def asks_model(span: Span) -> bool:
    """Whether a span is a call of a model for text."""
    operation = _first(span.attributes, *NAMES["operation"])
    if operation is not None:
        return str(operation).lower() in _ASKING
    has_model = _first(span.attributes, *NAMES["model"]) is not None
    return has_model and _first(span.attributes, *NAMES["provider"]) is not None


def error_of(span: Span) -> tuple[str | None, str | None]:
    """Name of the error, and what is told of it; both None of a span without one.

    An answer that the provider's filter stopped is an error too, as it is in live calls.
    """
    thrown = next((e.attributes for e in span.events if e.name == "exception"), {})
    kind = _first(span.attributes, "error.type")
    if not span.failed and kind is None:
        reasons = _first(span.attributes, "gen_ai.response.finish_reasons")
        return ("content_filter" if "content_filter" in str(reasons) else None), None
    if kind in (None, "_OTHER"):
        kind = _first(thrown, "exception.type") or kind
    status = _first(span.attributes, "http.response.status_code", "http.status_code")
    said = (str(part) for part in (kind, status) if part is not None)
    detail = _first(thrown, "exception.message") or span.message
    return " ".join(dict.fromkeys(said)) or "unknown", _text(detail)


def texts_of(attributes: Mapping[str, Any], events: Iterable[Event]) -> tuple[str | None, ...]:
    """Prompt and answer in the attributes of a span, else in its events."""
    prompt, answer = _asked(attributes), _answered(attributes)
    messages = []
    for event in events:
        if event.name in {_DETAILS, "gen_ai.content.prompt", "gen_ai.content.completion"}:
            prompt = prompt or _asked(event.attributes)
            answer = answer or _answered(event.attributes)
        elif event.name == "gen_ai.choice":
            answer = answer or text_of(event.attributes.get("message"))
        elif event.name.startswith("gen_ai.") and event.name.endswith(".message"):
            messages.append(text_of(event.attributes.get("content")))
    prompt = prompt or "\n\n".join(text for text in messages if text) or None
    # JSON within JSON may escape half of a pair, which no text can hold.
    return tuple(t and t.encode("utf-8", "replace").decode() for t in (prompt, answer))


def scores_in(events: Iterable[Event]) -> Iterator[Score]:
    """Yield the evaluations among events."""
    for event in events:
        if event.name == EVALUATION:
            yield from _score(event.attributes, event.trace, event.span)


def scores_of(span: Span) -> Iterator[Score]:
    """Yield the evaluations in the events of a span, and that which the span itself is."""
    yield from scores_in(span.events)
    yield from _score(span.attributes, span.trace, span.parent)


def _score(attributes: Mapping[str, Any], trace: str | None, span: str | None) -> Iterator[Score]:
    name = attributes.get("gen_ai.evaluation.name")
    value = attributes.get("gen_ai.evaluation.score.value")
    if isinstance(name, str) and isinstance(value, int | float):
        response = _text(attributes.get("gen_ai.response.id"))
        yield trace, span, response, name, float(value)


def _asked(attributes: Mapping[str, Any]) -> str | None:
    system = text_of(attributes.get("gen_ai.system_instructions"))
    messages = _first(attributes, "gen_ai.input.messages", "gen_ai.prompt")
    asked = text_of(messages if messages is not None else _numbered(attributes, "gen_ai.prompt"))
    return "\n\n".join(text for text in (system, asked) if text) or None


def _answered(attributes: Mapping[str, Any]) -> str | None:
    messages = parsed(_first(attributes, "gen_ai.output.messages", "gen_ai.completion"))
    if messages is None:
        messages = _numbered(attributes, "gen_ai.completion")
    return text_of(messages[:1] if isinstance(messages, list) else messages)


def _numbered(attributes: Mapping[str, Any], name: str) -> list[Any]:
    """Messages that stand one by one: ``name.0.content``, ``name.1.content`` …."""
    found: list[Any] = []
    while f"{name}.{len(found)}.content" in attributes or f"{name}.{len(found)}.role" in attributes:
        found.append(attributes.get(f"{name}.{len(found)}.content"))
    return found


def _first(attributes: Mapping[str, Any], *names: str) -> Any:
    """The first of these attributes that has a value."""
    return next((attributes[n] for n in names if attributes.get(n) not in (None, "")), None)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
