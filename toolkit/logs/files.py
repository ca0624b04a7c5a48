"""Files of logs and prompts: what they are, and how their faults are told."""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    ".parquet": "parquet",
    ".pq": "parquet",
}
_LONGEST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class File:
    """A file of outcomes or requests that is there and of a known kind."""

    path: Path
    kind: str
    gzipped: bool

    @property
    def rows(self) -> Rows:
        """How its rows are named in messages."""
        if self.kind == "csv":
            return Rows(
                self.path.name, 2, counted="counted from 1, the header included, empty lines not"
            )
        if self.kind == "jsonl":
            return Rows(self.path.name, 1, "line", "counted from 1, empty ones not")
        return Rows(self.path.name)

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
    suffixes = [s.lower() for s in path.suffixes]
    gzipped = suffixes[-1:] == [".gz"]
    kind = _SUFFIXES.get(next(iter(suffixes[-2:-1] if gzipped else suffixes[-1:]), ""), "")
    if not kind or (gzipped and kind == "parquet"):
        raise DataError(f"{path}: kind of file not known; allowed: {_allowed()}")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; allowed: a row for each outcome")
    return File(path, kind, gzipped)


def _allowed() -> str:
    return ".csv, .jsonl or .ndjson (each also with .gz), .parquet"


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
    name = file.path.name
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: the text is not UTF-8; save it as UTF-8") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name}: the gzip file is broken or cut off; got {error}") from error
    except (csv.Error, pa.ArrowException) as error:
        raise DataError(f"{name}: the {file.kind} file cannot be read; got {error}") from error
    except duckdb.Error as error:
        text = str(error).splitlines()[0].replace(str(file.path), name)
        if "utf-8" in str(error).lower():
            raise DataError(f"{name}: the text is not UTF-8; got {text}") from error
        if "gzip" in text.lower():
            raise DataError(f"{name}: the gzip file is broken or cut off; got {text}") from error
        raise DataError(f"{name}: the {file.kind} file cannot be read; got {text}") from error
