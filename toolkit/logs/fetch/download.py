"""One file over HTTP: whole, with the checksum that was promised, or not at all.

httpx is here for the live calls already and does redirects, proxies and timeouts. What is added is
what neither it nor pooch has: a file that was cut off is taken up where it stopped. Its bytes stand
in ``NAME.part`` and the server's mark for them (ETag) in ``NAME.part.etag``, so that nothing is put
together from two versions; in the end the checksum decides, whatever the server said.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from toolkit.errors import DataError
from toolkit.logs.fetch.sources import RemoteFile
from toolkit.logs.files import digest_of

Progress = Callable[[int], None]
"""Called with the bytes of the file that are here."""

TRIES = 5
"""Times in a row that a connection may break without a megabyte of progress in between."""
_PROGRESS_BYTES = 2**20
_LONGEST_PAUSE_S = 60.0
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class _BrokenOffError(Exception):
    """A try ended early; the text says how, ``pause_s`` what the server asks to wait."""

    def __init__(self, why: str, pause_s: float = 0.0, *, reached: bool = True) -> None:
        super().__init__(why)
        self.pause_s = pause_s
        self.reached = reached


def new_client(stall_s: float = 30.0) -> httpx.Client:
    """A client that gives up a connection on which no byte came for ``stall_s`` seconds."""
    return httpx.Client(
        follow_redirects=True,
        timeout=httpx.Timeout(stall_s, connect=min(stall_s, 10.0)),
        headers={"User-Agent": "detour", "Accept-Encoding": "identity"},
    )


def download(
    client: httpx.Client,
    address: str,
    file: RemoteFile,
    path: Path,
    progress: Progress = lambda _: None,
    pause_s: float = 1.0,
) -> bool:
    """Get a file into ``path``; False when it was there already.

    ``pause_s`` is what the first retry waits; each further one waits twice as long. Raises
    DataError, with half a file left as ``.part``, when it cannot be had.
    """
    if path.exists():
        if path.is_file() and digest_of(path) == file.sha256:
            progress(file.n_bytes)
            return False
        raise DataError(f"{path}: is there, but is not what was published; move it away")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _collect(client, address, file, part, progress, pause_s)
        _etag(part).unlink(missing_ok=True)
        part.replace(path)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        why = "the disk is full" if full else error.strerror or str(error)
        raise DataError(f"{path}: cannot be written; got: {why}; run again to go on") from error
    return True


def _collect(
    client: httpx.Client,
    address: str,
    file: RemoteFile,
    part: Path,
    progress: Progress,
    pause_s: float,
) -> None:
    """Fill ``part`` until it is the file."""
    broken, farthest, reached, mixed = 0, _length(part), False, False
    while True:
        before = _length(part)
        try:
            if before < file.n_bytes:
                _take_up(client, address, file, part, progress)
        except _BrokenOffError as error:
            reached |= error.reached
            gained = _length(part) - farthest
            broken = 0 if gained >= _PROGRESS_BYTES else broken + 1
            farthest += max(gained, 0)
            if not reached:
                raise DataError(
                    f"{urlsplit(address).netloc}: cannot be reached; got: {error}; is this machine"
                    " online? What came so far is kept, and DETOUR_MIRROR names another place"
                ) from error
            if broken == TRIES:
                raise DataError(
                    f"{address}: broke off {TRIES} times; got: {error}; run again to go on"
                ) from error
            time.sleep(min(max(pause_s * 2**broken / 2, error.pause_s), _LONGEST_PAUSE_S))
            continue
        got = digest_of(part)
        if got == file.sha256:
            return
        _discard(part)
        if before == 0 or mixed:
            raise DataError(
                f"{address}: not what was published, so it was removed; got SHA-256 {got};"
                f" allowed: {file.sha256}"
            )
        mixed = True  # parts of two versions, perhaps: once more from its beginning


def _take_up(
    client: httpx.Client, address: str, file: RemoteFile, part: Path, progress: Progress
) -> None:
    """One try to get what is missing; raises _BrokenOffError when it is not all there then."""
    here = _length(part)
    headers = {}
    if here:
        headers["Range"] = f"bytes={here}-"
        if _etag(part).is_file():
            headers["If-Range"] = _etag(part).read_text("ascii")
    try:
        with client.stream("GET", address, headers=headers) as response:
            here = _place(response, address, here, part)
            with part.open("r+b" if part.exists() else "wb") as out:
                out.truncate(here)
                out.seek(here)
                for chunk in response.iter_raw():
                    out.write(chunk)
                    here += len(chunk)
                    progress(min(here, file.n_bytes))
                    if here > file.n_bytes:
                        return  # longer than was published; the checksum will say so
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DataError(f"{address}: not an address of a file; got: {error}") from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise _BrokenOffError(str(error) or "no answer", reached=False) from error
    except httpx.TimeoutException as error:
        raise _BrokenOffError("no byte for a while") from error
    except httpx.TooManyRedirects as error:
        raise DataError(f"{address}: leads from one place to the next without end") from error
    except httpx.HTTPError as error:
        raise _BrokenOffError(str(error) or type(error).__name__) from error
    if here < file.n_bytes:
        raise _BrokenOffError(f"{here:,} of {file.n_bytes:,} bytes came")


def _place(response: httpx.Response, address: str, here: int, part: Path) -> int:
    """Where in the file the body of a response belongs."""
    status = response.status_code
    mark = response.headers.get("ETag", "")
    strong = mark.isascii() and mark.startswith('"')
    if status == httpx.codes.PARTIAL_CONTENT:
        came_from = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
        known = _etag(part).read_text("ascii") if _etag(part).is_file() else mark
        if came_from == str(here) and (mark == known or not strong):
            return here
        _discard(part)
        raise _BrokenOffError("the file has changed at its place")
    if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        _discard(part)
        raise _BrokenOffError("the file has changed at its place")
    if status == httpx.codes.OK:
        _discard(part)
        if strong:
            _etag(part).write_text(mark, "ascii")
        return 0
    if status in _PASSING:
        asked = response.headers.get("Retry-After", "")
        raise _BrokenOffError(
            f"the server answered {status} {response.reason_phrase}",
            float(asked) if asked.isdecimal() else 0.0,
        )
    raise DataError(f"{address}: cannot be had; the server answered {status}")


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _etag(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _discard(part: Path) -> None:
    for path in (part, _etag(part)):
        with suppress(FileNotFoundError):
            path.unlink()
