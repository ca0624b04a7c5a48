"""An incident in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.evaluate.format import (
    UNDEFINED,
    count,
    percent,
    percent_interval,
    seconds,
    usd_interval,
)
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.protection import ALL, NO_FALLBACK, behaviour

if TYPE_CHECKING:
    from toolkit.evaluate.incident import Incident, IncidentRow


def verdict(found: Incident) -> str:
    """What failed during the faults under each rung, how good the rest was, what it costs."""
    bare, full = found[NO_FALLBACK], found[ALL]
    hit, everything = bare.during.requests, bare.whole.requests
    scenario = full.replay.scenario
    if not hit and not (scenario and scenario.faults):
        return f"The scenario has no faults: nothing was tried on {count(everything)} requests."
    if not hit:
        return f"None of {count(everything)} requests arrived during a fault: nothing was tried."
    if hit in {row.during.unobserved for row in found.rows}:
        return "No request that arrived during the faults is observed: nothing can be said."
    # A rung that the policy states nothing for is the one before it once more.
    keys = [behaviour(row.policy) for row in found.rows]
    rungs = [
        row
        for i, row in enumerate(found.rows)
        if row in (bare, full) or keys[i] not in (keys[i - 1], keys[-1])
    ]
    rates = [f"{percent_interval(row.during.error_rate)} with {row.name}" for row in rungs]
    rates[0] = rates[0].replace(" with ", " failed with ", 1)
    text = f"During the faults ({count(hit)} of {count(everything)} requests) "
    text += f"{', '.join(rates[:-1])} and {rates[-1]}"
    if full.during.degraded_rate.value > 0:
        text += f", which degraded {percent(full.during.degraded_rate.value)}"
    text += "."
    return " ".join([text, *_fared(bare, full), _cost(found), *_repeats(full)])


def _repeats(full: IncidentRow) -> list[str]:
    """A cache looks better on requests that were drawn again than on the traffic itself."""
    replay = full.replay
    if not replay.arrivals.drawn or not replay.cached.any():
        return []
    share = percent(float(replay.cached.mean()))
    return [f"The cache answered {share}, as the drawing of requests makes repeats."]


def _fared(bare: IncidentRow, full: IncidentRow) -> list[str]:
    """Quality and tail of what met the faults, as far as measured under both."""
    quality = [f"{row.during.quality.value:.3f}" for row in (bare, full)]
    tail = [seconds(row.during.latency_p95_s.value) for row in (bare, full)]
    told = [
        f"{noun} {a} with {bare.name} and {b} with {full.name}"
        for noun, (a, b) in (
            ("mean quality was", quality),
            ("p95 latency, failures included, was", tail),
        )
        if not {a, b} & {"nan", UNDEFINED}
    ]
    return [f"Their {', '.join(told)}."] if told else []


def _cost(found: Incident) -> str:
    """The difference that protection makes over the whole run."""
    e = found.extra_cost_usd_per_1k
    if math.isnan(e.value):
        return "Cost was not measured under both."
    if e.value == 0 or e.low <= 0 <= e.high:
        more = f"as much per 1k as {NO_FALLBACK} ({usd_interval(e, sign=True)})"
    elif e.value > 0:
        more = f"{usd_interval(e)} more per 1k than {NO_FALLBACK}"
    else:
        more = f"{usd_interval(Estimate(-e.value, -e.high, -e.low))} less per 1k than {NO_FALLBACK}"
    return f"Over the whole run {ALL} costs {more}."
