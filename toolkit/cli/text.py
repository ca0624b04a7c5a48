"""Results as plain text for a terminal, or as one JSON object for a program.

Text from logs and policies is untrusted: a control or direction character in it could recolour,
erase or reorder what the reader sees, so such characters are printed as their escapes.
"""

from __future__ import annotations

import json
import math
import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.evaluate.summary import Summary
    from toolkit.logs.collect import CollectReport
    from toolkit.logs.importers import ImportReport, Preview

MAX_CELL = 40
WIDTH = 100
"""Columns after which sentences wrap; tables are as wide as they need."""


def clean(text: object) -> str:
    """Return ``text`` on one line with every unprintable character as its escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def to_json(result: Mapping[str, Any]) -> str:
    """One JSON object on one line, in ASCII; undefined numbers become null."""
    return json.dumps(_plain(result), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: Collection[int] = (0,)) -> str:
    """Columns under their names: those of ``words`` to the left, numbers to the right."""
    lines = [[clean(cell) for cell in line] for line in (head, *rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    out = []
    for line in lines:
        cells = [
            cell + pad if column in words else pad + cell
            for column, cell in enumerate(line)
            for pad in [" " * (widths[column] - _width(cell))]
        ]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def _width(text: str) -> int:
    """Terminal columns that a text takes: two for a wide letter, none for a combining mark."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def notes(lines: Iterable[str]) -> str:
    """Sentences as a list."""
    return "\n".join(
        textwrap.fill(clean(line), WIDTH, initial_indent="- ", subsequent_indent="  ")
        for line in lines
    )


def blocks(*parts: str) -> str:
    """The parts that are not empty, with a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def title(text: str, *, simulated: bool = False) -> str:
    """The first line of a result; simulated data is marked as such."""
    return clean(text) + ("  [SIMULATED DATA]" if simulated else "")


def summary_text(summary: Summary) -> str:
    """A replay's answer first, then its numbers, its parts, and what they rest on."""
    from toolkit.evaluate.format import (
        count,
        number_interval,
        percent,
        seconds_interval,
        usd_interval,
    )
    from toolkit.evaluate.summary import ESTIMATES

    estimates = [getattr(summary, name) for name in ESTIMATES]
    numbers = table(
        ("", "value [95 %]", "n", "measured"),
        [
            (*row, count(e.n), percent(e.share))
            for row, e in zip(summary.rows, estimates, strict=True)
        ],
    )
    goals = table(
        ("goal", "limit", "met"),
        [(g.label, g.limit, g.answer) for g in summary.goals],
        words=range(3),
    )
    models = table(
        ("model", "answers", "quality of them", "calls", "errors of calls", "share of cost"),
        [
            (
                name,
                percent(part.share),
                number_interval(part.quality),
                count(part.calls),
                percent(part.call_error_rate.value),
                percent(part.cost_share),
            )
            for name, part in summary.by_model.items()
        ],
    )
    cut = [("route", summary.by_route), ("category", summary.by_category)]
    slices = [
        table(
            (kind, "requests", "quality", "cost per 1k", "mean latency"),
            [
                (
                    name,
                    count(part.requests),
                    number_interval(part.quality),
                    usd_interval(part.cost_usd_per_1k),
                    seconds_interval(part.latency_mean_s),
                )
                for name, part in parts.items()
            ],
        )
        for kind, parts in cut
        if parts
    ]
    return blocks(
        title(
            f"{summary.policy} on {summary.dataset}, {count(summary.requests)} requests,"
            f" {count(summary.unobserved)} unobserved",
            simulated=summary.simulated,
        ),
        textwrap.fill(clean(summary.verdict), WIDTH),
        numbers,
        goals if summary.goals else "",
        models,
        *slices,
        notes(summary.assumptions),
    )


def imported_text(report: ImportReport) -> str:
    """What an import brought."""
    from toolkit.evaluate.format import count

    shape = (
        f"{report.name}: {count(report.n_requests)} requests, {count(report.n_models)} models, "
        f"{count(report.n_outcomes)} outcomes"
    )
    if report.already_there:
        return clean(f"{shape}. The same content was there already.")
    rejects = ""
    if report.rejects_path is not None:
        rejects = clean(f"The rejected rows, each with its line and why: {report.rejects_path}")
    return blocks(
        clean(f"{shape}; {report.kind}."),
        _row_counts(report),
        rejects,
        notes(report.notes),
        notes(report.gaps),
    )


def _row_counts(read: ImportReport | Preview) -> str:
    """Where the rows of a log went."""
    from toolkit.evaluate.format import count

    return clean(
        f"Read as {read.format}: {count(read.n_rows)} rows = {count(read.n_stored)} stored"
        f" + {count(read.n_rejected)} rejected + {count(read.n_left_out)} left out."
    )


def preview_text(seen: Preview) -> str:
    """What an import would bring: the mapping, the first rows, the first rejects."""
    from toolkit.evaluate.format import count

    rows = seen.rows.to_pylist()[:5]
    names = [c for c in seen.rows.column_names if any(row[c] is not None for row in rows)]
    return blocks(
        clean(
            f"Nothing is written. It would be {count(seen.n_requests)} requests, "
            f"{count(seen.n_models)} models, {count(seen.n_outcomes)} outcomes; {seen.kind}."
        ),
        _row_counts(seen),
        table(("column", "from"), seen.mapping, words=(0, 1)),
        table(names, [[_cell(row[c]) for c in names] for row in rows], words=range(len(names))),
        notes(f"{one.file}, line {one.line}: {one.reason}" for one in seen.rejects),
        notes(seen.notes),
        notes(seen.gaps),
    )


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def collected_text(report: CollectReport) -> str:
    """How far a run came."""
    from toolkit.evaluate.format import count, usd

    state = "finished" if report.finished else report.stopped
    return blocks(
        title(f"{report.name}: {count(report.done)} of {count(report.total)} outcomes, {state}"),
        notes(
            [
                f"{count(report.resumed)} of them were there from an earlier start.",
                f"Spent {usd(report.spent_usd)} in all.",
                *report.notes,
            ]
        ),
    )
