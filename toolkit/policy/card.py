"""A policy as a small table for notebooks; it takes its colours from the page it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from toolkit.policy.words import (
    condition_in_words,
    goals_in_words,
    protection,
    route_in_words,
    step_in_words,
)

if TYPE_CHECKING:
    from toolkit.policy.model import Policy

_CELL = "text-align:left;vertical-align:top;padding:0.2em 0.8em 0.2em 0;overflow-wrap:break-word"


def card(policy: Policy) -> str:
    """HTML of the rules and chains in words, all text escaped."""
    rules = [(r.name, condition_in_words(r.when), route_in_words(r)) for r in policy.routes]
    chains = [
        (name, " → ".join(step_in_words(step) for step in chain.steps), _limits(chain.to_data()))
        for name, chain in policy.chains.items()
    ]
    guards = protection(policy)
    return (
        "<div style='max-width:60em'>"
        f"<p style='margin:0'><strong>{escape(policy.policy)}</strong> "
        f"{escape(policy.description)}</p>"
        f"<p style='margin:0;opacity:0.75'>{escape('; '.join(goals_in_words(policy.goals)))}</p>"
        + _table(("rule", "when", "chain"), [*rules, ("default", "otherwise", policy.default)])
        + _table(("chain", "steps", "limits"), chains)
        + (_table(("protection", "how"), guards) if guards else "")
        + "</div>"
    )


def _limits(chain: dict[str, object]) -> str:
    units = {
        "deadline_s": "at most {} s",
        "max_cost_usd": "stops at ${}",
        "cache": "without the cache",
    }
    return ", ".join(text.format(chain[key]) for key, text in units.items() if key in chain)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        line = "border-top:1px solid rgba(128,128,128,0.4)"
        inner = "".join(f"<{tag} style='{_CELL}'>{escape(cell)}</{tag}>" for cell in cells)
        return f"<tr style='background:none;{line}'>{inner}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return (
        "<table style='border-collapse:collapse;margin:0.6em 0;color:inherit'>"
        f"<thead>{row(head, 'th')}</thead><tbody>{body}</tbody></table>"
    )
