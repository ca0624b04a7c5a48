"""The command that tries many policies and says which of them nothing beats."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import DatasetArg, JsonArg, PolicyArg, SeedArg, app, say, show
from toolkit.cli.progress import progress_bar
from toolkit.cli.scenarios import ScenarioArg, scenario_of
from toolkit.cli.text import WIDTH, blocks, clean, notes, table, title

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.frontier import Frontier
    from toolkit.evaluate.tradeoffs.points import Point

MOST_ROWS = 20
"""So many policies of the frontier are printed."""

VARY = (
    "What to vary: PATH=lo:hi:n (even steps), PATH=lo:hi:n:log (even ratios) or PATH=a,b,c. May be "
    "given several times; without it, one or two places that show the trade-off well."
)
AXES = "Two or more of cost, quality, latency, p50, p95, p99, errors, degraded."


@app.command("frontier")
def frontier_command(
    policy: PolicyArg,
    dataset: DatasetArg,
    vary: Annotated[list[str] | None, typer.Option(help=VARY)] = None,
    axes: Annotated[str, typer.Option(help=AXES)] = "cost,quality",
    pair: Annotated[
        str | None, typer.Option(help="WEAK,STRONG: how much of the way between two models.")
    ] = None,
    scenario: ScenarioArg = None,
    seed: SeedArg = 0,
    report: Annotated[
        Path | None, typer.Option(help="Write a page to send on (HTML) to this file.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every policy to this CSV file.")] = None,
    as_json: JsonArg = False,
) -> None:
    """Try many versions of a policy: what is the cheapest way to be good enough?"""
    from toolkit.engine.decide import check_seed
    from toolkit.evaluate.search.tunables import suggested
    from toolkit.evaluate.tradeoffs.frontier import frontier
    from toolkit.evaluate.tradeoffs.points import axes_of
    from toolkit.evaluate.tradeoffs.vary import parse_vary
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy

    wanted = axes_of(axes)
    models = _pair(pair)
    check_seed(seed)
    world = scenario_of(scenario, None)
    places = [parse_vary(one) for one in vary or ()]
    one, data = load_policy(policy), load_dataset(dataset)
    if vary is None:
        places = list(suggested(one, data))
        if places:
            say("Varied: " + "; ".join(map(str, places)))
    with progress_bar("policies") as progress:
        found = frontier(
            one, data, places, axes=wanted, pair=models, scenario=world, seed=seed,
            progress=progress,
        )  # fmt: skip
    if vary is None and not places:
        say("There is nothing in this policy whose change would trade cost against quality.")
    if csv is not None:
        _write(csv, _csv(found))
    if report is not None:
        from toolkit.figures import report as page

        _write(report, page(found).encode())
    show(found.to_dict(), frontier_text(found), as_json=as_json)


def _pair(text: str | None) -> tuple[str, str] | None:
    from toolkit.errors import DataError

    if text is None:
        return None
    weak, comma, strong = (part.strip() for part in text.partition(","))
    if not (weak and comma and strong):
        raise DataError(f"pair: needs two models; got {text!r}; allowed: WEAK,STRONG")
    return weak, strong


def _csv(found: Frontier) -> bytes:
    """Every policy as a row; no text can become a formula in a spreadsheet."""
    import pyarrow as pa
    from pyarrow.csv import write_csv

    from toolkit.evaluate.tradeoffs.vary import value_text
    from toolkit.logs.exporters.columns import csv_columns

    frame = found.to_pandas().reset_index()
    for path in found.paths:
        # As a policy file has them: one column may hold a number, a word and nothing.
        given = (point.values[path] for point in found.points)
        frame[path] = [None if value is None else value_text(value) for value in given]
    sink = pa.BufferOutputStream()
    write_csv(csv_columns(pa.Table.from_pandas(frame, preserve_index=False), "frontier"), sink)
    return bytes(sink.getvalue())


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    from toolkit.errors import DataError

    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written; got {error.strerror or error}") from error
    say(f"Written: {path}")


def frontier_text(found: Frontier) -> str:
    """The answer first, then the policies that nothing beats, then what needs no policy."""
    from toolkit.evaluate.tradeoffs.words import counted

    tried = counted(len(found.points), "policy", "policies")
    heading = f"{found.policy} on {found.dataset}, {counted(found.n, 'request')}, {tried}"
    if found.scenario:
        heading += f", in the scenario {found.scenario}"
    keys = _letters(found.paths)
    return blocks(
        title(heading, simulated=found.simulated),
        textwrap.fill(clean(found.verdict), WIDTH),
        "\n".join(clean(f"{key} = {path}") for path, key in keys.items()),
        _policies(found, keys),
        _beside(found),
        _worth(found, keys),
        _scores(found),
        notes(found.assumptions),
    )


def _policies(found: Frontier, keys: dict[str, str]) -> str:
    """The policy as it stands, the frontier, and the one that the verdict names."""
    from toolkit.evaluate.format import count
    from toolkit.evaluate.tradeoffs.rows import HEAD, cells

    shown = list(found.frontier)
    if len(shown) > MOST_ROWS:
        step = (len(shown) - 1) / (MOST_ROWS - 1)
        shown = [shown[round(i * step)] for i in range(MOST_ROWS)]
    named = (found.best, found.surest, found.cheapest)
    best = {point.index for point in named if point is not None}
    axis = found.axes[0]
    rows = [
        (*_values(point, keys), *cells(point, found.axes), _mark(found, point.index))
        for point in sorted(
            (found.points[i] for i in {0, *shown, *best}),
            key=lambda point: (getattr(point, axis).value, point.index),
        )
    ]
    head = (*(keys.values() or ("policy",)), *HEAD, *found.further, "")
    goals = len(keys or [""]) + len(HEAD) - 1
    left = len(found.frontier) - len(shown)
    return "\n".join(
        (
            table(head, rows, words=(*range(len(keys) or 1), goals, len(head) - 1)),
            *([f"Of the frontier {count(left)} more: see --csv or --json."] if left else ()),
        )
    )


def _letters(paths: Sequence[str]) -> dict[str, str]:
    """A short name for each place that is varied."""
    return {path: chr(ord("A") + i) if i < 26 else f"A{i}" for i, path in enumerate(paths)}


def _values(point: Point, keys: dict[str, str]) -> tuple[str, ...]:
    from toolkit.evaluate.tradeoffs.vary import value_text

    return tuple(value_text(point.values[path]) for path in keys) or (point.name,)


def _mark(found: Frontier, index: int) -> str:
    words = ["as it stands"] if index == 0 else []
    if index not in found.frontier:
        words.append("beaten by another")
    best, least = found.best, found.cheapest
    if best is not None and best.index == index:
        words.append("cheapest that meets the goals" if best is least else "preferred")
    elif least is not None and least.index == index:
        words.append("cheapest by value")
    return ", ".join(words)


def _beside(found: Frontier) -> str:
    """Single models of the policy, the best of the others, chance, and foresight."""
    from toolkit.evaluate.format import (
        number_interval,
        percent_interval,
        seconds_interval,
        usd_interval,
    )

    alone = [row for row in found.own.rows if row.kind == "single"]
    vertices = {vertex.model for vertex in found.zero_router_all} - set(found.used)
    others = [row for row in found.baselines.rows if row.name in vertices]
    rows = [
        (f"{row.name}{'' if row in alone else ' (not in the policy)'}", row)
        for row in (*alone, *others)
        if row.kind == "single"
    ]
    rows += [(found.random_mix.name, found.random_mix), (found.oracle.name, found.oracle)]
    return table(
        ("without a policy", "cost per 1k [95 %]", "quality", "mean latency", "errors"),
        [
            (
                name,
                usd_interval(row.cost_usd_per_1k),
                number_interval(row.quality),
                seconds_interval(row.latency_mean_s),
                percent_interval(row.error_rate),
            )
            for name, row in rows
        ],
    )


def _worth(found: Frontier, keys: dict[str, str]) -> str:
    from toolkit.evaluate.tradeoffs.rows import HEAD, cells

    if len(found.worth) < 2:
        return ""
    rows = [
        (
            *_values(found.points[one.point], keys),
            *cells(found.points[one.point])[:2],
            f"{one} *" if one.doubt else str(one),
        )
        for one in found.worth
    ]
    head = (*(keys.values() or ("policy",)), *HEAD[:2], "best where a point of quality is worth")
    lines = ["per 1k a point: USD per 1,000 requests for 0.01 of quality on each."]
    lines += [f"*: {d}." for d in dict.fromkeys(one.doubt for one in found.worth if one.doubt)]
    return "\n".join((table(head, rows, words=(*range(len(head) - 3), len(head) - 1)), *lines))


def _scores(found: Frontier) -> str:
    from toolkit.evaluate.format import number_interval, points_interval, usd
    from toolkit.evaluate.tradeoffs.pair import pair_in_words

    aiq, lines = found.aiq, []
    if aiq.policies.value.n and aiq.policies.value.value == aiq.policies.value.value:
        rows = [
            (name, number_interval(area.value), number_interval(area.by_max))
            for name, area in (
                ("these policies", aiq.policies),
                ("zero router: their models mixed at random", aiq.zero_router),
                ("oracle over these models", aiq.oracle),
            )
        ]
        span = f"{usd(aiq.low_cost)} to {usd(aiq.high_cost)} per 1k"
        lines.append(table((f"AIQ, {span}", "by width", "by highest cost"), rows))
        lines.append(
            "AIQ is the mean quality to be had over budgets in that range, mixing policies; above "
            f"the zero router: {points_interval(aiq.gain)}."
        )
    if found.pair is not None:
        lines.append(clean(pair_in_words(found.pair)))
    return "\n".join(lines)
