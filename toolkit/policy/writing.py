"""A policy as YAML text as in the examples: one line per rule, model, step and fault.

What would be a long line has one for each of its parts instead.
"""

from __future__ import annotations

import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import yaml

from toolkit.policy.nodes import scalar

if TYPE_CHECKING:
    from toolkit.policy.written import Written

LINE = {"routes": 136, "chains": 136, "faults": 136}
"""Longest line of a rule, step or fault, characters; only a single value may be longer."""
OTHER_LINE = 88


class _Dumper(yaml.SafeDumper):
    """Quotes whatever another reader of YAML, or ours, would not take for text."""

    def represent_str(self, text: str) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().represent_str(text)
        if not isinstance(scalar(text), str) or not text.isprintable():
            node.style = '"'
        return node

    def represent_float(self, number: float) -> yaml.ScalarNode:
        # Prices are small: 0.00001 is easier to read than 1.0e-05.
        text = format(Decimal(repr(number)), "f")
        node: yaml.ScalarNode = super().represent_float(number)
        if "." in text and len(text) <= 20:
            node.value = text
        return node

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_Dumper.add_representer(str, _Dumper.represent_str)
_Dumper.add_representer(float, _Dumper.represent_float)


def to_yaml(written: Written) -> str:
    """Write it without what equals its default, in the order of its parts."""
    stream = io.StringIO()
    dumper = _Dumper(stream, sort_keys=False, width=10**6, allow_unicode=True)
    try:
        root = dumper.represent_data(written.to_data())
        _lay_out(root, ())
        dumper.open()
        dumper.serialize(root)
        dumper.close()
    finally:
        dumper.dispose()
    return stream.getvalue()


def _lay_out(node: yaml.Node, place: tuple[str, ...]) -> None:
    """Give the outer levels and what is long a line for each entry, and one line to the rest."""
    if isinstance(node, yaml.MappingNode):
        parts = [((*place, key.value), value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        parts = [((*place, "-"), value) for value in node.value]
    else:
        return
    match place:
        case () | ("goals",) | ("models",) | ("requires",) | ("routes",) | ("faults",):
            node.flow_style = False
        case ("chains",) | ("chains", _) | ("chains", _, "steps"):
            node.flow_style = False
        case _:
            # A list of plain values stays in one line: it reads as one value.
            values = all(isinstance(value, yaml.ScalarNode) for _, value in parts)
            short = 2 * len(place) + _length(node) <= LINE.get(place[0], OTHER_LINE)
            node.flow_style = short or (values and isinstance(node, yaml.SequenceNode))
    if not node.flow_style:
        for inner, value in parts:
            _lay_out(value, inner)


def _length(node: yaml.Node) -> int:
    """About how many characters the node takes on one line."""
    if isinstance(node, yaml.MappingNode):
        inner = [len(key.value) + 2 + _length(value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        inner = [_length(value) for value in node.value]
    else:
        return len(node.value)
    return 2 + sum(inner) + 2 * max(len(inner) - 1, 0)
