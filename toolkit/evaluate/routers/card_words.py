"""A router's card as text, which is Markdown that reads well in a terminal, and as HTML."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

from toolkit.evaluate.format import html_list, html_table
from toolkit.evaluate.gate_report import printable, text
from toolkit.evaluate.routers.card_parts import card_parts, card_title
from toolkit.learn.card import Card

_WIDTH = 100


def card_text(card: Card) -> str:
    """The card as Markdown that also reads well in a terminal."""
    blocks = [f"# {text(card_title(card))}{' [SIMULATED DATA]' if card.simulated else ''}"]
    for part in card_parts(card):
        blocks.append(f"## {part.title}")
        if part.lines:
            blocks.append("\n".join(_wrapped(line, len(part.lines) > 1) for line in part.lines))
        if part.rows:
            blocks.append(_table(part.head, part.rows))
    return "\n\n".join(blocks) + "\n"


def card_html(card: Card) -> str:
    """The card as HTML of escaped text, for notebooks."""
    mark = " <em>simulated data</em>" if card.simulated else ""
    blocks = [f"<p><strong>{html.escape(card_title(card))}</strong>{mark}</p>"]
    for part in card_parts(card):
        blocks.append(f"<p style='margin-bottom:0'><strong>{html.escape(part.title)}</strong></p>")
        blocks += [html_list(map(printable, part.lines))] if part.lines else []
        rows = [tuple(map(printable, row)) for row in part.rows]
        blocks += [html_table(part.head, rows)] if rows else []
    return f"<div style='max-width:60em'>{''.join(blocks)}</div>"


def _wrapped(line: str, listed: bool) -> str:
    return textwrap.fill(
        text(line),
        _WIDTH,
        initial_indent="- " if listed else "",
        subsequent_indent="  " if listed else "",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # The head is our own words.
    lines = [list(head), *([text(cell).replace("|", r"\|") for cell in row] for row in rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    out = []
    for line in (lines[0], rule, *lines[1:]):
        first, *rest = zip(line, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out)
