"""Policies of a sweep held against what is asked of them: on a slice, and against a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from toolkit.evaluate.compare import Comparison, compare
from toolkit.evaluate.differences import METRICS, together
from toolkit.evaluate.format import count
from toolkit.evaluate.goals import GoalResult, judge_all, limited
from toolkit.evaluate.relative import Relative, of_comparison
from toolkit.evaluate.summary import ESTIMATES, Summary
from toolkit.evaluate.tradeoffs.frontier import Frontier
from toolkit.learn.routing import mark
from toolkit.ui import loaders
from toolkit.ui.demand import Progress, on_demand
from toolkit.ui.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.tradeoffs.points import Point
    from toolkit.policy.model import Policy

    Rows = NDArray[np.intp]
_LEFT_OUT = "Goals that are relative to a baseline"
"""How the sweep's own assumption begins, which does not hold here."""


@dataclass(frozen=True)
class Held(View):
    """A policy with its numbers on the slice that is looked at, and how it meets the goals there.

    Only the policy itself is replayed.
    """

    rows: Rows | None
    """the requests of the slice; None: all"""
    estimates: Mapping[str, Estimate]
    """on the slice"""
    goals: tuple[GoalResult, ...]

    @cached_property
    def summary(self) -> Summary:
        """Its numbers."""
        found: dict[str, Any] = {**self.estimates}
        return replace(loaders.summary(self.replay), goals=self.goals, **found)

    @cached_property
    def comparison(self) -> Comparison:
        """The policy minus the baseline."""
        return within(loaders.comparison(self.base_replay, self.replay), self.rows)


def numbers(point: Point) -> dict[str, Estimate]:
    """The estimates that a point has."""
    return {name: getattr(point, name) for name in ESTIMATES if hasattr(point, name)}


def within(found: Comparison, rows: Rows | None) -> Comparison:
    """The comparison on some of its requests (``rows``, of the dataset; None: all of them)."""
    if rows is None:
        return found
    pairs = found.pairs
    inside = np.isin(pairs.request, rows)
    # As a slice of the whole, as in the sweep: the numbers are then the very same.
    apart = together(pairs.differences(np.where(inside, 0, 1), 2)[0], int(inside.sum()))
    part = replace(
        pairs,
        request=pairs.request[inside],
        a={name: values[inside] for name, values in pairs.a.items()},
        b={name: values[inside] for name, values in pairs.b.items()},
        same=None if pairs.same is None else pairs.same[inside],
    )
    told: dict[str, Any] = {name: apart[name] for name in METRICS}
    return replace(
        found,
        **told,
        requests=len(rows),
        paired=len(part.request),
        winners=found.winners[np.isin(found.winners, rows)],
        losers=found.losers[np.isin(found.losers, rows)],
        identical=part.identical,
        pairs=part,
        slices=(),
    )


def against_baseline(
    found: Frontier, view: View, rows: Rows | None, chosen: int | None
) -> Frontier:
    """Hold the policies that meet the other goals against the baseline, too.

    Those that miss another goal are not good enough whatever a baseline says; they are held
    against it where they are ``chosen``, or where none is good enough.
    Where the work was stopped, nothing is said of these goals.
    """
    wanted = [(name, kind) for name, kind in limited(view.policy.goals) if kind != "value"]
    if not wanted:
        return found
    able = [p for p in (*found.points, *found.singles) if p.meets or not p.goals]
    if chosen is not None and found.points[chosen] not in able:
        able.append(found.points[chosen])
    held = _held("baseline", found, view, rows, able, wanted)
    if held is None or any(point.meets for point in held.points):
        return held or found
    # Which one comes closest depends on all goals of all of them.
    every = [*found.points, *found.singles]
    return _held("baseline-all", found, view, rows, every, wanted) or found


def _held(
    name: str, found: Frontier, view: View, rows: Rows | None, asked: list[Point], wanted: list[Any]
) -> Frontier | None:
    """The sweep with these points held against the baseline; None where that was stopped."""
    part = None if rows is None else hash(rows.tobytes())
    base = view.baseline

    def work(progress: Progress | None) -> dict[str, Relative]:
        held = {}
        for done, point in enumerate(asked, 1):
            key = (
                mark(point.policy),
                mark(base),
                view.dataset.digest,
                view.seed,
                part,
                tuple(wanted),
            )
            held[point.digest] = _relative(key, view, point.policy, rows)
            if progress is not None:
                progress(done, len(asked))
        return held

    told = on_demand(
        name,
        (
            mark(base),
            view.dataset.digest,
            view.seed,
            part,
            tuple(wanted),
            tuple(mark(p.policy) for p in asked),
        ),
        "Hold against the baseline",
        f"Holding {count(len(asked))} policies against {view.baseline_name} …",
        work,
        unasked=True,
    )
    if told is None:
        return None
    lines = [line for line in found.assumptions if not line.startswith(_LEFT_OUT)]
    lines.append(
        f"Goals against a baseline hold each policy against {view.baseline_name}, request by "
        "request. Where some meet all goals, only those that meet the others are held against it."
    )
    return replace(
        found,
        points=tuple(_with(found.points, told, view)),
        singles=tuple(_with(found.singles, told, view)),
        assumptions=tuple(lines),
    )


def _with(points: Iterable[Point], told: Mapping[str, Relative], view: View) -> Iterable[Point]:
    for point in points:
        held = told.get(point.digest)
        if held is None:
            yield point
            continue
        goals = judge_all(view.policy.goals, {}, held.changes, held.ratios)
        more = tuple(goal for goal in goals if goal.kind != "value")
        yield replace(point, goals=(*point.goals, *more))


@st.cache_resource(max_entries=4_000, show_spinner=False)
def _relative(key: tuple[Any, ...], _view: View, _policy: Policy, _rows: Rows | None) -> Relative:
    """A policy against the baseline on the slice; its replay is not kept."""
    from toolkit.engine.replay import replay

    one = replay(_policy, _view.dataset, _view.seed)
    return of_comparison(within(compare(_view.base_replay, one), _rows), key[-1])
