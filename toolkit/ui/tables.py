"""Results as tables, for the screen and for download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.evaluate.baselines import Baselines
from toolkit.evaluate.breakdown import Curve, Endings
from toolkit.evaluate.flows import Flows
from toolkit.evaluate.format import (
    percent_interval,
    quality_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.slices import ModelSlice, Slice

if TYPE_CHECKING:
    import pandas as pd


def slices(parts: Mapping[str, Slice] | Mapping[str, ModelSlice], name: str) -> pd.DataFrame:
    """One row per part, with intervals as NAME_low and NAME_high."""
    import pandas as pd

    rows = []
    for key, part in parts.items():
        row: dict[str, Any] = {name: key}
        for column, value in part.to_dict().items():
            _spread(row, column, value)
        rows.append(row)
    return pd.DataFrame(rows)


def _spread(row: dict[str, Any], column: str, value: Any) -> None:
    if isinstance(value, dict):
        for inner, one in value.items():
            _spread(row, f"{column}_{inner}", one)
    elif isinstance(value, list):
        row[f"{column}_low"], row[f"{column}_high"] = value
    else:
        row[column] = value


def endings(found: Endings, name: str) -> pd.DataFrame:
    """Counts, a column per way to end."""
    import pandas as pd

    frame = pd.DataFrame(found.count, columns=list(found.ways))
    frame.insert(0, name, list(found.names))
    return frame


def curves(found: Sequence[Curve]) -> pd.DataFrame:
    """The points of distribution functions."""
    import pandas as pd

    return pd.concat(
        [
            pd.DataFrame({"answered_by": c.name, "latency_s": c.seconds, "share": c.share})
            for c in found
        ]
        or [pd.DataFrame(columns=["answered_by", "latency_s", "share"])],
        ignore_index=True,
    )


def baseline_table(found: Baselines, used: Sequence[str]) -> None:
    """Every baseline with its intervals; those that the policy uses come first."""
    import pandas as pd

    rows = sorted(found.rows, key=lambda row: (row.name not in used, row.kind == "single"))
    names = [row.name if row.kind == "single" else f"{row.name}, all models" for row in rows]
    columns: dict[str, list[Any]] = {"baseline": names}
    for name, show in _SHOWN.items():
        values: list[Estimate] = [getattr(row, name) for row in rows]
        factor = 100 if name == "error_rate" else 1
        columns[name] = [factor * e.value for e in values]
        columns[f"{name}_95"] = [bounds(show(e)) for e in values]
    columns["n"] = [row.quality.n for row in rows]
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        key="baselines",
        placeholder="–",
        alt="Quality, cost, latency and errors of each single model, a random mix and the oracle",
        height="content" if len(rows) <= 12 else 420,
        column_config={
            "baseline": text("Always ask …", pinned=True, width=210, help=_BASELINES),
            "quality": st.column_config.ProgressColumn(
                "Quality", min_value=0, max_value=1, format="%.3f", width=120
            ),
            "quality_95": text("95 %", width=110),
            "cost_usd_per_1k": number("Cost /1k", format="$%.3g", width=85),
            "cost_usd_per_1k_95": text("95 %, USD", width=120),
            "latency_mean_s": number("Mean latency", format="%.2f s", width=100),
            "latency_mean_s_95": text("95 %, s", width=110),
            "error_rate": number("Errors", format="%.1f %%", width=75),
            "error_rate_95": text("95 %", width=95),
            "n": number("n", format="localized", width=60),
        },
    )


_SHOWN = {
    "quality": quality_interval,
    "cost_usd_per_1k": usd_interval,
    "latency_mean_s": seconds_interval,
    "error_rate": percent_interval,
}
_BASELINES = (
    "Each model alone; a model drawn at random; and the oracle, perfect foresight: the best "
    "answer of each request, from the cheapest model that gives it. The last two draw on all "
    "models of the log, whichever the policy uses."
)


def bounds(words: str) -> str:
    """The interval alone of an estimate in words."""
    return f"[{words.partition('[')[2]}" if "[" in words else ""


def flow_table(found: Flows) -> pd.DataFrame:
    """The links of the diagram."""
    import pandas as pd

    nodes = found.nodes
    return pd.DataFrame(
        {
            "from_kind": [nodes[i].kind for i in found.source],
            "from": [nodes[i].name for i in found.source],
            "to_kind": [nodes[i].kind for i in found.target],
            "to": [nodes[i].name for i in found.target],
            "fail_over": found.fallback,
            "requests": found.count,
            "share": found.share,
        }
    )
