"""What CSV and JSON lines cannot say of a dataset, in ``dataset.json`` beside them.

The types are an Arrow schema in Arrow's own bytes, since no text of ours would give back each type
that a log can have; their names stand beside it for people.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from toolkit.errors import DataError
from toolkit.logs.exporters.columns import is_text
from toolkit.schema import INPUT_TOKENS, MODEL, OUTCOME_COLUMNS, REQUEST_ID

ABOUT = "dataset.json"
PARTS = ("requests", "outcomes")
MODELS = b"detour.models"
"""Key in the metadata of our Parquet files: the dataset's models, some perhaps without outcomes."""
_VERSION = 1


@dataclass(frozen=True)
class Layout:
    """The columns of one file."""

    schema: pa.Schema
    """Names and types that the dataset has."""
    written: pa.Schema
    """Names and types in the file: text, numbers and booleans only."""


@dataclass(frozen=True)
class About:
    """What is said of an export."""

    format: str
    simulated: bool
    models: tuple[str, ...]
    layouts: Mapping[str, Layout]
    """By part: requests, outcomes."""


def has_columns(requests: pa.Schema, outcomes: pa.Schema) -> bool:
    """Whether two tables have the columns, of the types, that every export has."""
    numbers = [name for name in OUTCOME_COLUMNS if name != "error"]
    return (
        {REQUEST_ID, MODEL, *OUTCOME_COLUMNS} <= set(outcomes.names)
        and {REQUEST_ID, INPUT_TOKENS} <= set(requests.names)
        and all(is_text(s.field(REQUEST_ID).type) for s in (requests, outcomes))
        and is_text(outcomes.field(MODEL).type)
        and requests.field(INPUT_TOKENS).type == pa.float64()
        and all(outcomes.field(name).type == pa.float64() for name in numbers)
    )


def write_about(about: About, path: Path) -> None:
    """Write ``dataset.json`` at ``path``."""
    content = {
        "version": _VERSION,
        "format": about.format,
        "simulated": about.simulated,
        "models": about.models,
    }
    for part, layout in about.layouts.items():
        content[part] = {
            "columns": {field.name: str(field.type) for field in layout.schema},
            "arrow_schema": _packed(layout.schema),
            "arrow_schema_written": _packed(layout.written),
        }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_about(folder: Path) -> About | None:
    """Read the ``dataset.json`` of a folder; None when it has none, DataError when it is wrong."""
    path = folder / ABOUT
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        version = content["version"]
        if version == _VERSION:
            layouts = {part: _layout(content[part]) for part in PARTS}
            if not has_columns(*(layout.schema for layout in layouts.values())):
                raise ValueError("columns that every export has are not there")
            return About(
                format={"csv": "csv", "jsonl": "jsonl"}[content["format"]],
                simulated=bool(content["simulated"]),
                models=tuple(str(model) for model in content["models"]),
                layouts=layouts,
            )
    except (ValueError, KeyError, TypeError, AttributeError, OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: does not describe an export; got {type(error).__name__}: {error};"
            " export the dataset again"
        ) from error
    raise DataError(
        f"{path}: written by another version of Detour; got {version!r}; allowed: {_VERSION}"
    )


def _packed(schema: pa.Schema) -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode("ascii")


def _layout(part: Any) -> Layout:
    keys = ("arrow_schema", "arrow_schema_written")
    schemas = [pa.ipc.read_schema(pa.py_buffer(base64.b64decode(part[key]))) for key in keys]
    return Layout(*schemas)
