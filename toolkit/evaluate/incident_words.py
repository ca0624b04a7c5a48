"""An incident in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.evaluate.format import count, number, percent, percent_interval, usd_interval
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.protection import ALL, NO_FALLBACK

if TYPE_CHECKING:
    from toolkit.evaluate.incident import Incident


def verdict(found: Incident) -> str:
    """What failed during the faults under each rung, how good the rest was, what it costs."""
    bare, full = found[NO_FALLBACK], found[ALL]
    hit, everything = bare.during.requests, bare.whole.requests
    if not hit:
        return f"None of {count(everything)} requests arrived during a fault: nothing was tried."
    if hit in {row.during.unobserved for row in found.rows}:
        return "No request that arrived during the faults is observed: nothing can be said."
    rates = [f"{percent_interval(row.during.error_rate)} with {row.name}" for row in found.rows]
    rates[0] = rates[0].replace(" with ", " failed with ", 1)
    text = f"During the faults ({count(hit)} of {count(everything)} requests) "
    text += f"{', '.join(rates[:-1])} and {rates[-1]}"
    if full.during.degraded_rate.value > 0:
        text += f", which degraded {percent(full.during.degraded_rate.value)}"
    text += "."
    good = [number(row.during.quality.value) for row in (bare, full)]
    if not math.isnan(bare.during.quality.value + full.during.quality.value):
        text += (
            f" Their mean quality was {good[0]} with {bare.name} and {good[1]} with {full.name}."
        )
    return f"{text} {_cost(found)}"


def _cost(found: Incident) -> str:
    """The difference that protection makes over the whole run."""
    e = found.extra_cost_usd_per_1k
    if math.isnan(e.value):
        return "Cost was not measured under both."
    if e.low <= 0 <= e.high:
        more = f"as much per 1k as {NO_FALLBACK} ({usd_interval(e, sign=True)})"
    elif e.value > 0:
        more = f"{usd_interval(e)} more per 1k than {NO_FALLBACK}, whose failures cost little"
    else:
        more = f"{usd_interval(Estimate(-e.value, -e.high, -e.low))} less per 1k than {NO_FALLBACK}"
    return f"Over the whole run {ALL} costs {more}."
