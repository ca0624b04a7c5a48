"""The page of a report: its look, and how it stays a file that cannot act.

What a person or a log wrote is text everywhere. The page's policy lets run only the two scripts
that stand in it, by their hashes, and loads nothing from anywhere, so that nothing in a name could
act even if it were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2733; --faint: #5b6975; --line: #d5dde3; --ground: #fff;
  --accent: #7b61c9; --badge: #f2a900; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ecf1; --faint: #9aa8b4; --line: #33424f;
  --ground: #10171e; --accent: #a995e6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 16px 40px; max-width: 720px; background: var(--ground);
  color: var(--ink); font: 14px/1.45 "Source Sans Pro", "Source Sans 3", system-ui, sans-serif; }
h1 { font-size: 23px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 15px; margin: 20px 0 4px; }
p { margin: 6px 0; } ul { margin: 4px 0; padding-left: 18px; }
.verdict { font-size: 16px; border-left: 3px solid var(--accent); padding-left: 10px; }
.faint, li { color: var(--faint); font-size: 12.5px; overflow-wrap: anywhere; }
.badge { display: inline-block; border: 1px solid var(--badge); border-radius: 4px;
  padding: 0 8px; font-size: 13px; margin-bottom: 8px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 12.5px; font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--faint); vertical-align: bottom; }
td, th { border-bottom: 1px solid var(--line); }
.numbers td, .numbers thead th { text-align: right; padding: 2px 0 2px 12px; }
.numbers td { white-space: nowrap; }
.numbers tbody td, .numbers tbody th { vertical-align: top; }
.numbers tbody th { text-align: left; font-weight: 400; color: var(--ink);
  min-width: min(140px, 34vw); overflow-wrap: anywhere; }
small { color: var(--faint); font-size: 11px; line-height: 1.2; }
pre { font-size: 11px; line-height: 1.35; white-space: pre-wrap; overflow-wrap: anywhere;
  border: 1px solid var(--line); border-radius: 4px; padding: 8px; margin: 4px 0; }
#figure { width: 100%; }
@page { margin: 12mm; }
@media print { :root { --ink: #000; --faint: #444; --line: #ccc; --ground: #fff;
  --accent: #7b61c9; } body { padding: 0; max-width: none; font-size: 11px; }
  h2, table, #figure { break-inside: avoid; } h2 { break-after: avoid; }
  .verdict { font-size: 13px; } h1 { font-size: 19px; } h2 { font-size: 13px; margin: 10px 0 2px; }
  p { margin: 3px 0; } .faint, li, table { font-size: 10px; } small { font-size: 9px; }
  .numbers td, .numbers th { padding-top: 0; padding-bottom: 0; line-height: 1.15; }
  pre { font-size: 8px; columns: 2; line-height: 1.25; } }
"""
_DRAW = """
Plotly.newPlot("figure", FIGURE.data, FIGURE.layout, {displayModeBar: false, responsive: true});
const drawn = (size) => () => Plotly.relayout("figure", size);
addEventListener("beforeprint", drawn({width: 690, height: 300}));
addEventListener("afterprint", drawn({width: null, height: 380, autosize: true}));
"""


def text(value: object) -> str:
    """Written for HTML."""
    return html.escape(str(value))


def cells(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose second cell stands under the first, and intervals under their values."""

    def small(words: str) -> str:
        return f"<br><small>{text(words)}</small>" if words else ""

    body = ""
    for name, note, *cells in rows:
        body += f'<tr><th scope="row">{text(name)}{small(note)}</th>'
        for cell in cells:
            value, bracket, interval = cell.partition(" [")
            body += f"<td>{text(value)}{small(bracket.strip() + interval)}</td>"
        body += "</tr>"
    top = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    return (
        f'<div class="wide"><table class="numbers">'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def page(title: str, body: str, figure: go.Figure) -> str:
    """A whole file; the figure is drawn into the element ``figure`` of ``body``."""
    from plotly.offline import get_plotlyjs

    # Inside a script only "<" could end it.
    data = figure.to_json().replace("<", "\\u003c")
    scripts = [get_plotlyjs(), f"const FIGURE = {data};{_DRAW}"]
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    rules = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{rules}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n"
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
