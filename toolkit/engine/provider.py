"""One call to a model through LiteLLM: what it answered, or which of our errors it was.

The only module here that knows LiteLLM. It is imported on the first call, as that takes seconds,
with its own retries, its own price-list download and its prints switched off: retries are the
machine's, and nothing goes to the network but the call itself.

``timeout_s`` is LiteLLM's: it bounds connecting and every wait for data. A provider that trickles
bytes can take longer in all; ``latency_s`` then says how long.
"""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

from toolkit.logs.collect.answers import NAN, Answer, Message
from toolkit.schema import ErrorType

__all__ = ["Answer", "complete", "error_type", "scrub", "warm_up"]

MAX_DETAIL_CHARS = 300
MAX_RETRY_AFTER_S = 3600.0
"""A provider that asks for more is asked again after this."""
_NO_KEY = "none"


def complete(
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
    """Ask ``model`` (as LiteLLM names it) once.

    Whatever the provider does comes back as an ``Answer``; nothing is raised for it. Tokens and
    cost are NaN where the provider or LiteLLM's price list does not know them. ``api_key_env``
    names the environment variable that holds the key; a server at ``api_base`` without one gets no
    key at all, not the one that happens to be set for its kind of provider.
    """
    key = os.environ.get(api_key_env) if api_key_env else (_NO_KEY if api_base else None)
    if api_key_env and not key:
        detail = f"the environment variable {api_key_env} is not set"
        return Answer(latency_s=0.0, error=ErrorType.AUTH, detail=detail)
    options: dict[str, object] = {"api_base": api_base, "api_key": key, "timeout": timeout_s}
    options |= {"max_tokens": max_tokens, "temperature": temperature}
    options |= {"stop": list(stop) or None, "seed": seed}
    litellm = _litellm()
    start = time.perf_counter()
    try:
        response = litellm.completion(
            model=model,
            messages=[dict(message) for message in messages],
            max_retries=0,
            num_retries=0,
            **{name: value for name, value in options.items() if value is not None},
        )
    except Exception as error:  # noqa: BLE001  the provider's failure is the result
        latency_s = time.perf_counter() - start
        return Answer(
            latency_s=latency_s,
            error=error_type(error),
            detail=scrub(_detail(error), key),
            retry_after_s=_retry_after(error),
        )
    return _answer(response, time.perf_counter() - start, key)


def error_type(error: Exception) -> ErrorType:
    """Map what LiteLLM raised to the closed set.

    LiteLLM's subclasses overlap (a context window is a bad request, a timeout a connection
    error), so the narrow ones come first.
    """
    text = str(error).lower()
    if any(mark in text for mark in _CONTEXT_MARKS):
        return ErrorType.CONTEXT_WINDOW
    exceptions = _litellm().exceptions
    fitting = (
        kind
        for names, kind in _KINDS
        if isinstance(error, tuple(getattr(exceptions, name) for name in names))
    )
    kind = next(fitting, ErrorType.UNKNOWN)
    status = getattr(error, "status_code", None)
    if kind is ErrorType.SERVER_ERROR and any(mark in text for mark in _CONNECTION_MARKS):
        return ErrorType.CONNECTION
    # LiteLLM reads some messages above the status, and gives 500 to what it could not place.
    if kind in _VAGUE and isinstance(status, int) and status not in {400, 500}:
        return _by_status(status, kind)
    return kind


_CONTEXT_MARKS = ("context size", "context_length_exceeded", "maximum context length")
_CONNECTION_MARKS = (
    "connection error",
    "connection refused",
    "connection reset",
    "server disconnected",
    "cannot connect",
    "name or service not known",
)
_VAGUE = (
    ErrorType.SERVER_ERROR,
    ErrorType.CONNECTION,
    ErrorType.BAD_REQUEST,
    ErrorType.UNKNOWN,
)
_KINDS: tuple[tuple[tuple[str, ...], ErrorType], ...] = (
    (("Timeout",), ErrorType.TIMEOUT),
    (("RateLimitError",), ErrorType.RATE_LIMITED),
    (("ContextWindowExceededError",), ErrorType.CONTEXT_WINDOW),
    (("ContentPolicyViolationError", "RejectedRequestError"), ErrorType.CONTENT_POLICY),
    # A model that this key may not use or that nobody pays for: another model cures it, a retry
    # does not. The same holds for a name that the provider does not know.
    (
        ("AuthenticationError", "PermissionDeniedError", "NotFoundError", "PaymentRequiredError"),
        ErrorType.AUTH,
    ),
    (("BadRequestError", "UnprocessableEntityError", "InvalidRequestError"), ErrorType.BAD_REQUEST),
    (("BudgetExceededError",), ErrorType.BUDGET),
    (
        ("InternalServerError", "ServiceUnavailableError", "BadGatewayError", "APIError"),
        ErrorType.SERVER_ERROR,
    ),
    (("APIResponseValidationError",), ErrorType.SERVER_ERROR),
    (("APIConnectionError",), ErrorType.CONNECTION),
)


def _by_status(status: int, otherwise: ErrorType) -> ErrorType:
    by_code = {
        401: ErrorType.AUTH,
        402: ErrorType.AUTH,
        403: ErrorType.AUTH,
        408: ErrorType.TIMEOUT,
        429: ErrorType.RATE_LIMITED,
        504: ErrorType.TIMEOUT,
    }
    if status in by_code:
        return by_code[status]
    return ErrorType.SERVER_ERROR if 500 <= status < 600 else otherwise


def _answer(response: Any, latency_s: float, key: str | None) -> Answer:
    """Read a response that LiteLLM took for a good one."""
    usage = getattr(response, "usage", None)
    answer = Answer(
        input_tokens=_count(getattr(usage, "prompt_tokens", None)),
        output_tokens=_count(getattr(usage, "completion_tokens", None)),
        cost_usd=_price(response),
        latency_s=latency_s,
    )
    choice = next(iter(getattr(response, "choices", None) or ()), None)
    if choice is None:
        detail = "the provider sent no choices"
        return replace(answer, error=ErrorType.SERVER_ERROR, detail=detail)
    if choice.finish_reason == "content_filter":
        detail = "the provider's content filter stopped the answer"
        return replace(answer, error=ErrorType.CONTENT_POLICY, detail=detail)
    text = choice.message.content
    if not isinstance(text, str):
        detail = scrub(f"the answer holds no text (finish_reason {choice.finish_reason})", key)
        return replace(answer, error=ErrorType.INVALID_OUTPUT, detail=detail)
    return replace(answer, text=text)


def _count(tokens: Any) -> float:
    return float(tokens) if isinstance(tokens, int) and tokens > 0 else NAN


def _price(response: Any) -> float:
    """LiteLLM's price of the response; NaN for a model that is not in its list."""
    cost = (getattr(response, "_hidden_params", None) or {}).get("response_cost")
    return float(cost) if isinstance(cost, int | float) else NAN


def _detail(error: Exception) -> str:
    return str(getattr(error, "message", None) or error)


def _retry_after(error: Exception) -> float:
    """Seconds that a ``Retry-After`` header asks for, also as a date; 0 without one."""
    # LiteLLM gives its exceptions a response of its own making, without the provider's headers.
    response = getattr(error, "response", None)
    sources = (getattr(error, "litellm_response_headers", None), getattr(response, "headers", None))
    text = next((h["retry-after"] for h in sources if h and "retry-after" in h), "0")
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(0.0, seconds), MAX_RETRY_AFTER_S)


