"""What all figures share: template, colours, and names made harmless.

Text colours are middle greys and backgrounds are transparent, so a figure reads on light and dark;
the app's theme replaces them by its own. Colours that carry a meaning are never a model's.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import plotly.graph_objects as go

MODEL_COLOURS = (
    "#0072B2",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#D55E00",
    "#E69F00",
    "#8C6D46",
)
"""Okabe and Ito's, those nearest to red and amber last; brown for black, which dark would hide."""
FURTHER_MODELS = ("#6E7F8D", "#8FA0AD", "#56646F", "#A9B6C0")
"""Shades for the models beyond, which a legend could not tell apart anyway."""

POLICY = "#7B61C9"
ERROR = "#D62839"
DEGRADED = "#F2A900"
UNOBSERVED = "#9AA5AE"
NEUTRAL = "#8A97A3"
ACCEPTED = "#5F7387"
CACHED = "#86B6D9"
GOAL = "#009E73"
TEXT = "#6B7783"
GRID = "rgba(128, 140, 152, 0.22)"

STATUS: Mapping[str, str] = MappingProxyType(
    {"accepted": ACCEPTED, "degraded": DEGRADED, "error": ERROR, "unobserved": UNOBSERVED}
)
CONFIG: Mapping[str, Any] = MappingProxyType(
    {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "detour"},
    }
)
"""Plotly's settings where a figure is shown: no tool bar but the download."""

TEMPLATE = go.layout.Template(
    layout=go.Layout(
        font={"family": "Source Sans Pro, Source Sans, sans-serif", "size": 13, "color": TEXT},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        colorway=list(MODEL_COLOURS),
        hoverlabel={"align": "left", "font": {"size": 13}},
        hovermode="closest",
        xaxis={"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "automargin": True},
        yaxis={"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "automargin": True},
        legend={"bgcolor": "rgba(0, 0, 0, 0)"},
    )
)


def figure(height: int, alt: str = "") -> go.Figure:
    """An empty figure of the house; ``alt`` is what it shows, in words, for its metadata."""
    return go.Figure(
        layout=go.Layout(
            template=TEMPLATE,
            height=height,
            margin={"l": 8, "r": 12, "t": 34, "b": 8, "pad": 4},
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": {}},
            meta={"alt": alt},
            bargap=0.35,
            # A new figure of the same kind keeps the reader's zoom and hidden entries.
            uirevision="keep",
        )
    )


def plain(text: object) -> str:
    """Text that Plotly shows as it is: no tags, no entities, no TeX, on one line."""
    safe = html.escape(" ".join(str(text).split()), quote=False)
    return safe.replace("$", "&#36;")


def wrapped(text: object, width: int = 14, lines: int = 2) -> str:
    """``plain`` text on at most ``lines`` lines of about ``width``, for labels in tight places."""
    rows = [""]
    for part in re.split(r"(?<=[-_/:.])|(?<= )", " ".join(str(text).split())):
        if rows[-1] and len(rows[-1]) + len(part.rstrip()) > width:
            rows.append("")
        rows[-1] += part
    if len(rows) > lines or any(len(row.strip()) > 2 * width for row in rows):
        rows = [row[: 2 * width] for row in rows[:lines]]
        rows[-1] = rows[-1].rstrip()[: width - 1] + "…"
    return "<br>".join(plain(row) for row in rows)


def cut(text: object, most: int) -> str:
    """A name on one line of at most so many letters; not escaped, that is for ``plain``."""
    name = " ".join(str(text).split())
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"


def minus(b: object, a: object, most: int) -> str:
    """``B minus A`` by the names of two policies, at most so many letters each."""
    first, second = cut(b, most), cut(a, most)
    return "B minus A" if first == second else f"{first} minus {second}"


def rows(fig: go.Figure, names: Sequence[str], width: int, lines: int = 2) -> list[str]:
    """Label the rows of a figure, the first on top; returns where on the axis each one stands.

    The places are not the labels: long names may look alike once they are cut.
    """
    places = [f"row {i}" for i in range(len(names))]
    labels = [wrapped(name, width, lines) for name in names]
    fig.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=places,
        tickvals=places,
        ticktext=labels,
        autorange="reversed",
    )
    return places


def empty(fig: go.Figure, words: str) -> None:
    """Say in the middle of a figure why there is nothing in it."""
    fig.add_annotation(text=plain(words), showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5)


def faded(colour: str, opacity: float) -> str:
    """``#RRGGBB`` with an opacity."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def colours(models: Sequence[str], first: Sequence[str] = ()) -> dict[str, str]:
    """One colour per model of the log, the same in every figure.

    Where the log has more models than there are colours, those named in ``first`` (which a policy
    uses) come first.
    """
    known = list(models)
    if len(known) > len(MODEL_COLOURS):
        known = [*dict.fromkeys(m for m in first if m in known)]
        known += [m for m in models if m not in set(known)]
    few = dict(zip(known, MODEL_COLOURS, strict=False))
    rest = known[len(MODEL_COLOURS) :]
    if len(models) > len(MODEL_COLOURS):
        used = set(first)
        few = {m: few[m] for m in few if m in used}
        rest = [m for m in known if m not in few]
    return few | {m: FURTHER_MODELS[i % len(FURTHER_MODELS)] for i, m in enumerate(rest)}
