"""Files that a browser sent, or that lie on this machine, as paths for the importers.

Uploads are copied into a folder of this session, which goes with the session. Paths are offered
only where the app listens to this machine alone and the browser runs on it: whoever can open the
app may otherwise read any log file of the server.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.errors import DataError
from toolkit.logs.importers.source import connect, open_source

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

_FOLDER = "import-folder"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,8}){1,2}$")
_LONGEST = 120


class _Folder:
    """A temporary folder that goes when the session that holds it goes, or the app ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="detour-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def kept(files: Sequence[UploadedFile], part: str) -> Path | None:
    """Copy uploads to disk, each once; the file, or the folder of several; None without any."""
    if not files:
        return None
    if _FOLDER not in st.session_state:
        st.session_state[_FOLDER] = _Folder()
    mark = "-".join(sorted(file.file_id for file in files))
    home: Path = st.session_state[_FOLDER].path
    folder = home / part / f"{abs(hash(mark)):x}"
    names = _names([file.name for file in files])
    if not folder.is_dir():
        forget(part)
        part_folder = folder.with_name(f"{folder.name}.part")
        part_folder.mkdir(parents=True)
        for file, name in zip(files, names, strict=True):
            with (part_folder / name).open("wb") as target:
                shutil.copyfileobj(file, target)
        part_folder.replace(folder)
    return folder / names[0] if len(files) == 1 else folder


def forget(part: str) -> None:
    """Remove what was uploaded for one part."""
    if _FOLDER in st.session_state:
        shutil.rmtree(st.session_state[_FOLDER].path / part, ignore_errors=True)


def _names(given: Sequence[str]) -> list[str]:
    """Plain, different names for files of any name, with their suffixes."""
    found: list[str] = []
    for text in given:
        name = Path(text.replace("\\", "/").replace("\0", "")).name or "log"
        suffix = match.group() if (match := _SUFFIX.search(name)) else ""
        stem = re.sub(r"[^\w. -]", "_", name.removesuffix(suffix)).lstrip(".") or "log"
        stem = stem[:_LONGEST]
        plain = f"{stem}{suffix}"
        if plain in found:
            plain = f"{stem} {len(found) + 1}{suffix}"
        found.append(plain)
    return found


def paths_allowed() -> bool:
    """Only this machine can open the app."""
    return st.get_option("server.address") in _LOOPBACK and st.context.ip_address is None


def local(text: str) -> Path:
    """A file or folder of this machine; DataError where it is not there, or hidden.

    Hidden ones hold settings and keys, which a preview would show to whoever else can reach the
    app on this machine.
    """
    path = Path(text).expanduser()
    try:
        path = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise DataError(f"{text}: there is no such file or folder") from None
    if any(part.startswith(".") for part in path.parts):
        raise DataError(f"{text}: hidden files and folders are not read here; copy the log first")
    return path


def column_names(path: Path, encoding: str | None) -> tuple[str, ...]:
    """The columns of a log of any format; none where it cannot be read at all."""
    from toolkit.logs.files import gather, in_utf8

    try:
        with tempfile.TemporaryDirectory(prefix="detour-") as folder, connect() as con:
            files = [in_utf8(file, encoding, Path(folder)) for file in gather(path)]
            return open_source(con, files).columns.names
    except DataError:
        return ()
