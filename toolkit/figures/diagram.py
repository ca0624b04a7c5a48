"""The policy as a diagram: requests, rules, chains and steps, as wide as their traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import plotly.graph_objects as go

from toolkit.evaluate.flows import Flows, Node
from toolkit.evaluate.format import count, percent
from toolkit.figures import theme

ROW = 52
"""Height per node of the fullest layer, pixels."""
_NODE = {
    "requests": theme.NEUTRAL,
    "rule": theme.POLICY,
    "chain": "#6E7F8D",
    "cache": theme.CACHED,
    "degrade": theme.DEGRADED,
}


def policy_figure(
    flows: Flows, colours: Mapping[str, str] | None = None, height: int | None = None
) -> go.Figure:
    """Draw the flows: each model in its colour, fail-over and errors red, degraded amber."""
    colours = colours or {}
    seen = sorted({*flows.source.tolist(), *flows.target.tolist()})
    place = {node: i for i, node in enumerate(seen)}
    nodes = [flows.nodes[i] for i in seen]
    traffic = dict.fromkeys(seen, 0)
    for source, target, n in zip(flows.source, flows.target, flows.count, strict=True):
        traffic[int(target)] += int(n)
        if not source:
            traffic[0] += int(n)
    fullest = max(Counter((n.kind, n.step) for n in nodes).values(), default=1)
    fig = theme.figure(height or max(250, 90 + ROW * fullest), "Where requests go")
    fig.add_trace(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [_label(node, traffic[i], flows) for i, node in zip(seen, nodes)],  # noqa: B905
                "color": [_colour(node, colours) for node in nodes],
                "thickness": 12,
                "pad": 26,
                "line": {"width": 0},
                "customdata": [
                    theme.plain(_words(node, traffic[i], flows))
                    for i, node in zip(seen, nodes)  # noqa: B905
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            },
            link={
                "source": [place[int(i)] for i in flows.source],
                "target": [place[int(i)] for i in flows.target],
                "value": flows.count,
                "color": [_link(flows, j, colours) for j in range(len(flows.count))],
                "customdata": [_path(flows, j) for j in range(len(flows.count))],
                "hovertemplate": "%{customdata}<extra></extra>",
            },
            textfont={"size": 11},
        )
    )
    fig.update_layout(margin={"l": 4, "r": 4, "t": 8, "b": 12})
    return fig


def _label(node: Node, n: int, flows: Flows) -> str:
    title = {"requests": "all"}.get(node.kind, node.name)
    share = percent(n / flows.requests) if flows.requests else ""
    return f"{theme.wrapped(title, 10)}<br>{count(n) if node.kind == 'requests' else share}"


def _colour(node: Node, colours: Mapping[str, str]) -> str:
    if node.kind == "end":
        return theme.STATUS[node.name]
    if node.kind == "step":
        return colours.get(node.name, theme.NEUTRAL)
    return _NODE[node.kind]


def _link(flows: Flows, j: int, colours: Mapping[str, str]) -> str:
    source, target = flows.nodes[flows.source[j]], flows.nodes[flows.target[j]]
    if flows.fallback[j] or target.name == "error":
        return theme.faded(theme.ERROR, 0.5)
    if target.kind == "end" and target.name != "accepted":
        return theme.faded(theme.STATUS[target.name], 0.5)
    for node in (source, target):
        if node.kind in {"step", "cache", "degrade"}:
            return theme.faded(_colour(node, colours), 0.35)
    return theme.faded(theme.NEUTRAL, 0.25)


def _words(node: Node, n: int, flows: Flows) -> str:
    what = {
        "requests": "all requests",
        "rule": f"rule {node.name}" if node.name != "default" else "no rule matched: default",
        "chain": f"chain {node.name}",
        "cache": f"answered from the cache, chain {node.part_of}",
        "degrade": f"{node.name}, step {node.step} of {node.part_of}",
        "step": f"{node.name}, step {node.step} of {node.part_of}",
        "end": f"ended {node.name}",
    }[node.kind]
    return f"{what}: {count(n)} of {count(flows.requests)} requests"


def _path(flows: Flows, j: int) -> str:
    source, target = flows.nodes[flows.source[j]], flows.nodes[flows.target[j]]
    verb = "failed over to" if flows.fallback[j] else "to"
    n, share = int(flows.count[j]), float(flows.share[j])
    start = "requests" if source.kind == "requests" else source.name
    return theme.plain(f"{start} {verb} {target.name}: {count(n)} requests, {percent(share)}")
