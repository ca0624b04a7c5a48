"""All formats, and which of them a file is."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.importers.format import Columns, Format
from toolkit.logs.importers.formats import (
    helicone,
    langfuse,
    litellm_payload,
    litellm_spend,
    llmrouter,
    long,
    otel,
    portkey,
    routellm,
    routerbench,
    wide,
)

FORMATS: tuple[Format, ...] = (
    litellm_spend.FORMAT,
    litellm_payload.FORMAT,
    otel.FORMAT,
    langfuse.FORMAT,
    helicone.FORMAT,
    portkey.FORMAT,
    routerbench.FORMAT,
    routellm.FORMAT,
    llmrouter.FORMAT,
    long.FORMAT,
    wide.FORMAT,
)
"""Those of one program first, the general ones last."""


def detect(columns: Columns) -> tuple[Format, ...]:
    """All formats that a file with these columns can be, the likeliest first."""
    return tuple(one for one in FORMATS if one.detect(columns))


def choose(name: str | None, columns: Columns, file: str, mapping: Mapping[str, str]) -> Format:
    """The format called ``name``, else the one that fits; DataError when there is none.

    A mapping that names columns by their model means a wide table, and any mapping a table of the
    user's own where no format fits.
    """
    if name is not None:
        for one in FORMATS:
            if one.name == name:
                return one
        names = [one.name for one in FORMATS]
        raise DataError(f"no format {name!r}; allowed: {did_you_mean(name, names)}")
    if wide.is_wide(mapping, columns):
        return wide.FORMAT
    found = detect(columns)
    if found:
        return found[0]
    if mapping or {"request_id", "model"} & set(columns.names):
        return long.FORMAT  # which says what is missing
    titles = ", ".join(one.title for one in FORMATS)
    raise DataError(
        f"{file}: the format is not known; got the columns"
        f" {', '.join(map(repr, columns.names[:12]))}; allowed: {titles}; or say what the columns"
        " mean, as in --map request_id=id --map model=llm --map quality=score"
    )
