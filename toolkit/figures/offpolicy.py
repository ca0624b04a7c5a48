"""What a log says about a policy that did not serve it, and where it can say anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from toolkit.evaluate.format import count, percent
from toolkit.evaluate.goals import WORDS
from toolkit.evaluate.offpolicy.words import ESTIMATORS
from toolkit.figures import theme
from toolkit.figures.axes import axis
from toolkit.figures.forest import Mark, Panel, forest_figure
from toolkit.figures.heatmap import SHADES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.evaluate.offpolicy.result import Metrics, OffPolicy
    from toolkit.evaluate.offpolicy.support import Overlap

SHOWN = ("quality", "cost_usd_per_1k")
MOST_SLICES, MOST_MODELS = 40, 24
CELL = 36


def estimates_figure(
    found: OffPolicy,
    metrics: Sequence[str] = SHOWN,
    colours: Mapping[str, str] | None = None,
    height: int | None = None,
) -> go.Figure:
    """A row per estimator, the one to read first filled; below it the log itself and single models.

    Dotted lines are the goals. An extrapolation has no interval.
    """
    rows: list[tuple[str, Metrics, str, str]] = []
    for name in sorted(found.estimators, key=lambda one: one != found.recommended):
        first = name == found.recommended
        symbol = "diamond" if first else "diamond-open"
        rows.append((ESTIMATORS[name], found.estimators[name], symbol, theme.POLICY))
    rows.append(("the log itself", found.logged, "square-open", theme.NEUTRAL))
    rows += [
        (f"{name} alone", each, "circle-open", (colours or {}).get(name, theme.NEUTRAL))
        for name, each in found.singles.items()
    ]
    panels = [
        Panel(
            axis(metric).title,
            [_mark(name, each, metric, symbol, colour) for name, each, symbol, colour in rows],
            axis(metric).look,
            _limits(found, metric),
        )
        for metric in metrics
    ]
    alt = theme.plain(f"Estimates of {found.policy} from {found.dataset}, with intervals")
    return forest_figure([name for name, *_ in rows], panels, alt, height)


def _mark(name: str, each: Metrics, metric: str, symbol: str, colour: str) -> Mark:
    e = each[metric]
    label, show = WORDS[metric]
    lines = (f"{label} {show(e)}", f"n = {count(e.n)} requests")
    words = "<br>".join([f"<b>{theme.plain(name)}</b>", *map(theme.plain, lines)])
    return Mark(e, words, colour, symbol)


def _limits(found: OffPolicy, metric: str) -> list[tuple[float, str]]:
    goals = [goal for goal in found.goals if goal.name == metric and goal.kind == "value"]
    ends = [end for goal in goals for end in (goal.lowest, goal.highest)]
    return [(end, theme.GOAL) for end in ends if np.isfinite(end)]


def overlap_figure(found: Sequence[Overlap], height: int | None = None) -> go.Figure:
    """A row per slice, a column per model: the bluer, the more the log asked it there.

    The number is the share of the slice that the policy sends to the model; amber is where it asks
    one that the log cannot speak for. Takes ``OffPolicy.overlap`` or that of a ``SupportError``.
    """
    some = sorted(found, key=lambda one: -one.requests)[:MOST_SLICES]
    names = {m: 0.0 for one in some for m in (*one.target, *one.logged)}
    for one in some:
        for model, share in (*one.target.items(), *one.logged.items()):
            names[model] += share
    models = sorted(names, key=lambda model: -names[model])[:MOST_MODELS]
    fig = theme.figure(height or 150 + CELL * len(some), "What the policy asks, what the log holds")
    rows = theme.rows(fig, [_name(one) for one in some], 20)
    columns = [f"column {j}" for j in range(len(models))]
    shared: dict[str, Any] = {
        "x": columns,
        "y": rows,
        "xgap": 1,
        "ygap": 1,
        "text": [[_asked(one, m) for m in models] for one in some],
        "texttemplate": "%{text}",
        "customdata": [[_cell(one, m) for m in models] for one in some],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    logged = np.array([[one.logged.get(m, 0.0) for m in models] for one in some])
    lacking = np.array([[m in one.lacking for m in models] for one in some], np.bool_)
    fig.add_trace(
        go.Heatmap(
            z=np.where(lacking | (logged == 0), np.nan, logged),
            zmin=0,
            zmax=1,
            colorscale=SHADES,
            colorbar={
                "orientation": "h",
                "thickness": 8,
                "len": 0.6,
                "x": 1,
                "xanchor": "right",
                "y": 0,
                "yanchor": "top",
                "tickvals": [0, 0.5, 1],
                "tickformat": ".0%",
                "tickangle": 0,
                "title": {
                    "text": "share that the log asked",
                    "side": "bottom",
                    "font": {"size": 12},
                },
            },
            **shared,
        )
    )
    amber = [[0, theme.DEGRADED], [1, theme.DEGRADED]]
    fig.add_trace(
        go.Heatmap(z=np.where(lacking, 1.0, np.nan), colorscale=amber, showscale=False, **shared)
    )
    fig.update_layout(margin={"t": 8})
    fig.update_xaxes(
        type="category",
        tickvals=columns,
        ticktext=[theme.wrapped(model, 22, 1) for model in models],
        side="top",
        showgrid=False,
        autotickangles=[0, -40, -90],
    )
    fig.update_yaxes(showgrid=False)
    return fig


def _name(one: Overlap) -> str:
    parts = one.route if one.category is None else f"{one.route}: {one.category}"
    return f"{parts} ({count(one.requests)})"


def _asked(one: Overlap, model: str) -> str:
    share = one.target.get(model, 0.0)
    return theme.plain(percent(share)) if share else ""


def _cell(one: Overlap, model: str) -> str:
    asked, calls = percent(one.target.get(model, 0.0)), count(one.calls.get(model, 0))
    lines = [
        f"the policy sends {asked} of it there first",
        f"the log asked it {calls} times in {count(one.requests)} requests",
    ]
    if model in one.lacking:
        lines.append("the log cannot tell what it would have answered")
    head = f"<b>{theme.plain(f'{one.slice}: {model}')}</b>"
    return "<br>".join([head, *map(theme.plain, lines)])
