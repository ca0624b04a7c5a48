"""What a replay under a scenario, or one whose requests share something, rests on: sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluate.format import count, percent
from toolkit.evaluate.timeline import fault_spans
from toolkit.policy.steps import ModelStep
from toolkit.scenarios.words import arrivals_in_words, fault_in_words
from toolkit.schema import TIMESTAMP, ErrorType, Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay
    from toolkit.policy.model import Policy

MOST_FAULTS = 5
"""So many faults are told one by one."""


def circumstances(replay: Replay) -> list[str]:
    """Sentences, the most weighty first; none for a replay of independent requests."""
    if replay.scenario is None and not replay.stateful:
        return []
    lines = [*_faults(replay), _arrivals(replay), *_drawn(replay)]
    lines.append(
        "Latencies are the log's, measured under the load of that time: here load makes a model "
        "slower only where the scenario has an overload."
    )
    return [*lines, *_shared(replay.policy), *_cached(replay), *_given_up(replay)]


def _faults(replay: Replay) -> list[str]:
    scenario = replay.scenario
    if scenario is None:
        return []
    if not scenario.faults:
        return [f"The scenario {scenario.scenario} has no faults."]
    told = [
        fault_in_words(fault).rstrip(".") + ("" if fault.spike else f": {_names(span.models)}")
        for fault, span in zip(scenario.faults, fault_spans(replay), strict=True)
    ]
    rest = len(told) - MOST_FAULTS
    text = ". ".join(told[:MOST_FAULTS]) + (f". And {rest} more" if rest > 0 else "")
    return [f"The faults of {scenario.scenario} are injected, not observed. {text}."]


def _names(models: Sequence[str]) -> str:
    return ", ".join(models) or "none of this policy"


def _arrivals(replay: Replay) -> str:
    stated = replay.scenario.arrivals if replay.scenario else None
    if stated is not None:
        return arrivals_in_words(stated)
    requests = replay.dataset.requests
    if TIMESTAMP in requests.column_names and requests[TIMESTAMP].null_count < requests.num_rows:
        return arrivals_in_words(None)
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
