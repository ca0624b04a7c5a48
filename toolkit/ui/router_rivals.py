"""What the router has to beat, in a table with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.evaluate.format import points_interval, quality_interval
from toolkit.ui.charts import heading
from toolkit.ui.router_view import Trained
from toolkit.ui.text import literal

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.routers.rivals import Rival
    from toolkit.evaluate.routers.training import Training

KINDS = {
    "single": "one model for all",
    "random": "chance",
    "zero": "models mixed at random, the best mix at each cost",
    "neighbours": "learned: the answers to the most similar requests",
    "lookup": "learned: the best model of each kind of request",
    "oracle": "perfect foresight",
}


def rivals(found: Trained) -> None:
    """A row for each: the router minus it, as the verdict has it, and the best that it reaches."""
    import pandas as pd

    training = found.training
    rows, priced = training.rivals, training.aiq is not None
    st.subheader("What does it have to beat?", anchor=False)
    with st.container(border=True, gap="xsmall"):
        heading("The router against what is simpler", "rivals", lambda: _numbers(rows))
        text = st.column_config.TextColumn
        money = {
            "at": text(f"at, USD /{training.money.per}", width=95, help=_AT),
            "gain": text("over all costs", width=165, help=_GAIN),
        }
        shown = pd.DataFrame([_row(training, one) for one in rows])
        st.dataframe(
            shown if priced else shown.drop(columns=list(money)),
            hide_index=True,
            key="rivals",
            placeholder="–",
            height="content" if len(rows) <= 12 else 420,
            alt="Single models, random mix, zero router, nearest neighbours, lookup table, oracle",
            column_config=(money if priced else {})
            | {
                "name": text("Instead of the router", pinned=True, width=155),
                "sure": text("The router is", width=110),
                "quality": text("its quality, 95 %", width=130),
                "own": text("the router's", width=130),
                "difference": text("minus its", width=165),
                "kind": text("What that is", width=320),
            },
        )
        most = f", up to {training.money.each(training.aiq.enough_cost)}" if training.aiq else ""
        st.caption(
            "Each row is at one cost, and paired: the same requests, of which neither had seen "
            "any. What has many settings is judged as in the first line, over all costs"
            f"{literal(most)}. What could be chance is neither better nor worse."
            if priced
            else "Paired: the same requests, of which neither had seen any, each at its best. What "
            "could be chance is neither better nor worse."
        )


_AT = "The cost of the other; where that has many settings, one in the middle of all costs."
_GAIN = (
    "Quality of the router minus that of the other, on average over all costs from the cheapest "
    "single model to the best one; of what has more than one setting."
)


def _row(training: Training, one: Rival) -> dict[str, Any]:
    return {
        "name": one.name,
        "sure": _sure(one.gain if one.gain.n else one.difference),
        "at": training.money.usd(one.at_usd_per_1k),
        "quality": quality_interval(one.quality_at),
        "own": quality_interval(one.router_at),
        "difference": points_interval(one.difference),
        "gain": points_interval(one.gain),
        "kind": KINDS[one.kind] + (f", by {one.column}" if one.column else ""),
    }


def _sure(gain: Estimate) -> str:
    if not gain.n:
        return "–"
    if gain.low == gain.high == 0:
        return "the same"
    return (
        "surely better"
        if gain.low > 0
        else "surely worse"
        if gain.high < 0
        else ("could be chance")
    )


def _numbers(rows: tuple[Rival, ...]) -> pd.DataFrame:
    """Every point of every rival, for download."""
    import pandas as pd

    named = [(one, point) for one in rows for point in one.points]
    return pd.DataFrame(
        [
            {
                "name": one.name,
                "kind": one.kind,
                "setting": point.label,
                **_spread("cost_usd_per_1k", point.cost_usd_per_1k),
                **_spread("quality", point.quality),
                "at_usd_per_1k": one.at_usd_per_1k,
                **_spread("its_quality_there", one.quality_at),
                **_spread("router_there", one.router_at),
                **_spread("router_minus_it", one.difference),
                **_spread("router_minus_it_over_budgets", one.gain),
            }
            for one, point in named
        ]
    )


def _spread(name: str, e: Estimate) -> dict[str, float]:
    return {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