_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{4,}"), r"\1 ***"),
    (re.compile(r"\b(?:sk|pk|rk|xai|gsk|hf|ghp|AIza)[-_A-Za-z0-9*]{8,}"), "***"),
    (
        re.compile(
            r"(?i)((?:api[-_]?key|token|secret|password)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}&]+"
        ),
        r"\1***",
    ),
    (re.compile(r"(://)[^/\s@]+@"), r"\1***@"),
)


def scrub(text: str, key: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """Put ``text`` on one line of at most 300 characters, without anything that may be a secret.

    Removes ``key``, the value of every environment variable that is named like a key, and what
    looks like one.
    """
    known = [v for n, v in environ.items() if re.search(r"(?i)key|token|secret|password", n)]
    for secret in sorted({s for s in (key, *known) if s and len(s) >= 6}, key=len, reverse=True):
        text = text.replace(secret, "***")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    line = " ".join(text.split())
    return line if len(line) <= MAX_DETAIL_CHARS else line[: MAX_DETAIL_CHARS - 1] + "…"


def warm_up() -> None:
    """Load LiteLLM, which takes seconds, so that no request waits for it."""
    _litellm()


@cache
def _litellm() -> Any:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import httpx
        import litellm
        from litellm.llms.custom_httpx.http_handler import get_ssl_configuration

        # LiteLLM has a client, with connections of its own, for each timeout that it is given; what
        # is left of a deadline is never the same twice. So all of them share these connections.
        litellm.client_session = httpx.Client(
            verify=get_ssl_configuration(),
            follow_redirects=True,
            limits=httpx.Limits(max_connections=1000, max_keepalive_connections=100),
        )
        litellm.telemetry = False
        litellm.suppress_debug_info = True
        # LiteLLM finishes loading in its first call, which takes seconds that are no latency of a
        # provider. This call goes to port 0 of this machine, where nothing can be.
        with suppress(Exception):
            litellm.completion(
                "openai/none",
                [{"role": "user", "content": "-"}],
                api_base="http://127.0.0.1:0",
                api_key=_NO_KEY,
                max_retries=0,
            )
    return litellm
