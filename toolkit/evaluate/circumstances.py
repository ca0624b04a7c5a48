"""What a replay under a scenario, or one whose requests share something, rests on: sentences."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluate.format import count, number, percent
from toolkit.evaluate.timeline import fault_spans
from toolkit.policy.model import ModelStep
from toolkit.schema import TIMESTAMP, ErrorType, Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay
    from toolkit.evaluate.timeline import Span
    from toolkit.policy.model import Policy

MOST_FAULTS = 5
"""So many faults are told one by one."""


def circumstances(replay: Replay) -> list[str]:
    """Sentences, the most weighty first; none for a replay of independent requests."""
    if replay.scenario is None and not replay.stateful:
        return []
    lines = []
    if replay.scenario is not None:
        lines.append(_faults(replay))
    lines += [_arrivals(replay), *_drawn(replay)]
    lines.append(
        "Latencies are the log's, measured under the load of that time: here load makes a model "
        "slower only where the scenario has an overload."
    )
    return [*lines, *_shared(replay.policy), *_cached(replay), *_given_up(replay)]


def _faults(replay: Replay) -> str:
    assert replay.scenario is not None
    told = [_told(span) for span in fault_spans(replay)]
    if not told:
        return f"The scenario {replay.scenario.scenario} has no faults."
    rest = len(told) - MOST_FAULTS
    text = "; ".join(told[:MOST_FAULTS]) + (f"; and {rest} more" if rest > 0 else "")
    return f"The faults of {replay.scenario.scenario} are injected, not observed: {text}."


def _told(span: Span) -> str:
    where = f" on {', '.join(span.models)}" if span.models else ""
    if not span.models and "traffic" not in span.label:
        where = ", which hits no model of the policy"
    until = f" to {number(span.end_s)} s" if np.isfinite(span.end_s) else " s to the end"
    return f"{span.label}{where} from {number(span.start_s)}{until}"


def _arrivals(replay: Replay) -> str:
    stated = replay.scenario.arrivals if replay.scenario else None
    if stated is not None and stated.trace is not None:
        return f"Arrivals are those of a trace, {PurePath(stated.trace).name}, not of the log."
    if stated is not None and stated.per_s is not None:
        how = "evenly spaced" if stated.pattern == "even" else "independent of each other"
        return f"Arrivals are assumed: {number(stated.per_s)} a second, {how}."
    requests = replay.dataset.requests
    if TIMESTAMP in requests.column_names and requests[TIMESTAMP].null_count < requests.num_rows:
        return "Requests arrive at the log's own times."
    return "The log has no timestamps: one request a second is assumed, in the order of the log."


def _drawn(replay: Replay) -> list[str]:
    if not replay.arrivals.drawn:
        return []
    rows = replay.arrivals.row
    text = f"{count(len(np.unique(rows)))} requests of the log were drawn, with repeats, to fill "
    return [f"{text}{count(len(rows))} arrivals; intervals treat repeats as one."]


def _shared(policy: Policy) -> list[str]:
    """Which rules of ours all requests share."""
    steps = [step for chain in policy.chains.values() for step in chain.steps]
    there = {
        "breakers": any(model.breaker for model in policy.models.values()),
        "limits": any(model.limits for model in policy.models.values()),
        "hedges": any(isinstance(step, ModelStep) and step.hedge for step in steps),
        "the retry budget": policy.retry_budget is not None,
        "the cache": policy.cache is not None,
        "shedding": policy.shedding is not None,
        "the daily budget": policy.daily_cost_usd is not None,
    }
    words = [word for word, used in there.items() if used]
    if not words:
        return []
    text = " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    text = f"{text[0].upper()}{text[1:]} act as the policy states, in one process for all requests"
    if there["limits"]:
        text += "; what the provider allows is in no log"
    return [f"{text}."]


def _cached(replay: Replay) -> list[str]:
    seen = int((replay.status != Status.UNOBSERVED).sum())
    hits = int(replay.cached.sum())
    if not hits or replay.policy.cache is None:
        return []
    stale = int((replay.cached & (replay.status == Status.DEGRADED)).sum())
    text = f"{percent(hits / seen)} of requests were answered from the cache"
    text += f", {percent(stale / seen)} with what was stale. " if stale else ". "
    text += "Such an answer is as good as the one that was kept; where both requests have a "
    text += "reference answer, only if these are equal"
    text += ", and unknown for similar prompts without." if _semantic(replay.policy) else "."
    lines = [text]
    unknown = int((replay.cached & np.isnan(replay.quality)).sum())
    if unknown:
        lines.append(f"Of {percent(unknown / hits)} of the cached answers the quality is unknown.")
    if replay.arrivals.drawn:
        lines.append(
            "How often the cache hits follows from the drawing of requests, which makes repeats: "
            "real traffic repeats itself otherwise."
        )
    return lines


def _semantic(policy: Policy) -> bool:
    return policy.cache is not None and policy.cache.kind == "semantic"


def _given_up(replay: Replay) -> list[str]:
    errors = replay.attempt_table.column("error").to_numpy()
    if not (errors == ErrorType.CANCELLED).any():
        return []
    return ["A hedged call that was given up is billed like one that timed out."]
