"""Quality of every model in every category."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from toolkit.evaluate.format import count, number_interval
from toolkit.evaluate.moments import category_means
from toolkit.figures import theme
from toolkit.figures.coverage import WIDTH, height_of
from toolkit.logs.profile import CategoryQuality

SHADES = ["#EAF3F9", "#B0D3E9", "#68ACD4", "#2282BB", "#005A8D", "#003F63"]
NO_CATEGORY = "(none)"
LEAST_RANGE = 0.2


def quality_figure(
    found: CategoryQuality, order: Sequence[int], failures_count: bool, most: int = 20
) -> go.Figure:
    """A row per model, a column per category; grey where nothing was graded."""
    categories = found.categories[:most]
    names = [found.models[i] for i in order]
    fig = theme.figure(height_of(len(order)) + 90, "Quality by model and category")
    places = theme.rows(fig, names, WIDTH, 1)
    columns = [f"column {j}" for j in range(len(categories))]
    cells = [row[:most] for row in category_means(found, order, failures_count)]
    value = np.array([[e.value for e in row] for row in cells])
    low, high = _range(value)
    words = [
        [
            theme.plain(
                f"{name}, {NO_CATEGORY if category is None else category}: "
                + (f"{number_interval(e)}, n = {count(e.n)}" if e.n else "nothing was graded")
            )
            for category, e in zip(categories, row, strict=True)
        ]
        for name, row in zip(names, cells, strict=True)
    ]
    shared = {
        "x": columns,
        "y": places,
        "xgap": 1,
        "ygap": 1,
        "customdata": words,
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    grey = [[0, theme.UNOBSERVED], [1, theme.UNOBSERVED]]
    missing = np.where(np.isnan(value), 1.0, np.nan)
    fig.add_trace(go.Heatmap(z=missing, colorscale=grey, showscale=False, **shared))
    fig.add_trace(
        go.Heatmap(
            z=value,
            zmin=low,
            zmax=high,
            colorscale=SHADES,
            texttemplate="%{z:.2f}",
            colorbar={
                "orientation": "h",
                "thickness": 8,
                "len": 0.4,
                "x": 1,
                "xanchor": "right",
                "y": 0,
                "yanchor": "top",
                "nticks": 4,
                "title": {"text": "quality, 0 to 1", "side": "bottom"},
            },
            **shared,
        )
    )
    fig.update_xaxes(
        type="category",
        tickvals=columns,
        ticktext=[theme.wrapped(NO_CATEGORY if c is None else c, 18, 1) for c in categories],
        side="top",
        showgrid=False,
        autotickangles=[0, -40, -90],
    )
    fig.update_yaxes(showgrid=False)
    return fig


def _range(value: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of the colours: those of the values, but far enough apart not to dramatise chance."""
    known = value[~np.isnan(value)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    more = max(0.0, LEAST_RANGE - (high - low)) / 2
    return max(0.0, low - more), min(1.0, high + more)
