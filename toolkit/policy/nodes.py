"""Untrusted YAML text to plain data, with the line of every key, in one pass over parse events.

Scalars are read as YAML 1.2 and JSON do, so ``on``, ``yes`` and ``010`` are text and ``1e-3`` is a
number. Aliases, anchors and tags are refused, and nothing recurses: neither an alias bomb nor a
million brackets costs more than reading the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from toolkit.errors import PolicyError, Problem
from toolkit.policy.explain import show
from toolkit.policy.written import MAX_DEPTH

MAX_BYTES = 1_000_000

_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,400})\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.ASCII)
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", "+.inf", ".Inf", "+.Inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN"), float("nan")),
}


def scalar(text: str) -> Any:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text) and not re.match(r"[-+]?0[0-9]", text):
        return float(text)
    return text


@dataclass
class _Open:
    """A list or mapping that is still being read."""

    place: str
    value: list[Any] | dict[str, Any]
    key: str | None = None


@dataclass
class Reader:
    """Data, lines and problems of one text."""

    data: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    """Dotted key → line, from 1."""
    problems: list[Problem] = field(default_factory=list)
    _stack: list[_Open] = field(default_factory=list)
    _documents: int = 0
    _line: int = 1

    def read(self, text: str) -> None:
        """Read the whole text.

        Raises:
            PolicyError: The text is not YAML at all, or uses what is refused.
        """
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            for event in yaml.parse(text, Loader=loader):
                if event.start_mark is not None:
                    self._line = event.start_mark.line + 1
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            reason = ", ".join(part for part in (error.context, error.problem) if part)
            raise _refuse(f"is not YAML: {reason}", line=mark.line + 1 if mark else None) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise _refuse(f"is not YAML: {error.reason}", line=line) from None
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            raise _refuse("holds a character that is no valid text", line=line) from None
        if self._documents == 0:
            raise _refuse("is empty", allowed="a policy: policy, models, default, chains")

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _refuse("holds several documents", line=self._line, allowed="one policy")
        elif isinstance(event, yaml.AliasEvent):
            raise self._refuse("aliases are not allowed", f"*{event.anchor}")
        elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            if event.anchor is not None:
                raise self._refuse("anchors are not allowed", f"&{event.anchor}")
            self._node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._stack.pop()

    def _node(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            raise self._refuse("tags are not allowed", event.tag.replace(_TAG, "!!"))
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = scalar(event.value) if event.implicit[0] else event.value
        else:
            value = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        parent = self._stack[-1] if self._stack else None
        if parent is None:
            place, self.data = "", value
        elif isinstance(parent.value, list):
            place = _join(parent.place, len(parent.value))
            parent.value.append(value)
        elif parent.key is None:
            parent.key = self._key(parent, value)
            return
        else:
            place = _join(parent.place, parent.key)
            parent.value.setdefault(parent.key, value)
            parent.key = None
        self.lines.setdefault(place, self._line)
        if not isinstance(event, yaml.ScalarEvent):
            self._stack.append(_Open(place, value))
            if len(self._stack) > MAX_DEPTH:
                raise _refuse(
                    "is nested too deeply", line=self._line, allowed=f"{MAX_DEPTH} levels"
                )

    def _key(self, parent: _Open, value: Any) -> str:
        """The key that was read; whatever is wrong with it is noted and reading goes on."""
        if isinstance(value, (dict, list)):
            raise self._refuse("a key must be text", show(value))
        key = str(value)
        place = _join(parent.place, key)
        if not isinstance(value, str):
            self._note("a key must be text", place, show(value), "text (in quotes)")
        elif isinstance(parent.value, dict) and key in parent.value:
            self._note(
                "is there twice", place, f"first on line {self.lines[place]}", "each key once"
            )
        self.lines.setdefault(place, self._line)
        return key

    def _note(self, what: str, place: str, got: str, allowed: str) -> None:
        self.problems.append(Problem(what, place, got, allowed, self._line))

    def _refuse(self, what: str, got: str) -> PolicyError:
        parent = self._stack[-1] if self._stack else None
        place = parent.place if parent else ""
        if parent and isinstance(parent.value, list):
            place = _join(place, len(parent.value))
        elif parent and parent.key is not None:
            place = _join(place, parent.key)
        allowed = "the value itself, written out"
        return PolicyError([Problem(what, place, got, allowed, self._line)])


def _join(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _refuse(what: str, allowed: str = "", line: int | None = None) -> PolicyError:
    return PolicyError([Problem(f"the file {what}", "", "", allowed, line)])
