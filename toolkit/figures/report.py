"""A trade-off on one page, to send or to print: one file that asks nothing of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from toolkit.evaluate.format import (
    count,
    html_list,
    html_table,
    number,
    percent,
    percent_interval,
    points_interval,
    quality_interval,
    seconds,
    seconds_interval,
    usd,
    usd_interval,
)
from toolkit.evaluate.tradeoffs.pair import pair_in_words
from toolkit.figures import theme
from toolkit.figures.baseline_words import names, over
from toolkit.figures.report_page import cells, page, text
from toolkit.figures.tradeoff_words import Words, in_words, short_name
from toolkit.figures.tradeoffs import tradeoffs_figure

if TYPE_CHECKING:
    from toolkit.evaluate.baselines import Baseline
    from toolkit.evaluate.compare import Comparison
    from toolkit.evaluate.summary import Summary
    from toolkit.evaluate.tradeoffs.points import Point
    from toolkit.evaluate.tradeoffs.result import Frontier

QUESTION = "What is the cheapest way to be good enough?"
TRIED = (
    "What is good enough here are limits that were tried; the goals that the policy states differ."
)
MOST_ROWS = 12
"""Policies of the frontier in the table."""


def report(
    frontier: Frontier,
    comparison: Comparison | None = None,
    summary: Summary | None = None,
    point: int | None = None,
    on: date | None = None,
    words: Words | None = None,
) -> str:
    """A sweep as one HTML page: question, verdict, picture, table, assumptions, chosen policy.

    ``point`` is the index of the chosen policy (None: the cheapest that meets the goals, else the
    one as it stands); ``comparison`` and ``summary`` are of it. ``on`` is the date that it bears.
    ``words`` tells what sets a policy apart (None: the values at the places that are varied).
    """
    chosen = frontier.points[point] if point is not None else frontier.best or frontier.points[0]
    colours = theme.colours([single.name for single in frontier.singles], frontier.used)
    drawn = tradeoffs_figure(
        frontier, colours=colours, picked=chosen.index, height=380, words=words
    )
    parts = [
        _head(frontier, words),
        f'<div id="figure" role="img" aria-label="{text(drawn.layout.meta["alt"])}"></div>',
        _table(frontier, chosen, words),
        _areas(frontier),
        _pair(frontier),
        _compared(comparison),
        _goals(frontier, summary, chosen),
        f"<h2>What it rests on</h2>{html_list(_assumptions(frontier, summary))}",
        _policy(chosen, words),
        _foot(frontier, chosen, on, words),
    ]
    return page(f"{QUESTION} {frontier.policy}", "\n".join(filter(None, parts)), drawn)


def _head(f: Frontier, words: Words | None) -> str:
    tried = f" {TRIED}" if _tried(f) else ""
    badge = '<div class="badge">Simulated data</div>' if f.simulated else ""
    return (
        f"{badge}<h1>{QUESTION}</h1>"
        f'<p class="verdict">{text(in_words(f.verdict, f, words))}</p>'
        f'<p class="faint">Policy <b>{text(f.policy)}</b> on dataset <b>{text(f.dataset)}</b>'
        f"{' (simulated data)' if f.simulated else ''}: {count(len(f.points))} policies, "
        f"{count(f.n)} of {count(f.requests)} requests"
        f"{text(f', scenario {f.scenario}') if f.scenario else ''}. "
        f"Brackets are 95 % intervals.{text(tried)}</p>"
    )


def _table(f: Frontier, chosen: Point, words: Words | None) -> str:
    best = f.worth if len(f.worth) > 1 else ()
    worth = {one.point: str(one) for one in best}
    doubts = {one.point: one.doubt for one in best if one.doubt}
    rows = []
    for p in _shown(f, chosen):
        marks = ["chosen"] if p is chosen else []
        marks += ["as it stands"] if not p.index and f.paths else []
        if p.index in worth:
            marks.append(f"best {worth[p.index]}")
        if p.index in doubts:
            marks.append(doubts[p.index])
        rows.append((short_name(p, words), ", ".join(marks), *_numbers(p)))
    named = {vertex.model for vertex in f.zero_router_all} | set(f.used)
    rows += [(p.name, "alone", *_numbers(p)) for p in f.singles if p.name in named]
    mixes = (f.random_mix, f.oracle) if len(f.used) > 1 else ()
    rows += [(over(row, f.used).name, names(f.used), *_numbers(row)) for row in mixes]
    if 1 < len(f.used) < len(f.singles):
        every = [single.name for single in f.singles]
        rows.append((over(f.oracle_all, every).name, "all of the log", *_numbers(f.oracle_all)))
    head = ("", "cost per 1k", "quality", "mean latency", "errors")
    lines = [f"{count(len(f.frontier))} policies that no other beats, and baselines."]
    if f.paths and words is None:
        lines.append(f"Varied, in this order: {' · '.join(f.paths)}.")
    if worth:
        lines.append("Per 1k a point: USD per 1,000 requests for 0.01 of quality on each.")
    return f'<h2>In numbers</h2><p class="faint">{text(" ".join(lines))}</p>{cells(head, rows)}'


def _shown(f: Frontier, chosen: Point) -> Sequence[Point]:
    """What no other beats, not too many of them; the chosen policy and the one as it stands."""
    step = max(1, -(-len(f.frontier) // MOST_ROWS))
    some = {*f.frontier[::step], *f.hull, 0, chosen.index}
    if not f.paths:
        # Policies that were given: whoever gave them wants to see them.
        some |= {*range(min(len(f.points), MOST_ROWS))}
    return sorted((f.points[i] for i in some), key=lambda p: p.cost_usd_per_1k.value)


def _numbers(row: Point | Baseline) -> tuple[str, ...]:
    return (
        usd_interval(row.cost_usd_per_1k),
        quality_interval(row.quality),
        seconds_interval(row.latency_mean_s),
        percent_interval(row.error_rate),
    )


def _areas(f: Frontier) -> str:
    a = f.aiq
    if not a.policies.value.n or a.policies.value.value != a.policies.value.value:
        return ""
    lines = (
        f"Mean quality over {usd(a.low_cost)} to {usd(a.high_cost)} per 1k (AIQ): policies "
        f"{quality_interval(a.policies.value)}, single models mixed at random "
        f"{quality_interval(a.zero_router.value)}, oracle of these models "
        f"{quality_interval(a.oracle.value)}; gain of the policies over the mix "
        f"{quality_interval(a.gain)}."
    )
    return f"<p>{text(lines)}</p>"


def _pair(f: Frontier) -> str:
    if f.pair is None:
        return ""
    p = f.pair
    line = (
        f"From {p.weak} to {p.strong}: the policies recover {percent_interval(p.apgr)} of the gap "
        "in quality on average over all shares of calls to the latter (APGR); half of it takes "
        f"{percent(p.cpt50)} of such calls (CPT50), 80 % of it {percent(p.cpt80)} (CPT80)."
    )
    if p.reason:
        line = pair_in_words(p)
    return f"<p>{text(line)}</p>"


def _compared(c: Comparison | None) -> str:
    if c is None:
        return ""
    if c.a == c.b:
        # A variant bears the name of what it varies.
        c = replace(c, b="This policy")
    rows = [
        ("quality", "", number(c.quality.a), number(c.quality.b), points_interval(c.quality)),
        (
            "cost per 1k",
            "",
            usd(c.cost_usd_per_1k.a),
            usd(c.cost_usd_per_1k.b),
            usd_interval(c.cost_usd_per_1k, sign=True),
        ),
        (
            "mean latency",
            "",
            seconds(c.latency_mean_s.a),
            seconds(c.latency_mean_s.b),
            seconds_interval(c.latency_mean_s, sign=True),
        ),
        (
            "errors",
            "",
            percent(c.error_rate.a),
            percent(c.error_rate.b),
            points_interval(c.error_rate),
        ),
    ]
    table = cells(("", f"A: {c.a}", f"B: {c.b}", "B minus A"), rows)
    on = f"On the same {count(c.paired)} of {count(c.requests)} requests."
    return (
        f"<h2>The chosen policy, B, against {text(c.a)}, A</h2>"
        f'<p>{text(c.verdict)}</p><p class="faint">{on}</p>{table}'
    )


def _tried(f: Frontier) -> bool:
    """The sweep is held against other limits than the policy's own."""
    return f.goals != f.points[0].policy.goals


