"""Names, prompts and answers made harmless for Markdown, file names and spreadsheets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$&=^\"'@/])")
_JOINER = "\u2060"  # a word joiner: no width, no break


def literal(text: object) -> str:
    """Text as Markdown that shows exactly this text, on one line.

    A backslash stops Markdown's own marks. Streamlit replaces ``:red[…]``, ``:icon:`` and arrows
    only after that, so an invisible joiner parts them.
    """
    line = " ".join(str(text).split())
    line = _MARKS.sub(r"\\\1", line)
    line = re.sub(r":(?=\S)", rf"\:{_JOINER}", line)
    # Bare addresses would become links.
    return re.sub(r"(?i)\b(www|https?|ftp|mailto)", rf"\1{_JOINER}", line)


def sentences(text: str) -> list[str]:
    """A paragraph cut up at the ends of its sentences; a name with such an end in it is cut too."""
    return re.split(r"(?<=[.?!]) (?=[A-Z0-9])", text)


def bold(text: object) -> str:
    """``literal`` text in bold."""
    return f"**{literal(text)}**"


def file_name(*parts: object) -> str:
    """A file name of letters, digits, dots and dashes."""
    joined = "-".join(str(part) for part in parts)
    return re.sub(r"[^\w.-]+", "-", joined, flags=re.ASCII).strip("-.") or "detour"


def csv(table: pd.DataFrame) -> bytes:
    """A table as CSV in which no text can become a formula in a spreadsheet."""
    import pandas as pd

    def guarded(value: object) -> object:
        text = isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@"))
        marked = isinstance(value, str) and value.startswith(("\t", "\r", "\n"))
        return f"'{value}" if text or marked else value

    safe = table.rename(columns=guarded)
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column].dtype):
            safe[column] = safe[column].map(guarded, na_action="ignore")
    return safe.to_csv(index=False).encode("utf-8")
