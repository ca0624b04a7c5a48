"""How far the router can be trusted: calibration, more data, what it reads, kinds of requests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from toolkit import figures
from toolkit.evaluate.format import count, points_interval, quality_interval
from toolkit.ui.charts import heading, picture
from toolkit.ui.router_setting import first_setting
from toolkit.ui.router_view import Trained
from toolkit.ui.text import bold, literal

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.evaluate.routers.slices import RouterSlices

MODEL = "reliability-of"


def trust(found: Trained) -> None:
    """Whether a P of 0.8 comes true in 8 of 10; then what it learned from, and where."""
    st.subheader("Can its probabilities be taken at their word?", anchor=False)
    _calibration(found)
    st.subheader("What has it learned from?", anchor=False)
    left, right = st.columns(2)
    with left:
        _learning(found)
    with right:
        _importance(found)
    _slices(found)


@st.fragment
def _calibration(found: Trained) -> None:
    """The reliability diagram of one model; the scores of all."""
    known = {one.model: one for one in found.training.calibration if one.n}
    if not known:
        st.caption("No grades to hold the predictions against.")
        return
    left, right = st.columns([2, 3])
    if st.session_state.get(MODEL) not in known:
        # The one that is asked most often tells most.
        asked = dict(zip(found.training.models, first_setting(found).shares, strict=True))
        st.session_state[MODEL] = max(known, key=lambda model: asked.get(model, 0.0))
    with left, st.container(border=True, gap="xsmall", height="stretch"):
        heading("Predicted against observed", "reliability", lambda: _bins(found))
        model = st.selectbox(
            "Model", list(known), key=MODEL, persist_state="session", label_visibility="collapsed"
        )
        figure = figures.reliability_figure(found.training.calibration, model)
        picture(figure, "reliability")
    with right, st.container(border=True, gap="xsmall", height="stretch"):
        off = [one for one in known.values() if one.consistent is False]
        good = len(known) - len(off)
        st.markdown(
            f"**{count(good)} of {count(len(known))} models** show no more error than predictions "
            "that are right would show by chance."
            if off
            else "**Of every model**: no more error than predictions that are right would show by "
            "chance."
        )
        _scores(found)
        st.caption(literal(known[model].words))


def _bins(found: Trained) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "model": one.model,
                "low": b.low,
                "high": b.high,
                "predicted": b.predicted,
                "observed": b.observed.value,
                "observed_low": b.observed.low,
                "observed_high": b.observed.high,
                "n": b.n,
            }
            for one in found.training.calibration
            for b in one.bins
        ]
    )


def _scores(found: Trained) -> None:
    """ECE and Brier of every model, with their intervals."""
    import pandas as pd

    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    rows = [
        {
            "model": one.model,
            "ece": quality_interval(one.ece),
            "right": one.ece_if_right_most,
            "brier": quality_interval(one.brier),
            "base": one.brier_base.value,
            "n": one.n,
        }
        for one in found.training.calibration
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="calibration",
        placeholder="–",
        height="content" if len(rows) <= 10 else 385,
        alt="Calibration error and Brier score of each model",
        column_config={
            "model": text("Model", width=112),
            "ece": text("ECE, 95 %", width=120, help=_ECE),
            "right": number("by chance", format="%.3f", width=68, help=_CHANCE),
            "brier": text("Brier, 95 %", width=120, help=_BRIER),
            "base": number("of mean", format="%.3f", width=66, help=_BASE),
            "n": number("n", format="localized", width=50),
        },
    )


_ECE = "Expected calibration error: mean distance of observed from predicted, 0 is best."
_CHANCE = "Of predictions that are right 97.5 % show an ECE below this, by chance alone."
_BRIER = "Mean square of grade minus prediction, 0 is best."
_BASE = "The Brier score of saying the same of every request, the model's mean."


def _learning(found: Trained) -> None:
    """Whether more data would help, in words and picture."""
    curve = found.training.learning
    if curve is None:
        return
    with st.container(border=True, gap="xsmall", height="stretch"):
        heading("Would more data help?", "learning", None)
        st.markdown(literal(curve.words))
        picture(figures.learning_figure(curve), "learning")


def _importance(found: Trained) -> None:
    """What it reads that it would miss."""
    rows = found.training.importance
    if not rows:
        return
    with st.container(border=True, gap="xsmall", height="stretch"):
        heading("What it reads that it would miss", "importance", None)
        first = rows[0]
        st.markdown(
            f"Most: {bold(first.name)}, worth {literal(points_interval(first.drop))} of quality at "
            "equal cost.",
            help="Each column is shuffled among requests that the router has not seen "
            "(permutation importance).",
        )
        picture(figures.importance_figure(rows), "importance")


def _slices(found: Trained) -> None:
    """Where it is better or worse than its rivals, by kind of request; folded."""
    parts = found.training.slices
    if parts is None or not parts.parts:
        return
    with st.container(border=True, gap="xsmall"):
        heading("On which requests is it better, on which worse?", "slices", parts.to_pandas)
        st.caption(_compared(parts))
        st.markdown("\n".join(f"- {literal(line)}" for line in parts.words))
        with st.expander("By group", icon=":material/table_rows:"):
            _groups(found)


def _compared(parts: RouterSlices) -> str:
    """At which setting, in a sentence."""
    if not any(math.isfinite(part.cost_usd_per_1k.value) for part in parts.parts):
        return "The router is set to the highest quality; the slider does not change this."
    return (
        f"At about equal cost: in each group the router has the setting whose cost there is "
        f"nearest to that of {bold(parts.rivals[0])}. The slider does not change this."
    )


def _groups(found: Trained) -> None:
    import pandas as pd

    parts = found.training.slices
    assert parts is not None
    money = found.training.money
    column = st.segmented_control(
        "By",
        list(parts.columns),
        default=parts.columns[0],
        key="router-slices-by",
        required=True,
        format_func=literal,
    )
    rows = [
        {
            "name": part.name,
            "n": part.requests,
            "quality": part.quality.value,
            "cost": money.interval(part.cost_usd_per_1k),
            **{f"{i}": points_interval(a.quality) for i, a in enumerate(part.against)},
            **{
                f"sure{i}": _sure(a.quality.value, a.p_adjusted) for i, a in enumerate(part.against)
            },
        }
        for part in parts.of(column or parts.columns[0])
    ]
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    against = {}
    for i, rival in enumerate(parts.rivals):
        against[f"{i}"] = text(f"Against {literal(rival)}", width=190)
        against[f"sure{i}"] = text("hardly chance?", width=110)
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="router-slices",
        placeholder="–",
        height="content" if len(rows) <= 10 else 385,
        alt="The router in each group of requests, and its difference from its rivals",
        column_config={
            "name": text(column or "", width=150),
            "n": number("n", format="localized", width=60),
            "quality": number("Quality", format="%.3f", width=70),
            "cost": text(f"Cost /{money.per}, 95 %", width=170),
            **against,
        },
    )
    st.caption(
        "Hardly chance is what stands out with all groups that were looked at together (Benjamini "
        "and Hochberg)."
    )


def _sure(value: float, p: float) -> str:
    if math.isnan(p):
        return "too few"
    return "–" if p > 0.05 else "better" if value > 0 else "worse"