def _goals(f: Frontier, summary: Summary | None, chosen: Point) -> str:
    goals = chosen.goals if summary is None or _tried(f) else summary.goals
    if not goals:
        return ""
    rows = [(goal.label, goal.measured, goal.wanted, goal.answer) for goal in goals]
    table = html_table(("goal", "measured", "limit", "met"), rows)
    head = "The chosen policy against its goals"
    if _tried(f):
        head = "The chosen policy against limits that were tried, not its own goals"
    return f'<h2>{head}</h2><div class="wide">{table}</div>'


def _assumptions(f: Frontier, summary: Summary | None) -> Sequence[str]:
    return tuple(dict.fromkeys((*f.assumptions, *(summary.assumptions if summary else ()))))


def _policy(chosen: Point, words: Words | None) -> str:
    written = text(chosen.policy.to_yaml())
    name = chosen.name if words is None else words(chosen) or chosen.name
    return f"<h2>The chosen policy: {text(name)}</h2><pre>{written}</pre>"


def _digests(f: Frontier, chosen: Point, words: Words | None) -> Sequence[str]:
    now = f.points[0]
    if not (chosen.index and f.paths):
        return (f"Policy {chosen.policy.policy}, digest {chosen.digest}",)
    return (
        f"Policy {now.policy.policy} as it stands, digest {now.digest}",
        f"The chosen policy ({short_name(chosen, words)}), digest {chosen.digest}",
    )


def _foot(f: Frontier, chosen: Point, on: date | None, words: Words | None) -> str:
    from toolkit import __version__

    day = on or datetime.now(UTC).date()
    lines = (
        f"Dataset {f.dataset}, digest {f.dataset_digest}",
        *_digests(f, chosen, words),
        f"Seed {f.seed}. Made on {day.isoformat()} with Detour {__version__}.",
    )
    return f'<p class="faint">{"<br>".join(map(text, lines))}</p>'
