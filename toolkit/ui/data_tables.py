"""The numbers of the Data page as tables, for the screen and for download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from toolkit.evaluate.format import number_interval
from toolkit.evaluate.moments import category_means, model_means
from toolkit.logs.profile import MEASURES, QUANTILES, CategoryQuality, Coverage, ModelFacts, Spread
from toolkit.schema import ErrorType

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.ui.data_view import DataView


def models(view: DataView) -> pd.DataFrame:
    """A row per model, the best first, with all that is known of it."""
    import pandas as pd

    facts = view.models
    means = model_means(facts)
    frame = pd.DataFrame(
        {
            "model": facts.models,
            "outcomes": facts.outcomes,
            "quality": [e.value for e in means],
            "quality_low": [e.low for e in means],
            "quality_high": [e.high for e in means],
        }
    )
    for name in MEASURES:
        j = MEASURES.index(name)
        frame[f"{name}_measured"] = facts.measured[:, j]
        frame[f"{name}_measured_share"] = facts.measured_share[:, j]
        if name == "quality":
            continue
        n = facts.measured[:, j]
        frame[f"{name}_mean"] = (facts.total[:, j] / n.clip(1)).astype(float)
        frame.loc[n == 0, f"{name}_mean"] = float("nan")
        if name in {"cost_usd", "latency_s"}:
            for i, level in enumerate(QUANTILES):
                frame[f"{name}_p{100 * level:.0f}"] = view.spread(name).quantiles[:, i]
    frame["errors"] = facts.failed
    for kind in ErrorType:
        if kind is not ErrorType.NONE and facts.errors[:, kind].any():
            frame[f"errors_{kind.label}"] = facts.errors[:, kind]
    return frame.iloc[list(view.order)].reset_index(drop=True)


def model_table(view: DataView) -> None:
    """Every model in numbers."""
    frame = models(view)
    shown = frame[["model", "outcomes", "quality"]].copy()
    means = model_means(view.models)
    shown["interval"] = [number_interval(means[i]).partition(" ")[2] for i in view.order]
    shown["cost"] = 1_000 * frame["cost_usd_mean"]
    shown["p50"], shown["p95"] = frame["latency_s_p50"], frame["latency_s_p95"]
    shown["errors"] = 100 * frame["errors"] / frame["outcomes"].clip(lower=1)
    shown["tokens_in"] = frame["input_tokens_mean"]
    shown["tokens_out"] = frame["output_tokens_mean"]
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        shown,
        hide_index=True,
        key="models-table",
        placeholder="–",
        alt="Outcomes, quality, cost, latency, errors and tokens of each model",
        height="content" if len(shown) <= 12 else 460,
        column_config={
            "model": text("Model", pinned=True, width=210),
            "outcomes": number("Outcomes", format="localized", width=85),
            "quality": st.column_config.ProgressColumn(
                "Quality", min_value=0, max_value=1, format="%.3f", width=120
            ),
            "interval": text("95 %", width=110, help="95 % interval of the mean quality"),
            "cost": number("Cost /1k", format="$%.3g", width=85, help="Mean, of 1,000 calls"),
            "p50": number("Latency p50", format="%.3g s", width=95),
            "p95": number("p95", format="%.3g s", width=75),
            "errors": number("Errors", format="%.1f %%", width=75),
            "tokens_in": number("Tokens in", format="%.0f", width=85, help="Mean of a call"),
            "tokens_out": number("Tokens out", format="%.0f", width=85, help="Mean of a call"),
        },
    )


def measured(facts: ModelFacts) -> pd.DataFrame:
    """How many outcomes of each model have each measure."""
    import pandas as pd

    frame = pd.DataFrame(facts.measured, columns=list(MEASURES))
    frame.insert(0, "model", list(facts.models))
    frame.insert(1, "outcomes", facts.outcomes)
    return frame


def blocks(cover: Coverage, what: str) -> pd.DataFrame:
    """How many requests of each block have ``what`` from each model."""
    import pandas as pd

    share = cover.share(what)
    m, b = share.shape
    return pd.DataFrame(
        {
            "model": [name for name in cover.models for _ in range(b)],
            "first_request": list(cover.first + 1) * m,
            "requests": list(cover.size) * m,
            f"share_with_{what}": share.ravel(),
        }
    )


def categories(found: CategoryQuality, failures_count: bool) -> pd.DataFrame:
    """Quality of each model in each category with its interval."""
    import pandas as pd

    rows = []
    for model, means in zip(
        found.models, category_means(found, range(len(found.models)), failures_count), strict=True
    ):
        for category, e in zip(found.categories, means, strict=True):
            rows.append((model, category, e.n, e.value, e.low, e.high))
    columns = ["model", "category", "n", "quality", "quality_low", "quality_high"]
    return pd.DataFrame(rows, columns=columns)


def spread(found: Spread) -> pd.DataFrame:
    """How many values of each model lie in each bin."""
    import pandas as pd

    m, b = found.count.shape
    frame = pd.DataFrame(
        {
            "model": [name for name in found.models for _ in range(b)],
            "from": list(found.edges[:-1]) * m,
            "to": list(found.edges[1:]) * m,
            "outcomes": found.count.ravel(),
        }
    )
    zeros = pd.DataFrame(
        {"model": list(found.models), "from": 0.0, "to": 0.0, "outcomes": found.zeros}
    )
    both = pd.concat([zeros, frame]) if b else zeros
    return both[both["outcomes"] > 0].reset_index(drop=True)


def errors(facts: ModelFacts) -> pd.DataFrame:
    """How many errors of each type each model made."""
    import pandas as pd

    kinds = [kind for kind in ErrorType if kind is not ErrorType.NONE]
    frame = pd.DataFrame(facts.errors[:, 1:], columns=[kind.label for kind in kinds])
    frame.insert(0, "model", list(facts.models))
    frame.insert(1, "outcomes", facts.outcomes)
    return frame
