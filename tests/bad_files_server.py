"""A real HTTP server of files that stalls, cuts off, lies and forgets, as it is told."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request."""

    kind: str
    """stall (no byte more), cut (connection closed), status, redirect, ignore_range, longer."""
    at: int = 0
    """Bytes that are sent before a stall or a cut, or the status."""
    headers: dict[str, str] = field(default_factory=dict)


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that hang up, as some tests mean them to."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@dataclass
class FileServer:
    """Files by path, and the faults that the next requests meet, in order."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    etag: str = "strong"
    """strong, weak or none."""
    ranged: bool = True
    """Whether a part of a file can be asked for."""
    changes: dict[str, bytes] = field(default_factory=dict)
    """What a path holds after its first request."""
    ranges: list[str | None] = field(default_factory=list)
    """The Range header of each request."""
    released: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def bad_files() -> Iterator[FileServer]:
    """Run the server on a free port."""
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fault = state.faults.popleft() if state.faults else Fault("")
            state.ranges.append(self.headers.get("Range"))
            if fault.kind == "redirect":
                return self._empty(302, {"Location": self.path, **fault.headers})
            content = state.files.get(self.path)
            if fault.kind == "status" or content is None:
                return self._empty(fault.at or 404, fault.headers)
            if self.path in state.changes:
                state.files[self.path] = state.changes.pop(self.path)
            return self._send(content, fault)

        def _empty(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def _send(self, content: bytes, fault: Fault) -> None:
            etag = '"' + hashlib.sha256(content).hexdigest()[:16] + '"'
            start, asked = 0, self.headers.get("Range")
            same = self.headers.get("If-Range", etag) == etag
            if asked and same and state.ranged and fault.kind != "ignore_range":
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    return self._empty(416, {"Content-Range": f"bytes */{len(content)}"})
            body = content[start:] + (b"!" * 9 if fault.kind == "longer" else b"")
            self.send_response(206 if start else 200)
            if start:
                last = len(content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
            if state.etag != "none":
                self.send_header("ETag", etag if state.etag == "strong" else f"W/{etag}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault.kind in {"stall", "cut"}:
                body = body[: fault.at]
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)
                self.wfile.flush()
            if fault.kind == "stall":
                state.released.wait(20)
            self.close_connection = fault.kind in {"stall", "cut"}
            return None

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as inherited
            pass

    server = QuietServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
