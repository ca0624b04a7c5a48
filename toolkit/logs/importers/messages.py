"""The texts in messages to and from models, as the many ways to write them have them.

Texts of one message stand in lines, messages have a blank line between them; pictures and tool
calls have no text. ``expressions.asked`` says the same in SQL.
"""

from __future__ import annotations

import json
from typing import Any


def text_of(value: Any) -> str | None:
    """The text of a message or of several, also where they are JSON text; None without any."""
    value = parsed(value)
    if isinstance(value, list):
        return _joined([text_of(one) for one in value], "\n\n")
    if isinstance(value, dict):
        parts = value.get("parts", value.get("content"))
        if isinstance(parts, list):
            return _joined([_of_part(part) for part in parts], "\n")
        if "messages" in value and parts is None:
            return text_of(value["messages"])
        return _of_part(parts if isinstance(parts, dict) else value)
    return value if isinstance(value, str) and value.strip() else None


def _of_part(part: Any) -> str | None:
    """The text of a part of a message, which may be a plain text."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in _OF_TEXT:
        return None
    found = part.get("content", part.get("text"))
    return found if isinstance(found, str) else None


_OF_TEXT = ("text", "input_text", "output_text", "message")


def _joined(texts: list[str | None], between: str) -> str | None:
    return between.join(text for text in texts if text) or None


def parsed(value: Any) -> Any:
    """What JSON text says, if it is an object or a list; else the value itself."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
