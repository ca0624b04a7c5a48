"""What an import would do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from toolkit.logs.gaps import Kind
from toolkit.logs.importers.rejects import Reject


@dataclass(frozen=True)
class Preview:
    """What an import would do."""

    format: str
    title: str
    """What people call the format."""
    alternatives: tuple[str, ...]
    """Names of the other formats that the file could be."""
    columns: tuple[str, ...]
    """Of the file."""
    mapping: tuple[tuple[str, str], ...]
    """(column of ours, what of the file it is read from)."""
    n_rows: int
    """Rows of the log: those stored, rejected and left out."""
    n_stored: int
    n_rejected: int
    n_left_out: int
    n_requests: int
    n_models: int
    n_outcomes: int
    kind: Kind
    rows: pa.Table
    """The first outcomes, in the long format."""
    rejects: tuple[Reject, ...]
    """The first rejected rows."""
    notes: tuple[str, ...]
    gaps: tuple[str, ...]
    """What the log does not hold, and what cannot be shown therefore."""


@dataclass(frozen=True)
class ImportReport:
    """What an import did."""

    name: str
    n_requests: int
    n_models: int
    n_outcomes: int
    already_there: bool
    """The same content was there under this name, so nothing changed and no row was read."""
    notes: tuple[str, ...]
    """What was changed or left out on the way, in words."""
    format: str = ""
    n_rows: int = 0
    """Rows of the log: those stored, rejected and left out."""
    n_stored: int = 0
    n_rejected: int = 0
    n_left_out: int = 0
    rejects_path: Path | None = None
    """Where the rejected rows are, when there are any."""
    kind: Kind = "partial"
    gaps: tuple[str, ...] = ()
