"""A policy as YAML text in the shape of the examples: one line per rule, model and step."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import yaml

from toolkit.policy.nodes import scalar

if TYPE_CHECKING:
    from toolkit.policy.model import Policy


class _Dumper(yaml.SafeDumper):
    """Quotes whatever another reader of YAML, or ours, would not take for text."""

    def represent_str(self, text: str) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().represent_str(text)
        if not isinstance(scalar(text), str) or not text.isprintable():
            node.style = '"'
        return node

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_Dumper.add_representer(str, _Dumper.represent_str)


def to_yaml(policy: Policy) -> str:
    """Write the policy without what equals its default, in the order of its parts."""
    stream = io.StringIO()
    dumper = _Dumper(stream, sort_keys=False, width=10**6, allow_unicode=True)
    try:
        root = dumper.represent_data(policy.to_data())
        _lay_out(root, ())
        dumper.open()
        dumper.serialize(root)
        dumper.close()
    finally:
        dumper.dispose()
    return stream.getvalue()


def _lay_out(node: yaml.Node, place: tuple[str, ...]) -> None:
    """Give the outer levels a line for each entry and put the inner ones on one line."""
    if isinstance(node, yaml.MappingNode):
        parts = [((*place, key.value), value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        parts = [((*place, "-"), value) for value in node.value]
    else:
        return
    match place:
        case () | ("goals",) | ("models",) | ("routes",) | ("chains",) | ("chains", _):
            node.flow_style = False
        case ("chains", _, "steps"):
            node.flow_style = False
        case _:
            node.flow_style = True
    for inner, value in parts:
        _lay_out(value, inner)
