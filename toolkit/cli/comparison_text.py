"""A comparison of two policies as plain text for a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from toolkit.cli.text import WIDTH, blocks, clean, notes, table, title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.evaluate.compare import Comparison
    from toolkit.evaluate.examples import Example
    from toolkit.evaluate.slice_differences import SliceDifferences


def comparison_text(comparison: Comparison, examples: Sequence[Example] = ()) -> str:
    """Two policies and their paired difference, in words first; then by group and by request."""
    from toolkit.evaluate.format import count, counted

    c = comparison
    heading = f"{c.b} against {c.a} on {c.dataset}, {count(c.paired)} of"
    heading += f" {counted(c.requests, 'request')} observed under both"
    wins, losses = len(c.winners), len(c.losers)
    return blocks(
        title(heading, simulated=c.simulated),
        textwrap.fill(clean(c.verdict), WIDTH),
        "\n".join([table(c.head, c.rows), *(textwrap.fill(line, WIDTH) for line in c.footnotes)]),
        *(_slices(part) for part in c.slices),
        f"Quality rises on {counted(wins, 'request')} and falls on {count(losses)}.",
        *(_example(one, c.a, c.b) for one in examples),
        notes(c.assumptions),
    )


def _slices(part: SliceDifferences) -> str:
    from toolkit.evaluate.slice_differences import STARS

    words = textwrap.fill(clean(part.verdict), WIDTH)
    return "\n".join([words, table(part.head, part.rows), textwrap.fill(STARS, WIDTH)])


def _example(one: Example, a: str, b: str) -> str:
    """One request under both policies: what changed, then what happened each time."""
    from toolkit.evaluate.format import number, seconds, usd

    kind = f" ({one.category})" if one.category else ""
    changes = ", ".join(
        f"{what} {write(before)} → {write(after)}"
        for what, write, before, after in (
            ("quality", number, one.quality_a, one.quality_b),
            ("cost", usd, one.cost_usd_a, one.cost_usd_b),
            ("latency", seconds, one.latency_s_a, one.latency_s_b),
        )
    )
    lines = [f"{one.request_id}{kind}: {changes}"]
    for name, trace in ((a, one.trace_a), (b, one.trace_b)):
        first, *rest = trace.words.split("\n")
        lines += [f"  {name}: {first}", *(f"    {line}" for line in rest)]
    return "\n".join(clean(line) for line in lines)
