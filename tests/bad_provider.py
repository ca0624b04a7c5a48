"""A real HTTP server that misbehaves: the first part of the path says how."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_S = 1.5


def _error(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _chat(content: str | None, finish_reason: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


RESPONSES: dict[str, tuple[int, dict[str, Any] | str]] = {
    "good": (200, _chat("forty-two")),
    "500": (500, _error("The server had an error", "server_error")),
    "502": (502, "<html>Bad Gateway</html>"),
    "503": (503, _error("Overloaded", "server_error")),
    "529": (529, _error("Overloaded", "overloaded_error")),
    "504": (504, _error("Gateway time-out", "server_error")),
    "429": (429, _error("Rate limit reached", "rate_limit_error", "rate_limit_exceeded")),
    "401": (401, _error("Incorrect API key provided: {key}", "invalid_request_error")),
    "403": (403, _error("This key may not use the model", "invalid_request_error")),
    "404": (404, _error("The model does not exist", "invalid_request_error", "model_not_found")),
    "400": (400, _error("Unknown field", "invalid_request_error")),
    "422": (422, _error("Wrong type", "invalid_request_error")),
    "408": (408, _error("Request time-out", "timeout")),
    "context": (
        400,
        _error(
            "This model's maximum context length is 2048 tokens, however you sent 9000",
            "invalid_request_error",
            "context_length_exceeded",
        ),
    ),
    "policy": (
        400,
        _error(
            "Your request was rejected as a result of our safety system. "
            "Your prompt may contain text that is not allowed by our content policy",
            "invalid_request_error",
            "content_policy_violation",
        ),
    ),
    "filtered": (200, _chat("", "content_filter")),
    "silent": (200, _chat(None)),
    "empty": (200, {**_chat("x"), "choices": []}),
    "garbage": (200, "{this is no JSON"),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BadProvider

    def do_POST(self) -> None:
        name = self.path.split("/")[1]
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.counting(name, key) as how:
            if how.startswith("slow"):
                time.sleep(self.server.slow_s)
        how = "good" if how == "slow" else how.removeprefix("slow ")
        if how == "closed":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status, content = RESPONSES[how]
        body = content if isinstance(content, str) else json.dumps(content)
        data = body.replace("{key}", key).encode()
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if status == 429:
                self.send_header("Retry-After", self.server.retry_after)
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class BadProvider(ThreadingHTTPServer):
    """Keeps what was asked (``calls``) and the keys that came with it (``keys``).

    ``moods`` gives a first part of the path, which then may be any name, another behaviour for as
    long as it is there; ``slow`` before a behaviour, as in ``slow 500``, comes ``slow_s`` late.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[str] = []
        self.keys: list[str] = []
        self.moods: dict[str, str] = {}
        self.connections = 0
        self.slow_s = SLOW_S
        self.retry_after = "30"
        self.most_at_once: Counter[str] = Counter()
        """by first part of the path"""
        self._at_once: Counter[str] = Counter()
        self._counting = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count connections."""
        self.connections += 1
        super().process_request(request, client_address)

    def base(self, how: str) -> str:
        """The ``api_base`` that misbehaves in this way."""
        return f"http://127.0.0.1:{self.server_port}/{how}"

    @contextlib.contextmanager
    def counting(self, name: str, key: str) -> Iterator[str]:
        """Take note of a call until its answer is sent; how to answer it."""
        with self._counting:
            self.calls.append(name)
            self.keys.append(key)
            self._at_once[name] += 1
            self.most_at_once[name] = max(self.most_at_once[name], self._at_once[name])
        try:
            yield self.moods.get(name, name)
        finally:
            with self._counting:
                self._at_once[name] -= 1


@contextlib.contextmanager
def bad_provider() -> Iterator[BadProvider]:
    """Serve on a free loopback port."""
    with BadProvider() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
