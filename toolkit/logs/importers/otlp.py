"""OpenTelemetry's JSON encoding, read into plain values: spans, and the events beside them.

Attributes are lists of ``{key, value}``, and a value says its type: ``{"intValue": "12"}``. Whole
numbers are text there, as JSON has no 64 bits. An event stands inside its span, or, as newer
instrumentations write it, in a log record that names the span.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened in a span."""

    name: str
    attributes: dict[str, Any]
    trace: str | None = None
    span: str | None = None


@dataclass(frozen=True)
class Span:
    """A span; ``wrong`` says why it cannot be read."""

    trace: str | None = None
    span: str | None = None
    parent: str | None = None
    start_ns: str | None = None
    latency_s: float | None = None
    failed: bool = False
    message: str | None = None
    """Of a failed span."""
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    wrong: str | None = None


def spans(resource_spans: Any) -> Iterator[Span]:
    """Yield the spans of one line of traces; what is none is one that says what is wrong."""
    for resource, raw in _inner(
        resource_spans, ("scopeSpans", "instrumentationLibrarySpans"), "spans"
    ):
        if isinstance(raw, dict):
            yield _span(raw, resource)
        else:
            yield Span(wrong="is no span")


def log_events(resource_logs: Any) -> Iterator[Event]:
    """Yield the events of one line of log records; other records are none."""
    for _, raw in _inner(resource_logs, ("scopeLogs", "instrumentationLibraryLogs"), "logRecords"):
        if not isinstance(raw, dict):
            continue
        attributes = plain_attributes(raw.get("attributes"))
        body = plain(raw.get("body"))
        if isinstance(body, dict):
            attributes = {**body, **attributes}
        name = raw.get("eventName") or attributes.get("event.name")
        if isinstance(name, str):
            yield Event(name, attributes, _id(raw.get("traceId")), _id(raw.get("spanId")))


def plain_attributes(attributes: Any) -> dict[str, Any]:
    """Attributes as a dict; those that are not as they should be are left out."""
    if not isinstance(attributes, list):
        return {}
    return {
        one["key"]: plain(one.get("value"))
        for one in attributes
        if isinstance(one, dict) and isinstance(one.get("key"), str)
    }


def plain(value: Any) -> Any:
    """The plain value of one that says its type."""
    if not isinstance(value, dict) or len(value) != 1:
        return value if isinstance(value, str | int | float) else None
    ((kind, inside),) = value.items()
    if kind == "stringValue":
        return inside
    if kind == "intValue":
        return whole(inside)
    if kind in {"arrayValue", "kvlistValue"}:
        values = inside.get("values") if isinstance(inside, dict) else None
        if kind == "kvlistValue":
            return plain_attributes(values)
        return [plain(one) for one in values] if isinstance(values, list) else []
    return inside


def whole(value: Any) -> int | None:
    """A whole number, which stands as text or as a number."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _inner(
    resources: Any, scopes: tuple[str, ...], items: str
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield (attributes of the resource, item) of the innermost lists."""
    for resource in _listed(resources):
        if not isinstance(resource, dict):
            yield {}, resource
            continue
        inside = resource.get("resource")
        attributes = plain_attributes(inside.get("attributes")) if isinstance(inside, dict) else {}
        for name in scopes:
            for scope in _listed(resource.get(name)):
                if isinstance(scope, dict):
                    for item in _listed(scope.get(items)):
                        yield attributes, item
                else:
                    yield attributes, scope


def _listed(value: Any) -> list[Any]:
    """The list, nothing for nothing, and of anything else a list of it, which is then refused."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _span(raw: dict[str, Any], resource: dict[str, Any]) -> Span:
    start, end = whole(raw.get("startTimeUnixNano")), whole(raw.get("endTimeUnixNano"))
    status = raw.get("status")
    status = status if isinstance(status, dict) else {}
    trace, span = _id(raw.get("traceId")), _id(raw.get("spanId"))
    return Span(
        trace,
        span,
        _id(raw.get("parentSpanId")),
        None if start is None else str(start),
        # A span that has not ended yet ends at 0.
        (end - start) / 1e9 if start and end else None,
        status.get("code") in (2, "2", "STATUS_CODE_ERROR"),
        status.get("message"),
        plain_attributes(raw.get("attributes")),
        resource,
        tuple(
            Event(str(one.get("name")), plain_attributes(one.get("attributes")), trace, span)
            for one in _listed(raw.get("events"))
            if isinstance(one, dict)
        ),
    )


def _id(value: Any) -> str | None:
    """An id in small letters, as the encoding leaves both."""
    return value.lower() if isinstance(value, str) and value.strip("0 ") else None
