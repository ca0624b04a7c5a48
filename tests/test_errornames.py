"""Names of errors, as gateways, providers and libraries write them, fall to the right type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.logs.errornames import error_codes, error_type
from toolkit.schema import ErrorType

LABELS = {
    "none": ["", "  ", "ok", "success", "False", "200", "204", "302", "246", "UNSET"],
    "timeout": [
        "Timeout",
        "litellm.Timeout",
        "litellm.exceptions.Timeout",
        "APITimeoutError",
        "openai.APITimeoutError",
        "httpx.ReadTimeout",
        "httpx.ConnectTimeout",
        "httpcore.PoolTimeout",
        "TimeoutException",
        "asyncio.TimeoutError",
        "builtins.TimeoutError",
        "java.net.SocketTimeoutException",
        "timeout",
        "timed out",
        "DEADLINE_EXCEEDED",
        "ModelTimeoutException",
        "408",
        "504",
        "HTTP 504",
        "Timeout 408",
    ],
    "rate_limited": [
        "RateLimitError",
        "litellm.RateLimitError",
        "litellm.exceptions.RateLimitError",
        "openai.RateLimitError",
        "anthropic.RateLimitError",
        "AnthropicRateLimitError",
        "RouterRateLimitError",
        "litellm.RateLimitError: AnthropicException - slow down",
        "rate_limit_error",
        "rate_limit_exceeded",
        "rate limited",
        "too-many-requests",
        "ThrottlingException",
        "RESOURCE_EXHAUSTED",
        "429 RESOURCE_EXHAUSTED",
        "429",
        "429.0",
        "ProxyException 429",
        "Error code: 429 - {'error': 'slow down'}",
        "HTTP/1.1 429 Too Many Requests",
    ],
    "server_error": [
        "InternalServerError",
        "litellm.InternalServerError",
        "ServiceUnavailableError",
        "litellm.ServiceUnavailableError: OpenAIException",
        "BadGatewayError",
        "MidStreamFallbackError",
        "APIError",
        "API error",
        "api_error",
        "overloaded_error",
        "OverloadedError",
        "InternalServerException",
        "APIResponseValidationError",
        "UNAVAILABLE",
        "StatusCode.UNAVAILABLE",
        "500",
        "502",
        "503",
        "520",
        "529",
        "409",
        "424",
        "APIStatusError 529",
    ],
    "connection": [
        "APIConnectionError",
        "litellm.APIConnectionError",
        "openai.APIConnectionError",
        "httpx.ConnectError",
        "httpx.ReadError",
        "httpx.RemoteProtocolError",
        "requests.exceptions.ConnectionError",
        "aiohttp.ClientConnectorError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "BrokenPipeError",
        "socket.gaierror",
        "java.net.UnknownHostException",
        "server_certificate_invalid",
        "ECONNREFUSED",
    ],
    "auth": [
        "AuthenticationError",
        "litellm.AuthenticationError",
        "PermissionDeniedError",
        "NotFoundError",
        "openai.NotFoundError",
        "PaymentRequiredError",
        "insufficient_quota",
        "AccessDeniedException",
        "model_not_found",
        "invalid_api_key",
        "PERMISSION_DENIED",
        "401",
        "402",
        "403",
        "404",
    ],
    "bad_request": [
        "BadRequestError",
        "litellm.BadRequestError",
        "UnprocessableEntityError",
        "InvalidRequestError",
        "invalid_request_error",
        "UnsupportedParamsError",
        "LiteLLMUnknownProvider",
        "ValidationException",
        "INVALID_ARGUMENT",
        "400",
        "422",
    ],
    "context_window": [
        "ContextWindowExceededError",
        "litellm.ContextWindowExceededError",
        "ContextWindowExceededError 400",
        "context_length_exceeded",
        "request_too_large",
        "413",
    ],
    "content_policy": [
        "ContentPolicyViolationError",
        "litellm.ContentPolicyViolationError",
        "ContentPolicyViolationError 400",
        "RejectedRequestError",
        "GuardrailRaisedException",
        "BlockedPiiEntityError",
        "ContentFilterFinishReasonError",
        "content_filter",
        "SAFETY",
        "446",
    ],
    "invalid_output": [
        "JSONSchemaValidationError",
        "litellm.JSONSchemaValidationError",
        "json.decoder.JSONDecodeError",
        "OutputParserException",
        "LengthFinishReasonError",
        "pydantic_core.ValidationError",
        "invalid output",
    ],
    "budget": [
        "BudgetExceededError",
        "litellm.BudgetExceededError",
        "budget",
        "BudgetExceeded 400",
    ],
    "cancelled": [
        "CancelledError",
        "asyncio.CancelledError",
        "AbortError",
        "ClientDisconnected",
        "ClientDisconnected 499",
        "canceled",
        "499",
    ],
    "unknown": [
        "unknown",
        "_OTHER",
        "ProxyException",
        "OpenAIError",
        "Exception",
        "Error",
        "true",
        "418",
        "600",
        "it took 500 ms",
        "Größe",
    ],
}


@pytest.mark.parametrize(
    ("name", "label"), [(name, label) for label, names in LABELS.items() for name in names]
)
def test_a_name_is_read_as_its_type(name: str, label: str) -> None:
    """Each name that is in the table above means what the table says."""
    assert error_type(name).label == label


@pytest.mark.parametrize("kind", [kind for kind in ErrorType if kind <= ErrorType.UNKNOWN])
def test_labels_mean_themselves(kind: ErrorType) -> None:
    """A label of ours, however it is spaced or capitalised, is its own type."""
    for text in (kind.label, kind.label.upper(), kind.label.replace("_", " "), f" {kind.label} "):
        assert error_type(text) is kind


def test_the_class_counts_and_the_status_only_where_the_class_says_nothing() -> None:
    """A context window error has status 400, as a bad request has, and stays what it is."""
    assert error_type("ContextWindowExceededError 400") is ErrorType.CONTEXT_WINDOW
    assert error_type("SomethingNew 400") is ErrorType.BAD_REQUEST


@given(st.text())
def test_any_text_is_read_as_some_type(name: str) -> None:
    """No text, however odd, raises an error."""
    assert error_type(name) in ErrorType


def test_notes_say_what_was_read_as_what_and_stay_short() -> None:
    """Known names are told with their type, strange ones are listed, and neither fills pages."""
    known = [(f"litellm.RateLimitError: try again in {i} s", 1) for i in range(100)]
    table, notes = error_codes([("timeout", 3), ("429", 2), ("Größe", 1), *known])
    assert table.num_rows == 103
    assert notes[0] == "error '429' is read as rate_limited (2)"
    assert "errors of unknown name, read as unknown: 'Größe' (1)" in notes
    assert len(notes) < 25
