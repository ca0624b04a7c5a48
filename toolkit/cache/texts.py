"""What makes two values of a request the same: their text, in a normal form.

Unicode NFC, no white space around, one space for a run of it. A list of messages, or any other JSON
object or list of objects, is put in canonical form, whether it comes as text or as objects.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Hashable
from typing import Any

UNTIDY = r"^[\s\[{]|\s$|\s\s|[\t\n\v\f\r\x1c-\x1f]|[^\x00-\x7f]"
"""Texts that normalising may change (RE2); Unicode's further white space is beyond ASCII."""


def normalised(value: Any, *, exact: bool = False) -> Hashable:
    """One value as keys compare it: texts and JSON as text, None for a missing value.

    ``exact`` leaves texts as they are.
    """
    if isinstance(value, str):
        return value if exact else tidy(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, dict | list | tuple):
        return canonical(value)
    return type(value).__name__, value  # else 1, True and 1.0 would be one value


def tidy(text: str) -> str:
    """A text in its normal form."""
    found = _json(text)
    if found is not None:
        try:
            return canonical(found)
        except RecursionError:
            pass
    return _spaced(text)


def canonical(value: Any) -> str:
    """JSON of objects, in ASCII: keys sorted, no spaces, every text in its normal form."""
    tidied = _with_tidy_texts(value)
    return json.dumps(tidied, sort_keys=True, separators=(",", ":"), default=str)


def wording(prompt: str) -> str:
    """What a prompt says: the contents, where it is a list of messages."""
    said = _json(prompt)
    if not isinstance(said, list) or not all("role" in message for message in said):
        return prompt
    parts = []
    for message in said:
        content = message.get("content")
        for block in content if isinstance(content, list) else [content]:
            text = block.get("text") if isinstance(block, dict) else block
            if isinstance(text, str):
                parts.append(text)
    return "\n".join(parts)


def _spaced(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _json(text: str) -> Any:
    """The JSON object or list of objects that a text is; None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    objects = found if isinstance(found, list) else [found]
    return found if objects and all(isinstance(one, dict) for one in objects) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice: which one counts is not for us to say")
    return found


def _with_tidy_texts(value: Any) -> Any:
    if isinstance(value, str):
        return _spaced(value)
    if isinstance(value, dict):
        return {str(name): _with_tidy_texts(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_tidy_texts(item) for item in value]
    return value
