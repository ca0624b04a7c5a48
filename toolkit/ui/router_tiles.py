"""Four numbers of the router where its knob stands, and one of the whole curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from toolkit.evaluate.format import (
    count,
    percent_interval,
    points_interval,
    quality_interval,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.ui.router_setting import Setting
from toolkit.ui.router_view import Trained
from toolkit.ui.text import literal

PER = {"1k": "1,000", "1M": "million"}


@dataclass(frozen=True)
class _Tile:
    label: str
    help: str
    value: Estimate
    show: Callable[[Estimate], str]
    note: str = ""
    """below it, in words"""


def tile_row(found: Trained, at: Setting) -> None:
    """Draw them; they wrap where the screen is narrow."""
    with st.grid(4, min_column_width=160):
        for tile in _tiles(found, at):
            with st.container(border=True, gap="xsmall", height="stretch"):
                _draw(tile)


def _tiles(found: Trained, at: Setting) -> list[_Tile]:
    training, point = found.training, at.point
    money = training.money
    tiles = [
        _Tile(
            "Quality, 0 to 1",
            "Mean grade of the first answers at this setting, on requests that it had not seen. "
            "An error counts as 0.",
            point.quality,
            quality_interval,
        )
    ]
    if math.isfinite(point.cost_usd_per_1k.value):
        tiles.append(
            _Tile(
                f"Cost per {PER[money.per]}",
                f"Of {PER[money.per]} requests, for the model that is asked first, at this "
                "setting.",
                point.cost_usd_per_1k,
                money.interval,
            )
        )
    if math.isfinite(point.gain.value):
        tiles.append(
            _Tile(
                "Gain at this cost",
                "Quality above that of the single models mixed at random at the cost of this "
                "setting: what learning adds there (the zero router is that mix).",
                point.gain,
                points_interval,
            )
        )
    if training.aiq is not None:
        tiles.append(
            _Tile(
                "Gain, all costs",
                "The same on average over all costs, from the cheapest single model to the best "
                "one, as in the first line and in the table: AIQ minus that of the zero router.",
                training.aiq.gain_to_best,
                points_interval,
            )
        )
    if training.pair is not None:
        tiles.append(
            _Tile(
                "Of the gap recovered",
                "From the weak to the strong model, on average over all shares of calls to the "
                "strong one; chance is 50 % (APGR).",
                training.pair.apgr,
                percent_interval,
                f"half of it with {percent_interval(training.pair.cpt50)} strong calls",
            )
        )
    return tiles[:4]


def _draw(tile: _Tile) -> None:
    value, _, bounds = tile.show(tile.value).partition(" [")
    sure: dict[str, Any] = {}
    if tile.show is points_interval:
        better = tile.value.low > 0 if tile.value.low > 0 or tile.value.high < 0 else None
        words = {True: "surely better", False: "surely worse", None: "could be chance"}[better]
        colour = {True: "green", False: "orange", None: "gray"}[better]
        sure = {"delta": words, "delta_color": colour, "delta_arrow": "off"}
    st.metric(tile.label, literal(value), help=tile.help, **sure)
    lines = [f"95 %: {bounds.rstrip(']').replace(', ', ' to ')}"] if bounds else []
    lines += [f"n\u00a0=\u00a0{count(tile.value.n)}"] if tile.value.n else []
    st.caption(literal(" · ".join(lines)) + (f"  \n{literal(tile.note)}" if tile.note else ""))
