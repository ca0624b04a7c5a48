"""Telling pickles, which nothing here ever opens: opening one runs whatever code it holds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

from toolkit.errors import DataError

_SUFFIXES = {".pkl", ".pickle", ".pickled", ".joblib", ".pt", ".pth"}
_COMPRESSED = {".gz", ".bz2", ".xz", ".zip", ".z", ".lz4", ".zst"}
_READERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_MOST_BYTES = 1 << 16


def refuse_pickle(path: Path) -> None:
    """Raise DataError when a file is a pickle by its name or by its first bytes.

    It may be packed by gzip, bzip2, xz, zlib or zip, as pandas, joblib and PyTorch do. Only the
    first bytes are unpacked, and nothing is loaded.
    """
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes[-1:] and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    if (suffixes[-1:] and suffixes[-1] in _SUFFIXES) or (path.is_file() and _holds_pickle(path)):
        raise DataError(
            f"{path.name}: this is a Python pickle, which runs its own code when it is opened, so"
            " it is not read. Turn it into Parquet where nothing can be harmed, such as a container"
            " without network, by pandas.read_pickle(...).to_parquet(...), and import that;"
            " allowed: .csv, .jsonl, .json, .parquet"
        )


def _holds_pickle(path: Path) -> bool:
    with path.open("rb") as content:
        start = content.read(_MOST_BYTES)
    if _begins_pickle(start):
        return True
    if start.startswith(_ZLIB):
        try:
            return _begins_pickle(zlib.decompressobj().decompress(start, 2))
        except zlib.error:
            return False
    for magic, opened in _READERS.items():
        if start.startswith(magic):
            try:
                with opened(path, "rb") as content:
                    return _begins_pickle(content.read(2))
            except (OSError, EOFError, zlib.error, lzma.LZMAError):
                return False  # its reader will say what is wrong with it
    return start.startswith(b"PK\x03\x04") and _zip_holds_pickle(path)


def _zip_holds_pickle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as packed:
            for info in packed.infolist()[:100]:
                with packed.open(info) as content:
                    if _begins_pickle(content.read(2)):
                        return True
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error):
        return False
    return False


def _begins_pickle(start: bytes) -> bool:
    """Protocols 2 to 5, which every Python of this century writes, begin with their number."""
    return len(start) >= 2 and start[0] == 0x80 and 2 <= start[1] <= 5
