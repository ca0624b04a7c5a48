"""A gate in words: its answer with the reason, and what it rests on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.evaluate.format import counted, percent
from toolkit.evaluate.goals import GoalResult, listed
from toolkit.evaluate.routed import SEEN, routed
from toolkit.evaluate.verdict import about

if TYPE_CHECKING:
    from toolkit.evaluate.compare import Comparison
    from toolkit.evaluate.gate import Gate
    from toolkit.evaluate.summary import Summary


def verdict(g: Gate) -> str:
    """The answer in a sentence or two."""
    n = counted(g.requests, "request")
    if g.hidden:
        return (
            f"The data cannot tell: {percent(g.unobserved_share)} of {n} are unobserved, "
            f"more than {percent(g.most_unobserved)}, and nobody knows how they would have ended. "
            "For a log of live traffic see the command estimate."
        )
    missed = [
        f"{goal.label} is {goal.measured}, wanted {goal.wanted}"
        for goal in g.results
        if goal.answer == "no"
    ]
    open_ones = [goal for goal in g.results if goal.answer not in {"yes", "no"}]
    if missed:
        text = f"{g.policy} misses {_goals(len(missed), len(g.results))}: {'; '.join(missed)}."
        names = listed([goal.label for goal in open_ones])
        text += f" The data cannot tell on {names}." if open_ones else ""
        return text + (f" And {SEEN} ({', '.join(g.seen)})." if g.seen else "")
    doubt = ""
    if g.seen:
        cards = listed([f"router-card {name}" for name in g.seen])
        doubt = (
            f"The data cannot tell: {SEEN} ({', '.join(g.seen)}), so it does better on them than"
            f" it will on others. Gate it on requests that it has not seen; {cards} has what it"
            " reached on such. "
        )
    if not open_ones:
        what = "its goal" if len(g.results) == 1 else f"all of its {len(g.results)} goals"
        return f"{doubt}{g.policy} meets {what} on {n}, each with its whole interval."
    told = [_open(g, goal) for goal in open_ones]
    return f"{doubt}The data cannot tell whether {g.policy} meets {listed(told)}."


def _open(g: Gate, goal: GoalResult) -> str:
    if goal.met is None:
        return f"{goal.label} (wanted {goal.wanted}; {goal.reason})"
    found = g.needed(goal)
    more = f"; {goal.reason}" if goal.reason else ""
    more += f"; {about(found)} requests would" if math.isfinite(found) else ""
    return f"{goal.label} ({goal.measured}, wanted {goal.wanted}{more})"


def _goals(some: int, of: int) -> str:
    return "its goal" if of == 1 else f"{some} of its {of} goals"


def assumptions(summary: Summary, compared: Comparison | None) -> tuple[str, ...]:
    """What a policy's numbers rest on, and those against a baseline."""
    lines = list(summary.assumptions)
    if compared is not None:
        base = compared.replays[0]
        told = routed([base.policy], base.dataset, [base.routers])
        lines += [f"The baseline: {line}" for line in told if line not in lines]
        imputed = float(base.imputed[compared.pairs.request].mean()) if compared.paired else 0.0
        if imputed:
            lines.append(
                f"Under {compared.a} {percent(imputed)} of requests rest on an imputed attempt."
            )
        lines.append(
            f"Changes and ratios are over the {counted(compared.paired, 'request')} observed under "
            f"both policies, those of {compared.b} against those of {compared.a}. Changes of "
            "percentiles, fallbacks and degraded answers, and ratios of percentiles, rates and "
            "qualities, combine the intervals of both sides by square-and-add with their "
            "correlation; all others come from the differences, or the draws, of the same requests."
            " Where both end with the same outcomes there is no change at all."
        )
    return tuple(lines)
