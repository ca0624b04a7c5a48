"""Files of logs and prompts: what they are, and how their faults are told."""

from __future__ import annotations

import codecs
import csv
import glob
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import DataError
from toolkit.logs.checks import Rows

SIMULATED = b"detour.simulated"
"""Key in the metadata of our Parquet files."""
_SUFFIXES = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_LONGEST_BYTES = 64 * 2**20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""How a text says its encoding. UTF-32's mark begins with UTF-16's."""
csv.field_size_limit(_LONGEST_BYTES)


@dataclass(frozen=True)
class File:
    """A file of outcomes or requests that is there and of a known kind."""

    path: Path
    kind: str
    gzipped: bool
    label: str = ""
    """Name that the user knows it by, where that is not the path's."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.label or self.path.name

    @property
    def rows(self) -> Rows:
        """How its rows are named in messages."""
        if self.kind == "csv":
            return Rows(
                self.name, 2, counted="counted from 1, the header included, empty lines not"
            )
        if self.kind == "jsonl":
            return Rows(self.name, 1, "line", "counted from 1, empty ones not")
        return Rows(self.name)

    @property
    def is_json(self) -> bool:
        """Whether it is JSON as a whole, not a line for each object."""
        return self.path.name.lower().removesuffix(".gz").endswith(".json")

    def opened(self) -> IO[bytes]:
        """Open it for reading its bytes, uncompressed."""
        return cast("IO[bytes]", gzip.open(self.path) if self.gzipped else self.path.open("rb"))

    @property
    def parameters(self) -> dict[str, Any]:
        """For DuckDB's readers, which take a path as a pattern."""
        return {
            "path": glob.escape(str(self.path)),
            "compression": "gzip" if self.gzipped else "none",
            "longest": _LONGEST_BYTES,
        }


def open_file(path: str | Path) -> File:
    """Look at a path; DataError when it is missing, empty, a folder, or of no known kind."""
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if not path.is_file():
        raise DataError(f"{path}: not a file; got a folder; allowed: {_allowed()}")
    kind, gzipped = _kind(path)
    if not kind:
        raise DataError(f"{path}: kind of file not known; allowed: {_allowed()}")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; allowed: a row for each outcome")
    return File(path, kind, gzipped)


def _kind(path: Path) -> tuple[str, bool]:
    """Kind of a file by its name, empty for none that is read, and whether it is compressed."""
    suffixes = [s.lower() for s in path.suffixes]
    gzipped = suffixes[-1:] == [".gz"]
    kind = _SUFFIXES.get(next(iter(suffixes[-2:-1] if gzipped else suffixes[-1:]), ""), "")
    return ("", gzipped) if gzipped and kind == "parquet" else (kind, gzipped)


def _allowed() -> str:
    return ".csv, .jsonl, .ndjson or .json (each also with .gz), .parquet"


def gather(path: str | Path) -> tuple[File, ...]:
    """Look at a file, or at all files of a folder, which must be of one kind."""
    path = Path(path)
    if not path.is_dir():
        return (open_file(path),)
    inside = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    files = [open_file(p) for p in inside if _kind(p)[0]]
    if not files:
        raise DataError(f"{path}: no logs in this folder; allowed: {_allowed()}")
    kinds = sorted({file.kind for file in files})
    if len(kinds) > 1:
        raise DataError(
            f"{path}: files of several kinds; got {', '.join(kinds)}; allowed: one kind in a folder"
        )
    return tuple(files)


def in_utf8(file: File, encoding: str | None, folder: Path) -> File:
    """Return ``file``, or its text as UTF-8 in a new file of ``folder`` where it is not.

    The encoding is the one given, else that which a byte order mark states. Raises DataError for
    an unknown encoding, and for text that is not in it.
    """
    if file.kind == "parquet":
        return file
    with explained(file), file.opened() as content:
        start = content.read(4)
    encoding = encoding or next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if encoding is None:
        return file
    mark = hashlib.sha256(str(file.path).encode()).hexdigest()[:16]
    new = folder / f"{mark}{Path(file.path.name.lower().removesuffix('.gz')).suffix}"
    try:
        with (
            explained(file),
            codecs.getreader(encoding)(file.opened()) as text,
            new.open("w", encoding="utf-8", newline="") as copy,
        ):
            while part := text.read(1 << 20):
                copy.write(part)
    except LookupError:
        raise DataError(
            f"encoding {encoding!r} is not known; allowed: names such as utf-16, latin-1, cp1252"
        ) from None
    except UnicodeError as error:
        raise DataError(f"{file.name}: the text is not {encoding}; got {error}") from error
    return File(new, file.kind, gzipped=False, label=file.name)


def digest_of(*paths: Path) -> str:
    """SHA-256, in hex, of the content of files."""
    digests = []
    for path in paths:
        with path.open("rb") as content:
            digests.append(hashlib.file_digest(content, "sha256").hexdigest())
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def is_simulated(file: File) -> bool:
    """Whether a Parquet file of ours says that its outcomes were simulated."""
    if file.kind != "parquet":
        return False
    with explained(file):
        metadata = pq.ParquetFile(file.path).schema_arrow.metadata or {}
    return metadata.get(SIMULATED) == b"true"


@contextmanager
def explained(file: File) -> Iterator[None]:
    """Turn what the readers raise into one sentence about the file."""
    name = file.name
    try:
        yield
    except UnicodeDecodeError as error:
        if error.encoding not in {"utf-8", "utf_8"}:
            raise
        raise DataError(f"{name}: the text is not UTF-8; save it as UTF-8") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name}: the gzip file is broken or cut off; got {error}") from error
    except (csv.Error, pa.ArrowException) as error:
        raise DataError(f"{name}: the {file.kind} file cannot be read; got {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        # Arrow's word for a page that is damaged.
        raise DataError(f"{name}: the {file.kind} file is broken; got {error}") from error
    except duckdb.Error as error:
        text = str(error).splitlines()[0].replace(glob.escape(str(file.path)), name)
        text = text.replace(str(file.path), name)
        if "utf-8" in str(error).lower():
            raise DataError(f"{name}: the text is not UTF-8; got {text}") from error
        if "gzip" in text.lower():
            raise DataError(f"{name}: the gzip file is broken or cut off; got {text}") from error
        raise DataError(f"{name}: the {file.kind} file cannot be read; got {text}") from error
