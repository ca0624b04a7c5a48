"""What the router has to beat, in a table with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.evaluate.format import points_interval, quality_interval, usd, usd_interval
from toolkit.ui.charts import heading
from toolkit.ui.router_view import Trained

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.routers.rivals import Rival

KINDS = {
    "single": "one model for all",
    "random": "chance",
    "zero": "models mixed at random, the best mix at each cost",
    "neighbours": "learned: the answers to the most similar requests",
    "lookup": "learned: the best model of each kind of request",
    "oracle": "perfect foresight",
}


def rivals(found: Trained) -> None:
    """A row for each: what it costs and gives, and the router minus it at the same cost."""
    import pandas as pd

    rows = found.training.rivals
    st.subheader("What does it have to beat?", anchor=False)
    with st.container(border=True, gap="xsmall"):
        heading("The router against what is simpler", "rivals", lambda: _numbers(rows))
        text = st.column_config.TextColumn
        shown = [_row(one) for one in rows]
        st.dataframe(
            pd.DataFrame(shown),
            hide_index=True,
            key="rivals",
            placeholder="–",
            height="content" if len(rows) <= 12 else 420,
            alt="Single models, random mix, zero router, nearest neighbours, lookup table, oracle",
            column_config={
                "name": text("Instead of the router", pinned=True, width=190),
                "gain": text("The router at the same cost", width=190, help=_GAIN),
                "sure": text("is", width=115),
                "at": text("at, USD /1k", width=95),
                "quality": text("Best quality of that, 95 %", width=160),
                "cost": text("at, USD /1k, 95 %", width=190),
                "aiq": text("The router over all budgets", width=200, help=_AIQ),
                "kind": text("What that is", width=330),
            },
        )
        st.caption(
            "Differences are paired: the same requests, of which neither had seen any. What could "
            "be chance is neither better nor worse."
        )


_GAIN = (
    "Quality of the router minus that of the other at the other's cost; of one with several "
    "settings, in the middle of all budgets; without costs, of each at its best."
)
_AIQ = "Mean quality over all budgets from the cheapest model to the best one (AIQ), minus its."


def _row(one: Rival) -> dict[str, Any]:
    d = one.difference
    sure = "–"
    if d.n:
        sure = "surely better" if d.low > 0 else "surely worse" if d.high < 0 else "could be chance"
    # A rival's best setting stands for it; the others are in the picture.
    return {
        "name": one.name,
        "gain": points_interval(d),
        "sure": sure,
        "at": usd(one.at_usd_per_1k),
        "quality": quality_interval(one.point.quality),
        "cost": usd_interval(one.point.cost_usd_per_1k),
        "aiq": points_interval(one.gain),
        "kind": KINDS[one.kind] + (f", by {one.column}" if one.column else ""),
    }


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
                **_spread("router_minus_it", one.difference),
                **_spread("router_minus_it_over_budgets", one.gain),
            }
            for one, point in named
        ]
    )


def _spread(name: str, e: Estimate) -> dict[str, float]:
    return {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
