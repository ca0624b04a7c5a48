"""Costs that a log lacks, estimated from list prices and marked as such."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from toolkit.logs.prices import list_price, price_list_version
from toolkit.logs.tables import Tables

COLUMN = "cost_estimated"


def with_estimated_costs(tables: Tables) -> Tables:
    """Fill the missing costs of outcomes whose tokens, in and out, and list price are known.

    Adds column ``cost_estimated`` when there is any, and says so in the notes.
    """
    rows = tables.outcomes
    missing = rows["cost_usd"].null_count
    if not missing or COLUMN in rows.column_names:
        return tables
    found = [list_price(model) for model in tables.models]
    if not any(found):
        return tables
    nothing = np.full(len(found), np.nan)
    rate_in, rate_out = nothing.copy(), nothing.copy()
    for i, price in enumerate(found):
        if price is not None:
            rate_in[i], rate_out[i] = price.input_usd_per_token, price.output_usd_per_token
    model = rows["model_ix"].to_numpy()
    cost = rows["cost_usd"].to_numpy()
    tokens_in, tokens_out = (rows[f"{way}_tokens"].to_numpy() for way in ("input", "output"))
    estimate = rate_in[model] * tokens_in + rate_out[model] * tokens_out
    # No tokens at all were counted: that is not a call for nothing.
    fillable = np.isnan(cost) & ~np.isnan(estimate) & (tokens_in + tokens_out > 0)
    count = int(np.count_nonzero(fillable))
    if not count:
        return tables
    filled = pa.array(np.where(fillable, estimate, cost), from_pandas=True)
    rows = rows.set_column(rows.column_names.index("cost_usd"), "cost_usd", filled)
    rows = rows.append_column(COLUMN, pa.array(fillable))
    share = 100 * count / rows.num_rows
    note = (
        f"costs estimated from the list prices in LiteLLM {price_list_version()}: {count}"
        f" ({share:.3g} % of the outcomes)"
    )
    return replace(tables, outcomes=rows, notes=(*tables.notes, note))
