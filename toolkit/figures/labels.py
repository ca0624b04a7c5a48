"""Where the labels of markers stand, so that they cover no marker and no other label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

LETTER, LINE, MARK, STROKE = 6.4, 14.0, 8.0, 2.0
"""Pixels of a letter's width, a line's height, half a marker and half a curve."""
PLACES = (
    "top center",
    "bottom center",
    "middle right",
    "middle left",
    "top right",
    "top left",
    "bottom right",
    "bottom left",
)
Point: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right and top, in pixels."""


def places(
    at: Sequence[Point], names: Sequence[str], wide: float, curve: Sequence[Point] = ()
) -> dict[str, str]:
    """Where the label of each name stands: Plotly's ``textposition``, none where there is no room.

    ``at`` (pixels) begins with the markers of ``names``, the first of which choose first, and goes
    on with markers that have no label. ``wide`` is the width of the plot, ``curve`` are points of
    a line that is to be seen.
    """
    taken = [
        (x - half, y - half, x + half, y + half)
        for half, points in ((MARK, at), (STROKE, curve))
        for x, y in points
    ]
    found = {}
    for point, name in zip(at, names, strict=False):
        for place in PLACES:
            box = label_box(place, point, name)
            if box[0] >= 0 and box[2] <= wide and not any(overlap(box, one) for one in taken):
                taken.append(box)
                found[name] = place
                break
    return found


def label_box(place: str, point: Point, name: str) -> Box:
    """The box of a label beside its marker."""
    vertical, horizontal = place.split()
    (x, y), width = point, LETTER * len(name)
    low = y + {"top": MARK + 1, "middle": -LINE / 2, "bottom": -MARK - 1 - LINE}[vertical]
    beside = MARK + 1 if vertical == "middle" else 0
    left = {"right": x + beside, "left": x - beside - width, "center": x - width / 2}[horizontal]
    return left, low, left + width, low + LINE


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share a place."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
