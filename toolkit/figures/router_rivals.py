"""The router minus each of its rivals, as pairs of the same requests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from toolkit.evaluate.format import count, number_interval, points_interval, usd
from toolkit.figures import theme
from toolkit.figures.forest import Mark, Panel, forest_figure
from toolkit.figures.router_beside import curve_name
from toolkit.figures.router_words import lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.routers.rivals import Rival
    from toolkit.evaluate.routers.training import Training

ORDER = ("zero", "lookup", "neighbours", "random", "single", "oracle")
MOST_SINGLES = 12
_LOOK: dict[str, Any] = {"tickformat": "+.3~f"}


def rivals_figure(
    training: Training,
    colours: Mapping[str, str] | None = None,
    height: int | None = None,
) -> go.Figure:
    """A row per rival: right of the line the router is better; filled where that is sure.

    The first panel is the difference in quality at the cost of the rival (of a curve, halfway
    between the cheapest and the best single model); the second the mean over all budgets up to that
    of the best single model, or of two models without costs the difference in APGR.
    """
    colours = colours or theme.colours(training.dataset.models, training.models)
    rows = _rows(training.rivals)
    panels = [
        (name, title)
        for name, title in (
            ("difference", "quality at<br>equal cost" if training.aiq else "best quality"),
            ("gain", "mean over<br>all budgets"),
            ("apgr_gain", "gap recovered<br>(APGR)"),
        )
        if any(not math.isnan(getattr(rival, name).value) for rival in rows)
    ]
    fig = forest_figure(
        [curve_name(rival) for rival in rows],
        [
            Panel(
                title,
                [_mark(rival, getattr(rival, name), name) for rival in rows],
                _LOOK,
                [(0.0, theme.NEUTRAL)],
            )
            for name, title in (panels or [("difference", "quality")])[:2]
        ],
        "The router minus each of its rivals, with intervals",
        height,
    )
    if not panels:
        theme.empty(fig, "nothing to compare was measured")
    return fig


def _rows(rivals: Sequence[Rival]) -> list[Rival]:
    singles = sorted(
        (r for r in rivals if r.kind == "single"), key=lambda r: -r.point.quality.value
    )
    kept = [r for r in rivals if r.kind != "single"] + singles[:MOST_SINGLES]
    return sorted(kept, key=lambda r: ORDER.index(r.kind))


def _mark(rival: Rival, e: Estimate, name: str) -> Mark | None:
    if math.isnan(e.value):
        return None
    show = number_interval if name == "apgr_gain" else points_interval
    what = {
        "difference": "quality",
        "gain": "mean quality over budgets up to the best single model",
        "apgr_gain": "share of the gap recovered",
    }[name]
    where = ""
    if name == "difference" and not math.isnan(rival.at_usd_per_1k):
        where = f" at {usd(rival.at_usd_per_1k)} /1k"
    sure = e.low > 0 or e.high < 0
    word = "surely better" if e.low > 0 else "surely worse" if e.high < 0 else "may be chance"
    return Mark(
        e,
        lines(
            f"router minus {curve_name(rival)}",
            f"{what}{where}: {show(e)}",
            word,
            f"n = {count(e.n)} requests",
        ),
        theme.POLICY if sure else theme.NEUTRAL,
        "diamond" if sure else "diamond-open",
    )
