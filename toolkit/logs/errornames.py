"""Names of errors in logs, as people and programs write them, to the closed set of ErrorType.

A name is a label of ours, an HTTP status, a class of exception (with or without its module and
its provider, such as ``litellm.exceptions.RateLimitError``), a code of a provider or of gRPC, or a
class followed by a status (``ProxyException 429``): the class counts, and the status where the
class says nothing. Where the live driver knows the same error, it is read as the same type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from toolkit.schema import ErrorType

_NAMES = {
    ErrorType.NONE: "none ok success succeeded false no unset",
    ErrorType.TIMEOUT: """
        timeout timedout apitimeout readtimeout writetimeout connecttimeout connectiontimeout
        pooltimeout requesttimeout gatewaytimeout sockettimeout servertimeout httptimeout
        modeltimeout deadlineexceeded etimedout esockettimedout
        """,
    ErrorType.RATE_LIMITED: """
        ratelimit ratelimited ratelimitexceeded ratelimitreached toomanyrequests throttling
        throttled resourceexhausted quotaexceeded servicequotaexceeded tokenlimitreached
        """,
    ErrorType.SERVER_ERROR: """
        server servererror internalserver internal api serviceunavailable unavailable overloaded
        engineoverloaded badgateway upstream midstreamfallback apiresponsevalidation model
        modelnotready modelstream dataloss aborted
        """,
    ErrorType.CONNECTION: """
        connection connect apiconnection connectionrefused connectionreset connectionaborted
        newconnection clientconnector clientconnection clientos brokenpipe network socket
        transport protocol remoteprotocol localprotocol read write proxyerror ssl
        sslcertverification servercertificateinvalid serverdisconnected incompleteread
        chunkedencoding maxretry nameresolution unknownhost gai dns httprequest
        econnrefused econnreset enotfound epipe
        """,
    # A model that this key may not use, that nobody pays for or that is not there: another model
    # cures it, a retry does not.
    ErrorType.AUTH: """
        auth authentication invalidauthentication authorization unauthorized unauthenticated
        forbidden permission permissiondenied accessdenied invalidapikey apikeyinvalid expiredtoken
        unrecognizedclient paymentrequired billing insufficientquota notfound modelnotfound
        deploymentnotfound resourcenotfound proxymodelnotfound
        """,
    ErrorType.BAD_REQUEST: """
        badrequest invalidrequest invalidargument invalidparameter failedprecondition outofrange
        unprocessable unprocessableentity unsupportedparams validationexception imagefetch
        unknownprovider
        """,
    ErrorType.CONTEXT_WINDOW: """
        contextwindow contextwindowexceeded contextlength contextlengthexceeded contextoverflow
        maxcontextlength maxtokensexceeded tokenlimitexceeded requesttoolarge payloadtoolarge
        inputtoolong prompttoolong
        """,
    ErrorType.CONTENT_POLICY: """
        contentpolicy contentpolicyviolation contentfilter contentfiltered contentfilterfinishreason
        policyviolation responsibleaipolicyviolation rejectedrequest guardrail guardrailraised
        guardrailintervened blockedpiientity promptblocked blocked prohibitedcontent safety
        recitation moderation refusal
        """,
    ErrorType.INVALID_OUTPUT: """
        invalidoutput parse parser outputparser outputvalidation validationerror schemavalidation
        jsonschemavalidation jsondecode lengthfinishreason unexpectedmodelbehavior
        """,
    ErrorType.BUDGET: "budget budgetexceeded exceededbudget spendlimitexceeded usagelimitexceeded",
    ErrorType.CANCELLED: """
        cancelled canceled cancel abort operationcanceled taskcanceled clientdisconnected
        clientdisconnect clientclosedrequest keyboardinterrupt
        """,
    ErrorType.UNKNOWN: "unknown",
}
"""Names in small letters and digits, without ``Error`` or ``Exception`` at the end unless that
tells two names apart."""
_TYPES = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_PROVIDERS = re.compile(
    r"^(?:litellm|openai|azureopenai|azureai|azure|anthropic|bedrock|vertexai|gemini|google|cohere"
    r"|mistral|groq|openrouter|router|httpx|http)+"
)
# Below 400 is no error; so is 246, an answer that a guardrail of the gateway Portkey only marks.
_HTTP = {
    401: ErrorType.AUTH,
    402: ErrorType.AUTH,
    403: ErrorType.AUTH,
    404: ErrorType.AUTH,
    408: ErrorType.TIMEOUT,
    409: ErrorType.SERVER_ERROR,  # a conflict inside the provider: its clients try again
    410: ErrorType.AUTH,
    413: ErrorType.CONTEXT_WINDOW,
    424: ErrorType.SERVER_ERROR,
    429: ErrorType.RATE_LIMITED,
    446: ErrorType.CONTENT_POLICY,  # denied by a guardrail of Portkey
    499: ErrorType.CANCELLED,
    504: ErrorType.TIMEOUT,
    **dict.fromkeys((400, 405, 406, 411, 414, 415, 422, 431), ErrorType.BAD_REQUEST),
}
_STATUS = re.compile(
    r"^([1-5]\d\d)(?:\.0)?\b|(?:\bcode|\bstatus|\bhttp(?:/[\d.]+)?)\W{0,3}([1-5]\d\d)\b"
    r"|\s([1-5]\d\d)$",
    re.IGNORECASE,
)
_SHOWN = 20


def error_type(name: str) -> ErrorType:
    """Read one name; blank is NONE, and what is not known is UNKNOWN.

    >>> error_type("API error").label, error_type("503").label
    ('server_error', 'server_error')
    >>> error_type("litellm.exceptions.RateLimitError: too fast").label
    'rate_limited'
    """
    text = name.strip()
    if not text:
        return ErrorType.NONE
    known = (_TYPES[key] for key in _keys(text) if key in _TYPES)
    kind = next(known, ErrorType.UNKNOWN)
    status = _STATUS.search(text)
    if kind is ErrorType.UNKNOWN and status:
        return _of_status(int(status[1] or status[2] or status[3]))
    return kind


def error_codes(counts: Sequence[tuple[str, int]]) -> tuple[pa.Table, list[str]]:
    """Map the names of a log, given with their counts.

    Returns a table (name, code) with one row per name, and notes about what was read as what.
    """
    types = [error_type(name) for name, _ in counts]
    table = pa.table(
        {
            "name": pa.array([name for name, _ in counts], pa.string()),
            "code": pa.array([int(t) for t in types], pa.int8()),
        }
    )
    notes = []
    strange = []
    for (name, count), kind in zip(counts, types, strict=True):
        if kind is ErrorType.UNKNOWN and name.strip().lower() != kind.label:
            strange.append(f"{name[:60]!r} ({count})")
        elif kind is not ErrorType.NONE and name.strip().lower() != kind.label:
            notes.append(f"error {name[:60]!r} is read as {kind.label} ({count})")
    if len(notes) > _SHOWN:
        notes = [*notes[:_SHOWN], f"{len(notes) - _SHOWN} more names of errors are read as known"]
    if strange:
        more = f" and {len(strange) - _SHOWN} more names" if len(strange) > _SHOWN else ""
        notes.append(
            f"errors of unknown name, read as unknown: {', '.join(strange[:_SHOWN])}{more}"
        )
    return table, notes


def _keys(text: str) -> Iterator[str]:
    """Yield what ``text`` may be called in the table, the most particular first."""
    head = text.split(":", 1)[0]
    first = head.split(maxsplit=1)[0] if head.strip() else ""
    for part in (text, head, first):
        for whole in (part, part.rsplit(".", 1)[-1]):
            key = re.sub(r"[^a-z0-9]", "", whole.lower())
            for plain in (key, _PROVIDERS.sub("", key)):
                yield plain
                yield re.sub(r"(?:error|exception)$", "", plain)


def _of_status(status: int) -> ErrorType:
    if status < 400:
        return ErrorType.NONE
    other = ErrorType.SERVER_ERROR if 500 <= status < 600 else ErrorType.UNKNOWN
    return _HTTP.get(status, other)
